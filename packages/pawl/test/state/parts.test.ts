/** Parts of the state: which of them are decoded, and what a refused value leaves of one. */
import { describe, expect, test } from "vitest";
import { raw } from "../../src/state/index.ts";
import { encode } from "../../src/values/index.ts";
import { given, opsOf, sameValue, settle } from "./harness.ts";

/** Pages of some four small objects. */
const PAGED = 32;

describe("a large part is decoded when somebody looks at it", () => {
  const world = () => {
    const there = given({ a: { n: 1 }, b: { text: "0123456789" }, c: [[1, 2, 3, 4, 5, 6, 7, 8, 9]] });
    const bytes = encode(there.cell.value);
    const broken = Buffer.from(bytes);
    broken[broken.indexOf("text") - 1] = 0x44; // the key is bytes now, and no text
    there.cell.versions.set(there.cell.seq, broken);
    return there;
  };

  test("so that what is in another part does no harm", () => {
    const draft = world().mirror.open();
    const state = draft.value as { a: { n: number }; b: object; c: number[][] };
    expect(state.a.n).toBe(1);
    expect(state.c[0]?.length).toBe(9);
    expect(Object.keys(state)).toEqual(["a", "b", "c"]);
    expect("b" in state).toBe(true);
    expect(() => state.b).toThrow("a key that is no text");
  });

  test("and can be replaced without that", () => {
    const there = world();
    const draft = there.mirror.open();
    (draft.value as { b: unknown }).b = 1;
    expect(opsOf(draft)).toEqual([{ op: "set", path: ["b"], value: 1 }]);
  });

  test("and it is one value for all drafts, whoever looks first", () => {
    const there = given({ list: [{ n: 1, text: "0123456789" }] });
    interface State {
      list: { n: number; text: string }[];
    }
    const [first, second] = [there.mirror.open(), there.mirror.open()];
    const [one, two] = [first.value as State, second.value as State];
    void two.list.length;
    for (const item of one.list) item.n = 2;
    expect(two.list[0]?.n).toBe(1);
    expect(settle(there, first)).toBe(true);
    expect(two.list[0]?.n).toBe(1);
    expect((there.mirror.open().value as State).list[0]).toEqual({ n: 2, text: "0123456789" });
  });
});

describe("small elements of a long array are decoded with their neighbours when somebody looks at one", () => {
  interface State {
    list: (undefined | number | { n: number })[];
  }
  const LENGTH = 60;
  const sample = (): State["list"] =>
    Array.from({ length: LENGTH }, (_, n) => (n % 7 === 3 ? n : n === 11 ? undefined : { n }));
  const opened = () => {
    const world = given({ list: sample() }, PAGED);
    return { world, open: () => world.mirror.open() };
  };
  const listOf = (draft: { value: unknown }) => (draft.value as State).list;

  test("so that what is wrong with one far away does no harm", () => {
    const { world, open } = opened();
    const broken = Buffer.from(encode(world.cell.value));
    const at = broken.lastIndexOf(Buffer.from([0x61, "n".charCodeAt(0)]));
    broken[at] = 0x41; // the key is bytes now, and no text
    world.cell.versions.set(world.cell.seq, broken);
    const list = listOf(open());
    expect([list.length, list[0], list[3], list[50]]).toEqual([LENGTH, { n: 0 }, 3, { n: 50 }]);
    expect(() => list[LENGTH - 2]).toThrow("a key that is no text");
  });

  const uses: Record<string, (list: State["list"]) => unknown> = {
    "read from behind": (list) => list.map((_, i) => list[LENGTH - 1 - i]),
    "one of a page replaced before another is read": (list) => {
      list[20] = { n: 99 };
      return [list[21], list[20], list[22]];
    },
    "cut short, and grown again": (list) => {
      list.length = 21;
      list.push({ n: 1 });
      list[40] = { n: 40 };
      return [list[20], list[21], list.length];
    },
    "spliced at its beginning": (list) => [list.splice(1, 1, { n: 7 }, { n: 8 }), list[30]],
    "sorted backwards": (list) => list.reverse()[1],
    filtered: (list) => list.filter((item) => typeof item === "object").length,
    "shifted, and one changed": (list) => {
      list.shift();
      (list[40] as { n: number }).n = -1;
      return list[41];
    },
    searched: (list) => [list.indexOf(list[33]), list.includes(undefined), list.at(-1)],
    "as text": (list) => JSON.stringify(list),
  };
  test.each(Object.entries(uses))("%s", (_, use) => {
    const { world, open } = opened();
    const plain = sample();
    const expected = use(plain);
    const [older, draft] = [open(), open()];
    expect(listOf(older)[21]).toEqual({ n: 21 });
    expect(use(listOf(draft))).toEqual(expected);
    expect(raw(listOf(draft))).toEqual(plain);
    expect(draft.raw()).toEqual({ list: plain });
    expect(settle(world, draft)).toBe(true);
    expect(raw(listOf(older))).toEqual(sample());
    expect(raw(listOf(open()))).toEqual(plain);
    expect([...listOf(open())]).toEqual(plain);
  });
});

