/**
 * Maps and Sets of the state: one draft's view of one container.
 *
 * Owns the patch: values set in place, entries removed, entries added at the end. An entry is known by its key as the mirror
 * has it; a key that is an object is known by identity, and found again only through what the state handed out for it. One law:
 * operations are written before the view changes.
 */
import type { ByteWriter } from "../values/bytes.ts";
import { encodeStored } from "./codec.ts";
import { copyOfKey } from "./copies.ts";
import { writeEntry, writeKey } from "./delta.ts";
import type { Entries } from "./graves.ts";
import type { Head } from "./head.ts";
import { ABSENT, UNTOUCHED } from "./history.ts";
import { KeyNames } from "./key-names.ts";
import type { Place, Traits } from "./place.ts";
import { IS_KEY, placeOf, StateNode } from "./place.ts";
import type { DraftTree } from "./tree.ts";
import { entryOf } from "./unread.ts";

/** Stands for a key that no entry can have: an object that the state did not hand out. */
const UNKNOWN: unique symbol = Symbol("unknown");

/** One draft's view of a Map or a Set. */
export class EntriesNode extends StateNode {
  readonly handle: object;
  readonly base: Entries;
  readonly isSet: boolean;
  /** Values that were set in the place of others. */
  #over: Map<unknown, unknown> | undefined;
  /** Entries after those of the pin. */
  #added: Map<unknown, unknown> | undefined;
  /** Keys of the pin that were removed: they stay removed if they are added again. */
  #removed: Set<unknown> | undefined;
  /** Nothing of the pin is left. */
  #cleared = false;
  #dirty = false;
  #names: KeyNames | undefined;

  constructor(
    tree: DraftTree,
    parent: StateNode | undefined,
    key: unknown,
    traits: Traits,
    base: Entries,
    handle: (node: EntriesNode) => object,
  ) {
    super(tree, parent, key, traits);
    this.base = base;
    this.isSet = base instanceof Set;
    this.handle = handle(this);
  }

  /** The number of entries. Records nothing. */
  get size(): number {
    if (this.owned) return this.base.size;
    const added = this.#added?.size ?? 0;
    return this.#cleared ? added : this.#pinnedSize() - (this.#removed?.size ?? 0) + added;
  }

  /** Whether there is an entry with a key that user code gives. */
  has(given: unknown): boolean {
    const key = this.#known(given);
    if (key === UNKNOWN) return false;
    this.#saw(key);
    return this.slot(key) !== ABSENT;
  }

  /** The value user code sees under a key that it gives. */
  read(given: unknown): unknown {
    const key = this.#known(given);
    if (key === UNKNOWN) return undefined;
    const raw = this.slot(key);
    if (raw === ABSENT) this.#saw(key);
    return raw === ABSENT ? undefined : this.view(key, raw);
  }

  /** What user code sees for a raw value under a raw key. */
  view(key: unknown, raw: unknown): unknown {
    if (typeof raw === "object" && raw !== null) return this.childHandle(key, raw);
    this.#saw(key);
    return raw;
  }

  /** What user code sees for a raw key. */
  keyView(key: unknown): unknown {
    return typeof key === "object" && key !== null ? this.child(key, key, IS_KEY).handle : key;
  }

