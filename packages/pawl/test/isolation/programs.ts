/** Random programs over shared paths of one state, and what an attempt does with them: the same on the state and on plain values. */
import fc from "fast-check";
import { copy } from "../../src/values/index.ts";

/** A few places of each kind, so that programs meet. */
export interface Shared {
  n: Record<string, number>;
  byId: Record<string, number | { n: number }>;
  list: number[];
  rows: { n: number; tags: number[] }[];
  map: Map<string | number, number | { n: number }>;
  set: Set<string | number>;
}

export const initial = (): Shared => ({
  n: { a: 1, b: 2, c: 3 },
  byId: { x: 1, y: { n: 2 } },
  list: [3, 1, 2],
  rows: [
    { n: 1, tags: [1] },
    { n: 2, tags: [] },
  ],
  map: new Map<string | number, number | { n: number }>([
    ["x", 1],
    [1, { n: 2 }],
  ]),
  set: new Set<string | number>(["x", 1]),
});

type Act = (s: Shared, i: number, j: number) => unknown;

const abc = (i: number): string => "abc"[i % 3] as string;
const name = (i: number): string => ["x", "y", "z", "0"][i % 4] as string;
const key = (i: number): string | number => (i % 2 === 0 ? name(i) : i % 4);
const either = (j: number): number | { n: number } => (j % 2 === 0 ? j : { n: j });

/** By name. What one gives back is what the attempt has seen. */
export const OPERATIONS: Readonly<Record<string, Act>> = {
  "read a number": (s, i) => s.n[abc(i)],
  "set a number": (s, i, j) => void (s.n[abc(i)] = j),
  "add to a number": (s, i) => (s.n[abc(i)] = (s.n[abc(i)] ?? 0) + 1),
  "copy a number": (s, i, j) => void (s.n[abc(i)] = s.n[abc(j)] ?? 0),
  "keys of an object": (s) => Object.keys(s.byId),
  "count keys into a number": (s) => void (s.n["a"] = Object.keys(s.byId).length),
  "for in": (s) => {
    const seen: string[] = [];
    for (const id in s.byId) seen.push(id);
    return seen;
  },
  "is a key there": (s, i) => name(i) in s.byId,
  "is a key its own": (s, i) => Object.hasOwn(s.byId, name(i)),
  "add unless it is there": (s, i, j) => {
    if (!(name(i) in s.byId)) s.byId[name(i)] = either(j);
  },
  "put under a key": (s, i, j) => void (s.byId[name(i)] = either(j)),
  "remove a key": (s, i) => delete s.byId[name(i)],
  "read under a key": (s, i) => s.byId[name(i)],
  "write into what is under a key": (s, i, j) => {
    const one = s.byId[name(i)];
    if (typeof one === "object") one.n = j;
    return typeof one;
  },
  "spread an object": (s) => ({ ...s.byId }),
  "spread and assign": (s, i, j) => void (s.byId = { ...s.byId, [name(i)]: j }),
  "replace an object": (s, i, j) => void (s.byId = { [name(i)]: j }),
  push: (s, _, j) => void s.list.push(j),
  "push and see the length": (s, _, j) => s.list.push(j),
  pop: (s) => s.list.pop(),
  shift: (s) => s.list.shift(),
  insert: (s, i, j) => void s.list.splice(i % 3, 0, j),
  "read an index": (s, i) => s.list[i % 5],
  "set an index": (s, i, j) => void (s.list[i % 4] = j),
  length: (s) => s.list.length,
  "sum of a list": (s) => s.list.reduce((sum, one) => sum + one, 0),
  "sum into a number": (s) => void (s.n["b"] = s.list.reduce((sum, one) => sum + one, 0)),
  "cut a list": (s, i) => void (s.list.length = i % 4),
  sort: (s) => void s.list.sort(),
  "filter and assign": (s, i) => void (s.list = s.list.filter((one) => one % 2 === i % 2)),
  "does a list include": (s, _, j) => s.list.includes(j),
  "read in a row": (s, i) => s.rows[i % 3]?.n,
  "add in a row": (s, i, j) => {
    const row = s.rows[i % 3];
    if (row !== undefined) row.n += j;
  },
  "tag a row": (s, i, j) => s.rows[i % 3]?.tags.push(j),
  "find a row": (s, _, j) => s.rows.findIndex((row) => row?.n === j),
  "remove a row": (s, i) => s.rows.splice(i % 3, 1),
  "add a row": (s, _, j) => void s.rows.push({ n: j, tags: [] }),
  "map get": (s, i) => s.map.get(key(i)),
  "map has": (s, i) => s.map.has(key(i)),
  "map set": (s, i, j) => void s.map.set(key(i), either(j)),
  "map set unless it has": (s, i, j) => {
    if (!s.map.has(key(i))) s.map.set(key(i), either(j));
  },
  "map delete": (s, i) => s.map.delete(key(i)),
  "map into": (s, i, j) => {
    const one = s.map.get(key(i));
    if (typeof one === "object") one.n += j;
  },
  "map size": (s) => s.map.size,
  "map keys": (s) => [...s.map.keys()],
  "map entries": (s) => [...s.map],
  "map sum into a number": (s) => {
    let sum = 0;
    s.map.forEach((value) => {
      sum += typeof value === "number" ? value : value.n;
    });
    s.n["c"] = sum;
  },
  "map clear": (s) => s.map.clear(),
  "set has": (s, i) => s.set.has(key(i)),
  "set add": (s, i) => void s.set.add(key(i)),
  "set delete": (s, i) => s.set.delete(key(i)),
  "set members": (s) => [...s.set],
  "set size into a number": (s) => void (s.n["a"] = s.set.size),
  "text of a part into a number": (s) => void (s.n["b"] = JSON.stringify(s.byId).length),
  "text of a list into a number": (s) => void (s.n["c"] = JSON.stringify(s.list).length),
  everything: (s) => JSON.stringify([s.n, s.byId, s.list, s.rows]),
};

