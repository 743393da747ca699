/**
 * Arrays of the state: one draft's view of one container.
 *
 * Owns what is read and written through an array; what was changed of one of the mirror is in its patch, one of the draft's
 * own is changed in place. One law: operations are written before the view changes.
 */
import type { ByteWriter } from "../values/bytes.ts";
import { Unread } from "../values/unread.ts";
import { ArrayPatch } from "./array-patch.ts";
import { arrayIndex, overwrite, spliceInto } from "./array-slots.ts";
import { type Piece, writeIndex } from "./delta.ts";
import type { Head } from "./head.ts";
import { ABSENT, UNTOUCHED } from "./history.ts";
import type { Place, Traits } from "./place.ts";
import { StateNode } from "./place.ts";
import type { DraftTree } from "./tree.ts";
import { elementOf, wholeArray } from "./unread.ts";

/** One draft's view of an array. */
export class ArrayNode extends StateNode {
  readonly handle: unknown[];
  readonly base: unknown[];
  /** Methods of arrays, bound to this one, as they were asked for. */
  methods: Map<string | symbol, unknown> | undefined;
  /** What the draft has changed; none in an array of its own. */
  #patch: ArrayPatch | undefined;
  /** Nothing was handed out of an index above this one. */
  #top = -1;
  /** Counts changes of this array, so that a `sort` sees that its comparator made one. */
  edits = 0;

  constructor(
    tree: DraftTree,
    parent: StateNode | undefined,
    key: unknown,
    traits: Traits,
    base: unknown[],
    proxy: (node: ArrayNode) => unknown[],
  ) {
    super(tree, parent, key, traits);
    this.base = base;
    this.handle = proxy(this);
  }

