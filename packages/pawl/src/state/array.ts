/**
 * Arrays of the state: one draft's view of one container.
 *
 * Owns the patch of an array in one of two forms. As long as elements keep their places: slots that were set and a length.
 * Once they have moved (`splice` before the end, `sort`, `reverse`): a copy of all slots, made once per attempt. One law:
 * operations are written before the view changes.
 */
import type { ByteWriter } from "../values/bytes.ts";
import { type Piece, writeIndex } from "./delta.ts";
import type { Head } from "./head.ts";
import { ABSENT, UNTOUCHED } from "./history.ts";
import type { Place } from "./place.ts";
import { StateNode } from "./place.ts";
import type { DraftTree, Traits } from "./tree.ts";

/** Beyond this, an undo list keeps one copy of an array that is cut short, not its slots one by one. */
const KEEP_ONE_BY_ONE = 64;
const MANY_ARGUMENTS = 1000;
/** The longest array there can be. */
export const MAX_LENGTH: number = 2 ** 32 - 1;

/** One draft's view of an array. */
export class ArrayNode extends StateNode {
  readonly handle: unknown[];
  readonly base: unknown[];
  /** Methods of arrays, bound to this one, as they were asked for. */
  methods: Map<string | symbol, unknown> | undefined;
  readonly #proxy: (node: ArrayNode) => unknown[];
  /** All slots, once elements have moved; from the start in an array of the draft's own, where it is `base` itself. */
  #slots: unknown[] | undefined;
  /** Slots that were set; `ABSENT` is a hole that was made. */
  #patch: Map<number, unknown> | undefined;
  /** The length, once the draft has changed it. */
  #length: number | undefined;
  /** The pin's slots from here on are gone, whatever the length is now. */
  #floor = Infinity;
  #dirty = false;
  /** Where the first iteration goes on, and how many places it has made; -1: an array that succeeds another one has none. */
  #scanned = 0;
  #scannedPlaces = 0;
  /** Counts changes of this array, so that a `sort` sees that its comparator made one. */
  edits = 0;

  constructor(
    tree: DraftTree,
    parent: StateNode | undefined,
    key: unknown,
    { owned, isKey }: Traits,
    base: unknown[],
    proxy: (node: ArrayNode) => unknown[],
  ) {
    super(tree, parent, key, owned, isKey);
    this.#proxy = proxy;
    this.base = base;
    if (owned) this.#slots = base;
    this.handle = proxy(this);
  }

