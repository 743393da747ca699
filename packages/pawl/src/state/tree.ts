/**
 * The tree of one draft: every place that was handed out, and what all of them share.
 *
 * Owns identity (one handle per value), capture by value, ownership and detachment. One law: a value of the mirror is never
 * handed out, and nothing that user code holds ever becomes part of it.
 */
import { setUnwrap } from "../values/encoder.ts";
import { ValueError } from "../values/error.ts";
import { ArrayNode } from "./array.ts";
import { arrayProxy } from "./array-proxy.ts";
import { copyStored, decodeStored, encodeNew } from "./codec.ts";
import { Delta } from "./delta.ts";
import { EntriesNode } from "./entries.ts";
import { entriesHandle, wasBypassed } from "./entries-handle.ts";
import type { Head } from "./head.ts";
import { ABSENT, UNTOUCHED } from "./history.ts";
import { Leaf } from "./leaf.ts";
import { ObjectNode } from "./object.ts";
import type { Place } from "./place.ts";
import { nodeOf, StateNode, segmentText } from "./place.ts";
import { planAssignment } from "./rebuild.ts";

/** Containers read before the whole root counts as read (part of the isolation contract). */
const ROOT_AFTER = 1024;
/** A hole takes at least this many bytes once it is encoded. */
const HOLE_BYTES = 4;

/** Why a place cannot be used: its attempt has ended, another value has taken its slot, or its version is not kept any longer. */
export type Staleness = "ended" | "detached" | "overtaken";

/** Whoever has opened a draft. */
export interface DraftListener {
  /** Other drafts were committed after its pin, or its past is not kept any longer. */
  readonly overtaken: () => void;
  /** Makes the error for a write, if this draft may only read. */
  readonly readOnly: (() => Error) | undefined;
}

/** What a draft is told by its owner. */
export interface StateOptions {
  /** Makes the error for the use of a place that is no longer part of an open draft. `what` is its path: `state.items[3]`. */
  readonly stale: (what: string, why: Staleness) => Error;
  /** Makes the error for a value that cannot be part of the state; without it, the codec's own `ValueError` is thrown. */
  readonly refused?: (error: ValueError) => Error;
  /** What user code calls the root; begins every path. Default `state`. */
  readonly name?: string;
  /** Limit for one value that is put into the state, encoded. Default 16 MiB. */
  readonly maxValueBytes?: number;
}

const DEFAULT_MAX_VALUE_BYTES = 16 * 1024 * 1024;

/** What a new place is. */
export interface Traits {
  readonly owned: boolean;
  /** Whether it is the key of its slot, and not the value. */
  readonly isKey: boolean;
}

/** The touched part of one draft. */
export class DraftTree {
  readonly name: string;
  readonly head: Head;
  /** The change that this draft sees, and none after it. */
  readonly pin: number;
  readonly delta: Delta;
  /** Containers of the mirror that have a patch. */
  readonly dirty: (ObjectNode | ArrayNode | EntriesNode)[] = [];
  readonly leaves: Leaf[] = [];
  readonly #entries: EntriesNode[] = [];
  /** Keys of Maps and members of Sets in which something was changed since the delta was last asked for. */
  #changedUnits = new Set<StateNode>();
  /** True once the draft takes no more reads and writes. */
  closed = false;
  /** True once the past that it sees is not kept any longer. */
  isLost = false;
  /** True once something of that past was asked for. */
  missed = false;
  /** True once so much was read that the root counts as read. */
  wide = false;
  /** The root, once the draft has replaced it. */
  replaced: { root: unknown } | undefined;
  /** The node of the pin's root, which knows what was read. */
  pinnedRoot: StateNode | undefined;
  #known = new Map<object, StateNode | Leaf>();
  /** Places that a scan has made, which nobody has looked for yet. */
  #unlisted: (StateNode | Leaf)[] = [];
  #fresh = new Set<object>();
  #containersRead = 0;
  #leavesAsWritten = false;
  readonly #options: StateOptions;

