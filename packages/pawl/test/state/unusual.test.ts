/** Uses of the state that nobody plans for: each does on the state what it does on the plain value. */
import { inspect, types } from "node:util";
import { describe, expect, test } from "vitest";
import { type Draft, raw } from "../../src/state/index.ts";
import { copy } from "../../src/values/index.ts";
import { given, sameValue, settle } from "./harness.ts";

interface State {
  [key: string]: unknown;
  list: number[];
  rows: { n: number; tags?: string[] }[];
  holes: unknown[];
  nested: number[][];
  object: Record<string, unknown>;
  bare: Record<string, unknown>;
  map: Map<unknown, unknown>;
  set: Set<unknown>;
  date: Date;
  bytes: Uint8Array;
  bigs: BigInt64Array;
  memory: ArrayBuffer;
}

const sample = (): State => ({
  list: [3, 1, 2],
  rows: [{ n: 1, tags: ["a"] }, { n: 2 }, { n: 3 }],
  holes: [1, , 3],
  nested: [[1], [2, 3]],
  object: { a: 1, b: { c: 2 } },
  bare: Object.assign(Object.create(null) as Record<string, unknown>, { x: 1 }),
  map: new Map<unknown, unknown>([
    ["a", 1],
    ["b", { n: 1 }],
  ]),
  set: new Set<unknown>([1, "x", { n: 1 }]),
  date: new Date(5),
  bytes: new Uint8Array([1, 2, 3, 4]),
  bigs: new BigInt64Array([1n, -1n]),
  memory: new ArrayBuffer(8),
});

type Use = (s: State) => unknown;

const symbol = Symbol.for("unusual");
const methods = Array.prototype as unknown as Record<string, (this: unknown, ...args: unknown[]) => unknown>;
const call = (name: string, self: unknown, ...args: unknown[]): unknown => methods[name]?.apply(self, args);