  /** The length. Records nothing. */
  get length(): number {
    if (this.#slots !== undefined) return this.#slots.length;
    return this.#length ?? this.#pinnedLength();
  }

  /** The value user code sees at an index given as a property name; `undefined` if there is none. */
  read(key: string): unknown {
    let value: unknown;
    if (this.#slots !== undefined) {
      value = this.#slots[key as unknown as number];
    } else if (!this.#dirty && !this.tree.behind) {
      value = this.base[key as unknown as number];
    } else {
      const index = arrayIndex(key);
      const found = index < 0 ? ABSENT : this.slot(index);
      value = found === ABSENT ? undefined : found;
    }
    if (typeof value === "object" && value !== null) return this.tree.handle(this, Number(key), value);
    if (this.tracking) this.sawIndex(key);
    return value;
  }

  /** What an iterator finds at an index: the value that user code sees, or `ABSENT` behind the end. */
  iterated(index: number): unknown {
    let value: unknown;
    if (this.#slots === undefined && !this.#dirty && !this.tree.behind) {
      const { base } = this;
      if (index >= base.length) return ABSENT;
      value = base[index];
      if (index === this.#scanned && typeof value === "object" && value !== null && this.#isScan()) {
        this.#scanned = index + 1;
        this.#scannedPlaces += 1;
        return this.tree.firstHandle(this, index, value);
      }
      if (index === this.#scanned) this.#scanned = index + 1;
    } else {
      if (index >= this.length) return ABSENT;
      const found = this.slot(index);
      value = found === ABSENT ? undefined : found;
    }
    if (typeof value === "object" && value !== null) return this.tree.handle(this, index, value);
    if (this.tracking) this.sawIndex(String(index));
    return value;
  }

  /** Whether nothing was handed out of this array but by an iteration from its start: then what is behind that was not. */
  #isScan(): boolean {
    return !this.gone && (this.children?.length ?? 0) === this.#scannedPlaces;
  }

  /** The raw value at an index, or `ABSENT`. Records nothing. */
  slot(index: number): unknown {
    const slots = this.#slots;
    if (slots !== undefined) return index in slots ? slots[index] : ABSENT;
    const patch = this.#patch;
    if (patch !== undefined) {
      const own = patch.get(index);
      if (own !== undefined || patch.has(index)) return own;
    }
    return index >= this.#floor ? ABSENT : this.#pinned(index);
  }

  /** An index was read: recorded unless the draft itself set it. */
  sawIndex(key: string): void {
    if (this.tracking && (!this.#dirty || this.#patch?.has(Number(key)) !== true)) this.sawSlot(key);
  }

  /** Sets a slot to a copy of `value`; changes nothing if it is refused. */
  write(index: number, value: unknown): void {
    const { tree } = this;
    const old = this.slot(index);
    if (tree.holds(old, value)) {
      this.sawIndex(String(index));
      return;
    }
    if (index >= this.length) tree.checkHoles(index - this.length, this, index);
    tree.assign(this, index, old, value);
  }

  /** Sets a slot to a captured value. */
  put(index: number, raw: unknown): void {
    this.tree.delta.set(this, index, raw);
    this.tree.detach(this.slot(index));
    this.replace(index, raw);
  }

  /** Puts a captured value into a slot without writing an operation. */
  replace(index: number, raw: unknown): void {
    this.#edit();
    if (this.#slots !== undefined) {
      this.#slots[index] = raw;
      return;
    }
    const length = this.length;
    this.#set(index, raw);
    // No more than that: another draft may have let it grow further.
    if (index >= length) this.#length = index + 1;
  }

  /** Makes a hole. */
  remove(index: number): void {
    const { tree } = this;
    const old = this.slot(index);
    if (old === ABSENT) {
      this.sawIndex(String(index));
      return;
    }
    tree.delta.remove(this, index);
    tree.detach(old);
    this.#edit();
    if (this.#slots !== undefined) delete this.#slots[index];
    else this.#set(index, ABSENT);
  }

  /** Truncates, or extends with holes. */
  setLength(length: number): void {
    const { tree } = this;
    const old = this.length;
    if (length === old) {
      this.sawShape();
      return;
    }
    tree.checkHoles(length - old, this, length);
    tree.delta.length(this, length);
    this.#detachRange(length, old);
    this.#edit();
    if (this.#slots !== undefined) {
      this.#slots.length = length;
      return;
    }
    this.#forgetPatch(length, old);
    this.#resize(length);
  }

  /** Replaces `removed` slots from `start` by captured values. */
  splice(start: number, removed: number, added: readonly unknown[]): void {
    const length = this.length;
    const atEnd = start + removed === length;
    if (added.length === 0 && (atEnd || removed === 0)) {
      this.setLength(atEnd ? start : length);
    } else if (!atEnd && removed === added.length) {
      added.forEach((raw, i) => {
        this.put(start + i, raw);
      });
    } else {
      this.#splice(start, removed, added, atEnd);
    }
  }

  #splice(start: number, removed: number, added: readonly unknown[], atEnd: boolean): void {
    const { length } = this;
    this.tree.delta.splice(this, start, removed, added);
    this.#detachRange(start, start + removed);
    this.#edit();
    if (atEnd && this.#slots === undefined) {
      this.#forgetPatch(start, length);
      this.#resize(start);
      added.forEach((raw, i) => {
        this.#set(start + i, raw);
      });
      this.#resize(start + added.length);
      return;
    }
    spliceInto(atEnd ? this.#copied() : this.#moved(), start, removed, added);
  }

  /** Reorders: the new slot `i` is the old slot `order[i]`. */
  permute(order: readonly number[]): void {
    if (order.every((old, index) => old === index)) return;
    this.tree.delta.permute(this, order);
    this.#edit();
    const slots = this.#moved();
    const old = slots.slice();
    order.forEach((from, to) => {
      if (from in old) slots[to] = old[from];
      else delete slots[to];
    });
  }

  /** Makes the array anew from `start` on: `pieces` say of what, `slots` are all the raw values it has then. */
  rebuild(start: number, pieces: readonly Piece[], slots: unknown[]): void {
    this.tree.delta.rebuild(this, start, pieces);
    this.#edit();
    this.sawSubtree();
    const kept = new Set(slots);
    for (const child of this.children ?? []) if (!kept.has(child.base)) this.tree.detach(child.base);
    this.#patch = undefined;
    if (this.owned) overwrite(this.base, slots);
    else this.#slots = slots;
  }

  /** The place of each raw value that is an object, if elements have moved. */
  positions(): ReadonlyMap<unknown, number> | undefined {
    const slots = this.#slots;
    if (slots === undefined) return undefined;
    const positions = new Map<unknown, number>();
    slots.forEach((raw, index) => {
      positions.set(raw, index);
    });
    return positions;
  }

  /** Another node for the same array, with the same view: what was handed out of this one becomes its own. */
  successor(): ArrayNode {
    const { tree, parent, key, owned, isKey, base } = this;
    const next = new ArrayNode(tree, parent, key, { owned, isKey }, owned ? base.slice() : base, this.#proxy);
    if (!owned) {
      next.#slots = this.#slots?.slice();
      next.#patch = this.#patch === undefined ? undefined : new Map(this.#patch);
      next.#length = this.#length;
      next.#floor = this.#floor;
      if (this.#dirty) tree.dirty.push(next);
    }
    next.#dirty = this.#dirty;
    next.#scanned = -1;
    this.bequeath(next);
    return next;
  }

  slotText(key: unknown): string {
    return `[${String(key)}]`;
  }

  writeSlot(out: ByteWriter, key: unknown): void {
    writeIndex(out, key as number);
  }

  /** What user code sees for a raw value of this array. */
  view(index: number, raw: unknown): unknown {
    if (raw === ABSENT) return undefined;
    return typeof raw === "object" && raw !== null ? this.tree.handle(this, index, raw) : raw;
  }

  locate(child: Place): number {
    const hint = child.key as number;
    const slots = this.#slots;
    if (slots === undefined || slots[hint] === child.base) return hint;
    const found = slots.indexOf(child.base);
    child.key = found;
    return found;
  }

  /** Applies the patch to the mirror as change `seq`. */
  commit(head: Head, seq: number, newestPin: number): void {
    const { base } = this;
    const before = base.length;
    const isCut = this.#floor !== Infinity;
    const length = this.#slots?.length ?? Math.max(this.#length ?? 0, isCut ? 0 : before);
    if (newestPin >= 0 && length !== before) head.history.keepLength(base, before, seq, newestPin);
    if (this.#slots !== undefined) {
      if (newestPin >= 0) head.history.keepWhole(base, () => base.slice(), seq, newestPin);
      overwrite(base, this.#slots);
      return;
    }
    if (this.#floor < base.length) {
      if (newestPin >= 0) this.#keepCut(head, seq, newestPin);
      base.length = this.#floor;
    }
    for (const [index, raw] of this.#patch ?? []) {
      if (newestPin >= 0 && index < before)
        head.history.keepSlot(base, index, index in base ? base[index] : ABSENT, seq, newestPin);
      if (raw === ABSENT) delete base[index];
      else base[index] = raw;
    }
    base.length = length;
  }

  #keepCut({ history }: Head, seq: number, newestPin: number): void {
    const { base } = this;
    if (base.length - this.#floor > KEEP_ONE_BY_ONE) {
      history.keepWhole(base, () => base.slice(), seq, newestPin);
      return;
    }
    for (let i = this.#floor; i < base.length; i++)
      history.keepSlot(base, i, i in base ? base[i] : ABSENT, seq, newestPin);
  }

  #set(index: number, raw: unknown): void {
    this.#patch ??= new Map();
    this.#patch.set(index, raw);
  }

  #pinnedLength(): number {
    const { base, tree } = this;
    return tree.behind ? tree.head.history.lengthAt(base, tree.pin) : base.length;
  }

  #pinned(index: number): unknown {
    const { base, tree } = this;
    if (tree.behind) {
      if (index >= this.#pinnedLength()) return ABSENT;
      const past = tree.head.history.indexAt(base, index, tree.pin);
      if (past !== UNTOUCHED) return past;
    }
    return index in base ? base[index] : ABSENT;
  }

  #edit(): void {
    this.edits += 1;
    if (this.#dirty) return;
    this.#dirty = true;
    if (!this.owned) this.tree.dirty.push(this);
  }

  #resize(length: number): void {
    this.#floor = Math.min(this.#floor, this.length, length);
    this.#length = length;
  }

  #forgetPatch(from: number, to: number): void {
    const patch = this.#patch;
    if (patch === undefined) return;
    if (to - from < patch.size) for (let i = from; i < to; i++) patch.delete(i);
    else for (const index of patch.keys()) if (index >= from) patch.delete(index);
  }

  #detachRange(from: number, to: number): void {
    if (this.children === undefined) return;
    for (let i = from; i < to; i++) this.tree.detach(this.slot(i));
  }

  /** All slots, for an operation that moves elements: their paths stop to name places of the pin. */
  #moved(): unknown[] {
    this.sawSubtree();
    return this.#copied();
  }

  #copied(): unknown[] {
    if (this.#slots !== undefined) return this.#slots;
    const length = this.length;
    const slots = this.tree.behind ? this.#rebuilt(length) : this.base.slice(0, Math.min(length, this.#floor));
    slots.length = length;
    for (const [index, raw] of this.#patch ?? []) {
      if (raw === ABSENT) delete slots[index];
      else slots[index] = raw;
    }
    this.#patch = undefined;
    this.#slots = slots;
    return slots;
  }

  #rebuilt(length: number): unknown[] {
    const slots: unknown[] = [];
    for (let i = 0; i < Math.min(length, this.#floor); i++) {
      const raw = this.#pinned(i);
      if (raw === ABSENT) slots.length = i + 1;
      else slots[i] = raw;
    }
    return slots;
  }
}

/** The index that a property name of an array stands for, or -1. */
export function arrayIndex(key: string): number {
  const first = key.charCodeAt(0);
  if (!(first >= 48 && first <= 57)) return -1;
  const index = Number(key);
  return index < MAX_LENGTH && String(index) === key ? index : -1;
}

/** `Array.prototype.splice` without a limit on the number of arguments. */
function spliceInto(slots: unknown[], start: number, removed: number, added: readonly unknown[]): void {
  if (added.length <= MANY_ARGUMENTS) {
    slots.splice(start, removed, ...added);
    return;
  }
  const tail = slots.slice(start + removed);
  slots.length = start;
  for (const raw of added) slots.push(raw);
  const offset = slots.length;
  slots.length = offset + tail.length;
  for (let i = 0; i < tail.length; i++) if (i in tail) slots[offset + i] = tail[i];
}

/** Makes `target` hold exactly `slots`, holes included, and stay the same array. */
function overwrite(target: unknown[], slots: readonly unknown[]): void {
  target.length = 0;
  for (let i = 0; i < slots.length; i++) if (i in slots) target[i] = slots[i];
  target.length = slots.length;
}
