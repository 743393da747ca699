/** A small serialisability checker: random attempts that overlap must equal the same attempts one after another. */
import assert from "node:assert";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Draft, raw } from "../../src/state/index.ts";
import { copy, decode } from "../../src/values/index.ts";
import { given, sameValue, type World } from "./harness.ts";

const RUNS = Number(process.env["PAWL_STATE_PROGRAMS"] ?? 200);

interface Shared {
  n: Record<string, number>;
  list: number[];
  rows: { n: number; tags: number[] }[];
  byId: Record<string, unknown>;
  map: Map<number, { n: number }>;
  when: Date;
  holes: (number | undefined)[];
}

const initial = (): Shared => ({
  n: { a: 1, b: 2, c: 3 },
  list: [3, 1, 2],
  rows: [
    { n: 1, tags: [1] },
    { n: 2, tags: [] },
    { n: 3, tags: [3] },
  ],
  byId: { x: 1, y: { n: 2 } },
  map: new Map([[1, { n: 1 }]]),
  when: new Date(0),
  holes: Object.assign([], { length: 4, 1: 1 }),
});

type Narrow = (s: Shared, i: number, j: number) => unknown;

const name = (i: number): string => ["x", "y", "z", "0"][i % 4] as string;

/** Operations that read and write little, so that attempts often pass beside each other. */
const OPERATIONS: Record<string, Narrow> = {
  "read a number": (s, i) => s.n["abc"[i % 3] as string],
  "set a number": (s, i, j) => {
    s.n["abc"[i % 3] as string] = j;
  },
  add: (s, i) => {
    s.n["abc"[i % 3] as string] = (s.n["abc"[i % 3] as string] ?? 0) + 1;
  },
  "copy a number": (s, i, j) => {
    s.n["abc"[i % 3] as string] = s.n["abc"[j % 3] as string] ?? 0;
  },
  "count keys": (s) => {
    s.n["a"] = Object.keys(s.byId).length;
  },
  "order of keys": (s) => Object.keys(s.byId).join(),
  "is it there": (s, i) => name(i) in s.byId,
  "put by id": (s, i, j) => {
    s.byId[name(i)] = j % 2 === 0 ? j : { n: j };
  },
  "remove by id": (s, i) => {
    delete s.byId[name(i)];
  },
  "read by id": (s, i) => raw(s.byId[name(i)]),
  "read a field by id": (s, i) => (s.byId[name(i)] as { n?: number } | undefined)?.n,
  "write a field by id": (s, i, j) => {
    const one = s.byId[name(i)];
    if (typeof one === "object") (one as { n: number }).n = j;
  },
  "spread by id": (s) => raw({ ...s.byId }),
  push: (s, _i, j) => {
    s.list.push(j);
  },
  "push and count": (s, _i, j) => s.list.push(j),
  pop: (s) => s.list.pop(),
  shift: (s) => s.list.shift(),
  insert: (s, i, j) => {
    s.list.splice(i % 3, 0, j);
  },
  "read an index": (s, i) => s.list[i % 5],
  "set an index": (s, i, j) => {
    s.list[i % 4] = j;
  },
  sum: (s) => s.list.reduce((sum, one) => sum + one, 0),
  "sum into": (s) => {
    s.n["b"] = s.list.reduce((sum, one) => sum + one, 0);
  },
  length: (s) => s.list.length,
  cut: (s, i) => {
    s.list.length = i % 4;
  },
  sort: (s) => {
    s.list.sort();
  },
  "make a hole": (s, i) => Reflect.deleteProperty(s.list, String(i % 3)),
  "keys of the list": (s) => Object.keys(s.list).join(),
  "keys with holes": (s) => Object.keys(s.holes).join(),
  "for each with holes": (s) => s.holes.reduce((count: number, _) => count + 1, 0),
  "sort with holes": (s) => s.holes.sort().length,
  "fill a hole": (s, i, j) => {
    s.holes[i % 4] = j;
  },
  "dig a hole": (s, i) => Reflect.deleteProperty(s.holes, String(i % 4)),
  "for each": (s) => {
    let seen = 0;
    s.list.forEach(() => {
      seen += 1;
    });
    return seen;
  },
  row: (s, i) => s.rows[i % 3]?.n,
  "row add": (s, i, j) => {
    const row = s.rows[i % 3];
    if (row !== undefined) row.n += j;
  },
  "row tag": (s, i, j) => s.rows[i % 3]?.tags.push(j),
  "row tags": (s, i) => s.rows[i % 3]?.tags.length,
  "row replace": (s, i, j) => {
    s.rows[i % 3] = { n: j, tags: [] };
  },
  "row copy": (s, i, j) => {
    const row = s.rows[i % 3];
    if (row !== undefined) s.rows[j % 3] = raw(row);
  },
  "row remove": (s, i) => raw(s.rows.splice(i % 3, 1)),
  "rows sorted": (s) => {
    s.rows.sort((a, b) => b.n - a.n);
  },
  "rows reversed, then the first": (s, _i, j) => {
    s.rows.reverse();
    if (s.rows[0] !== undefined) s.rows[0].n = j;
  },
  "find a row": (s, _i, j) => s.rows.find((row: Shared["rows"][number] | undefined) => row?.n === j)?.tags.length,
  "rows as text": (s) => JSON.stringify(s.rows),
  "no rows": (s) => {
    s.rows = [];
  },
  "map get": (s, i) => s.map.get(i % 3)?.n,
  "map set": (s, i, j) => {
    s.map.set(i % 3, { n: j });
  },
  "map inside": (s, i, j) => {
    const one = s.map.get(i % 3);
    if (one !== undefined) one.n = j;
  },
  date: (s) => s.when.getTime(),
  "set date": (s, _i, j) => s.when.setTime(j),
  all: (s) => raw(s),
};

