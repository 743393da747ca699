/**
 * What one draft has changed of an array of the mirror.
 *
 * Owns the patch in one of two forms. As long as elements keep their places: slots that were set and a length. Once they
 * have moved (`splice` before the end, `sort`, `reverse`): a copy of all slots, made once per attempt. Knows no places and
 * no operations.
 */
import { overwrite } from "./array-slots.ts";
import type { Head } from "./head.ts";
import { ABSENT } from "./history.ts";
import { elementOf, wholeArray } from "./unread.ts";

/** Beyond this, an undo list keeps one copy of an array that is cut short, not its slots one by one. */
const KEEP_ONE_BY_ONE = 64;

/** The changes of one array. */
export class ArrayPatch {
  /** All slots, once elements have moved. */
  slots: unknown[] | undefined;
  /** Slots that were set; `ABSENT` is a hole that was made. */
  set: Map<number, unknown> | undefined;
  /** The length, once the draft has changed it. */
  length: number | undefined;
  /** The pin's slots from here on are gone, whatever the length is now. */
  floor: number = Infinity;

  /** A copy that goes on by itself. */
  copy(): ArrayPatch {
    const copy = new ArrayPatch();
    copy.slots = this.slots?.slice();
    copy.set = this.set === undefined ? undefined : new Map(this.set);
    copy.length = this.length;
    copy.floor = this.floor;
    return copy;
  }

  put(index: number, raw: unknown): void {
    this.set ??= new Map();
    this.set.set(index, raw);
  }

  /** Another length: `old` is that before. */
  resize(length: number, old: number): void {
    this.floor = Math.min(this.floor, old, length);
    this.length = length;
  }

  /** Forgets what was set from one index to another one. */
  forget(from: number, to: number): void {
    const { set } = this;
    if (set === undefined) return;
    if (to - from < set.size) for (let i = from; i < to; i++) set.delete(i);
    else for (const index of set.keys()) if (index >= from) set.delete(index);
  }

  /** From now on, all slots: `pinned` are those of the pin, as many as are left of them. */
  copyOf(pinned: unknown[], length: number): unknown[] {
    pinned.length = length;
    for (const [index, raw] of this.set ?? []) {
      if (raw === ABSENT) delete pinned[index];
      else pinned[index] = raw;
    }
    this.replace(pinned);
    return pinned;
  }

  /** Whatever was changed before, these are all slots now. */
  replace(slots: unknown[]): void {
    this.set = undefined;
    this.slots = slots;
  }

  /** Makes the mirror's array what the draft has made of it, as change `seq`. */
  commit(base: unknown[], head: Head, seq: number, newestPin: number): void {
    const before = base.length;
    const isCut = this.floor !== Infinity;
    const length = this.slots?.length ?? Math.max(this.length ?? 0, isCut ? 0 : before);
    if (newestPin >= 0 && length !== before) head.history.keepLength(base, before, seq, newestPin);
    if (this.slots !== undefined) {
      if (newestPin >= 0) head.history.keepWhole(base, () => wholeArray(base).slice(), seq, newestPin);
      overwrite(base, this.slots);
      return;
    }
    if (this.floor < base.length) {
      if (newestPin >= 0) this.#keepCut(base, head, seq, newestPin);
      base.length = this.floor;
    }
    for (const [index, raw] of this.set ?? []) {
      if (newestPin >= 0 && index < before)
        head.history.keepSlot(base, index, index in base ? elementOf(base, index) : ABSENT, seq, newestPin);
      if (raw === ABSENT) delete base[index];
      else base[index] = raw;
    }
    base.length = length;
  }

  #keepCut(base: unknown[], { history }: Head, seq: number, newestPin: number): void {
    if (base.length - this.floor > KEEP_ONE_BY_ONE) {
      history.keepWhole(base, () => wholeArray(base).slice(), seq, newestPin);
      return;
    }
    for (let i = this.floor; i < base.length; i++)
      history.keepSlot(base, i, i in base ? elementOf(base, i) : ABSENT, seq, newestPin);
  }
}
