/**
 * Iterating over an array of the state: `for..of`, spread, destructuring and `values()`.
 *
 * The engine's own iterator goes through two traps and a string for each element. This one asks the array directly, and is
 * told from the engine's by nobody: it has the prototype of array iterators. One law: like that one it looks at the length
 * each time, so that an array may change meanwhile.
 */
import type { ArrayNode } from "./array.ts";
import { ABSENT } from "./history.ts";
import type { DraftTree } from "./tree.ts";

const ArrayIterator = Object.getPrototypeOf([].values()) as object;

class Cursor implements Iterator<unknown, undefined> {
  readonly #node: ArrayNode;
  readonly #tree: DraftTree;
  readonly #base: readonly unknown[];
  #next = 0;
  /** As long as the draft has seen so many turns, a primitive of the mirror is what user code sees, and nobody notes it. */
  #steady = -1;

  constructor(node: ArrayNode) {
    this.#node = node;
    this.#tree = node.tree;
    this.#base = node.base;
  }

  next(): IteratorResult<unknown, undefined> {
    const at = this.#next;
    if (this.#steady === this.#tree.turns && at < this.#base.length) {
      const value = this.#base[at];
      if (typeof value !== "object" || value === null) {
        this.#next = at + 1;
        return { value, done: false };
      }
    }
    return this.#asked(at);
  }

  #asked(at: number): IteratorResult<unknown, undefined> {
    if (at < 0) return { value: undefined, done: true };
    const node = this.#node;
    const value = node.iterated(at);
    if (value === ABSENT) {
      this.#next = -1;
      return { value: undefined, done: true };
    }
    this.#next = at + 1;
    if (node.isSteady) this.#steady = this.#tree.turns;
    return { value, done: false };
  }
}

Object.setPrototypeOf(Cursor.prototype, ArrayIterator);
Object.defineProperty(Cursor.prototype, "next", { enumerable: true, configurable: true, writable: true });

/** What `values()` and `for..of` give for an array of the state. */
export function values(node: ArrayNode): Iterator<unknown, undefined> {
  return new Cursor(node);
}
