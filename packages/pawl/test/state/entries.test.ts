import assert from "node:assert";
import { inspect, types } from "node:util";
import { describe, expect, test } from "vitest";
import { METHOD_NAMES } from "../../src/state/entries-handle.ts";
import { type Draft, raw } from "../../src/state/index.ts";
import { ValueError } from "../../src/values/index.ts";
import { given, opsOf, readsOf, StaleError, sameValue, settle, type World } from "./harness.ts";

interface Item {
  n: number;
  list?: number[];
}

interface State {
  map: Map<unknown, unknown>;
  set: Set<unknown>;
  people: Map<string, Item>;
  byKey: Map<object, Item>;
}

const sample = (): State => ({
  map: new Map<unknown, unknown>([
    ["a", 1],
    [1, "one"],
    [Number.NaN, null],
    [10n, undefined],
  ]),
  set: new Set<unknown>(["x", 2, { n: 1, list: [1] }, { n: 1, list: [1] }]),
  people: new Map([
    ["ann", { n: 1, list: [1] }],
    ["bob", { n: 2 }],
  ]),
  byKey: new Map([
    [{ k: 1 }, { n: 1 }],
    [{ k: 1 }, { n: 2 }],
    [[1], { n: 3 }],
  ]),
});

function opened(): { world: World; draft: Draft; state: State } {
  const world = given(sample());
  const draft = world.mirror.open();
  return { world, draft, state: draft.value as State };
}

/** The draft as the engine has it, as it reads, and once it is committed: all the same. */
function checked(world: World, draft: Draft): unknown {
  const value = draft.raw();
  assert.ok(sameValue(value, draft.value), "RAW_STATE is not what is read");
  assert.ok(settle(world, draft), "it conflicts");
  assert.ok(sameValue(world.mirror.open().value, value), "the mirror has another value");
  return value;
}

describe("a Map or Set of the state looks like the plain one", () => {
  test("to the language and its libraries", () => {
    const { state } = opened();
    const { map, set } = sample();
    expect(state.map).toBeInstanceOf(Map);
    expect(types.isMap(state.map) && types.isSet(state.set)).toBe(true);
    expect(Object.prototype.toString.call(state.set)).toBe("[object Set]");
    expect(Object.getPrototypeOf(state.map)).toBe(Map.prototype);
    expect([state.map.size, state.set.size]).toEqual([4, 4]);
    expect([...state.map]).toEqual([...map]);
    expect([...state.map.entries()]).toEqual([...map.entries()]);
    expect([...state.map.keys()]).toEqual([...map.keys()]);
    expect([...state.map.values()]).toEqual([...map.values()]);
    expect([...state.set.entries()]).toEqual([...set.entries()]);
    expect(new Map(state.people)).toEqual(sample().people);
    expect(Object.fromEntries(state.people)).toEqual(Object.fromEntries(sample().people));
    expect(Array.from(state.set, (one) => typeof one)).toEqual(["string", "number", "object", "object"]);
    expect(state).toEqual(sample());
    expect(state).toStrictEqual(sample());
    expect(sample()).toStrictEqual(state);
    assert.deepEqual(state, sample());
    assert.deepStrictEqual(state.map, map);
    assert.deepStrictEqual(state.people, sample().people);
    assert.deepStrictEqual(state.set, set);
    assert.deepStrictEqual(set, state.set);
    assert.notDeepStrictEqual(state.map, new Map([["a", 1]]));
    expect(inspect(state, { depth: 9 })).toBe(inspect(sample(), { depth: 9 }));
    expect(inspect(state.set)).toBe(inspect(set));
    expect(JSON.stringify(state)).toBe(JSON.stringify(sample()));
    expect(Object.keys(state.map)).toEqual([]);
    expect(structuredClone(raw(state.map))).toEqual(map);
    const seen: unknown[] = [];
    state.map.forEach(function (this: unknown, value, key, whole) {
      seen.push([this, value, key, whole === state.map]);
    }, "self");
    expect(seen[0]).toEqual(["self", 1, "a", true]);
    expect(Object.prototype.toString.call(state.map.keys())).toMatch(/Iterator\]$/);
  });

  test("and has a method of its own for every one of the platform", () => {
    const names = (prototype: object): string[] =>
      Object.getOwnPropertyNames(prototype).filter((name) => name !== "constructor" && name !== "size");
    expect([...METHOD_NAMES.map].sort()).toEqual(names(Map.prototype).sort());
    expect([...METHOD_NAMES.set].sort()).toEqual(names(Set.prototype).sort());
  });

  test("a copy that the platform makes past it is refused, and a write past it is noticed", () => {
    const { draft, state } = opened();
    expect(() => structuredClone(state.map)).toThrow("could not be cloned");
    expect(() => Object.assign(state.map, { extra: 1 })).toThrow(TypeError);
    Map.prototype.set.call(state.map, "lost", 1);
    expect(() => draft.seal(0)).toThrow("state.map");
  });

  test("what is read twice is the same, wherever it is read", () => {
    const { state } = opened();
    const ann = state.people.get("ann");
    expect(state.people.get("ann")).toBe(ann);
    expect([...state.people.values()][0]).toBe(ann);
    expect([...state.people][0]?.[1]).toBe(ann);
    const [, , member] = state.set;
    expect([...state.set][2]).toBe(member);
    expect([...state.set.keys()][2]).toBe(member);
    const [key] = state.byKey.keys();
    expect([...state.byKey][0]?.[0]).toBe(key);
    expect(state.byKey.get(key as object)).toEqual({ n: 1 });
    expect(state.byKey.has(key as object) && state.set.has(member)).toBe(true);
    expect(state.byKey.has({ k: 1 }) || state.set.has({ n: 1 }) || state.byKey.has(ann as object)).toBe(false);
  });

  test("methods may be taken off it", () => {
    const { world, draft, state } = opened();
    const { get, set, has } = state.map;
    const { add } = state.set;
    set("z", 26);
    add("z");
    expect([get("z"), has("z"), state.set.has("z")]).toEqual([26, true, true]);
    checked(world, draft);
  });
});

