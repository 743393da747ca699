/**
 * The traps that make an array of the state look like the plain array.
 *
 * The target is a real array that holds nothing but the node, so that `Array.isArray` says yes. One law: what is not one of
 * `arrayMethods` is left to the engine, which goes through these traps index by index.
 */
import type { ArrayNode } from "./array.ts";
import { values } from "./array-cursor.ts";
import { type ArrayMethod, arrayMethods } from "./array-methods.ts";
import { arrayIndex, MAX_LENGTH } from "./array-slots.ts";
import { ABSENT } from "./history.ts";
import { checkDescriptor, keepPrototype, refuseFreeze, setOnHeir } from "./object.ts";
import { inspectable, NODE } from "./place.ts";

/** Never seen by user code. */
class Target extends Array<ArrayNode> {}
inspectable(Target.prototype);

/** The proxy of an array node. */
export function arrayProxy(node: ArrayNode): unknown[] {
  const target = new Target(1); // with room for one, and no more
  target[0] = node;
  return new Proxy<unknown[]>(target, arrayTraps as ProxyHandler<unknown[]>);
}

function nodeBehind(target: readonly ArrayNode[]): ArrayNode {
  return target[0] as ArrayNode;
}

/** The node, if user code may still use it. */
function nodeIn(target: readonly ArrayNode[]): ArrayNode {
  const node = nodeBehind(target);
  node.readable();
  return node;
}

function writableIn(target: readonly ArrayNode[]): ArrayNode {
  const node = nodeBehind(target);
  node.writable();
  return node;
}

/** What an array inherits. Its methods are bound: they may be taken off it. */
function memberOf(node: ArrayNode, key: string | symbol): unknown {
  const known = node.methods?.get(key);
  if (known !== undefined) return known;
  const plain: unknown = Reflect.get(Array.prototype, key);
  if (typeof plain !== "function" || key === "constructor") return plain;
  const method = bound(node, plain, arrayMethods.get(key));
  node.methods ??= new Map();
  node.methods.set(key, method);
  return method;
}

function bound(node: ArrayNode, plain: object, run: ArrayMethod | undefined): unknown {
  const method = function (this: unknown, ...args: readonly unknown[]): unknown {
    const self = this === undefined ? node.handle : this;
    if (plain === plainValues && self === node.handle) return values(node);
    if (run === undefined || self !== node.handle) return Reflect.apply(plain as Callable, self, args);
    node.writable();
    return run(node, args);
  };
  for (const name of ["name", "length"]) Object.defineProperty(method, name, { value: Reflect.get(plain, name) });
  return method;
}

const plainValues = Array.prototype.values;

type Callable = (this: unknown, ...args: readonly unknown[]) => unknown;

const arrayTraps: ProxyHandler<ArrayNode[]> = {
  get(target, key) {
    if (key === NODE) return nodeBehind(target);
    const node = nodeIn(target);
    if (typeof key !== "string") return memberOf(node, key);
    const first = key.charCodeAt(0);
    if (first >= 48 && first <= 57) return node.read(key);
    if (key === "length") {
      node.sawShape();
      return node.length;
    }
    if (key === "toJSON") node.sawSubtree(); // JSON.stringify asks for it first, and will read everything
    return key === "__proto__" ? undefined : memberOf(node, key);
  },

  set(target, key, value, receiver: unknown) {
    const node = writableIn(target);
    if (receiver !== node.handle) return setOnHeir(receiver, key, value);
    if (key === "length") node.setLength(checkedLength(value));
    else node.write(checkedIndex(node, key), value);
    return true;
  },

  has(target, key) {
    const node = nodeIn(target);
    const index = typeof key === "string" ? arrayIndex(key) : -1;
    if (index < 0) return key !== "__proto__" && key in Array.prototype;
    node.sawIndex(String(key));
    return node.slot(index) !== ABSENT;
  },

  deleteProperty(target, key) {
    const node = writableIn(target);
    if (key === "length") return false;
    const index = typeof key === "string" ? arrayIndex(key) : -1;
    if (index >= 0) node.remove(index);
    return true;
  },

  ownKeys(target) {
    const node = nodeIn(target);
    node.sawLevel(); // a slot that is filled, or becomes a hole, is no change of the shape
    const keys: string[] = [];
    for (let i = 0; i < node.length; i++) if (node.slot(i) !== ABSENT) keys.push(String(i));
    keys.push("length");
    return keys;
  },

  getOwnPropertyDescriptor(target, key) {
    const node = nodeIn(target);
    if (key === "length") {
      node.sawShape();
      return { value: node.length, writable: true, enumerable: false, configurable: false };
    }
    const index = typeof key === "string" ? arrayIndex(key) : -1;
    if (index < 0) return undefined;
    const raw = node.slot(index);
    node.sawIndex(String(key));
    return raw === ABSENT
      ? undefined
      : { value: node.view(index, raw), writable: true, enumerable: true, configurable: true };
  },

  defineProperty(target, key, descriptor) {
    const node = writableIn(target);
    if (key === "length") return defineLength(node, descriptor);
    const index = checkedIndex(node, key);
    const exists = node.slot(index) !== ABSENT;
    checkDescriptor(node, index, descriptor, exists);
    if ("value" in descriptor || !exists) node.write(index, descriptor.value);
    return true;
  },

  getPrototypeOf(target) {
    nodeIn(target);
    return Array.prototype;
  },

  setPrototypeOf: (target, prototype) => keepPrototype(nodeBehind(target), prototype, Array.prototype),
  preventExtensions: (target) => refuseFreeze(nodeBehind(target)),
};

function checkedIndex(node: ArrayNode, key: string | symbol): number {
  const index = typeof key === "string" ? arrayIndex(key) : -1;
  if (index < 0)
    throw node.tree.refused(node, key, typeof key === "symbol" ? "a symbol key" : "a named property of an array");
  return index;
}

function checkedLength(value: unknown): number {
  const length = Number(value);
  if (!(Number.isInteger(length) && length >= 0 && length <= MAX_LENGTH)) throw new RangeError("Invalid array length");
  return length;
}

function defineLength(node: ArrayNode, descriptor: PropertyDescriptor): boolean {
  if (descriptor.writable === false || descriptor.enumerable === true || descriptor.configurable === true) {
    throw new TypeError(`${node.describe()}.length: its attributes cannot be changed`);
  }
  if ("value" in descriptor) node.setLength(checkedLength(descriptor.value));
  return true;
}
