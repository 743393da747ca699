/**
 * Random programs over a value: operations as data, each of which runs the same on a proxy of the state and on a plain value.
 *
 * An operation picks its place by numbers, so that the same numbers find the same place in equal values. A value that is put
 * somewhere is cloned on the plain side, as the state captures by value.
 */
import fc from "fast-check";
import { raw } from "../../src/state/index.ts";
import { copy } from "../../src/values/index.ts";

/** One side of a comparison: how to reach the root and how to write a value. */
export interface Side {
  root: unknown;
}

export interface Step {
  readonly name: string;
  /** Picks a place, slot or length. */
  readonly picks: readonly number[];
  readonly value: unknown;
}

type Bag = Record<string, unknown>;

interface Kinds {
  object: (at: Bag, step: Step, side: Side) => unknown;
  array: (at: unknown[], step: Step, side: Side) => unknown;
  root: (side: Side, step: Step) => unknown;
}

const KEYS = ["a", "b", "c", "items", "7", "0", "__proto__", "constructor", "é\ud800", "", "length", "toString"];

const pick = (step: Step, i: number): number => step.picks[i] ?? 0;
const keyOf = (step: Step): string => KEYS[pick(step, 1) % KEYS.length] as string;
const existing = (at: Bag, step: Step): string =>
  Object.keys(at)[pick(step, 1) % Math.max(1, Object.keys(at).length)] ?? keyOf(step);
const indexIn = (at: readonly unknown[], step: Step, i = 1): number => pick(step, i) % (at.length + 1);
const get = (at: object, key: string | number): unknown => (Object.hasOwn(at, key) ? (at as Bag)[key] : undefined);

/** Sets an own property on either side: on a plain object `__proto__ =` would change the prototype. */
function put(at: Bag, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(at, key, { value, writable: true, enumerable: true, configurable: true });
  else at[key] = value;
}

/** What the state does at once: no two slots hold one object. */
function separate(at: unknown[]): void {
  at.forEach((one, i) => {
    at[i] = copy(one);
  });
}

const byText = (a: unknown, b: unknown): number =>
  String(key(a)) < String(key(b)) ? -1 : String(key(a)) > String(key(b)) ? 1 : 0;
const key = (value: unknown): unknown =>
  typeof value === "object" && value !== null ? Object.keys(value).length : value;
const fresh = (step: Step): unknown => copy(step.value);

const objects: Record<string, Kinds["object"]> = {
  "set a key": (at, step) => put(at, keyOf(step), fresh(step)),
  "set an existing key": (at, step) => put(at, existing(at, step), fresh(step)),
  "delete a key": (at, step) => Reflect.deleteProperty(at, existing(at, step)),
  "delete what is not there": (at, step) => Reflect.deleteProperty(at, keyOf(step)),
  "delete and set again": (at, step) => {
    const name = existing(at, step);
    delete at[name];
    put(at, name, fresh(step));
  },
  "assign several": (at, step) => Object.assign(at, { [`n${pick(step, 2) % 5}`]: fresh(step), a: fresh(step), "7": 1 }),
  "define a property": (at, step) =>
    void Object.defineProperty(at, keyOf(step), {
      value: fresh(step),
      writable: true,
      enumerable: true,
      configurable: true,
    }),
  "redefine a value": (at, step) => {
    const name = existing(at, step);
    if (Object.hasOwn(at, name)) Object.defineProperty(at, name, { value: fresh(step) });
  },
  "copy a part to another key": (at, step) => put(at, keyOf(step), copy(raw(get(at, existing(at, step))))),
  "assign a part to another key": (at, step, side) => {
    const part = get(at, existing(at, step));
    put(at, keyOf(step), isPlain(side) ? copy(part) : part);
  },
  "assign a part to its own place": (at, step) => {
    const name = existing(at, step);
    if (Object.hasOwn(at, name)) put(at, name, get(at, name));
  },
  "assign a literal that holds parts": (at, step, side) => {
    const part = get(at, existing(at, step));
    put(at, keyOf(step), isPlain(side) ? copy({ wrapped: [part], part }) : { wrapped: [part], part });
  },
  "add to a number": (at, step) => {
    const name = existing(at, step);
    if (typeof get(at, name) === "number") at[name] = (at[name] as number) + 1;
  },
  "spread into itself": (at, step, side) => {
    const all = { ...at };
    put(at, keyOf(step), isPlain(side) ? copy(all) : all);
  },
  "rename a key": (at, step, side) => {
    const name = existing(at, step);
    if (!Object.hasOwn(at, name)) return;
    const { [name]: value, ...rest } = at;
    void rest;
    const moved = isPlain(side) ? copy(value) : raw(value);
    delete at[name];
    put(at, keyOf(step), moved);
  },
  clear: (at) => {
    for (const name of Object.keys(at)) delete at[name];
  },
  "write while iterating": (at, step) => {
    for (const name in at) if (typeof get(at, name) === "number") at[name] = pick(step, 2);
  },
  "read descriptors": (at, step) => Object.getOwnPropertyDescriptor(at, existing(at, step))?.enumerable,
  "ask what is there": (at, step) => [Object.hasOwn(at, keyOf(step)), Object.keys(at), Object.entries(at).length],
};

