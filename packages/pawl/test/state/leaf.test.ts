import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { type Draft, raw } from "../../src/state/index.ts";
import { ValueError } from "../../src/values/index.ts";
import { given, opsOf, readsOf, sameValue, settle, type World } from "./harness.ts";

interface Leaves {
  map: Map<string, unknown>;
  set: Set<unknown>;
  date: Date;
  bytes: Uint8Array;
  floats: Float64Array;
  buffer: Buffer;
  memory: ArrayBuffer;
  error: Error & { extra?: number };
  regexp: RegExp;
  url: URL;
  rows: { at: Date }[];
  dates: Date[];
}

function failure(): Error {
  const error = new Error("message");
  error.stack = "the same stack, whoever asks";
  return error;
}

const leaves = (): Leaves => ({
  map: new Map<string, unknown>([["k", { n: 1, list: [1] }]]),
  set: new Set([1, "two"]),
  date: new Date(1_000_000),
  bytes: new Uint8Array([1, 2, 3]),
  floats: new Float64Array([1.5, -0]),
  buffer: Buffer.from("text"),
  memory: new ArrayBuffer(4),
  error: failure(),
  regexp: /a/g,
  url: new URL("http://a/b?c=1"),
  rows: [{ at: new Date(1) }, { at: new Date(2) }, { at: new Date(3) }],
  dates: [new Date(1), new Date(2), new Date(3)],
});

function opened(): { world: World; draft: Draft; state: Leaves } {
  const world = given(leaves());
  const draft = world.mirror.open();
  return { world, draft, state: draft.value as Leaves };
}

const CHANGES: [string, (s: Leaves) => unknown, string][] = [
  ["Map.set", (s) => s.map.set("new", 1), "map"],
  ["Map.delete", (s) => s.map.delete("k"), "map"],
  [
    "an object in a Map",
    (s) => {
      (s.map.get("k") as { n: number }).n = 2;
    },
    "map",
  ],
  ["an array in an object in a Map", (s) => (s.map.get("k") as { list: number[] }).list.push(2), "map"],
  ["Set.add", (s) => s.set.add({ deep: 1 }), "set"],
  ["Set.clear", (s) => s.set.clear(), "set"],
  ["a Date setter", (s) => s.date.setFullYear(1999), "date"],
  [
    "a byte",
    (s) => {
      s.bytes[1] = 9;
    },
    "bytes",
  ],
  ["typed array set", (s) => s.bytes.set([7, 8], 1), "bytes"],
  ["typed array fill", (s) => s.floats.fill(4), "floats"],
  [
    "a subarray",
    (s) => {
      s.bytes.subarray(1)[0] = 99;
    },
    "bytes",
  ],
  ["a Buffer's write", (s) => s.buffer.write("TEXT"), "buffer"],
  [
    "an ArrayBuffer through a view",
    (s) => {
      new Uint8Array(s.memory)[0] = 1;
    },
    "memory",
  ],
  [
    "an error's message",
    (s) => {
      s.error.message = "other";
    },
    "error",
  ],
  [
    "an error's own property",
    (s) => {
      s.error.extra = 1;
    },
    "error",
  ],
  ["lastIndex", (s) => s.regexp.test("aaa"), "regexp"],
  ["a URL's parameters", (s) => s.url.searchParams.set("c", "2"), "url"],
];