const CHANGES: [string, (s: State) => unknown, string][] = [
  ["set of a new key", (s) => s.map.set("new", { deep: [1] }), "set map/new"],
  ["set of a key that is there", (s) => s.map.set("a", 2), "set map/a"],
  ["set of NaN", (s) => s.map.set(Number.NaN, 2), "set map/NaN"],
  ["set of -0, which is 0", (s) => s.map.set(-0, 2), "set map/0"],
  ["delete", (s) => s.map.delete("a"), "delete map/a"],
  ["delete and set", (s) => s.map.delete("a") && s.map.set("a", 1), "delete map/a, set map/a"],
  ["clear", (s) => s.map.clear(), "set map"],
  ["clear and set", (s) => s.map.clear() ?? s.map.set("a", 3).set(1, 4), "set map, set map/a, set map/1"],
  ["add", (s) => s.set.add("new"), "add set/new"],
  ["add of an object", (s) => s.set.add({ fresh: true }), "add set/{}"],
  ["delete of a member", (s) => s.set.delete("x"), "delete set/x"],
  ["delete of an object", (s) => s.set.delete([...s.set][3]), "delete set/{}"],
  ["clear of a Set", (s) => s.set.clear(), "set set"],
  [
    "a write into a value",
    (s) => {
      (s.people.get("ann") as Item).n = 5;
    },
    "set people/ann/n",
  ],
  ["a push into a value", (s) => s.people.get("ann")?.list?.push(2), "splice people/ann/list"],
  [
    "a write into a member",
    (s) => {
      for (const one of s.set) if (typeof one === "object") (one as Item).n += 1;
    },
    "rename set/{}, rename set/{}",
  ],
  ["a push into the second of two equal members", (s) => ([...s.set][3] as Item).list?.push(9), "rename set/{}"],
  [
    "a write into a key",
    (s) => {
      ([...s.byKey.keys()][1] as { k: number }).k = 2;
    },
    "rename byKey/{}",
  ],
  ["set under a key that is an object", (s) => s.byKey.set([...s.byKey.keys()][1] as object, { n: 9 }), "set byKey/{}"],
  ["set under a new object", (s) => s.byKey.set({ k: 1 }, { n: 9 }), "set byKey/{}"],
  ["delete of an object key", (s) => s.byKey.delete([...s.byKey.keys()][0] as object), "delete byKey/{}"],
  [
    "delete of a key that was changed",
    (s) => {
      const [first, second] = [...s.byKey.keys()] as { k: number }[];
      if (first !== undefined) first.k = 5;
      if (second !== undefined) s.byKey.delete(second);
    },
    "delete byKey/{}, rename byKey/{}",
  ],
];

