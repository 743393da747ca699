/** How much is kept for attempts that are behind, and what becomes of those that need more; what large containers cost. */
import { expect, test, vi } from "vitest";
import { actor } from "../../src/index.ts";
import type { CellSource } from "../../src/state/index.ts";
import { Mirror } from "../../src/state/index.ts";
import { encode } from "../../src/values/index.ts";
import { gate, until, World } from "../runtime/harness.ts";
import { StaleError } from "../state/harness.ts";

/** A mirror of a value whose commits are told to nobody. */
function mirrorOf(value: unknown, floor?: () => number): Mirror {
  const source: CellSource = {
    read: () => encode(value),
    readAt: () => encode(value),
    ...(floor === undefined ? {} : { floor }),
  };
  return new Mirror(source, 1, { stale: (what, why) => new StaleError(what, why) });
}

function committed(mirror: Mirror, seq: number, act: (state: Large) => unknown): void {
  const draft = mirror.open();
  act(draft.value as Large);
  draft.seal(0);
  draft.commit(seq);
}

interface Large {
  n: number;
  list: number[];
  map: Map<number, number>;
  text: string;
}

const large = (): Large => ({
  n: 0,
  list: Array.from({ length: 60_000 }, (_, i) => i),
  map: new Map(Array.from({ length: 10 }, (_, i) => [i, i])),
  text: "",
});

test("an attempt that needs more than 100,000 old slots loses its version, and no other one does", () => {
  const mirror = mirrorOf(large());
  const oldest = mirror.open();
  const { list } = oldest.value as Large;
  expect(list[5]).toBe(5);
  committed(mirror, 2, (s) => s.list.fill(-1));
  const younger = mirror.open();
  const { list: later } = younger.value as Large;
  expect([list[5], later[5], mirror.undoSlots]).toEqual([5, -1, 60_000]);
  committed(mirror, 3, (s) => s.list.fill(-2));
  expect(later[5]).toBe(-1);
  expect(() => list[5]).toThrow("overtaken");
  expect(() => (oldest.value as Large).n).toThrow("overtaken");
  expect(mirror.oldestPin()).toBe(2);
  expect(mirror.undoSlots).toBe(60_000);
});

test("texts and orders of keys count by their bytes: 16 MiB", () => {
  const mirror = mirrorOf({ ...large(), text: "x".repeat(9 << 20) });
  const older = mirror.open();
  const state = older.value as Large;
  expect(state.n).toBe(0);
  committed(mirror, 2, (s) => (s.text = "short"));
  expect(() => state.n).toThrow("overtaken");
});

test("an attempt below what the engine still keeps loses its version", () => {
  let floor = 0;
  const mirror = mirrorOf(large(), () => floor);
  const older = mirror.open();
  const state = older.value as Large;
  committed(mirror, 2, (s) => (s.n = 1));
  expect(state.n).toBe(0);
  floor = 2;
  committed(mirror, 3, (s) => (s.n = 2));
  expect(() => state.n).toThrow("overtaken");
});

test.each<[string, (draft: ReturnType<Mirror["open"]>) => void, object]>([
  ["that only read stands at its pin", (d) => void (d.value as Large).n, { pin: 1, delta: undefined }],
  ["that wrote settles as a conflict", (d) => void ((d.value as Large).n = 5), { pin: 0 }],
])("a lost attempt %s", (_, act, settled) => {
  const mirror = mirrorOf({ ...large(), text: "x".repeat(9 << 20) });
  const older = mirror.open();
  act(older);
  committed(mirror, 2, (s) => (s.text = "short"));
  expect(older.seal(0)).toMatchObject(settled);
});

test("a real attempt that loses its version runs again, even if it swallows what it is told", async () => {
  const bodies: unknown[] = [];
  const goOn = gate();
  const counter = actor("counter", {
    state: () => ({ n: 0, text: "x".repeat(9 << 20) }),
    actions: {
      slow: async (c, writes: boolean) => {
        const { state } = c;
        const run = bodies.push([state.n, writes]);
        if (run > 1) return [state.n, state.text];
        await goOn.promise;
        try {
          return [state.n, state.text];
        } catch (error) {
          bodies.push((error as { code?: unknown }).code);
          return "swallowed";
        }
      },
      shorten: (c) => {
        c.state.n += 1;
        c.state.text = "short";
      },
    },
  });
  const { actions } = await new World("memory").open([counter]).create(counter, "1");
  const slow = actions.slow(false);
  await until(() => bodies.length === 1);
  await actions.shorten();
  goOn.open();
  expect(await slow).toEqual([1, "short"]);
  expect(bodies).toEqual([[0, false], "conflict", [1, false]]);
});

const MILLION = 1_000_000;

/** The largest Map that was walked through while `act` ran. */
function walked(act: () => void): number {
  let most = 0;
  const names = ["keys", "values", "entries", "forEach", Symbol.iterator] as const;
  const spies = names.map((name) => {
    const plain = Map.prototype[name] as (this: Map<unknown, unknown>, ...args: unknown[]) => unknown;
    return vi.spyOn(Map.prototype, name as "keys").mockImplementation(function (this: unknown, ...args: unknown[]) {
      const map = this as Map<unknown, unknown>;
      most = Math.max(most, map.size);
      return Reflect.apply(plain, map, args) as ReturnType<Map<unknown, unknown>["keys"]>;
    });
  });
  act();
  for (const spy of spies) spy.mockRestore();
  return most;
}

test("two versions of a Map of 1,000,000 entries cost what they changed: slots, bytes, and no walk through either", () => {
  const costs = [10, 1_000].map((k) => {
    const mirror = mirrorOf({ ...large(), map: new Map(Array.from({ length: MILLION }, (_, i) => [i, i])) });
    const [one, other] = [mirror.open(), mirror.open()];
    const [first, second] = [(one.value as Large).map, (other.value as Large).map];
    let bytes = 0;
    const most = walked(() => {
      for (let i = 0; i < k; i++) {
        first.set(i, -i);
        first.delete(MILLION / 2 + i);
        first.set(MILLION + i, i);
        second.set(MILLION - 1 - i, 0);
      }
      const { delta, reads } = one.seal(1);
      bytes = (delta?.length ?? 0) + (reads?.length ?? 0);
      one.commit(2);
      for (let i = 0; i < k; i++) {
        if (second.get(i) !== i || second.get(MILLION / 2 + i) !== MILLION / 2 + i) throw new Error("another version");
        if (second.has(MILLION + i)) throw new Error("a phantom");
      }
    });
    expect(most, "the largest Map that was walked through").toBeLessThan(10 * k + 100);
    expect(second.size).toBe(MILLION);
    const undo = mirror.undoSlots;
    other.drop();
    expect(mirror.undoSlots).toBe(0);
    return { undo, bytes };
  });
  const [small, big] = costs;
  expect(small?.undo).toBeLessThanOrEqual(3 * 10 + 1);
  expect(big?.undo).toBeLessThanOrEqual(3 * 1_000 + 1);
  expect(big?.bytes ?? 0).toBeLessThan(110 * (small?.bytes ?? 0));
});

test("an array that two drafts let grow, each by an element of its own, keeps both", () => {
  const mirror = mirrorOf({ ...large(), list: [1, 2] });
  const older = mirror.open();
  (older.value as Large).list[2] = 30;
  committed(mirror, 2, (s) => (s.list[4] = 50));
  older.seal(0);
  older.commit(3);
  expect(JSON.stringify((mirror.open().value as Large).list)).toBe("[1,2,30,null,50]");
});
