import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { type Draft, raw } from "../../src/state/index.ts";
import { ValueError } from "../../src/values/index.ts";
import { given, opsOf, readsOf, sameValue, settle, type World } from "./harness.ts";

interface Leaves {
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

describe("a Date, typed array or other leaf", () => {
  test("is a real instance, the same for every read", () => {
    const { state } = opened();
    expect(state.bytes).toBe(state.bytes);
    expect(state.date).toBe(state.date);
    expect(state).toEqual(leaves());
    expect(new Date(state.date).getTime()).toBe(1_000_000);
    expect(structuredClone(state.bytes)).toEqual(leaves().bytes);
    expect(new TextDecoder().decode(state.buffer)).toBe("text");
    expect(inspect(state, { depth: 9 }).replace(/at .*/g, "")).toContain("Uint8Array(3) [ 1, 2, 3 ]");
    expect(raw(state.bytes)).not.toBe(state.bytes);
  });

  test.each(CHANGES)("is written back after %s", (_, change, slot) => {
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
    void state.date.getTime();
    expect(draft.wrote).toBe(false);
    (state as Leaves & { x: number }).x = 1;
    expect(readsOf(draft)).toEqual(["slot date"]);
  });

  test("assigned to its own place is no change", () => {
    const { draft, state } = opened();
    Object.assign(state, { bytes: state.bytes, date: state.date });
    expect(opsOf(draft)).toEqual([]);
  });

  test("assigned elsewhere is captured as it is at that moment", () => {
    const { draft, state } = opened();
    const copy = state as Leaves & { second: Date };
    state.date.setTime(1);
    copy.second = state.date;
    state.date.setTime(2);
    copy.second.setTime(3);
    expect([copy.second.getTime(), state.date.getTime()]).toEqual([3, 2]);
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
    Object.assign(state.error, { fn: () => 1 });
    expect(() => draft.raw()).toThrow(ValueError);
    try {
      draft.seal(0);
    } catch (error) {
      expect((error as ValueError).path).toBe("state.error.fn");
    }
    Reflect.deleteProperty(state.error, "fn");
    Object.assign(state.date, { note: "lost?" });
    expect(() => draft.seal(0)).toThrow("state.date");
    Reflect.deleteProperty(state.date, "note");
    expect(opsOf(draft)).toEqual([]);
  });

  test("may be the root", () => {
    const world = given(new Uint8Array([1, 2, 3]));
    const draft = world.mirror.open();
    const bytes = draft.value as Uint8Array;
    bytes[1] = 9;
    expect(sameValue(draft.raw(), bytes)).toBe(true);
    expect(draft.value).toBe(bytes);
    expect(settle(world, draft)).toBe(true);
    expect(world.mirror.open().value).toEqual(new Uint8Array([1, 9, 3]));
  });

  test("of memory is written as the bytes that changed, and no others", () => {
    const world = given({
      bytes: new Uint8Array(100_000),
      floats: new Float64Array(1000),
      memory: new ArrayBuffer(64),
    });
    const draft = world.mirror.open();
    const state = draft.value as { bytes: Uint8Array; floats: Float64Array; memory: ArrayBuffer };
    state.bytes[5] = 1;
    state.bytes[10] = 1;
    state.bytes[50_000] = 1;
    state.bytes.set([1, 2, 3], 99_997);
    state.bytes.fill(7, 4090, 4100);
    state.floats[999] = 1.5;
    new DataView(state.memory).setUint16(62, 0x0102);
    const ops = opsOf(draft).map((op) => op.op === "bytes" && [op.path[0], op.start, op.bytes.length]);
    expect(ops).toEqual([
      ["bytes", 5, 6],
      ["bytes", 4090, 10],
      ["bytes", 50_000, 1],
      ["bytes", 99_997, 3],
      ["floats", 999 * 8 + 6, 2],
      ["memory", 62, 2],
    ]);
  });

  test("of memory that was transferred away is refused", () => {
    const { draft, state } = opened();
    structuredClone(state.memory, { transfer: [state.memory] });
    expect(() => draft.seal(0)).toThrow("memory that was transferred at state.memory");
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
