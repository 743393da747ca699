/**
 * Iterating over an array of the state: `for..of`, spread, destructuring and `values()`.
 *
 * The engine's own iterator goes through two traps and a string for each element. This one asks the array directly, and is
 * told from the engine's by nobody: it has the prototype of array iterators. One law: like that one it looks at the length
 * each time, so that an array may change meanwhile.
 */
import type { ArrayNode } from "./array.ts";
import { ABSENT } from "./history.ts";

const ArrayIterator = Object.getPrototypeOf([].values()) as object;

class Cursor implements Iterator<unknown, undefined> {
  readonly #node: ArrayNode;
  #next = 0;

  constructor(node: ArrayNode) {
    this.#node = node;
  }

  next(): IteratorResult<unknown, undefined> {
    if (this.#next < 0) return { value: undefined, done: true };
    const node = this.#node;
    node.readable();
    if (!node.shapeSeen) node.sawShape();
    const value = node.iterated(this.#next);
    if (value === ABSENT) {
      this.#next = -1;
      return { value: undefined, done: true };
    }
    this.#next += 1;
    return { value, done: false };
  }
}

Object.setPrototypeOf(Cursor.prototype, ArrayIterator);
Object.defineProperty(Cursor.prototype, "next", { enumerable: true, configurable: true, writable: true });

/** What `values()` and `for..of` give for an array of the state. */
export function values(node: ArrayNode): Iterator<unknown, undefined> {
  return new Cursor(node);
}