  /** All slots: of an array of the draft's own, or once elements have moved. */
  get #slots(): unknown[] | undefined {
    return this.owned ? this.base : this.#patch?.slots;
  }

  /** The length. Records nothing. */
  get length(): number {
    const slots = this.#slots;
    if (slots !== undefined) return slots.length;
    return this.#patch?.length ?? this.#pinnedLength();
  }

  /** Whether what user code sees is what the mirror holds, and reads are not noted: until the next turn of the draft. */
  get isSteady(): boolean {
    return this.#isAsMirrored && !this.tracking && this.shapeSeen && !this.gone;
  }

  /** Whether what user code sees is what the mirror holds. */
  get #isAsMirrored(): boolean {
    return this.#patch === undefined && !this.tree.behind;
  }

  /** The value user code sees at an index given as a property name; `undefined` if there is none. */
  read(key: string): unknown {
    let value: unknown;
    if (this.#isAsMirrored) {
      value = this.base[key as unknown as number];
    } else {
      const index = arrayIndex(key);
      const found = index < 0 ? ABSENT : this.slot(index);
      value = found === ABSENT ? undefined : found;
    }
    if (typeof value === "object" && value !== null) return this.#handleAt(Number(key), value);
    if (this.tracking) this.sawIndex(key);
    return value;
  }

  /** What an iterator finds at an index: the value that user code sees, or `ABSENT` behind the end. */
  iterated(index: number): unknown {
    this.readable();
    if (!this.shapeSeen) this.sawShape();
    let value: unknown;
    if (this.#isAsMirrored) {
      const { base } = this;
      if (index >= base.length) return ABSENT;
      value = base[index];
    } else {
      if (index >= this.length) return ABSENT;
      const found = this.slot(index);
      value = found === ABSENT ? undefined : found;
    }
    if (typeof value === "object" && value !== null) return this.#handleAt(index, value);
    if (this.tracking) this.sawIndex(String(index));
    return value;
  }

  /** `found` may not have been read yet, if it is of the mirror's array. */
  #handleAt(index: number, found: object): object {
    return this.childHandle(index, found instanceof Unread ? (elementOf(this.base, index) as object) : found);
  }

  override childHandle(index: number, raw: object): object {
    if (index <= this.#top || this.gone) return super.childHandle(index, raw);
    this.#top = index;
    return this.tree.make(this, index, 0, raw).handle;
  }

  override child(index: number, raw: object): Place {
    if (index > this.#top) this.#top = index;
    return super.child(index, raw);
  }

  /** The raw value at an index, or `ABSENT`. Records nothing. */
  slot(index: number): unknown {
    const slots = this.#slots;
    if (slots !== undefined) return index in slots ? slots[index] : ABSENT;
    const patch = this.#patch;
    if (patch === undefined) return this.#pinned(index);
    const own = patch.set?.get(index);
    if (own !== undefined || patch.set?.has(index) === true) return own;
    return index >= patch.floor ? ABSENT : this.#pinned(index);
  }

  /** An index was read: recorded unless the draft itself set it. */
  sawIndex(key: string): void {
    if (this.tracking && this.#patch?.set?.has(Number(key)) !== true) this.sawSlot(key);
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
    this.detach(this.slot(index));
    this.replace(index, raw);
  }

  /** Puts a captured value into a slot without writing an operation. */
  replace(index: number, raw: unknown): void {
    const patch = this.#edit();
    const slots = this.#slots;
    if (slots !== undefined) {
      slots[index] = raw;
      return;
    }
    const { length } = this;
    patch.put(index, raw);
    // No more than that: another draft may have let it grow further.
    if (index >= length) patch.length = index + 1;
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
    this.detach(old);
    const patch = this.#edit();
    const slots = this.#slots;
    if (slots !== undefined) delete slots[index];
    else patch.put(index, ABSENT);
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
    const patch = this.#edit();
    const slots = this.#slots;
    if (slots !== undefined) {
      slots.length = length;
      return;
    }
    patch.forget(length, old);
    patch.resize(length, old);
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
    const patch = this.#edit();
    if (atEnd && this.#slots === undefined) {
      patch.forget(start, length);
      patch.resize(start, length);
      added.forEach((raw, i) => {
        patch.put(start + i, raw);
      });
      patch.resize(start + added.length, start);
      return;
    }
    spliceInto(atEnd ? this.#copied(patch) : this.#moved(patch), start, removed, added);
  }

  /** Reorders: the new slot `i` is the old slot `order[i]`. */
  permute(order: readonly number[]): void {
    if (order.every((old, index) => old === index)) return;
    this.tree.delta.permute(this, order);
    const slots = this.#moved(this.#edit());
    const old = slots.slice();
    order.forEach((from, to) => {
      if (from in old) slots[to] = old[from];
      else delete slots[to];
    });
  }

  /** Makes the array anew from `start` on: `pieces` say of what, `slots` are all the raw values it has then. */
  rebuild(start: number, pieces: readonly Piece[], slots: unknown[]): void {
    this.tree.delta.rebuild(this, start, pieces);
    const patch = this.#edit();
    this.sawSubtree();
    this.#top = Infinity;
    const kept = new Set(slots);
    for (const child of this.children ?? []) if (!kept.has(child.base)) child.leave();
    if (this.owned) overwrite(this.base, slots);
    else patch.replace(slots);
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
    const { tree, parent, key, owned, traits, base } = this;
    const next = tree.make(parent, key, traits, owned ? base.slice() : base) as ArrayNode;
    next.#top = Infinity;
    if (this.#patch !== undefined) {
      next.#patch = this.#patch.copy();
      tree.dirty.push(next);
    }
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
    return typeof raw === "object" && raw !== null ? this.childHandle(index, raw) : raw;
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
    this.#patch?.commit(this.base, head, seq, newestPin);
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
    return index in base ? elementOf(base, index) : ABSENT;
  }

  /** The array is about to change; of one of the draft's own, the patch stays empty. */
  #edit(): ArrayPatch {
    this.edits += 1;
    if (this.owned) return NONE;
    if (this.#patch === undefined) {
      this.#patch = new ArrayPatch();
      this.tree.dirty.push(this);
    }
    return this.#patch;
  }

  #detachRange(from: number, to: number): void {
    if (this.children === undefined) return;
    for (let i = from; i < to; i++) this.detach(this.slot(i));
  }

  /** All slots, for an operation that moves elements: their paths stop to name places of the pin. */
  #moved(patch: ArrayPatch): unknown[] {
    this.sawSubtree();
    this.#top = Infinity;
    return this.#copied(patch);
  }

  #copied(patch: ArrayPatch): unknown[] {
    const slots = this.#slots;
    if (slots !== undefined) return slots;
    const { length } = this;
    const left = Math.min(length, patch.floor);
    return patch.copyOf(this.tree.behind ? this.#rebuilt(left) : wholeArray(this.base).slice(0, left), length);
  }

  #rebuilt(length: number): unknown[] {
    const slots: unknown[] = [];
    for (let i = 0; i < length; i++) {
      const raw = this.#pinned(i);
      if (raw === ABSENT) slots.length = i + 1;
      else slots[i] = raw;
    }
    return slots;
  }
}

/** What is edited of an array of the draft's own: nothing beside it. */
const NONE = new ArrayPatch();