const arrays: Record<string, Kinds["array"]> = {
  push: (at, step) => at.push(fresh(step)),
  "push several": (at, step) => at.push(fresh(step), 1, fresh(step)),
  pop: (at) => at.pop(),
  shift: (at) => at.shift(),
  unshift: (at, step) => at.unshift(fresh(step), 2),
  splice: (at, step) =>
    at.splice(indexIn(at, step), pick(step, 2) % 3, ...Array.from({ length: pick(step, 3) % 3 }, () => fresh(step))),
  "splice from the end": (at, step) => at.splice(-(pick(step, 1) % 4), pick(step, 2) % 3, fresh(step)),
  "splice all": (at) => at.splice(0),
  reverse: (at) => at.reverse().length,
  sort: (at) => at.sort(byText).length,
  "sort by text": (at) => {
    if (at.every((one) => typeof one !== "object" || one === null)) at.sort();
  },
  fill: (at, step, side) => {
    at.fill(fresh(step), indexIn(at, step), indexIn(at, step, 2));
    if (isPlain(side)) separate(at);
  },
  copyWithin: (at, step, side) => {
    at.copyWithin(indexIn(at, step), indexIn(at, step, 2), indexIn(at, step, 3));
    if (isPlain(side)) separate(at);
  },
  "set an index": (at, step) => {
    at[indexIn(at, step)] = fresh(step);
  },
  "set beyond the end": (at, step) => {
    at[at.length + (pick(step, 1) % 3)] = fresh(step);
  },
  shorten: (at, step) => {
    at.length = indexIn(at, step);
  },
  lengthen: (at, step) => {
    at.length += pick(step, 1) % 3;
  },
  empty: (at) => {
    at.length = 0;
  },
  "delete an index": (at, step) => Reflect.deleteProperty(at, String(indexIn(at, step))),
  "define an index": (at, step) =>
    void Object.defineProperty(at, indexIn(at, step), {
      value: fresh(step),
      writable: true,
      enumerable: true,
      configurable: true,
    }),
  "define the length": (at, step) => Reflect.defineProperty(at, "length", { value: indexIn(at, step) }),
  "swap by destructuring": (at, step, side) => {
    if (at.length < 2) return;
    const i = pick(step, 1) % at.length;
    const j = pick(step, 2) % at.length;
    const [x, y] = [raw(at[i]), raw(at[j])];
    [at[i], at[j]] = isPlain(side) ? [copy(y), copy(x)] : [y, x];
  },
  "assign one element to another slot": (at, step, side) => {
    const part = at[indexIn(at, step)];
    at[indexIn(at, step, 2)] = isPlain(side) ? copy(part) : part;
  },
  "change elements while iterating": (at, step) => {
    for (const one of at) if (isBag(one)) one["touched"] = pick(step, 2);
  },
  "push while iterating": (at) => {
    let count = 0;
    for (const one of at) if (count++ < 2) at.push(typeof one === "number" ? one : count);
  },
  "remove while iterating": (at) => {
    at.forEach((_, i) => {
      if (i === 1) at.splice(0, 1);
    });
  },
  "change what find gives": (at, step) => {
    const one = at.find(isBag) as Bag | undefined;
    if (one !== undefined) one["found"] = fresh(step);
  },
  "change after a shift": (at, step) => {
    const one = at.at(-1);
    at.shift();
    if (at.length > 0 && isBag(one)) one["shifted"] = pick(step, 1);
  },
  "native push": (at, step) => Array.prototype.push.call(at, fresh(step)),
  "native splice": (at, step, side) => {
    if (isPlain(side)) at.splice(indexIn(at, step), 1);
    else Array.prototype.splice.call(at, indexIn(at, step), 1);
  },
  "filter and assign back": (at, step, side) => {
    const kept = at.filter((_, i) => i % 2 === pick(step, 1) % 2);
    at.push(isPlain(side) ? copy(kept) : kept);
  },
  "ask what is there": (at, step) => [
    at.length,
    indexIn(at, step) in at,
    at.includes(1),
    at.indexOf(undefined),
    at.join(),
  ],
};

