/** What every mutating method costs at the boundary: nothing by itself; all that an attempt wrote goes with its end. */
import { describe, expect, test } from "vitest";
import { actor } from "../../src/index.ts";
import { type NativeModule, native } from "../../src/native/load.ts";
import { copy } from "../../src/values/index.ts";
import { batches, COUNTING, crash, World } from "../runtime/harness.ts";
import { sameValue } from "./harness.ts";

interface Box {
  n: number;
  gone?: number;
  bag: Record<string, number>;
  list: number[];
  rows: { at: number }[];
  map: Map<string, { v: number }>;
  set: Set<string>;
  date: Date;
  bytes: Uint8Array;
  words: Uint16Array;
  buffer: Buffer;
}

const box = (): Box => ({
  n: 1,
  gone: 1,
  bag: { a: 1, b: 2 },
  list: [5, 3, 9, 1],
  rows: [{ at: 2 }, { at: 1 }],
  map: new Map([
    ["a", { v: 1 }],
    ["b", { v: 2 }],
  ]),
  set: new Set(["a", "b"]),
  date: new Date(1_000),
  bytes: Uint8Array.of(1, 2, 3, 4),
  words: Uint16Array.of(1, 2, 3),
  buffer: Buffer.from("abcd"),
});

const MUTATIONS: Readonly<Record<string, (state: Box) => unknown>> = {
  "setting a field": (s) => (s.n = 2),
  "deleting a field": (s) => delete s.gone,
  "Object.assign": (s) => Object.assign(s.bag, { a: 5, c: 6 }),
  "Object.defineProperty": (s) =>
    Object.defineProperty(s.bag, "d", { value: 1, writable: true, enumerable: true, configurable: true }),
  "an index": (s) => (s.list[1] = 7),
  "a length": (s) => (s.list.length = 2),
  push: (s) => s.list.push(1, 2, 3),
  pop: (s) => s.list.pop(),
  shift: (s) => s.list.shift(),
  unshift: (s) => s.list.unshift(8, 9),
  splice: (s) => s.list.splice(1, 2, 4, 4, 4),
  sort: (s) => s.rows.sort((a, b) => a.at - b.at),
  reverse: (s) => s.rows.reverse(),
  fill: (s) => s.list.fill(0, 1, 3),
  copyWithin: (s) => s.list.copyWithin(0, 2),
  "a field of an element": (s) => {
    for (const row of s.rows) row.at += 1;
  },
  destructuring: ({ rows: [first] }) => first !== undefined && ([first.at] = [17]),
  "a write in a loop over what is written": (s) => {
    for (const at of s.list.keys()) if (at < 6) s.list.push(at);
  },
  "Map.set": (s) => s.map.set("c", { v: 3 }).set("a", { v: 9 }),
  "Map.delete": (s) => s.map.delete("a"),
  "Map.clear": (s) => s.map.clear(),
  "a field of a value of a Map": (s) => {
    for (const value of s.map.values()) value.v += 1;
  },
  "Set.add": (s) => s.set.add("c").add("d"),
  "Set.delete": (s) => s.set.delete("a"),
  "Set.clear": (s) => s.set.clear(),
  "Date.setTime": (s) => s.date.setTime(5),
  "Date.setUTCFullYear": (s) => s.date.setUTCFullYear(2001, 2, 3),
  "an element of a typed array": (s) => (s.bytes[2] = 200),
  "typed array.set": (s) => s.words.set([7, 8], 1),
  "typed array.copyWithin": (s) => s.bytes.copyWithin(0, 2),
  "typed array.fill": (s) => s.words.fill(9),
  "typed array.reverse": (s) => s.bytes.reverse(),
  "typed array.sort": (s) => s.words.sort((a, b) => b - a),
  "Buffer.write": (s) => s.buffer.write("xy", 1),
  "a DataView": (s) => new DataView(s.bytes.buffer).setUint16(1, 0xabcd),
};

/** What the action of the moment does. */
let act: (state: Box) => void = () => {};

const actors = [
  actor("box", {
    state: box,
    actions: {
      act: (c) => act(c.state),
      state: (c) => copy(c.state),
    },
  }),
] as const;

/** How often JavaScript has called the engine to hand in or to read. */
let crossed = 0;

type Engine = InstanceType<NativeModule["Engine"]>;

class Counted extends native().Engine {
  override get advance(): Engine["advance"] {
    const advance = super.advance;
    return (now, input, length, output) => {
      crossed += 1;
      return advance(now, input, length, output);
    };
  }

  override readCell(...args: Parameters<Engine["readCell"]>): Uint8Array {
    crossed += 1;
    return super.readCell(...args);
  }
}
Object.assign(globalThis, { [Symbol.for("pawl/native@1")]: { ...native(), Engine: Counted } });

describe("crosses with the end of its attempt, and not by itself, and is one batch:", () => {
  test.each(Object.entries(MUTATIONS))("%s", async (_, mutate) => {
    const world = new World("memory");
    const runtime = world.open(actors, COUNTING);
    const { actions } = await runtime.create(actors[0], "1");
    await actions.state();
    let crossings = 0;
    act = (state) => {
      const before = crossed;
      mutate(state);
      crossings = crossed - before;
    };
    const before = { batches: batches(runtime), crossed };
    await actions.act();
    expect(crossed, "crossings are counted").toBeGreaterThan(before.crossed);
    expect([crossings, batches(runtime) - before.batches]).toEqual([0, 1]);
    const plain = box();
    mutate(plain);
    expect(sameValue(await actions.state(), plain)).toBe(true);
    crash(runtime);
    expect(sameValue(await world.open(actors).get(actors[0], "1").actions.state(), plain)).toBe(true);
  });
});