  /** Makes the error for a write, if the draft may only read. */
  readonly readOnly: (() => Error) | undefined;
  readonly #listener: DraftListener | undefined;

  constructor(head: Head, options: StateOptions, listener?: DraftListener) {
    this.head = head;
    this.#listener = listener;
    this.readOnly = listener?.readOnly;
    this.pin = head.seq;
    this.#options = options;
    this.name = options.name ?? "state";
    this.delta = new Delta(options.maxValueBytes ?? DEFAULT_MAX_VALUE_BYTES);
  }

  /** True once other drafts were applied after the pin: then the undo lists must be asked. */
  get behind(): boolean {
    return this.head.seq !== this.pin;
  }

  /** The raw root. */
  get root(): unknown {
    if (this.replaced !== undefined) return this.replaced.root;
    const { holder, history } = this.head;
    if (!this.behind) return holder.root;
    const past = history.keyAt(holder, "root", this.pin);
    return past === UNTOUCHED ? holder.root : past;
  }

  /** The place of the root, if it is a container or a leaf. */
  rootPlace(): StateNode | Leaf | undefined {
    const { root } = this;
    if (typeof root !== "object" || root === null) return undefined;
    const place = this.place(undefined, "", root);
    if (place instanceof StateNode && !place.owned) this.pinnedRoot = place;
    return place;
  }

  /** Puts a captured value in the place of the root. */
  replaceRoot(raw: unknown, maxBytes?: number): void {
    const old = this.root;
    this.delta.setRoot(raw, maxBytes);
    this.detach(old);
    this.replaced = { root: raw };
  }

  /** Writes what is written only now: leaves that user code has changed, and keys of Maps and members of Sets. */
  flush(): void {
    for (const leaf of this.leaves) leaf.flush();
    for (const node of this.#entries) {
      if (!node.gone && wasBypassed(node)) throw this.refused(node, "", "a Map or Set written past its own methods");
    }
    for (const unit of this.#changedUnits) {
      if (!unit.gone) this.#writeUnit(unit, unit.parent as EntriesNode);
    }
    this.#changedUnits.clear();
  }

