/**
 * What user code holds of a Map or Set of the state: a real Map or Set, whose own methods are those of the state.
 *
 * No Proxy: `util.types.isMap`, `assert.deepEqual` and others look past one and see no Map. What the instance holds by itself is
 * one function, which makes `structuredClone` refuse it rather than copy nothing. One law: every method that a Map or Set
 * has is its own here, so that none reads or writes that content.
 */
import { inspect } from "node:util";
import type { EntriesNode } from "./entries.ts";
import { register } from "./place.ts";

type Pick<T> = (node: EntriesNode, key: unknown) => T;
type Method = (node: EntriesNode, args: readonly unknown[]) => unknown;

/** The handle of a Map or Set node. */
export function entriesHandle(node: EntriesNode): object {
  const handle = node.isSet ? new Set<unknown>([guard]) : new Map<unknown, unknown>([[guard, guard]]);
  const methods = node.isSet ? setMethods : mapMethods;
  for (const [name, method] of methods) {
    define(handle, name, (...args: readonly unknown[]): unknown => {
      node.readable();
      return method(node, args);
    });
  }
  const values = node.isSet ? "values" : "entries";
  define(handle, Symbol.iterator, Reflect.get(handle, values));
  define(handle, inspect.custom, () => node.tree.inspected(node));
  Object.defineProperty(handle, "size", {
    get: (): number => {
      node.readable();
      node.sawShape();
      return node.size;
    },
  });
  register(handle, node);
  return Object.preventExtensions(handle);
}

/** Whether something was written past the methods: `Map.prototype.set.call(state.map, ...)`. */
export function wasBypassed(node: EntriesNode): boolean {
  const size: unknown = node.isSet ? setSize?.call(node.handle) : mapSize?.call(node.handle);
  return size !== 1;
}

const guard = (): never => {
  throw new Error("never called");
};
const mapSize = Object.getOwnPropertyDescriptor(Map.prototype, "size")?.get;
const setSize = Object.getOwnPropertyDescriptor(Set.prototype, "size")?.get;

function define(handle: object, name: string | symbol, value: unknown): void {
  Object.defineProperty(handle, name, { value, writable: false, enumerable: false, configurable: false });
}

const keyAt: Pick<unknown> = (node, key) => node.keyView(key);
const valueAt: Pick<unknown> = (node, key) => node.view(key, node.slot(key));
const pairAt: Pick<unknown> = (node, key) => [keyAt(node, key), node.isSet ? keyAt(node, key) : valueAt(node, key)];

const shared: readonly (readonly [string, Method])[] = [
  ["has", (node, [key]) => node.has(key)],
  ["delete", (node, [key]) => writable(node).remove(key)],
  ["clear", (node) => writable(node).clear()],
  ["keys", (node) => iterate(node, keyAt)],
  ["entries", (node) => iterate(node, pairAt)],
  ["forEach", forEach],
];

const mapMethods: readonly (readonly [string, Method])[] = [
  ...shared,
  ["get", (node, [key]) => node.read(key)],
  [
    "set",
    (node, [key, value]) => {
      writable(node).write(key, value);
      return node.handle;
    },
  ],
  ["values", (node) => iterate(node, valueAt)],
];

const setMethods: readonly (readonly [string, Method])[] = [
  ...shared,
  [
    "add",
    (node, [member]) => {
      writable(node).add(member);
      return node.handle;
    },
  ],
  ["values", (node) => iterate(node, keyAt)],
  ...newerMethods(Set.prototype),
];

/** `union` and its kin, where the platform has them: they only read, and do so on a plain Set of the same handles. */
function newerMethods(prototype: object): (readonly [string, Method])[] {
  const names = ["union", "intersection", "difference", "symmetricDifference"];
  const questions = ["isSubsetOf", "isSupersetOf", "isDisjointFrom"];
  return [...names, ...questions].flatMap((name) => {
    const method: unknown = Reflect.get(prototype, name);
    if (typeof method !== "function") return [];
    const run: Method = (node, args) => Reflect.apply(method, new Set(iterate(node, keyAt)), args) as unknown;
    return [[name, run] as const];
  });
}

function writable(node: EntriesNode): EntriesNode {
  node.writable();
  return node;
}

function forEach(node: EntriesNode, [visit, self]: readonly unknown[]): void {
  if (typeof visit !== "function") throw new TypeError(`${inspect(visit)} is not a function`);
  node.sawShape();
  for (const key of node.walk()) {
    const [first, second] = pairAt(node, key) as [unknown, unknown];
    Reflect.apply(visit, self, [second, first, node.handle]);
    node.readable();
  }
}

/** What `keys`, `values` and `entries` give: live, as those of the platform. */
class EntriesIterator implements IterableIterator<unknown> {
  readonly #node: EntriesNode;
  readonly #keys: Generator<unknown, void>;
  readonly #pick: Pick<unknown>;

  constructor(node: EntriesNode, pick: Pick<unknown>) {
    this.#node = node;
    this.#keys = node.walk();
    this.#pick = pick;
  }

  next(): IteratorResult<unknown> {
    this.#node.readable();
    const { done, value } = this.#keys.next();
    return done === true ? { value: undefined, done } : { value: this.#pick(this.#node, value), done: false };
  }

  [Symbol.iterator](): this {
    return this;
  }

  get [Symbol.toStringTag](): string {
    return this.#node.isSet ? "Set Iterator" : "Map Iterator";
  }
}

/** Where newer platforms have `map`, `filter` and other helpers of iterators. */
const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object;
Object.setPrototypeOf(EntriesIterator.prototype, iteratorPrototype);

function iterate(node: EntriesNode, pick: Pick<unknown>): IterableIterator<unknown> {
  node.sawShape();
  return new EntriesIterator(node, pick);
}

/** Every own name of the prototype that a handle has to have a method of its own for. */
export const METHOD_NAMES: { readonly map: readonly string[]; readonly set: readonly string[] } = {
  map: mapMethods.map(([name]) => name),
  set: setMethods.map(([name]) => name),
};
