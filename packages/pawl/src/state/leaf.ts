/**
 * Leaves: Date, typed arrays, ArrayBuffer, Error and every other stored object that holds no other by a path.
 *
 * A leaf is handed out as a real, detached instance, the same for every read of the attempt, so that everything the language
 * and its libraries do with a Date or a Buffer works. Whatever changed it is found when the delta is asked for: of memory, by
 * comparing it, and only the bytes that changed are written; of others, by comparing what they encode to, and the leaf is
 * written whole. A read of a leaf copies it, once per attempt. One law: no instance is shared between the mirror and user code.
 */
import { isDate } from "node:util/types";
import { ValueError } from "../values/error.ts";
import { copyStored, decodeStored, encodeNew, encodeStored } from "./codec.ts";
import { bytesOf, changedRanges, hasStrays } from "./memory.ts";
import type { StateNode, Traits } from "./place.ts";
import { Place, register } from "./place.ts";
import type { DraftTree } from "./tree.ts";

/** One leaf that was handed out. */
export class Leaf extends Place {
  readonly handle: object;
  base: object;

  constructor(tree: DraftTree, parent: StateNode | undefined, key: unknown, traits: Traits, base: object) {
    super(tree, parent, key, traits);
    this.base = base;
    this.handle = isDate(base) ? new Date(base.getTime()) : (copyStored(base) as object);
    parent?.adopt(this);
    register(this.handle, this);
  }

  /** A detached copy of what user code has made of it. Throws if it can no longer be stored. */
  copy(): unknown {
    return decodeStored(this.#bytes());
  }

  /** Writes it back if user code has changed it. Throws if it can no longer be stored. */
  flush(): void {
    if (this.gone || this.#isSameDate() || this.#wroteMemory()) return;
    const bytes = this.#bytes();
    if (Buffer.compare(bytes, encodeStored(this.base)) === 0) return;
    if (this.isKey) throw this.#refusedKey();
    const now = decodeStored(bytes) as object;
    const { parent, tree } = this;
    tree.delta.captured(now, bytes);
    if (parent === undefined) tree.delta.setRoot(now);
    else tree.delta.set(parent, parent.locate(this), now);
    this.#became(now);
  }

  /** Its slot holds another value now. */
  #became(now: object): void {
    const { parent, tree } = this;
    if (parent === undefined) tree.replaced = { root: now };
    else parent.replace(parent.locate(this), now);
    this.base = now;
    tree.moved(this, now);
  }

  #refusedKey(): unknown {
    const found =
      "a change of a key of a Map or member of a Set that is no object, array, Map or Set (delete and add it instead)";
    return this.tree.located(new ValueError("value_not_storable", { found }), this.parent, this.key);
  }

  /** Dates are many and small: they are compared without encoding them. */
  #isSameDate(): boolean {
    const { base, handle } = this;
    if (!isDate(base) || !isDate(handle)) return false;
    return Object.is(base.getTime(), handle.getTime()) && Reflect.ownKeys(handle).length === 0;
  }

  /** Writes the parts of a memory that have changed. False for what is no memory, or cannot be written that way. */
  #wroteMemory(): boolean {
    const [before, now] = [bytesOf(this.base), bytesOf(this.handle)];
    if (before === undefined || now === undefined || before.length !== now.length || this.isKey) return false;
    if (hasStrays(this.handle)) return false;
    const ranges = changedRanges(before, now);
    if (ranges.length === 0) return true;
    const { parent, tree } = this;
    const key = parent?.locate(this);
    for (const { start, end } of ranges) tree.delta.overwrite(parent, key, start, now.subarray(start, end));
    this.#became(copyStored(this.handle) as object);
    return true;
  }

  #bytes(): Uint8Array {
    const { parent, tree } = this;
    try {
      return encodeNew(this.handle, tree.delta.maxValueBytes, parent === undefined ? 0 : parent.depth + 1);
    } catch (error) {
      throw tree.located(error, parent, this.key);
    }
  }
}