/** An operation in short. */
function shown(draft: Draft): string {
  const segment = (one: unknown): string => {
    if (typeof one !== "object" || one === null || !("entry" in one)) return String(one);
    const key = Buffer.from(String(one.entry), "latin1");
    const head = key[0] ?? 0;
    if (head >= 0x60 && head < 0x78) return key.subarray(1).toString();
    return head < 24 ? String(head) : head === 0xfb ? "NaN" : "{}";
  };
  return opsOf(draft)
    .map(({ op, path }) => `${op} ${path.map(segment).join("/")}`)
    .join(", ");
}

describe("writes", () => {
  test.each(CHANGES)("%s is what it is on the plain value, and costs what it changes", (_, change, ops) => {
    const { world, draft, state } = opened();
    const plain = sample();
    change(plain);
    change(state);
    expect(sameValue(draft.raw(), plain)).toBe(true);
    expect(sameValue(raw(state), plain)).toBe(true);
    checked(world, draft);
    const again = world.mirror.open();
    again.drop();
    const other = opened();
    change(other.state);
    expect(shown(other.draft)).toBe(ops);
  });

  test.each(CHANGES)("%s leaves no trace in an attempt that failed", (_, change) => {
    const { world, draft, state } = opened();
    change(state);
    draft.drop();
    expect(() => change(state)).toThrow(StaleError);
    expect(sameValue(world.mirror.open().value, sample())).toBe(true);
  });

  test("what is there already is no change", () => {
    const { draft, state } = opened();
    state.map.set("a", 1).set(10n, undefined).delete("none");
    state.set.add("x").add([...state.set][2]);
    state.people.set("ann", state.people.get("ann") as Item);
    Object.assign(state, { map: state.map, set: state.set });
    expect(opsOf(draft)).toEqual([]);
  });

  test("a refused key or value changes nothing, and is named with its path", () => {
    const { draft, state } = opened();
    const refusal = (act: () => unknown): string => {
      try {
        act();
      } catch (error) {
        if (error instanceof ValueError) return error.path;
        throw error;
      }
      return "accepted";
    };
    class Money {}
    expect(refusal(() => state.map.set("a", () => 1))).toBe('state.map.get("a")');
    expect(refusal(() => state.map.set("b", { of: [new Money()] }))).toBe('state.map.get("b").of[0]');
    expect(refusal(() => state.map.set(7, Symbol("s")))).toBe("state.map.get(7)");
    expect(refusal(() => state.map.set(() => 1, 1))).toBe("state.map.keys()[4]");
    expect(refusal(() => state.map.set({ bad: new WeakMap() }, 1))).toBe("state.map.keys()[4].bad");
    expect(refusal(() => state.map.set({ good: 1 }, Promise.resolve()))).toBe("state.map.get(…)");
    expect(refusal(() => state.set.add(Symbol("s")))).toBe("state.set.values()[4]");
    expect(refusal(() => state.set.add({ at: new Money() }))).toBe("state.set.values()[4].at");
    expect(
      refusal(() => {
        (state.people.get("ann") as { n: unknown }).n = new Proxy({}, {});
      }),
    ).toBe('state.people.get("ann").n');
    expect(draft.wrote).toBe(false);
    expect(sameValue(state, sample())).toBe(true);
  });

  test("a value that has left says where it was", () => {
    const { draft, state } = opened();
    const ann = state.people.get("ann") as Item;
    const [, , member] = state.set as Set<Item>;
    state.people.delete("ann");
    state.set.delete(member);
    const { people } = state;
    state.people = new Map();
    const what = (act: () => unknown): string => {
      try {
        act();
      } catch (error) {
        return (error as Error).message;
      }
      return "no error";
    };
    expect(what(() => (ann.n = 2))).toBe('state.people.get("ann"): detached');
    expect(what(() => ((member as Item).n = 2))).toBe("state.set.values()[…]: detached");
    expect(what(() => people.set("x", { n: 1 }))).toBe("state.people: detached");
    expect([ann.n, people.size]).toEqual([1, 1]);
    expect(sameValue(draft.raw(), state)).toBe(true);
  });

  test("a changed Date that is a member is refused, not lost", () => {
    const world = given({ dates: new Set([new Date(1)]) });
    const draft = world.mirror.open();
    const { dates } = draft.value as { dates: Set<Date> };
    for (const date of dates) date.setTime(2);
    expect(() => draft.seal(0)).toThrow("state.dates");
    for (const date of dates) date.setTime(1);
    expect(opsOf(draft)).toEqual([]);
  });
});