  #writeUnit(unit: StateNode, parent: EntriesNode): void {
    try {
      parent.renameKey(unit.base, encodeNew(this.#copied(unit), this.delta.maxValueBytes, unit.depth));
    } catch (error) {
      throw this.located(error, unit);
    }
  }

  /** Something in a key of a Map or a member of a Set is about to change. */
  changedUnit(unit: Place): void {
    if (!(unit instanceof StateNode))
      throw this.refused(
        unit.parent as StateNode,
        "",
        `a changed key of a Map or member of a Set that is no plain object, array, Map or Set: delete it, and add it again,`,
      );
    (unit.parent as EntriesNode).named();
    this.#changedUnits.add(unit);
  }

  /** A Map or Set is about to be emptied. */
  emptied(node: EntriesNode): void {
    const empty = node.isSet ? new Set() : new Map();
    if (node.unit !== undefined) this.changedUnit(node.unit);
    else if (node.parent === undefined) this.delta.setRoot(empty);
    else this.delta.set(node.parent, node.parent.locate(node), empty);
  }

  /** Puts a value that user code gives into a slot that does not hold it; changes nothing if it is refused. */
  assign(parent: ObjectNode | ArrayNode | EntriesNode, key: unknown, old: unknown, value: unknown): void {
    const plan = planAssignment(this, parent, old, value);
    if (plan === undefined) parent.put(key as never, this.capture(value, parent, key));
    else plan();
  }

  /** Replaces the root by a value that user code gives; changes nothing if it is refused. */
  assignRoot(value: unknown): void {
    if (this.holds(this.root, value)) return;
    const plan = planAssignment(this, undefined, this.root, value);
    if (plan === undefined) this.replaceRoot(this.capture(value, undefined, ""));
    else plan();
  }

  /** Makes the head what this draft sees, as change `seq`. The draft's own pin has been released. */
  apply(seq: number): void {
    if (!this.delta.wrote) return;
    const { head, replaced } = this;
    const { holder, history } = head;
    const newestPin = head.newestPin();
    if (replaced !== undefined) {
      if (newestPin >= 0) history.keepSlot(holder, "root", holder.root, seq, newestPin);
      holder.root = replaced.root;
    }
    for (const node of this.dirty) if (!node.gone) node.commit(head, seq, newestPin);
    head.seq = seq;
  }

  /** What user code holds for a container or leaf in a slot of `parent`: the same for every read. */
  handle(parent: StateNode | undefined, key: unknown, raw: object): object {
    const known = parent?.gone === true ? this.#placeIn(parent, raw) : this.#places.get(raw);
    if (known === undefined) return this.place(parent, key, raw).handle;
    known.key = key;
    return known.handle;
  }

  /** As `handle`, of a raw value that is known not to have been handed out. */
  firstHandle(parent: StateNode, key: unknown, raw: object): object {
    const owned = parent.owned || this.#fresh.has(raw);
    const place = this.#made(parent, key, { owned, isKey: false }, raw);
    this.#unlisted.push(place);
    return place.handle;
  }

  /** Every place by its raw value. */
  get #places(): Map<object, StateNode | Leaf> {
    if (this.#unlisted.length > 0) {
      for (const place of this.#unlisted) this.#known.set(place.base, place);
      this.#unlisted = [];
    }
    return this.#known;
  }

  /** What user code holds for a key of a Map, or member of a Set, that is an object. */
  keyHandle(parent: EntriesNode, key: object): object {
    return this.place(parent, key, key, true).handle;
  }

  /** The place of a container or leaf in a slot of `parent`; `isKey`: that is the slot's key itself. */
  place(parent: StateNode | undefined, key: unknown, raw: object, isKey = false): StateNode | Leaf {
    const known = this.#places.get(raw);
    if (known !== undefined) return known;
    const owned = parent === undefined ? this.replaced !== undefined : parent.owned || this.#fresh.has(raw);
    const place = this.#made(parent, key, { owned, isKey }, raw);
    this.#places.set(raw, place);
    return place;
  }

  #placeIn(parent: StateNode, raw: object): StateNode | Leaf | undefined {
    return (parent.pastOf(raw) as StateNode | Leaf | undefined) ?? this.#places.get(raw);
  }

  /** The place of a raw value, if it was handed out. */
  placeOfRaw(raw: unknown): StateNode | Leaf | undefined {
    return typeof raw === "object" && raw !== null ? this.#places.get(raw) : undefined;
  }

  /** Another place stands for a raw value, or for a copy of it, from now on. */
  succeed(raw: object, place: StateNode): void {
    this.#places.delete(raw);
    this.#places.set(place.base, place);
    if (raw !== place.base) this.#fresh.add(place.base);
  }

  /** Whether `value` is what a slot with the raw value `old` holds already. */
  holds(old: unknown, value: unknown): boolean {
    if (typeof value !== "object" || value === null) return Object.is(old, value) && typeof value !== "symbol";
    return typeof old === "object" && old !== null && this.#places.get(old)?.handle === value;
  }

  /** A validated copy of `value` for a slot of `parent`, or the root; a refused one is named with its whole path. */
  capture(value: unknown, parent: StateNode | undefined, key: unknown): unknown {
    if (isPlainPrimitive(value)) return value;
    try {
      const bytes = encodeNew(value, this.delta.maxValueBytes, parent === undefined ? 0 : parent.depth + 1);
      const raw = decodeStored(bytes);
      if (typeof raw === "object" && raw !== null) {
        this.#fresh.add(raw);
        this.delta.captured(raw, bytes);
      }
      return raw;
    } catch (error) {
      throw this.located(error, parent, key);
    }
  }

  /** The error of a refused value, naming the whole path to it. Without a key, `parent` itself is the place. */
  located(error: unknown, parent: StateNode | undefined, key?: unknown): unknown {
    if (!(error instanceof ValueError)) return error;
    const slot = parent === undefined || key === undefined ? "" : parent.slotText(key);
    const place = (parent?.describe() ?? this.name) + slot;
    return this.#refusal(new ValueError(error.code, { found: error.found, path: place + error.path }));
  }