const leaves: Record<string, (at: unknown, step: Step) => unknown> = {
  "Map.set": (at, step) => at instanceof Map && at.set(pick(step, 1) % 3, fresh(step)).size,
  "Map.delete": (at, step) => at instanceof Map && at.delete(pick(step, 1) % 3),
  "change inside a Map": (at, step) => {
    if (at instanceof Map) for (const one of at.values()) if (isBag(one)) one["inside"] = pick(step, 1);
  },
  "Set.add": (at, step) => at instanceof Set && at.add(pick(step, 1) % 9).size,
  "Date.setTime": (at, step) => at instanceof Date && at.setTime(pick(step, 1)),
  "set a byte": (at, step) => {
    if (at instanceof Uint8Array && at.length > 0) at[0] = pick(step, 1);
  },
  "fill bytes": (at, step) => {
    if (at instanceof Uint8Array) at.fill(pick(step, 1));
  },
};

const roots: Record<string, Kinds["root"]> = {
  "replace the root": (side, step) => {
    side.root = { root: fresh(step) };
  },
  "spread the root": (side, step) => {
    const all = { ...(side.root as Bag), spread: fresh(step) };
    side.root = isPlain(side) ? copy(all) : all;
  },
  "the root to itself": (side) => {
    const { root } = side;
    side.root = root;
  },
};

export const NAMES: readonly string[] = [
  ...Object.keys(objects).map((name) => `object: ${name}`),
  ...Object.keys(arrays).map((name) => `array: ${name}`),
  ...Object.keys(leaves).map((name) => `leaf: ${name}`),
  ...Object.keys(roots).map((name) => `root: ${name}`),
];

/** The plain side; everything else is the state. */
export class PlainSide implements Side {
  root: unknown;
  constructor(root: unknown) {
    this.root = root;
  }
}

function isPlain(side: Side): boolean {
  return side instanceof PlainSide;
}

function isBag(value: unknown): value is Bag {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.prototype.toString.call(value) === "[object Object]" &&
    !Array.isArray(value) &&
    !(value instanceof URL)
  );
}

/** Every container or leaf of the value, in the order of a walk. */
function places(value: unknown, accept: (value: unknown) => boolean, found: unknown[] = []): unknown[] {
  if (accept(value)) found.push(value);
  if (Array.isArray(value)) for (const one of value) places(one, accept, found);
  else if (isBag(value)) for (const one of Object.keys(value)) places(get(value, one), accept, found);
  return found;
}

/** Runs one step and gives what it returned, plain, or the kind of error it threw. */
export function run(step: Step, side: Side): unknown {
  try {
    return perform(step, side);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return `threw ${error.name}`;
    throw error;
  }
}

function perform(step: Step, side: Side): unknown {
  const [kind, name] = step.name.split(": ") as [string, string];
  if (kind === "root") return roots[name]?.(side, step);
  const accept = {
    object: isBag,
    array: Array.isArray,
    leaf: (value: unknown) => typeof value === "object" && !isBag(value) && !Array.isArray(value) && value !== null,
  };
  const candidates = places(side.root, accept[kind as keyof typeof accept]);
  const at = candidates[pick(step, 0) % Math.max(1, candidates.length)];
  if (at === undefined) return undefined;
  if (kind === "object") return plainResult(objects[name]?.(at as Bag, step, side));
  if (kind === "array") return plainResult(arrays[name]?.(at as unknown[], step, side));
  return plainResult(leaves[name]?.(at, step));
}

function plainResult(result: unknown): unknown {
  return typeof result === "object" && result !== null ? raw(result) : result;
}

const leafValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.integer({ min: -3, max: 300 }),
  fc.constantFrom(undefined, null, true, -0, Number.NaN, 1.5, 12345678901234567890n, "text", "lone \udfff"),
  fc.constantFrom(
    new Date(5),
    new Date(1e12 + 1),
    new Set([1]),
    new Uint8Array([1, 2]),
    Buffer.from("buf"),
    /x/g,
    new URL("http://a/b"),
  ),
  fc.constant(
    new Map<unknown, unknown>([
      [1, { deep: [1] }],
      ["k", 2],
    ]),
  ),
);

/** A small value with every kind of thing in it. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    leafValue,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie("value"), { maxKeys: 3, noNullPrototype: true }),
    fc.constant(Object.assign(Object.create(null), { bare: 1 })),
    fc.constant([1, , { hole: true }]),
  ),
})).value;

/** A root: a container, so that there is something to do. */
export const anyRoot: fc.Arbitrary<unknown> = fc.record({
  a: anyValue,
  items: fc.array(fc.record({ price: fc.integer() }), { maxLength: 5 }),
  list: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 }),
  deep: fc.record({ er: anyValue }),
});

export const anyStep: fc.Arbitrary<Step> = fc.record({
  name: fc.constantFrom(...NAMES),
  picks: fc.array(fc.nat(50), { minLength: 4, maxLength: 4 }),
  value: anyValue,
});
