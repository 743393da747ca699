/**
 * Long containers of small parts, of which a program looks at a few: the mirror decodes them page by page, between writes.
 *
 * The programs of the differential proof read everything after each operation, so that there is no page left after the first.
 */
import assert from "node:assert";
import fc from "fast-check";
import { test } from "vitest";
import { raw } from "../../src/state/index.ts";
import { copy } from "../../src/values/index.ts";
import { given, sameValue, settle } from "./harness.ts";
import { readThrough } from "./read-through.ts";

interface Item {
  n: number;
}

type Part = Item | number | undefined;

interface State {
  list: Part[];
  named: Record<string, Part>;
  map: Map<unknown, Part>;
}

const LENGTH = 48;
/** Keys that are anything but counted ones, by rank. */
const ODD_NAMES = new Map([
  [5, "constructor"],
  [6, "2"],
  [17, ""],
  [18, "\ud800"],
  [30, "toString"],
]);
const ODD_KEYS = new Map<number, unknown>([
  [7, Number.NaN],
  [8, 0],
  [19, 10n],
  [31, undefined],
]);

const nameOf = (at: number): string => ODD_NAMES.get(at) ?? `k${at}`;
const keyOf = (at: number): unknown => (ODD_KEYS.has(at) ? ODD_KEYS.get(at) : at % 3 === 0 ? `k${at}` : at + 100);

/** Most are objects; what is between them ends pages. */
function partOf(at: number): Part {
  if (at % 11 === 3) return at;
  return at % 13 === 7 ? undefined : { n: at };
}

function sample(): State {
  const state: State = { list: [], named: {}, map: new Map() };
  for (let at = 0; at < LENGTH; at++) {
    state.list.push(partOf(at));
    state.named[nameOf(at)] = partOf(at);
    if (at === 12) Object.defineProperty(state.named, "__proto__", own({ n: -12 }));
    if (at === 24) state.map.set({ id: 1 }, { n: -24 });
    state.map.set(keyOf(at), partOf(at));
  }
  return state;
}

const own = (value: Part): PropertyDescriptor => ({ value, enumerable: true, writable: true, configurable: true });

/** One thing done at one rank; `n` is what is written. Gives what was read. */
type Act = (state: State, at: number, n: number) => unknown;

const acts: Readonly<Record<string, Act>> = {
  "list: look": ({ list }, at) => list[at],
  "list: replace": ({ list }, at, n) => void (list[at] = { n }),
  "list: make a number": ({ list }, at, n) => void (list[at] = n),
  "list: change": ({ list }, at, n) => change(list[at], n),
  "list: make a hole": ({ list }, at) => delete list[at],
  "list: cut out": ({ list }, at) => list.splice(at, 2),
  "list: put in": ({ list }, at, n) => void list.splice(at, 0, { n }),
  "list: cut short, and grow": ({ list }, at, n) => {
    list.length = Math.min(list.length, LENGTH - (at % 8));
    list.push({ n });
  },
  "list: shift": ({ list }) => list.shift(),
  "named: look": ({ named }, at) => partAt(named, nameOf(at)),
  "named: look at __proto__": ({ named }) => partAt(named, "__proto__"),
  "named: replace": ({ named }, at, n) => void (named[nameOf(at)] = { n }),
  "named: change": ({ named }, at, n) => change(partAt(named, nameOf(at)), n),
  "named: delete": ({ named }, at) => delete named[nameOf(at)],
  "named: delete, and add": ({ named }, at, n) => {
    delete named[nameOf(at)];
    named[nameOf(at)] = { n };
  },
  "map: look": ({ map }, at) => map.get(keyOf(at)),
  "map: replace": ({ map }, at, n) => void map.set(keyOf(at), { n }),
  "map: change": ({ map }, at, n) => change(map.get(keyOf(at)), n),
  "map: delete": ({ map }, at) => map.delete(keyOf(at)),
  "map: delete, and add": ({ map }, at, n) => {
    map.delete(keyOf(at));
    map.set(keyOf(at), { n });
  },
};

function partAt(named: Record<string, Part>, name: string): Part {
  return Object.hasOwn(named, name) ? named[name] : undefined;
}

function change(part: Part, n: number): void {
  if (typeof part === "object") part.n = n;
}

const anyAct = fc.record({
  name: fc.constantFrom(...Object.keys(acts)),
  at: fc.nat(LENGTH - 1),
  n: fc.integer({ min: -99, max: -1 }),
});
/** Bytes of a page: one part, or a few. */
const anyPage = fc.constantFrom(8, 24, 40, 64);

// An older pin has what is overwritten kept for it, and so read: without one, pages stay as they are while their slots are written.
test("a program that looks at a few of many parts finds, writes and leaves what it does on a plain value", () => {
  const property = fc.property(
    anyPage,
    fc.array(fc.array(anyAct, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 }),
    fc.option(fc.array(fc.nat(LENGTH - 1), { maxLength: 4 }), { nil: undefined }),
    (leaveFrom, attempts, looks) => {
      const world = given(sample(), leaveFrom);
      const older = looks === undefined ? undefined : world.mirror.open();
      const seen = older?.value as State;
      const plain = sample();
      for (const attempt of attempts) {
        const draft = world.mirror.open();
        for (const { name, at, n } of attempt) {
          const act = acts[name] as Act;
          const expected = copy(act(plain, at, n));
          assert.ok(sameValue(plainOf(act(draft.value as State, at, n)), expected), `${name} gave another result`);
        }
        assert.ok(settle(world, draft), "an attempt alone cannot conflict");
      }
      for (const at of looks ?? []) {
        assert.deepEqual(plainOf(seen.list[at]), partOf(at), "an older pin sees another element");
        assert.deepEqual(plainOf(partAt(seen.named, nameOf(at))), partOf(at), "an older pin sees another property");
        assert.deepEqual(plainOf(seen.map.get(keyOf(at))), partOf(at), "an older pin sees another entry");
      }
      assert.ok(older === undefined || sameValue(raw(older.value), sample()), "an older pin sees another value");
      assert.ok(sameValue(raw(world.mirror.open().value), plain), "raw() of the mirror is another value");
      assert.ok(sameValue(readThrough(world.mirror.open().value), plain), "the mirror has another value");
      assert.ok(sameValue(world.cell.value, plain), "the core has another value");
    },
  );
  fc.assert(property, { numRuns: Number(process.env["PAWL_STATE_PROGRAMS"] ?? 300), includeErrorInReport: true });
}, 120_000);

function plainOf(found: unknown): unknown {
  return typeof found === "object" && found !== null ? copy(found) : found;
}