const USES: Record<string, Use> = {
  "Array.prototype.push.call": (s) => Array.prototype.push.call(s.list, 9, 8),
  "Array.prototype.splice.apply": (s) => Array.prototype.splice.apply(s.rows, [0, 1, { n: 7 }]),
  "Array.prototype.sort.call": (s) => Array.prototype.sort.call(s.list),
  "Array.prototype.reverse.call with holes": (s) => Array.prototype.reverse.call(s.holes),
  "Array.prototype.unshift.call with holes": (s) => Array.prototype.unshift.call(s.holes, 0),
  "Array.prototype.fill.call": (s) => Array.prototype.fill.call(s.list, 7, 1),
  "array methods on an object": (s) => {
    s.object["length"] = 0;
    return [Array.prototype.push.call(s.object, "x", "y"), Array.prototype.pop.call(s.object)];
  },
  "methods of one array on another": (s) => [s.list.push.call(s.nested[0], 5), s.list.indexOf.call(s.nested[0], 5)],
  "names and lengths of methods": (s) => [s.list.push.name, s.list.push.length, s.list.splice.length, s.list.map.name],
  "what has no change of its own": (s) => [
    call("toSorted", s.list),
    call("toReversed", s.list),
    call("toSpliced", s.list, 0, 1, 9),
    call("with", s.list, 0, 9),
    call("findLast", s.list, (n: number) => n > 1),
    s.list.at(-1),
    s.nested.flat(),
    s.list.concat(s.nested[0] as number[], 5),
    s.list.lastIndexOf(2),
    s.list.join("-"),
    s.list.toString(),
    s.list.toLocaleString(),
  ],
  "what map, filter and slice give is an Array": (s) =>
    [s.list.map(String), s.rows.filter(Boolean), s.list.slice(), s.list.concat()].map(
      (one) => one.constructor === Array && !types.isProxy(one),
    ),
  "the constructor": (s) => [s.list.constructor === Array, s.object.constructor === Object, s.map.constructor === Map],
  "species of a subclass": (s) => {
    class Mine extends Array<number> {}
    return [Mine.from(s.list) instanceof Mine, Mine.from(s.list).length, Array.from(s.map), Array.of(...s.list)];
  },
  "Array.from with a length and a map": (s) => [
    Array.from({ length: 2 }, (_, i) => s.list[i]),
    Array.from(s.set).length,
  ],
  "length set to zero while iterating": (s) => {
    const seen: unknown[] = [];
    for (const one of s.list) {
      seen.push(one);
      s.list.length = 0;
    }
    return seen;
  },
  "length as a text, and as an object": (s) => {
    (s.list as { length: unknown }).length = "2";
    (s.rows as { length: unknown }).length = { valueOf: () => 1 };
    return [s.list.length, s.rows.length];
  },
  "lengths that are none": (s) =>
    [-1, 1.5, "x", 2 ** 32, Number.NaN].map((length) => {
      try {
        (s.list as { length: unknown }).length = length;
      } catch (error) {
        return (error as Error).name;
      }
      return "accepted";
    }),
  "indices that are none": (s) => [
    s.list["-1" as never],
    s.list["1.5" as never],
    s.list["01" as never],
    "01" in s.list,
  ],
  "writes by indices as text": (s) => {
    (s.list as unknown as Record<string, number>)["1"] = 50;
    return [s.list[1], Reflect.has(s.list, "1"), Reflect.has(s.list, 5)];
  },
  "Reflect.set with the proxy as receiver": (s) => [
    Reflect.set(s.object, "a", 5, s.object),
    Reflect.get(s.object, "a"),
  ],
  "Reflect.set with another receiver": (s) => {
    const other: Record<string, unknown> = { a: 0 };
    return [Reflect.set(s.object, "a", 5, other), other, s.object["a"], Reflect.set([1], "0", 2, s.object)];
  },
  "Reflect.get with another receiver": (s) => Reflect.get(s.object, "a", {}),
  "an heir": (s) => {
    const heir = Object.create(s.object) as Record<string, unknown>;
    heir["a"] = 9;
    heir["new"] = 1;
    return [Object.keys(heir), heir["b"], "b" in heir, Object.hasOwn(heir, "b"), s.object["a"]];
  },
  "in, on what is inherited": (s) => ["toString" in s.object, "push" in s.list, "x" in s.bare, "toString" in s.bare],
  "symbols of the language": (s) => [
    (s.object as { [symbol]?: unknown })[symbol],
    symbol in s.object,
    typeof s.list[Symbol.iterator],
    Symbol.iterator in s.list,
    Symbol.iterator in s.map,
    Object.prototype.toString.call(s.map),
    s.map[Symbol.toStringTag],
    Object.getOwnPropertySymbols(s.object),
    Object.getOwnPropertySymbols(s.list),
  ],
  "deleting a symbol or what is not there": (s) => [
    Reflect.deleteProperty(s.object, symbol),
    Reflect.deleteProperty(s.object, "none"),
    Reflect.deleteProperty(s.list, "length"),
    Reflect.deleteProperty(s.list, "none"),
    Reflect.deleteProperty(s.list, "0"),
  ],
  prototypes: (s) => [
    Object.getPrototypeOf(s.object) === Object.prototype,
    Object.getPrototypeOf(s.bare),
    Object.getPrototypeOf(s.list) === Array.prototype,
    Object.getPrototypeOf(s.map) === Map.prototype,
    Object.getPrototypeOf(s.bytes) === Uint8Array.prototype,
    Array.prototype.isPrototypeOf.call(Array.prototype, s.list),
    s.object instanceof Object,
    s.bare instanceof Object,
  ],
  descriptors: (s) => [
    Object.getOwnPropertyDescriptors(s.list),
    Object.getOwnPropertyDescriptor(s.object, "a"),
    Object.getOwnPropertyNames(s.holes),
    Reflect.ownKeys(s.bare),
    Object.isExtensible(s.object),
    Object.isFrozen(s.object),
    Object.isSealed(s.list),
  ],
  "defineProperty keeps what it is not told": (s) => {
    Object.defineProperty(s.object, "a", {});
    Object.defineProperty(s.object, "a", { enumerable: true });
    Object.defineProperty(s.list, "0", { value: 9 });
    return [s.object["a"], s.list[0]];
  },
  "JSON with a replacer, a reviver and an indent": (s) => [
    JSON.stringify(s.object, ["a"], 2),
    JSON.stringify(s.rows, (key, value: unknown) => (key === "n" ? undefined : value)),
    JSON.parse(JSON.stringify(s.rows), (_, value: unknown) => value),
    JSON.stringify(s.holes),
    JSON.stringify({ inside: s.object, date: s.date }),
    JSON.stringify([s.map, s.set, s.bytes]),
  ],
  "a toJSON that is data": (s) => {
    s.object["toJSON"] = "data";
    return JSON.stringify(s.object);
  },
  "a then that is data": async (s) => {
    const then = "then";
    s.object[then] = 1;
    const { [then]: found, ...rest } = await Promise.resolve(raw(s.object));
    return [found, rest];
  },
  "Object.assign from the state": (s) => Object.assign({}, s.object, { z: 1 }),
  "Object.entries and back": (s) => Object.fromEntries(Object.entries(s.object).map(([key, value]) => [key, value])),
  "Object.groupBy-like": (s) =>
    s.rows.reduce<Record<string, number>>((sum, { n }) => Object.assign(sum, { [n]: n }), {}),
  "destructuring with defaults": (s) => {
    const {
      object: { a, none = 5, ...rest },
      rows: [{ n }, ...others],
    } = s as unknown as { object: Record<string, unknown>; rows: [{ n: number }, ...unknown[]] };
    return [a, none, rest, n, others.length];
  },
  "operators that assign": (s) => {
    s.object["none"] ??= 1;
    s.object["a"] ||= 2;
    s.object["b"] &&= 3;
    (s.list[0] as number) += 5;
    (s.list[1] as number)++;
    s.object["a"] = (s.object["a"] as number) ** 2;
    return s.object;
  },
  "deleting while for-in goes on": (s) => {
    const seen: string[] = [];
    for (const key in s.object) {
      seen.push(key);
      delete s.object["b"];
      s.object["later"] = 1;
    }
    return seen;
  },
  "a Map whose keys come and go": (s) => {
    const seen: unknown[] = [];
    for (const [key] of s.map) {
      seen.push(key);
      if (seen.length > 6) break;
      s.map.delete(key);
      s.map.set(key, seen.length);
    }
    return seen;
  },
  "an iterator that is used up stays so": (s) => {
    const iterator = s.map.keys();
    const first = [...iterator];
    s.map.set("late", 1);
    return [first, iterator.next(), [...iterator]];
  },
  "an iterator that is not used up": (s) => {
    const [first] = s.map;
    const [one] = s.set;
    return [first, one, Object.prototype.toString.call(s.set.values())];
  },
  "a Map in a Map, found by its own proxy": (s) => {
    s.map.set("inner", new Map([["k", new Set([1])]]));
    const inner = s.map.get("inner") as Map<string, Set<number>>;
    inner.get("k")?.add(2);
    return [s.map.get("inner") === inner, inner.get("k")?.size];
  },
  "a Map as a key": (s) => {
    s.map.set(new Map([[1, 2]]), "m");
    const key = [...s.map.keys()].at(-1) as Map<unknown, unknown>;
    key.set(1, { deep: true }).delete("none");
    return [s.map.get(key), s.map.size];
  },
  "a Set that holds itself by value": (s) => s.set.add(s.set).size,
  "an object that holds itself by value": (s) => {
    Object.assign(s.object, { self: s.object });
  },
  "set operations by hand": (s) => {
    const other = new Set<unknown>(["x", 5]);
    for (const one of [...s.set]) if (!other.has(one)) s.set.delete(one);
    return [...s.set];
  },
  "the methods of sets that newer platforms have": (s) => {
    const set = s.set as Set<unknown> & { union?: (other: Set<unknown>) => Set<unknown> };
    return set.union === undefined ? 4 : set.union(new Set([9])).size;
  },
  "forEach with a this, and what it gives": (s) => {
    const seen: unknown[] = [];
    s.set.forEach(function (this: unknown, value, key, whole) {
      seen.push(this, value, value === key, whole.size);
    }, 7);
    return seen;
  },
  "methods that were given too little": (s) =>
    [
      () => s.map.forEach(undefined as never),
      () => s.list.forEach(undefined as never),
      () => s.list.sort(5 as never),
    ].map((act) => {
      try {
        return act();
      } catch (error) {
        return (error as Error).name;
      }
    }),
  "bigint elements": (s) => {
    s.bigs[0] = 2n ** 63n - 1n;
    s.bigs.set([5n], 1);
    return [...s.bigs, s.bigs.includes(5n)];
  },
  "a DataView over memory of the state": (s) => {
    const view = new DataView(s.memory, 2, 4);
    view.setFloat32(0, 1.5);
    return [view.getFloat32(0), s.memory.byteLength, new Uint8Array(s.memory)[2]];
  },
  "typed array methods": (s) => {
    s.bytes.copyWithin(0, 2);
    s.bytes.sort((a, b) => b - a);
    s.bytes.subarray(2).reverse();
    Buffer.from(s.bytes.buffer).writeUInt16BE(0x0102, 0);
    return [s.bytes.toString(), s.bytes.length, Buffer.from(s.bytes).toString("hex")];
  },
  "Date setters, and what a Date becomes": (s) => {
    s.date.setUTCFullYear(2020, 1, 29);
    s.date.setMilliseconds(7);
    return [s.date.toISOString(), +s.date, `${s.date.toJSON()}`, new Date(s.date).getTime()];
  },
  "sorting objects by a field, with a closure that reads others": (s) =>
    s.rows.sort((a, b) => b.n - a.n + (s.list.length - 3)).map(({ n }) => n),
  "chained writes": (s) =>
    s.rows
      .reverse()
      .sort((a, b) => a.n - b.n)
      .fill({ n: 0 }, 0, 1)
      .map(({ n }) => n),
  "copyWithin of objects makes copies": (s) => {
    const rows = s.rows;
    rows.copyWithin(1, 0, 1);
    rows.forEach((row, i) => {
      rows[i] = copy(raw(row)) as typeof row; // on the plain side, too, no two slots hold one object
    });
    (rows[0] as { n: number }).n = 99;
    return rows.map(({ n }) => n);
  },
  "a method called with itself": (s) => s.nested.push(s.nested[0] as number[], s.list),
  "names that look like ours": (s) => {
    for (const key of ["gone", "tree", "base", "handle", "parent", "size", "length", "constructor", "hasOwnProperty"])
      s.object[key] = key;
    return [Object.keys(s.object), s.object["tree"], Object.hasOwn(s.object, "handle")];
  },
  "call and apply of the platform on collections": (s) => [
    call("map", s.list, (n: number) => n + 1),
    call("includes", s.list, 2),
    Object.hasOwn(s.object, "a"),
    Object.prototype.propertyIsEnumerable.call(s.list, "length"),
  ],
};

