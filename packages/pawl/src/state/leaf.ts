/**
 * Leaves: Map, Set, Date, typed arrays and every other stored object that is neither a plain object nor an array.
 *
 * A leaf is handed out as a real, detached instance, the same for every read of the attempt, so that everything the language
 * and its libraries do with a Map or a Date works. Whatever changed it, and however deep inside, is found by comparing encoded
 * bytes when the delta is asked for; a changed leaf is written whole by one `set`. A read of a leaf costs its size, once per
 * attempt. One law: no instance is shared between the mirror and user code.
 */
import { isDate } from "node:util/types";
import { copyStored, decodeStored, encodeNew, encodeStored } from "./codec.ts";
import type { StateNode } from "./place.ts";
import { Place } from "./place.ts";
import type { DraftTree } from "./tree.ts";

/** One leaf that was handed out. */
export class Leaf extends Place {
  readonly handle: object;
  base: object;

  constructor(tree: DraftTree, parent: StateNode | undefined, key: string | number, owned: boolean, base: object) {
    super(tree, parent, key, owned);
    this.base = base;
    this.handle = isDate(base) ? new Date(base.getTime()) : (copyStored(base) as object);
    parent?.adopt(this);
  }

  /** A detached copy of what user code has made of it. Throws if it can no longer be stored. */
  copy(): unknown {
    return decodeStored(this.#bytes());
  }

  /** Writes it back if user code has changed it. Throws if it can no longer be stored. */
  flush(): void {
    if (this.gone || this.#isSameDate()) return;
    const bytes = this.#bytes();
    if (Buffer.compare(bytes, encodeStored(this.base)) === 0) return;
    const now = decodeStored(bytes) as object;
    this.tree.delta.captured(now, bytes);
    this.#written(now);
    this.tree.moved(this, this.base, now);
    this.base = now;
  }

  /** Dates are many and small: they are compared without encoding them. */
  #isSameDate(): boolean {
    const { base, handle } = this;
    if (!isDate(base) || !isDate(handle)) return false;
    return Object.is(base.getTime(), handle.getTime()) && Reflect.ownKeys(handle).length === 0;
  }

  #bytes(): Uint8Array {
    const { parent, tree } = this;
    try {
      return encodeNew(this.handle, tree.delta.maxValueBytes, parent === undefined ? 0 : parent.depth + 1);
    } catch (error) {
      throw tree.located(error, parent, this.key);
    }
  }

  #written(now: object): void {
    const { parent, tree } = this;
    if (parent === undefined) {
      tree.delta.setRoot(now);
      tree.replaced = { root: now };
      return;
    }
    const key = parent.locate(this);
    tree.delta.set(parent, key, now);
    parent.replace(key, now);
  }
}