describe("a Map, Date, typed array or other leaf", () => {
  test("is a real instance, the same for every read", () => {
    const { state } = opened();
    expect(state.map).toBe(state.map);
    expect(state.date).toBe(state.date);
    expect(state).toEqual(leaves());
    expect(new Date(state.date).getTime()).toBe(1_000_000);
    expect(structuredClone(state.map)).toEqual(leaves().map);
    expect(new TextDecoder().decode(state.buffer)).toBe("text");
    expect(inspect(state, { depth: 9 }).replace(/at .*/g, "")).toContain("Map(1) { 'k' => { n: 1, list: [ 1 ] } }");
    expect(raw(state.map)).not.toBe(state.map);
  });

  test.each(CHANGES)("is written back whole after %s", (_, change, slot) => {
    const { world, draft, state } = opened();
    change(state);
    const expected = raw(state);
    expect(sameValue(expected, leaves())).toBe(false);
    expect(sameValue(draft.raw(), expected)).toBe(true);
    const other = world.mirror.open();
    expect(sameValue(other.value, leaves())).toBe(true);
    other.drop();
    expect(settle(world, draft)).toBe(true);
    const later = world.mirror.open();
    expect(sameValue(later.value, expected)).toBe(true);
    expect(sameValue(world.cell.value, expected)).toBe(true);
    const again = world.mirror.open();
    change(again.value as Leaves);
    expect(opsOf(again).filter(({ path }) => path[0] !== slot)).toEqual([]);
  });

  test.each(CHANGES)("leaves no trace of %s in an attempt that failed", (_, change) => {
    const { world, draft, state } = opened();
    const held = { ...state };
    change(state);
    draft.drop();
    change(held);
    expect(sameValue(world.mirror.open().value, leaves())).toBe(true);
  });

  test.each(CHANGES)("shares nothing with what others see after %s, also once it is committed", (_, change) => {
    const { world, draft, state } = opened();
    change(state);
    const held = { ...state };
    const expected = raw(state);
    settle(world, draft);
    change(held);
    expect(sameValue(world.mirror.open().value, expected)).toBe(true);
  });

  test("that was only read is not written, and is one slot of the read set", () => {
    const { draft, state } = opened();
    void state.map.get("k");
    expect(draft.wrote).toBe(false);
    (state as Leaves & { x: number }).x = 1;
    expect(readsOf(draft)).toEqual(["slot map"]);
  });

  test("assigned to its own place is no change", () => {
    const { draft, state } = opened();
    Object.assign(state, { map: state.map, date: state.date });
    expect(opsOf(draft)).toEqual([]);
  });

  test("assigned elsewhere is captured as it is at that moment", () => {
    const { draft, state } = opened();
    const copy = state as Leaves & { second: Map<string, unknown> };
    state.map.set("a", 1);
    copy.second = state.map;
    state.map.set("b", 2);
    copy.second.set("c", 3);
    expect([...copy.second.keys()]).toEqual(["k", "a", "c"]);
    expect([...state.map.keys()]).toEqual(["k", "a", "b"]);
    expect(sameValue(draft.raw(), state)).toBe(true);
  });

  test("follows its array when elements move", () => {
    const { world, draft, state } = opened();
    const last = state.rows[2]?.at as Date;
    const second = state.dates[1] as Date;
    state.dates.shift();
    second.setTime(20);
    state.rows.shift();
    last.setTime(30);
    state.rows.reverse();
    const expected = [{ at: new Date(30) }, { at: new Date(2) }];
    expect(sameValue(draft.raw(), { ...leaves(), rows: expected, dates: [new Date(20), new Date(3)] })).toBe(true);
    last.setTime(31);
    settle(world, draft);
    expect((world.mirror.open().value as Leaves).rows[0]?.at.getTime()).toBe(31);
  });

  test("that has lost its slot is not written back", () => {
    const { draft, state } = opened();
    const { date } = state;
    state.date = new Date(5);
    date.setTime(77);
    expect(state.date.getTime()).toBe(5);
    expect(opsOf(draft)).toHaveLength(1);
  });

  test("left with something that cannot be stored is refused with its path, and the draft stays open", () => {
    const { draft, state } = opened();
    state.map.set("fn", () => 1);
    expect(() => draft.raw()).toThrow(ValueError);
    try {
      draft.seal(0);
    } catch (error) {
      expect((error as ValueError).path).toBe('state.map.get("fn")');
    }
    state.map.delete("fn");
    Object.assign(state.date, { note: "lost?" });
    expect(() => draft.seal(0)).toThrow("state.date");
    Reflect.deleteProperty(state.date, "note");
    expect(opsOf(draft)).toEqual([]);
  });

  test("may be the root", () => {
    const world = given(new Map([["a", 1]]));
    const draft = world.mirror.open();
    const map = draft.value as Map<string, unknown>;
    map.set("b", { n: 1 });
    (map.get("b") as { n: number }).n = 2;
    expect(sameValue(draft.raw(), map)).toBe(true);
    expect(draft.value).toBe(map);
    expect(settle(world, draft)).toBe(true);
    expect(world.mirror.open().value).toEqual(
      new Map<string, unknown>([
        ["a", 1],
        ["b", { n: 2 }],
      ]),
    );
  });

  test("is what an older pin saw, also after another draft wrote it", () => {
    const { world, draft, state } = opened();
    const other = world.mirror.open();
    (other.value as Leaves).date.setTime(9);
    expect(settle(world, other)).toBe(true);
    expect(state.date.getTime()).toBe(1_000_000);
    state.date.setTime(10);
    expect(settle(world, draft)).toBe(false);
    expect((world.mirror.open().value as Leaves).date.getTime()).toBe(9);
  });
});