describe("on the state as on the plain value", () => {
  test.each(Object.entries(USES))("%s", async (_, use) => {
    const plain = sample();
    const expected = await use(plain);
    const world = given(sample());
    const draft = world.mirror.open();
    const found = await use(draft.value as State);
    expect(
      sameValue(found, expected),
      `${inspect(found, { depth: 5 })} is not ${inspect(expected, { depth: 5 })}`,
    ).toBe(true);
    expect(sameValue(draft.value, separated(plain)), inspect(draft.value, { depth: 5 })).toBe(true);
    expect(sameValue(draft.raw(), draft.value)).toBe(true);
    settle(world, draft);
    expect(sameValue(world.mirror.open().value, separated(plain))).toBe(true);
  });
});

/** The plain value without cycles: what holds itself there held a copy of itself in the state. */
function separated(plain: State): unknown {
  const { object, set } = plain;
  if (object["self"] === object) object["self"] = sample().object;
  if (set.delete(set)) set.add(sample().set);
  return plain;
}

test("methods of an array may be taken off it, and are the same each time", () => {
  const draft = given(sample()).mirror.open();
  const { list } = draft.value as State;
  const { push, pop, slice, map, includes, [Symbol.iterator]: iterate } = list;
  push(4);
  expect(list).toEqual([3, 1, 2, 4]);
  expect([pop(), slice(1), map((n) => n * 2), includes(3), [...iterate()]]).toEqual([
    4,
    [1, 2],
    [6, 2, 4],
    true,
    [3, 1, 2],
  ]);
  expect(list.push).toBe(push);
});