export interface Operation {
  readonly what: string;
  readonly i: number;
  readonly j: number;
  /** Whether the attempt waits before it. */
  readonly waits: boolean;
}

/** One action, or one step of a branch. */
export interface Unit {
  readonly kind: "action" | "step";
  readonly operations: readonly Operation[];
  readonly throws: boolean;
  /** Of steps. */
  readonly exclusive: boolean;
  readonly hasTimeout: boolean;
  readonly apply: readonly Operation[] | undefined;
}

/** Does it, and gives a copy of what it showed. */
export function perform(state: Shared, { what, i, j }: Operation): unknown {
  return copy(OPERATIONS[what]?.(state, i, j) ?? null);
}

const READS = Object.keys(OPERATIONS).filter((what) =>
  /^(read|is|keys|for in|spread an object|length|sum of|does|find|map (get|has|size|keys|entries)|set (has|members)|everything)/.test(
    what,
  ),
);

const operation = (names: readonly string[]): fc.Arbitrary<Operation> =>
  fc.record({ what: fc.constantFrom(...names), i: fc.nat(11), j: fc.nat(5), waits: fc.boolean() });

const operations = (names: readonly string[]) => fc.array(operation(names), { minLength: 1, maxLength: 4 });

const rarely = fc.nat(5).map((n) => n === 0);

const plain: fc.Arbitrary<Unit> = fc.record({
  kind: fc.constantFrom("action", "action", "step"),
  operations: operations(Object.keys(OPERATIONS)),
  throws: rarely,
  exclusive: rarely,
  hasTimeout: rarely,
  apply: fc.constant(undefined),
});

const applied: fc.Arbitrary<Unit> = fc.record({
  kind: fc.constant("step"),
  operations: operations(READS),
  throws: rarely,
  exclusive: rarely,
  hasTimeout: rarely,
  apply: operations(Object.keys(OPERATIONS)),
});

export const units: fc.Arbitrary<Unit[]> = fc.array(
  fc.oneof({ weight: 5, arbitrary: plain }, { weight: 1, arbitrary: applied }),
  { minLength: 2, maxLength: 7 },
);