describe("iteration is live", () => {
  test.each<[string, (map: Map<unknown, unknown>) => unknown]>([
    [
      "what is added meanwhile comes last",
      (map) => {
        const seen: unknown[] = [];
        for (const key of map.keys()) {
          seen.push(key);
          if (seen.length < 8) map.set(`n${seen.length}`, 1);
        }
        return seen;
      },
    ],
    [
      "what is deleted before its turn does not come",
      (map) => {
        const seen: unknown[] = [];
        map.forEach((_, key) => {
          seen.push(key);
          map.delete(1);
        });
        return seen;
      },
    ],
    [
      "what is deleted and added again comes again",
      (map) => {
        const seen: unknown[] = [];
        for (const [key] of map) {
          seen.push(key);
          if (key === "a" && seen.length === 1) {
            map.delete("a");
            map.set("a", 9);
          }
        }
        return seen;
      },
    ],
    [
      "after a clear only what is new comes",
      (map) => {
        const seen: unknown[] = [];
        for (const [key] of map) {
          seen.push(key);
          if (seen.length === 1) {
            map.clear();
            map.set("fresh", 1);
          }
        }
        return seen;
      },
    ],
    [
      "an iterator that was held goes on",
      (map) => {
        const keys = map.keys();
        const first = keys.next();
        map.delete(1);
        map.set("z", 1);
        return [first, ...keys, keys.next()];
      },
    ],
  ])("%s", (_, act) => {
    const { world, draft, state } = opened();
    const plain = sample().map;
    expect(act(state.map)).toEqual(act(plain));
    expect(sameValue(state.map, plain)).toBe(true);
    checked(world, draft);
  });
});

describe("two versions at once", () => {
  test("an older pin sees its own, in its order, whatever others do", () => {
    const { world, draft, state } = opened();
    const keys = state.map.keys();
    keys.next();
    for (const act of [
      (s: State) => s.map.delete("a"),
      (s: State) => s.map.set("a", "again").set("b", 2),
      (s: State) => s.map.delete(1),
      (s: State) => s.set.clear(),
      (s: State) => s.people.delete("bob"),
      (s: State) => s.people.set("bob", { n: 7 }),
      (s: State) => s.map.clear(),
    ]) {
      const other = world.mirror.open();
      act(other.value as State);
      expect(settle(world, other)).toBe(true);
      const look = world.mirror.open();
      expect(sameValue(look.value, world.cell.value)).toBe(true);
      look.drop();
      expect(sameValue(raw(state), sample())).toBe(true);
    }
    expect([...keys]).toEqual([1, Number.NaN, 10n]);
    state.map.set("own", 1);
    expect([...state.map.keys()].at(-1)).toBe("own");
    draft.drop();
    expect(world.mirror.undoSlots).toBe(0);
    expect(sameValue(world.mirror.open().value, world.cell.value)).toBe(true);
  });

  test("different keys do not conflict, the same one does", () => {
    const { world } = opened();
    const open = (): { draft: Draft; state: State } => {
      const draft = world.mirror.open();
      return { draft, state: draft.value as State };
    };
    const [one, two, three, four] = [open(), open(), open(), open()];
    one.state.map.set("a", 2);
    two.state.map.set(1, "two");
    three.state.map.set("a", 3);
    four.state.people.set("n", { n: Number(four.state.map.get("a")) });
    expect(settle(world, one.draft)).toBe(true);
    expect(settle(world, two.draft)).toBe(true);
    expect(settle(world, three.draft)).toBe(false);
    expect(settle(world, four.draft)).toBe(false);
    expect(open().state.map.get("a")).toBe(2);
  });

  test("what is looked up is what is read", () => {
    const { draft, state } = opened();
    state.map.get("a");
    state.map.has("none");
    state.people.get("ann");
    state.map.set("own", 1);
    state.map.get("own");
    const reads = readsOf(draft).length;
    expect(reads).toBe(3);
    const whole = opened();
    for (const one of whole.state.set) void one;
    whole.state.map.set("own", 1);
    expect(readsOf(whole.draft)).toContain("subtree set");
  });
});