describe("refused, and nothing is changed", () => {
  const refusals: Record<string, (s: State) => unknown> = {
    "Object.freeze": (s) => Object.freeze(s.object),
    "Object.seal of an array": (s) => Object.seal(s.list),
    "Object.preventExtensions": (s) => Object.preventExtensions(s.rows),
    "Object.setPrototypeOf": (s) => Object.setPrototypeOf(s.object, { evil: true }),
    "a getter by defineProperty": (s) => Object.defineProperty(s.object, "a", { get: () => 1 }),
    "a hidden property": (s) => Object.defineProperty(s.object, "z", { value: 1 }),
    __defineGetter__: (s) =>
      (s.object as { __defineGetter__?: (key: string, get: () => unknown) => void }).__defineGetter__?.("a", () => 1),
    "a symbol key": (s) => Object.assign(s.object, { [symbol]: 1 }),
    "a symbol key of an array": (s) => Object.assign(s.list, { [symbol]: 1 }),
    "a named property of an array": (s) => Object.assign(s.list, { extra: 1 }),
    "a named property of a Map": (s) => Object.assign(s.map, { extra: 1 }),
    "a replaced method of a Map": (s) => Object.assign(s.map, { get: 1 }) && s.map.size,
    "shared memory": (s) => (s.object["m"] = new SharedArrayBuffer(4)),
    "a view on shared memory": (s) => s.list.push(new Uint8Array(new SharedArrayBuffer(4)) as never),
    "resizable memory": (s) => (s.object["m"] = Reflect.construct(ArrayBuffer, [4, { maxByteLength: 8 }]) as unknown),
    "a DataView": (s) => (s.object["v"] = new DataView(new ArrayBuffer(4))),
    "a Proxy around a part": (s) => (s.object["p"] = new Proxy(s.rows, {})),
    "a Proxy around a Map of the state": (s) => (s.object["p"] = new Proxy(s.map, {})),
    "an instance that wraps a part": (s) =>
      (s.object["w"] = new (class Wrapped {
        rows = s.rows;
      })()),
    "a generator of a part": (s) => (s.object["g"] = s.map.keys()),
    "a Promise": (s) => s.map.set("p", Promise.resolve(1)),
    "a WeakMap": (s) => s.set.add(new WeakMap()),
    "an array with a bad element among parts": (s) => (s["rows"] = [...s.rows, (() => 1) as never]),
    "an object with a bad value among parts": (s) => (s["object"] = { ...s.object, bad: Symbol("bad") }),
    "a bad value deep among parts": (s) =>
      (s.rows = s.rows.map((row, i) => (i === 1 ? { ...row, bad: () => 1 } : row)) as never),
    "a getter among parts": (s) => {
      s["object"] = Object.defineProperty({ ...s.object }, "get", { get: () => 1, enumerable: true });
    },
  };
  test.each(Object.entries(refusals))("%s", (_, use) => {
    const draft = given(sample()).mirror.open();
    expect(() => use(draft.value as State)).toThrow();
    expect(draft.wrote).toBe(false);
    expect(sameValue(draft.raw(), sample())).toBe(true);
  });
});