  #refusal(error: ValueError): Error {
    return this.#options.refused?.(error) ?? error;
  }

  /** Makes a copy of a value this draft's own: nothing of the pin is read through it. */
  own(raw: object): void {
    this.#fresh.add(raw);
  }

  /** The error for a key or attribute that no stored value has. */
  refused(node: StateNode, key: string | number | symbol, found: string): Error {
    const slot = key === "" ? "" : segmentText(key);
    return this.#refusal(new ValueError("value_not_storable", { found, path: node.describe() + slot }));
  }

  /** Refuses holes that could never be stored, before they are made. */
  checkHoles(count: number, node: StateNode, key: number): void {
    if (count * HOLE_BYTES <= this.delta.maxValueBytes) return;
    throw this.#refusal(
      new ValueError("value_too_large", { found: `${count} holes`, path: node.describe() + segmentText(key) }),
    );
  }

  /** A value has lost its slot: what was handed out of it is stale from now on. */
  detach(raw: unknown): void {
    if (typeof raw !== "object" || raw === null) return;
    const place = this.#places.get(raw);
    if (place === undefined) return;
    this.#places.delete(raw);
    markGone(place);
  }

  /** A leaf was written back: its slot holds another value now. */
  moved(leaf: Leaf, from: object, to: object): void {
    this.#places.delete(from);
    this.#places.set(to, leaf);
    this.own(to);
  }

  /** A plain, detached copy of what a slot holds, own writes included; counts as reading all of it. */
  copyOut(parent: StateNode | undefined, key: unknown, raw: object): unknown {
    const place = this.place(parent, key, raw);
    return place instanceof Leaf ? place.copy() : this.copyNode(place);
  }

  /** A plain, detached copy of a container, own writes included; counts as reading all of it. */
  copyNode(node: StateNode): unknown {
    node.sawSubtree();
    if (this.pristine) return copyStored(node.base);
    return this.#copied(node);
  }

  /** True while the mirror's values are exactly what this draft sees. */
  get pristine(): boolean {
    return this.#atHead && this.dirty.length === 0 && this.leaves.length === 0 && this.replaced === undefined;
  }

  /** True while what the draft has not touched is in the mirror as it is. */
  get #atHead(): boolean {
    return !this.behind && this.head.graves.size === 0;
  }

  /** What `util.inspect` prints: it looks past proxies, and must not throw. */
  inspected(node: StateNode): unknown {
    if (node.gone && node.parent === undefined) return `[${node.describe()}: no longer part of the state]`;
    if (this.closed) return `[${node.describe()}: its attempt has ended]`;
    try {
      return this.copyNode(node);
    } catch (error) {
      return `[${node.describe()}: ${error instanceof Error ? error.message : "not readable"}]`;
    }
  }

  stale(what: string, why: Staleness): Error {
    if (!this.isLost) return this.#options.stale(what, why);
    this.missed = true;
    return this.#options.stale(what, "overtaken");
  }

  overtaken(): void {
    this.#listener?.overtaken();
  }

  lose(): void {
    // One that has settled reads nothing more: the engine judges it.
    if (this.closed) return;
    try {
      this.flush();
    } catch {
      // What cannot be stored is told to the attempt that comes after it.
    }
    this.isLost = true;
    this.closed = true;
    this.#listener?.overtaken();
  }

  /** Throws unless what it sees is still kept. */
  mayRead(): void {
    if (this.isLost) throw this.stale(this.name, "overtaken");
  }

  /** Throws if the draft may only read. */
  mayWrite(): void {
    if (this.readOnly !== undefined) throw this.readOnly();
  }

  /** Counts one more container that was read; says whether reads are still recorded one by one. */
  countRead(): boolean {
    this.#containersRead += 1;
    if (this.#containersRead > ROOT_AFTER) this.wide = true;
    return !this.wide;
  }

  /** Forgets everything at once. */
  clear(): void {
    this.closed = true;
    this.#known = new Map();
    this.#unlisted = [];
    this.#fresh = new Set();
    this.dirty.length = 0;
    this.leaves.length = 0;
    this.#entries.length = 0;
    this.#changedUnits.clear();
  }

  #made(parent: StateNode | undefined, key: unknown, traits: Traits, raw: object): StateNode | Leaf {
    if (Array.isArray(raw)) return new ArrayNode(this, parent, key, traits, raw as unknown[], arrayProxy);
    const prototype = Object.getPrototypeOf(raw) as object | null;
    if (prototype === Object.prototype || prototype === null)
      return new ObjectNode(this, parent, key, traits, raw as Record<string, unknown>);
    if (raw instanceof Map || raw instanceof Set) {
      const entries = new EntriesNode(this, parent, key, traits, raw, entriesHandle);
      this.#entries.push(entries);
      return entries;
    }
    const leaf = new Leaf(this, parent, key, traits, raw);
    this.leaves.push(leaf);
    return leaf;
  }

  /** A plain copy of a key of a Map or member of a Set, as the engine has it: without what was done to leaves since. */
  copyKey(parent: EntriesNode, key: object): unknown {
    this.#leavesAsWritten = true;
    try {
      return this.#copiedSlot(parent, key, key, true);
    } finally {
      this.#leavesAsWritten = false;
    }
  }

  #copied(node: StateNode): unknown {
    if (node instanceof ObjectNode) return this.#copiedObject(node);
    if (node instanceof EntriesNode) return this.#copiedEntries(node);
    return this.#copiedArray(node as ArrayNode);
  }

  #copiedEntries(node: EntriesNode): Map<unknown, unknown> | Set<unknown> {
    const keyOf = (key: unknown): unknown => this.#copiedSlot(node, key, key, true);
    if (node.isSet) {
      const set = new Set<unknown>();
      for (const key of node.walk()) set.add(keyOf(key));
      return set;
    }
    const map = new Map<unknown, unknown>();
    for (const key of node.walk()) map.set(keyOf(key), this.#copiedSlot(node, key, node.slot(key)));
    return map;
  }

  #copiedObject(node: ObjectNode): object {
    const copy = Object.create(node.prototype) as Record<string, unknown>;
    for (const key of node.keys()) {
      Object.defineProperty(copy, key, {
        value: this.#copiedSlot(node, key, node.slot(key)),
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
    return copy;
  }

  #copiedArray(node: ArrayNode): unknown[] {
    const copy: unknown[] = [];
    const { length } = node;
    for (let i = 0; i < length; i++) {
      const raw = node.slot(i);
      if (raw !== ABSENT) copy[i] = this.#copiedSlot(node, i, raw);
    }
    copy.length = length;
    return copy;
  }

  #copiedSlot(parent: StateNode, key: unknown, raw: unknown, isKey = false): unknown {
    if (typeof raw !== "object" || raw === null) return raw;
    const known = this.#placeIn(parent, raw);
    if (known === undefined && this.#atHead) return copyStored(raw);
    const place = known ?? this.place(parent, key, raw, isKey);
    if (!(place instanceof Leaf)) return this.#copied(place);
    return this.#leavesAsWritten ? copyStored(place.base) : place.copy();
  }
}

// Lets values hold parts of state: each is stored as a copy of what it is at that moment.
setUnwrap((proxy) => {
  const node = nodeOf(proxy);
  if (node === undefined) return undefined;
  node.readable();
  node.sawSubtree();
  return { found: true, value: node.tree.pristine ? node.base : node.tree.copyNode(node) };
});

function markGone(place: Place): void {
  place.gone = true;
  if (!(place instanceof StateNode)) return;
  for (const child of place.children ?? []) markGone(child);
}

/** A value that is stored as it is and needs no copy. */
function isPlainPrimitive(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === "number" || typeof value === "string" || typeof value === "boolean";
}