const NAMES = Object.keys(OPERATIONS);

interface Operation {
  readonly what: string;
  readonly i: number;
  readonly j: number;
}

interface Attempt {
  readonly operations: readonly Operation[];
  readonly commits: boolean;
}

interface Running {
  readonly attempt: Attempt;
  draft: Draft;
  seen: unknown[];
}

/** An attempt at its place in the serial order: right after version `after`, which it turned into `seq` if it wrote. */
interface Placed {
  readonly after: number;
  readonly seq?: number;
  readonly one: Running;
}

function perform(state: Shared, { what, i, j }: Operation): unknown {
  return OPERATIONS[what]?.(state, i, j);
}

function advance(one: Running): void {
  const operation = one.attempt.operations[one.seen.length] as Operation;
  one.seen.push(copy(perform(one.draft.value as Shared, operation) ?? null));
}

/** Settles one attempt, running it again alone if it conflicts. */
function settled(world: World, one: Running): Placed {
  const { pin, delta, reads } = one.draft.seal(1);
  if (!one.attempt.commits || delta === undefined) {
    one.draft.drop();
    return { after: pin, one };
  }
  if (!world.cell.conflicts(pin, delta, reads)) {
    const seq = world.cell.queue(delta);
    one.draft.commit(seq);
    return { after: seq - 1, seq, one };
  }
  conflicts += 1;
  one.draft.drop();
  one.draft = world.mirror.open();
  one.seen = [];
  for (const _ of one.attempt.operations) advance(one);
  return settled(world, one);
}

/** What the attempt saw, and what came of it, must be what it sees and does alone at its place. */
function checkAlone(world: World, { after, seq, one }: Placed): void {
  const state = decode(world.cell.versions.get(after) as Uint8Array) as Shared;
  one.attempt.operations.forEach((operation, i) => {
    assert.ok(
      sameValue(perform(state, operation) ?? null, one.seen[i]),
      `${operation.what} gave another result than alone`,
    );
  });
  if (seq !== undefined)
    assert.ok(
      sameValue(state, decode(world.cell.versions.get(seq) as Uint8Array)),
      "it made another change than alone",
    );
}

let conflicts = 0;
let overlaps = 0;

const anyAttempt: fc.Arbitrary<Attempt> = fc.record({
  operations: fc.array(fc.record({ what: fc.constantFrom(...NAMES), i: fc.nat(11), j: fc.nat(5) }), {
    minLength: 1,
    maxLength: 4,
  }),
  commits: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
});

test("attempts that overlap have a serial order, phantoms included", () => {
  fc.assert(
    fc.property(
      fc.array(anyAttempt, { minLength: 2, maxLength: 6 }),
      fc.infiniteStream(fc.nat(50)),
      (attempts, order) => {
        const world = given(initial());
        const placed: Placed[] = [];
        const running: Running[] = attempts.map((attempt) => ({ attempt, draft: world.mirror.open(), seen: [] }));
        while (running.length > 0) {
          const at = (order.next().value as number) % running.length;
          const one = running[at] as Running;
          if (one.seen.length < one.attempt.operations.length) advance(one);
          else {
            const { pin } = one.draft;
            const place = settled(world, one);
            if (place.seq !== undefined) {
              if (place.after > pin && one.draft.pin === pin) overlaps += 1;
              const look = world.mirror.open();
              assert.ok(sameValue(look.value, world.cell.value), "the mirror has another value than the core");
              look.drop();
            }
            placed.push(place);
            running.splice(at, 1);
          }
        }
        for (const place of placed) checkAlone(world, place);
        assert.equal(world.mirror.undoSlots, 0);
        assert.equal(world.mirror.oldestPin(), undefined);
      },
    ),
    { numRuns: RUNS * 5 },
  );
  expect(conflicts).toBeGreaterThan(0);
  expect(overlaps).toBeGreaterThan(conflicts / 10);
});