describe("parts that are kept", () => {
  const opened = (): { draft: Draft; state: State } => {
    const draft = given(sample()).mirror.open();
    return { draft, state: draft.value as State };
  };

  test("stay what they are through filter, map, spread and sort", () => {
    const { draft, state } = opened();
    const third = state.rows[2] as { n: number };
    state.rows = state.rows.filter(({ n }) => n !== 1);
    third.n = 30;
    expect(state.rows[1]).toBe(third);
    state.rows = [{ n: 0 }, ...state.rows].sort((a, b) => b.n - a.n);
    third.n = 31;
    draft.value = { ...state, extra: 1 };
    third.n = 32;
    expect((draft.value as State).rows.map(({ n }) => n)).toEqual([32, 2, 0]);
    expect(sameValue(draft.raw(), draft.value)).toBe(true);
  });

  test("cost their top level: what is written does not grow with what is kept", () => {
    const text = "x".repeat(10_000);
    const big = { rows: Array.from({ length: 200 }, (_, n) => ({ n, text })), deep: { text }, n: 0 };
    const bytes = (use: (s: typeof big, draft: Draft) => unknown): number => {
      const draft = given(big).mirror.open();
      use(draft.value as typeof big, draft);
      return draft.seal(0).delta?.length ?? 0;
    };
    expect(bytes((s, draft) => (draft.value = { ...s, n: 1 }))).toBeLessThan(20);
    expect(bytes((s, draft) => (draft.value = { first: 1, ...s }))).toBeLessThan(40);
    expect(bytes((s) => (s.rows = s.rows.filter(({ n }) => n !== 100)))).toBeLessThan(30);
    expect(bytes((s) => (s.rows = s.rows.filter(({ n }) => n % 3 !== 0)))).toBeLessThan(500);
    expect(bytes((s) => (s.rows = [...s.rows, { n: 1, text: "" }]))).toBeLessThan(50);
    expect(bytes((s) => (s.rows = [...s.rows].reverse()))).toBeLessThan(1_100);
    expect(bytes((s) => (s.rows = s.rows.map((row) => (row.n === 7 ? { ...row, n: 8 } : row))))).toBeLessThan(10_100);
    expect(bytes((s, draft) => (draft.value = { ...s, deep: { ...s.deep }, rows: [...s.rows] }))).toBeLessThan(10_100);
    expect(bytes((s) => Object.assign(s, { rows: s.rows }))).toBe(0);
  });
});