describe("so are small values of a long object or Map", () => {
  type Named = Record<string, unknown>;
  interface State {
    named: Named;
    map: Map<unknown, unknown>;
  }
  const NAMES = ["b", "10", "2", "constructor", "\ud800", "", "toString", "é"];
  const LENGTH = 40;
  const sample = (): State => {
    const named: Named = JSON.parse('{"first": {"n": -1}, "__proto__": {"n": 0}, "after": {"n": 1}}') as Named;
    for (const name of NAMES) named[name] = { name };
    const map = new Map<unknown, unknown>([
      [NaN, { n: "nan" }],
      [0, { n: 0 }],
      ["0", { n: "text" }],
      [{ id: 1 }, { n: "object" }],
      [10n, { n: "big" }],
    ]);
    for (let n = 0; n < LENGTH; n++) {
      named[`k${n}`] = n % 5 === 2 ? n : { n };
      map.set(n % 3 === 0 ? `k${n}` : n + 100, n % 5 === 2 ? n : { n });
    }
    return { named, map };
  };

  const uses: Record<string, (state: State) => unknown> = {
    "read from behind": ({ named, map }) => [
      Object.keys(named)
        .reverse()
        .map((name) => named[name]),
      [...map.keys()].reverse().map((key) => map.get(key)),
    ],
    "one that has another's name": ({ named }) => [
      Reflect.get(named, "__proto__"),
      named["constructor"],
      named["toString"],
    ],
    "one replaced, one deleted and one moved to the end before a neighbour is read": ({ named, map }) => {
      named["k20"] = { n: 99 };
      delete named["k21"];
      delete named["k23"];
      named["k23"] = { n: "again" };
      map.set(120, 1);
      map.delete("k21");
      map.delete("k24");
      map.set("k24", { n: "again" });
      return [named["k19"], named["k20"], named["k24"], map.get(119), map.get(120), map.get(122)];
    },
    "keys of one kind beside another": ({ map }) => [map.get(NaN), map.get(-0), map.get("0"), map.get(10n)],
    "one changed in place": ({ named, map }) => {
      (named["k30"] as { n: number }).n = -30;
      (map.get("k30") as { n: number }).n = -30;
      return Object.entries(named).length + map.size;
    },
    "spread, and as text": ({ named, map }) => [{ ...named }, JSON.stringify(named), [...map.values()]],
  };
  test.each(Object.entries(uses))("%s", (_, use) => {
    const world = given(sample(), PAGED);
    const plain = sample();
    const expected = use(plain);
    const [older, draft] = [world.mirror.open(), world.mirror.open()];
    expect((older.value as State).named["k31"]).toEqual({ n: 31 });
    expect(sameValue(use(draft.value as State), expected)).toBe(true);
    expect(sameValue(raw((draft.value as State).map), plain.map)).toBe(true);
    expect(sameValue(draft.raw(), plain)).toBe(true);
    settle(world, draft);
    expect(sameValue(raw(older.value), sample())).toBe(true);
    expect(sameValue(raw(world.mirror.open().value), plain)).toBe(true);
    expect(sameValue({ ...(world.mirror.open().value as State) }, plain)).toBe(true);
  });
});

describe("a refused value", () => {
  const bad = () => 1;
  const refused: Record<string, (state: { list: unknown[]; map: Map<unknown, unknown> }) => void> = {
    "push(good, bad)": ({ list }) => list.push(4, bad),
    "unshift(good, bad)": ({ list }) => list.unshift(4, bad),
    "splice(…, good, bad)": ({ list }) => list.splice(0, 2, 4, bad),
    "fill(bad)": ({ list }) => list.fill(bad),
    "Map.set(good, bad)": ({ map }) => map.set("new", bad),
    "Map.set(bad, good)": ({ map }) => map.set(bad, 1),
    "an array built of parts and a bad one": (state) => {
      state.list = [...state.list, bad];
    },
  };

  test.each(Object.entries(refused))("leaves the collection untouched: %s", (_, write) => {
    const draft = given({ list: [1, 2, 3], map: new Map([["a", 1]]) }).mirror.open();
    const state = draft.value as { list: unknown[]; map: Map<unknown, unknown> };
    expect(() => write(state)).toThrow();
    expect(state.list).toEqual([1, 2, 3]);
    expect([...state.map]).toEqual([["a", 1]]);
    expect(opsOf(draft)).toEqual([]);
  });

  test("of Object.assign leaves what came before it, as setting one after the other does", () => {
    const assigned = given({}).mirror.open();
    expect(() => Object.assign(assigned.value as object, { good: 1, bad, after: 2 })).toThrow();
    const set = given({}).mirror.open();
    const state = set.value as Record<string, unknown>;
    state["good"] = 1;
    expect(() => {
      state["bad"] = bad;
    }).toThrow();
    expect(assigned.value).toEqual({ good: 1 });
    expect(state).toEqual({ good: 1 });
    expect(opsOf(assigned)).toEqual(opsOf(set));
  });
});
