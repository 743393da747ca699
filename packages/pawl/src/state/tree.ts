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
import { decodeStored, encodeNew } from "./codec.ts";
import { copyOfView } from "./copies.ts";
import { Delta } from "./delta.ts";
import { EntriesNode } from "./entries.ts";
import { entriesHandle, wasBypassed } from "./entries-handle.ts";
import type { Head } from "./head.ts";
import { UNTOUCHED } from "./history.ts";
import { Leaf } from "./leaf.ts";
import { ObjectNode } from "./object.ts";
import type { Place, Traits } from "./place.ts";
import { nodeOf, OWNED, placeOf, StateNode, segmentText } from "./place.ts";
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
  /** Parts that take so many bytes are decoded when somebody looks at them. Default 4 KiB. */
  readonly leaveFrom?: number;
}

const DEFAULT_MAX_VALUE_BYTES = 16 * 1024 * 1024;

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
  /** Rises whenever what a place of the draft shows may have changed, and when the draft ends. */
  turns = 0;
  #isBehind = false;
  #isClosed = false;
  /** True once the past that it sees is not kept any longer. */
  isLost = false;
  /** True once something of that past was asked for. */
  missed = false;
  /** True once so much was read that the root counts as read. */
  wide = false;
  /** The root, once the draft has replaced it. */
  replaced: { root: unknown } | undefined;
  /** The enumeration that was begun last: its keys are asked for one by one, and so many have been. */
  listing: { readonly node: ObjectNode; readonly keys: readonly string[]; asked: number } | undefined;
  /** The node of the pin's root, which knows what was read. */
  pinnedRoot: StateNode | undefined;
  #rootPlace: StateNode | Leaf | undefined;
  /** Values that this draft has put somewhere. */
  #fresh = new Set<object>();
  #containersRead = 0;
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
    return this.#isBehind;
  }

  fallBehind(): void {
    this.#isBehind = true;
    this.turns += 1;
  }

  /** True once the draft takes no more reads and writes. */
  get closed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    this.turns += 1;
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
    const known = this.#rootPlace;
    if (known?.base === root) return known;
    const place = this.make(undefined, "", this.replaced === undefined ? 0 : OWNED, root);
    this.#rootPlace = place;
    if (place instanceof StateNode && !place.owned) this.pinnedRoot = place;
    return place;
  }

  /** Puts a captured value in the place of the root. */
  replaceRoot(raw: unknown, maxBytes?: number): void {
    this.delta.setRoot(raw, maxBytes);
    this.turns += 1;
    this.#rootPlace?.leave();
    this.#rootPlace = undefined;
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
      parent.renameKey(unit.base, encodeNew(copyOfView(unit), this.delta.maxValueBytes, unit.depth));
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
    head.advance(seq);
  }

  /** A new place for a value that was not handed out. It is the draft's own if what it is in is, or if it was put there. */
  make(parent: StateNode | undefined, key: unknown, traits: Traits, raw: object): StateNode | Leaf {
    const isOwned = parent !== undefined && (parent.owned || (this.#fresh.size > 0 && this.#fresh.has(raw)));
    const all = isOwned ? traits | OWNED : traits;
    if (Array.isArray(raw)) return new ArrayNode(this, parent, key, all, raw as unknown[], arrayProxy);
    const prototype = Object.getPrototypeOf(raw) as object | null;
    if (prototype === Object.prototype || prototype === null)
      return new ObjectNode(this, parent, key, all, raw as Record<string, unknown>);
    if (raw instanceof Map || raw instanceof Set) {
      const entries = new EntriesNode(this, parent, key, all, raw, entriesHandle);
      this.#entries.push(entries);
      return entries;
    }
    const leaf = new Leaf(this, parent, key, all, raw);
    this.leaves.push(leaf);
    return leaf;
  }

  /** The place of a value in a slot of a container, or of the root, if it was handed out. */
  placeIn(parent: StateNode | undefined, raw: unknown): Place | undefined {
    if (typeof raw !== "object" || raw === null) return undefined;
    if (parent !== undefined) return parent.childOf(raw);
    return this.#rootPlace?.base === raw ? this.#rootPlace : undefined;
  }

  /** Another place stands for a value, or for a copy of it, from now on. */
  succeed(old: StateNode, next: StateNode): void {
    if (this.#rootPlace === old) this.#rootPlace = next;
    if (old.base !== next.base) this.#fresh.add(next.base);
  }

  /** Whether `value` is what a slot with the raw value `old` holds already. */
  holds(old: unknown, value: unknown): boolean {
    if (typeof value !== "object" || value === null) return Object.is(old, value) && typeof value !== "symbol";
    if (typeof old !== "object" || old === null) return false;
    const place = placeOf(value);
    return place !== undefined && place.base === old && place.tree === this && !place.gone;
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

  /** A leaf was written back: its slot holds another value now. */
  moved(leaf: Leaf, to: object): void {
    leaf.parent?.renamed(leaf);
    this.own(to);
  }

  /** A plain, detached copy of what a slot holds, own writes included; counts as reading all of it. */
  copyOut(parent: StateNode, key: unknown, raw: object): unknown {
    const place = parent.child(key, raw);
    return place instanceof StateNode ? this.copyNode(place) : (place as Leaf).copy();
  }

  /** A plain, detached copy of a container, own writes included; counts as reading all of it. */
  copyNode(node: StateNode): unknown {
    node.sawSubtree();
    return copyOfView(node);
  }

  /** True while the mirror's values are exactly what this draft sees. */
  get pristine(): boolean {
    return this.atHead && this.dirty.length === 0 && this.leaves.length === 0 && this.replaced === undefined;
  }

  /** True while what the draft has not touched is in the mirror as it is. */
  get atHead(): boolean {
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
    this.close();
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
    this.close();
    this.#rootPlace = undefined;
    this.#fresh = new Set();
    this.dirty.length = 0;
    this.leaves.length = 0;
    this.#entries.length = 0;
    this.#changedUnits.clear();
  }
}

// Lets values hold parts of state: each is stored as a copy of what it is at that moment.
setUnwrap((proxy) => {
  const node = nodeOf(proxy);
  if (node === undefined) return undefined;
  node.readable();
  node.sawSubtree();
  return { found: true, value: node.tree.pristine && !node.tree.head.isPartial ? node.base : node.tree.copyNode(node) };
});

/** A value that is stored as it is and needs no copy. */
function isPlainPrimitive(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === "number" || typeof value === "string" || typeof value === "boolean";
}