  /** The raw value under a raw key, or `ABSENT`; of a member of a Set, `undefined`. Records nothing. */
  slot(key: unknown): unknown {
    if (this.owned) return this.#held(key);
    const added = this.#added;
    if (added?.has(key) === true) return added.get(key);
    if (this.#cleared || this.#removed?.has(key) === true) return ABSENT;
    const over = this.#over;
    return over?.has(key) === true ? over.get(key) : this.#pinned(key);
  }

  /** Sets the value under a key that user code gives; changes nothing if either is refused. */
  write(given: unknown, value: unknown): void {
    const { tree } = this;
    const key = this.#known(given);
    if (key === UNKNOWN) {
      const raw = tree.capture(given, this, NEW_KEY) as object;
      const captured = tree.capture(value, this, raw);
      tree.delta.setNew(this, raw, captured);
      this.#names?.add(raw, encodeStored(raw));
      this.#append(raw, captured);
      return;
    }
    const old = this.slot(key);
    if (old !== ABSENT && tree.holds(old, value)) this.#saw(key);
    else tree.assign(this, key, old, value);
  }

  /** Sets the value under a raw key to a captured one. */
  put(key: unknown, raw: unknown): void {
    const { tree } = this;
    const old = this.slot(key);
    tree.delta.set(this, key, raw);
    if (old !== ABSENT) this.detach(old);
    this.replace(key, raw);
  }

  /** Adds a member to a Set; changes nothing if it is refused. */
  add(given: unknown): void {
    const { tree } = this;
    const known = this.#known(given);
    if (known !== UNKNOWN && this.slot(known) !== ABSENT) {
      this.#saw(known);
      return;
    }
    const member = known === UNKNOWN ? tree.capture(given, this, NEW_KEY) : known;
    tree.delta.add(this, member);
    if (known === UNKNOWN) this.#names?.add(member as object, encodeStored(member));
    this.#append(member, undefined);
  }

  /** Removes the entry with a key that user code gives; says whether there was one. */
  remove(given: unknown): boolean {
    const { tree } = this;
    const key = this.#known(given);
    if (key === UNKNOWN) return false;
    const old = this.slot(key);
    if (old === ABSENT) {
      this.#saw(key);
      return false;
    }
    tree.delta.remove(this, key);
    this.detach(old);
    this.detach(key);
    if (typeof key === "object" && key !== null) this.#names?.remove(key);
    if (this.owned) {
      this.base.delete(key);
      return true;
    }
    this.#edit();
    if (this.#added?.delete(key) === true) return true;
    this.#over?.delete(key);
    this.#removed ??= new Set();
    this.#removed.add(key);
    return true;
  }

  /** Removes every entry. */
  clear(): void {
    const { tree } = this;
    this.sawShape();
    if (this.size === 0) return;
    tree.emptied(this);
    for (const child of this.children ?? []) child.leave();
    this.#names = undefined;
    if (this.owned) {
      this.base.clear();
      return;
    }
    this.#edit();
    this.#cleared = true;
    this.#over = undefined;
    this.#removed = undefined;
    this.#added?.clear(); // the same one: an iteration in progress goes on with what is added later
  }

  /** The raw keys in their order, live: what is added meanwhile comes last, what is removed does not come. */
  *walk(): Generator<unknown, void> {
    if (this.owned) {
      yield* this.base.keys();
      return;
    }
    if (!this.#cleared) {
      for (const key of this.#pinnedKeys()) {
        if (this.#cleared) break;
        if (this.#removed?.has(key) !== true) yield key;
      }
    }
    this.#added ??= new Map();
    yield* this.#added.keys();
  }

  locate(child: Place): unknown {
    return child.key;
  }

  replace(key: unknown, raw: unknown): void {
    if (this.owned || this.#added?.has(key) === true || this.slot(key) === ABSENT) {
      this.#append(key, raw);
      return;
    }
    this.#edit();
    this.#over ??= new Map();
    this.#over.set(key, raw);
  }

  slotText(key: unknown): string {
    if (key === NEW_KEY) return this.isSet ? `.values()[${this.size}]` : `.keys()[${this.size}]`;
    if (typeof key === "object" && key !== null) return this.isSet ? ".values()[…]" : ".get(…)";
    const text = typeof key === "string" ? JSON.stringify(key) : typeof key === "bigint" ? `${key}n` : String(key);
    return this.isSet ? `.values()[${text}]` : `.get(${text})`;
  }

  writeSlot(out: ByteWriter, key: unknown): void {
    if (typeof key !== "object" || key === null) {
      writeKey(out, key);
      return;
    }
    const { bytes, rank } = this.named().of(key);
    writeEntry(out, bytes, rank);
  }

  /** The names of keys that are objects. To be asked for before anything in one of them changes. */
  named(): KeyNames {
    if (this.#names !== undefined) return this.#names;
    const names = new KeyNames();
    for (const key of this.walk()) {
      if (typeof key === "object" && key !== null) names.add(key, encodeStored(copyOfKey(this, key)));
    }
    this.#names = names;
    return names;
  }

  /** Writes what a key that is an object has become. */
  renameKey(key: object, bytes: Uint8Array): void {
    const names = this.named();
    this.tree.delta.rename(this, key, bytes);
    names.rename(key, bytes, this.walk());
  }

  /** Applies the patch to the mirror as change `seq`. */
  commit(head: Head, seq: number, newestPin: number): void {
    const { base } = this;
    if (newestPin >= 0) this.#keep(head, seq, newestPin);
    if (this.#cleared) this.#clearBase(head, seq, newestPin);
    for (const key of this.#removed ?? []) {
      if (newestPin < 0) base.delete(key);
      else if (base.has(key)) head.graves.bury(base, key, seq);
    }
    for (const [key, raw] of this.#over ?? []) hold(base, key, raw);
    for (const [key, raw] of this.#added ?? []) {
      if (head.graves.has(base, key)) {
        head.history.keepKeys(base, () => [...base.keys()], seq, newestPin);
        head.graves.exhume(base, key);
      }
      hold(base, key, raw);
    }
  }

  /** Keeps what older pins still read of the slots that the patch changes. */
  #keep({ history, graves }: Head, seq: number, newestPin: number): void {
    const { base } = this;
    const now = (key: unknown): unknown => (graves.has(base, key) ? ABSENT : this.#held(key));
    const keep = (key: unknown): void => history.keepSlot(base, key, now(key), seq, newestPin);
    history.keepLength(base, base.size - graves.count(base), seq, newestPin);
    for (const keys of [this.#removed, this.#over?.keys(), this.#added?.keys()])
      for (const key of keys ?? []) keep(key);
  }

  #clearBase({ history, graves }: Head, seq: number, newestPin: number): void {
    const { base } = this;
    for (const key of [...base.keys()]) {
      if (graves.has(base, key)) continue;
      if (newestPin < 0) base.delete(key);
      else {
        history.keepSlot(base, key, this.#held(key), seq, newestPin);
        graves.bury(base, key, seq);
      }
    }
  }

  *#pinnedKeys(): Generator<unknown, void> {
    const { base, tree } = this;
    let last: unknown = UNKNOWN;
    for (const key of base.keys()) {
      const order = tree.behind ? tree.head.history.orderAt(base, tree.pin) : undefined;
      if (order !== undefined) {
        const rest = last === UNKNOWN ? order : order.slice(order.indexOf(last) + 1);
        for (const one of rest) if (this.#pinned(one) !== ABSENT) yield one;
        return;
      }
      if (this.#pinned(key) === ABSENT) continue;
      last = key;
      yield key;
    }
  }

  #pinnedSize(): number {
    const { base, tree } = this;
    const now = base.size - tree.head.graves.count(base);
    return tree.behind ? tree.head.history.sizeAt(base, tree.pin, now) : now;
  }

  #pinned(key: unknown): unknown {
    const { base, tree } = this;
    if (tree.behind) {
      const past = tree.head.history.keyAt(base, key, tree.pin);
      if (past !== UNTOUCHED) return past;
    }
    return tree.head.graves.has(base, key) ? ABSENT : this.#held(key);
  }

  #held(key: unknown): unknown {
    const { base } = this;
    if (base instanceof Map) {
      const raw = entryOf(base, key);
      return raw === undefined && !base.has(key) ? ABSENT : raw;
    }
    return base.has(key) ? undefined : ABSENT;
  }

  /** The key as the mirror has it. */
  #known(given: unknown): unknown {
    if (given === 0) return 0; // as a Map does: -0 is the key 0
    if (typeof given !== "object" || given === null) {
      return typeof given === "function" || typeof given === "symbol" ? UNKNOWN : given;
    }
    const place = placeOf(given);
    return place?.parent === this && place.isKey && !place.gone ? place.base : UNKNOWN;
  }

  #append(key: unknown, raw: unknown): void {
    if (this.owned) {
      hold(this.base, key, raw);
      return;
    }
    this.#edit();
    this.#added ??= new Map();
    this.#added.set(key, raw);
  }

  #saw(key: unknown): void {
    if (!this.tracking || this.#cleared || this.#added?.has(key) === true) return;
    if (this.#over?.has(key) === true || this.#removed?.has(key) === true) return;
    if (typeof key === "object" && key !== null)
      this.sawSubtree(); // its name is too coarse to be a place of its own
    else this.sawSlot(key);
  }

  #edit(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.tree.dirty.push(this);
  }
}

/** The slot of a key that is about to be added, for messages. */
const NEW_KEY: unique symbol = Symbol("a new key");

function hold(entries: Entries, key: unknown, raw: unknown): void {
  if (entries instanceof Map) entries.set(key, raw);
  else entries.add(key);
}
