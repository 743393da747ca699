import assert from "node:assert";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { type Draft, raw } from "../../src/state/index.ts";
import { ValueError } from "../../src/values/index.ts";
import { given, opsOf, StaleError, sameValue } from "./harness.ts";

/** Opens a draft over `initial`; `state` is what user code holds. */
function opened<T>(initial: T): { draft: Draft; state: T } {
  const draft = given(initial).mirror.open();
  return { draft, state: draft.value as T };
}

function refusal(act: () => unknown): ValueError {
  try {
    act();
  } catch (error) {
    if (error instanceof ValueError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const sample = () => ({
  name: "a",
  nested: { deep: { n: 1 as number } },
  items: [{ price: 1 }, { price: 2 }, { price: 3 }],
  list: [3, 1, 2],
});

describe("a proxy of the state looks like the plain value", () => {
  test("reading a part twice gives the same proxy", () => {
    const { draft, state } = opened(sample());
    expect(state.items[1]).toBe(state.items[1]);
    expect(draft.value).toBe(state);
    const [, second] = state.items;
    expect(state.items.indexOf(second as { price: number })).toBe(1);
    expect(state.items.includes(second as { price: number })).toBe(true);
  });

  test("the language and its libraries see no difference", () => {
    const { state } = opened(sample());
    expect(Array.isArray(state.items)).toBe(true);
    expect({ ...state.nested.deep }).toEqual({ n: 1 });
    expect([...state.list]).toEqual([3, 1, 2]);
    expect(JSON.stringify(state)).toBe(JSON.stringify(sample()));
    expect(Object.keys(state)).toEqual(["name", "nested", "items", "list"]);
    expect(Object.entries(state.nested)).toHaveLength(1);
    expect("name" in state && !("other" in state) && 2 in state.list && !(3 in state.list)).toBe(true);
    expect(state).toEqual(sample());
    expect(state).toStrictEqual(sample());
    expect(sample()).toEqual(state);
    assert.deepEqual(state, sample());
    assert.deepStrictEqual(state, sample());
    expect(inspect(state, { depth: 9 })).toBe(inspect(sample(), { depth: 9 }));
    expect(structuredClone(raw(state))).toEqual(sample());
    expect(inspect(state.list)).toBe(inspect([3, 1, 2]));
    const seen: string[] = [];
    for (const key in state) seen.push(key);
    expect(seen).toEqual(Object.keys(sample()));
    expect(Object.prototype.toString.call(state.items)).toBe("[object Array]");
    expect(state instanceof Object).toBe(true);
    expect(Object.getPrototypeOf(state.items)).toBe(Array.prototype);
    expect(`${state.list}`).toBe("3,1,2");
    expect(state.list.concat([9], state.list)).toEqual([3, 1, 2, 9, 3, 1, 2]);
    expect(state.list.map((n) => n * 2)).toEqual([6, 2, 4]);
  });

  test("a descriptor is that of the plain property", () => {
    const { state } = opened(sample());
    expect(Object.getOwnPropertyDescriptor(state, "name")).toEqual(Object.getOwnPropertyDescriptor(sample(), "name"));
    expect(Object.getOwnPropertyDescriptor(state.list, "length")).toEqual(
      Object.getOwnPropertyDescriptor([3, 1, 2], "length"),
    );
    expect(Object.getOwnPropertyDescriptor(state, "none")).toBeUndefined();
  });

  test("inherited names are inherited, and __proto__ is data", () => {
    const { draft, state } = opened<Record<string, unknown>>({ a: 1 });
    expect(state["toString"]).toBe(Object.prototype.toString);
    const proto = "__proto__";
    expect(state[proto]).toBeUndefined();
    state[proto] = { polluted: true };
    state["constructor"] = "mine";
    expect(Object.keys(state)).toEqual(["a", "__proto__", "constructor"]);
    expect(Object.getPrototypeOf(state)).toBe(Object.prototype);
    expect(Object.keys(raw(state))).toEqual(["a", "__proto__", "constructor"]);
    expect(sameValue(draft.raw(), state)).toBe(true);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

describe("writes", () => {
  test("setting one field is one operation at its path", () => {
    const { draft, state } = opened(sample());
    state.nested.deep.n = 5;
    expect(opsOf(draft)).toEqual([{ op: "set", path: ["nested", "deep", "n"], value: 5 }]);
  });

  test("setting the same slot again and again leaves one operation", () => {
    const { draft, state } = opened(sample());
    for (let i = 0; i < 1000; i++) state.nested.deep.n += 1;
    expect(opsOf(draft)).toEqual([{ op: "set", path: ["nested", "deep", "n"], value: 1001 }]);
  });

  test("a value that is already there is no change", () => {
    const { draft, state } = opened(sample());
    state.name = "a";
    Object.assign(state, { items: state.items });
    draft.value = state;
    const { items } = state;
    state.items = items;
    expect(draft.wrote).toBe(false);
  });

  test("-0 is not 0, and NaN is NaN", () => {
    const { draft, state } = opened({ zero: 0, nan: Number.NaN });
    state.nan = Number.NaN;
    expect(draft.wrote).toBe(false);
    state.zero = -0;
    expect(draft.wrote).toBe(true);
    expect(Object.is(state.zero, -0)).toBe(true);
  });

  test("array methods are one operation each", () => {
    const { draft, state } = opened({ list: [1, 2, 3, 4] });
    expect(state.list.push(5, 6)).toBe(6);
    expect(state.list.pop()).toBe(6);
    expect(state.list.shift()).toBe(1);
    expect(state.list.unshift(0)).toBe(5);
    expect(state.list.splice(1, 2, 9)).toEqual([2, 3]);
    expect(state.list.sort((a, b) => b - a)).toBe(state.list);
    expect(state.list.reverse()).toEqual([0, 4, 5, 9]);
    expect(opsOf(draft).map(({ op }) => op)).toEqual([
      "splice",
      "length",
      "splice",
      "splice",
      "splice",
      "permute",
      "permute",
    ]);
  });

  test("assignment captures by value", () => {
    const { state } = opened<{ a?: { n: number }; b?: { n: number }; list: { n: number }[] }>({ list: [] });
    const given = { n: 1 };
    state.a = given;
    given.n = 2;
    expect(state.a.n).toBe(1);
    state.b = state.a;
    state.b.n = 7;
    expect(state.a.n).toBe(1);
    state.list = [state.a, state.b];
    state.a.n = 3;
    expect(state.list).toEqual([{ n: 1 }, { n: 7 }]);
  });

  test("what pop, shift and splice give is plain and detached", () => {
    const { draft, state } = opened(sample());
    const last = state.items.pop() as { price: number };
    const first = state.items.shift() as { price: number };
    const [middle] = state.items.splice(0, 1);
    for (const one of [last, first, middle as { price: number }]) one.price = 99;
    expect([last, first, middle].some((one) => require_isProxy(one))).toBe(false);
    expect(state.items).toEqual([]);
    expect(sameValue(draft.raw(), state)).toBe(true);
  });

  test("a refused value leaves everything untouched and is named with its path", () => {
    const { draft, state } = opened<Record<string, unknown> & { items: unknown[] }>({
      items: [{ price: 1 }],
      odd: { "odd key": {} },
    });
    const before = raw(state);
    class Money {}
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const set = (value: unknown) => () => {
      (state.items[0] as Record<string, unknown>)["price"] = value;
    };
    expect(refusal(set(() => 1)).path).toBe("state.items[0].price");
    expect(refusal(set({ of: [new Money()] })).path).toBe("state.items[0].price.of[0]");
    expect(refusal(set(Symbol("s"))).path).toBe("state.items[0].price");
    expect(refusal(set(cycle)).path).toContain("state.items[0].price");
    expect(
      refusal(
        set({
          get x() {
            return 1;
          },
        }),
      ).path,
    ).toBe("state.items[0].price.x");
    expect(refusal(set(new Proxy({}, {}))).code).toBe("value_not_storable");
    expect(refusal(set(new Proxy(state.items, {}))).code).toBe("value_not_storable");
    expect(refusal(() => state.items.push({ good: 1 }, new Money())).path).toBe("state.items[2]");
    expect(refusal(() => state.items.splice(0, 1, 1, () => 1)).path).toBe("state.items[1]");
    expect(refusal(() => state.items.unshift(1, Symbol("x"))).path).toBe("state.items[1]");
    expect(refusal(() => state.items.fill(new Money())).path).toBe("state.items[0]");
    expect(refusal(() => Object.assign(state["odd"] as object, { "odd key": () => 1 })).path).toBe(
      'state.odd["odd key"]',
    );
    expect(
      refusal(() => {
        draft.value = { a: [() => 1] };
      }).path,
    ).toBe("state.a[0]");
    expect(refusal(() => Reflect.set(state, Symbol("k"), 1)).path).toBe("state[Symbol(k)]");
    expect(
      refusal(() => Object.defineProperty(state, "x", { get: () => 1, enumerable: true, configurable: true })).path,
    ).toBe("state.x");
    expect(refusal(() => Object.defineProperty(state, "x", { value: 1 })).path).toBe("state.x");
    expect(refusal(() => Reflect.set(state.items, "named", 1)).path).toBe("state.items.named");
    expect(draft.wrote).toBe(false);
    expect(sameValue(state, before)).toBe(true);
  });

  test("a value or a number of holes beyond the limit is refused early", () => {
    const { draft, state } = opened<{ list: number[]; text: string }>({ list: [1], text: "" });
    expect(
      refusal(() => {
        state.list[4_000_000_000] = 1;
      }).code,
    ).toBe("value_too_large");
    expect(
      refusal(() => {
        state.list.length = 2 ** 32 - 1;
      }).code,
    ).toBe("value_too_large");
    expect(
      refusal(() => {
        state.text = "x".repeat(17 * 1024 * 1024);
      }).path,
    ).toBe("state.text");
    expect(() => {
      state.list.length = -1;
    }).toThrow(RangeError);
    expect(draft.wrote).toBe(false);
  });

  test("nesting beyond 256 levels is refused wherever it begins", () => {
    const { state } = opened<Record<string, unknown>>({});
    let at = state;
    for (let i = 0; i < 255; i++) {
      at["x"] = {};
      at = at["x"] as Record<string, unknown>;
    }
    expect(
      refusal(() => {
        at["x"] = {};
      }).code,
    ).toBe("value_not_storable");
    at["x"] = 1;
  });

  test("state cannot be frozen or given a prototype", () => {
    const { state } = opened(sample());
    expect(() => Object.freeze(state)).toThrow(TypeError);
    expect(() => Object.preventExtensions(state.items)).toThrow(/state\.items/);
    expect(() => Object.setPrototypeOf(state, {})).toThrow(TypeError);
    expect(Object.setPrototypeOf(state, Object.prototype)).toBe(state);
    expect(Object.isFrozen(state)).toBe(false);
  });

  test("frozen input is data", () => {
    const { state } = opened<{ a?: { b: { n: number } } }>({});
    state.a = Object.freeze({ b: Object.freeze({ n: 1 }) });
    state.a.b.n = 2;
    expect(state.a.b.n).toBe(2);
  });

  test("an object that inherits from state gets properties of its own", () => {
    const { draft, state } = opened<Record<string, unknown>>({ a: 1 });
    const heir = Object.create(state) as Record<string, unknown>;
    heir["a"] = 2;
    heir["b"] = 3;
    expect([state["a"], state["b"], heir["a"]]).toEqual([1, undefined, 2]);
    expect(draft.wrote).toBe(false);
  });

  test("sort survives a comparator that throws or changes the array", () => {
    const { draft, state } = opened({ list: [3, 1, 2] });
    expect(() =>
      state.list.sort(() => {
        throw new Error("stop");
      }),
    ).toThrow("stop");
    expect(state.list).toEqual([3, 1, 2]);
    expect(() => state.list.sort(1 as never)).toThrow(TypeError);
    let first = true;
    state.list.sort((a, b) => {
      if (first) state.list[0] = 100;
      first = false;
      return a - b;
    });
    expect(state.list).toEqual([1, 2, 3]);
    expect(sameValue(draft.raw(), state)).toBe(true);
  });

  test("a sort whose comparator changes the array keeps parts where they belong", () => {
    const { draft, state } = opened({ rows: [{ n: 3 }, { n: 1 }, { n: 2 }] });
    let first = true;
    state.rows.sort((a, b) => {
      if (first) state.rows.push({ n: 9 });
      first = false;
      return a.n - b.n;
    });
    expect(state.rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 9 }]);
    (state.rows[0] as { n: number }).n = 10;
    expect(sameValue(draft.raw(), state)).toBe(true);
  });

  test("deltas are whole wherever their memory has to grow", () => {
    for (let length = 0; length < 600; length++) {
      const { draft, state } = opened({ text: "", n: 0 as unknown });
      state.text = "x".repeat(length);
      state.n = true;
      expect(opsOf(draft).map((op) => "value" in op && op.value)).toEqual(
        ["x".repeat(length), true].slice(length === 0 ? 1 : 0),
      );
    }
  });

  test("array methods called on something else are the plain ones", () => {
    const { state } = opened({ list: [1] });
    const plain = [5];
    expect(state.list.push.call(plain, 6)).toBe(2);
    expect(plain).toEqual([5, 6]);
    expect(Array.prototype.push.call(state.list, 2)).toBe(2);
    expect(state.list).toEqual([1, 2]);
  });
});

describe("stale parts", () => {
  const ended = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      if (error instanceof StaleError) return `${error.what} ${error.why}`;
      throw error;
    }
    return "no error";
  };

  test("a part whose slot was taken says so when it is written, and can be read as it was", () => {
    const { draft, state } = opened(sample());
    const { nested, items } = state;
    const { deep } = nested;
    const second = items[1] as { price: number };
    deep.n = 7;
    (state as Record<string, unknown>)["nested"] = { deep: { n: 2 } };
    items.splice(1, 1);
    const write = (act: () => unknown): string => ended(act);
    expect(write(() => (deep.n = 1))).toBe("state.nested.deep detached");
    expect(write(() => (second.price = 1))).toBe("state.items[1] detached");
    expect(write(() => Reflect.deleteProperty(nested, "deep"))).toBe("state.nested detached");
    expect([deep.n, nested.deep, second.price, { ...second }]).toEqual([7, { n: 7 }, 2, { price: 2 }]);
    expect(nested.deep).toBe(deep);
    expect(raw(second)).toEqual({ price: 2 });
    expect(items[1]).toEqual({ price: 3 });
    expect(sameValue(draft.raw(), state)).toBe(true);
  });

  test("what is first read of a part that is gone is gone, too", () => {
    const { draft, state } = opened(sample());
    const { nested, items } = state;
    Reflect.deleteProperty(state, "nested");
    state.items = [];
    expect(ended(() => (nested.deep.n = 5))).toBe("state.nested.deep detached");
    expect(ended(() => items[0] && (items[0].price = 5))).toBe("state.items[0] detached");
    expect([nested.deep.n, items[0]?.price, draft.raw()]).toEqual([1, 1, { name: "a", items: [], list: [3, 1, 2] }]);
  });

  test("what was replaced by something built of it is read as it was, also below", () => {
    const { draft, state } = opened(sample());
    const { items } = state;
    const [first] = items;
    state.items = items.map((item, i) => (i === 0 ? { ...item, price: 9 } : item));
    const rows = { ...state, nested: { ...state.nested, deep: { ...state.nested.deep, n: 5 } } };
    const { nested } = state;
    draft.value = rows;
    expect([first?.price, items[0]?.price, raw(items)[0], nested.deep.n, raw(nested)]).toEqual([
      1,
      1,
      { price: 1 },
      1,
      { deep: { n: 1 } },
    ]);
    expect((draft.value as typeof rows).nested.deep.n).toBe(5);
    expect(sameValue(draft.raw(), draft.value)).toBe(true);
  });

  test("what was deleted and returned is read as it was", () => {
    const { draft, state } = opened<Record<string, { n: number }>>({ a: { n: 1 }, b: { n: 2 } });
    const take = (key: string): unknown => {
      const taken = state[key];
      delete state[key];
      return taken;
    };
    expect(take("a")).toEqual({ n: 1 });
    state["again"] = take("b") as { n: number };
    expect(draft.raw()).toEqual({ again: { n: 2 } });
  });

  test("the old root says that it was replaced, whether it is read or written", () => {
    const { draft, state: old } = opened(sample());
    const { items } = old;
    draft.value = { fresh: true };
    expect(ended(() => old.name)).toBe("state detached");
    expect(ended(() => (old.name = "b"))).toBe("state detached");
    expect(ended(() => items.push({ price: 9 }))).toBe("state.items detached");
    expect(items).toHaveLength(3);
    expect(draft.value).toEqual({ fresh: true });
    const next = draft.value as Record<string, unknown>;
    draft.value = { ...next };
    expect(ended(() => draft.value !== next && next["fresh"])).toBe("state detached");
  });

  test("a part follows its array through splice and sort", () => {
    const { draft, state } = opened(sample());
    const third = state.items[2] as { price: number };
    state.items.shift();
    third.price = 30;
    state.items.sort((a, b) => b.price - a.price);
    third.price = 31;
    expect(state.items).toEqual([{ price: 31 }, { price: 2 }]);
    expect(sameValue(draft.raw(), state)).toBe(true);
  });

  test.each(["seal", "commit", "drop"] as const)("after %s every access throws and nothing changes", (end) => {
    const world = given(sample());
    const draft = world.mirror.open();
    const state = draft.value as ReturnType<typeof sample>;
    const { items } = state;
    state.name = "b";
    if (end === "drop") draft.drop();
    else {
      const { delta } = draft.seal(0);
      if (end === "commit") draft.commit(world.cell.queue(delta as Uint8Array));
    }
    const uses: (() => unknown)[] = [
      () => state.name,
      () => {
        state.name = "c";
      },
      () => Reflect.deleteProperty(state, "name"),
      () => Object.keys(state),
      () => "name" in state,
      () => items.push({ price: 1 }),
      () => items.length,
      () => items[0],
      () => Object.getOwnPropertyDescriptor(items, "0"),
      () => Object.defineProperty(items, "0", { value: 1 }),
      () => Object.getPrototypeOf(items),
      () => raw(state),
      () => draft.value,
      () => {
        draft.value = 1;
      },
      () => draft.raw(),
      () => raw({ inside: state }),
      () => [...items],
    ];
    for (const use of uses) expect(ended(use)).toMatch(/^state\S* ended$/);
    expect(inspect(items)).toBe("[state.items: its attempt has ended]");
    expect((world.mirror.open().value as { name: string }).name).toBe(end === "commit" ? "b" : "a");
  });
});

describe("a draft", () => {
  test("is committed once, and only after it was sealed", () => {
    const { cell, mirror } = given(sample());
    const draft = mirror.open();
    (draft.value as { name: string }).name = "b";
    expect(() => draft.commit(2)).toThrow("open");
    const { delta } = draft.seal(0);
    expect(() => draft.seal(0)).toThrow(StaleError);
    draft.commit(cell.queue(delta as Uint8Array));
    expect(() => draft.commit(3)).toThrow("ended");
    draft.drop();
    expect(mirror.head).toBe(2);
  });

  test("gives plain copies of what it has not changed, whatever the keys are called", () => {
    const value = JSON.parse('{"__proto__":{"a":[{"__proto__":1}]},"bare":[]}') as Record<string, unknown>;
    (value["bare"] as unknown[]).push(Object.assign(Object.create(null) as object, { x: { y: 1 } }));
    const { state } = opened(value);
    const copied = raw(state);
    expect(sameValue(copied, value)).toBe(true);
    expect(Object.getPrototypeOf(copied)).toBe(Object.prototype);
    expect(copied["bare"]).not.toBe(value["bare"]);
  });
});

describe("the root", () => {
  test.each([[undefined], [null], [5], ["text"], [10n], [true]])("may be %s", (value) => {
    const { draft } = opened<unknown>(value);
    expect(draft.value).toBe(value);
    draft.value = { a: 1 };
    expect(draft.value).toEqual({ a: 1 });
    draft.value = value;
    expect(draft.value).toBe(value);
    expect(opsOf(draft)).toEqual([{ op: "set", path: [], value }]);
  });

  test("is decoded at the first touch and not before, and again after it was dropped", () => {
    const { cell, mirror } = given({ n: 1 });
    const draft = mirror.open();
    expect([cell.reads, draft.touched, mirror.materialised]).toEqual([0, false, false]);
    (draft.value as { n: number }).n = 2;
    expect([cell.reads, draft.touched]).toEqual([1, true]);
    expect(() => mirror.drop()).toThrow("open draft");
    const { delta } = draft.seal(0);
    draft.commit(cell.queue(delta as Uint8Array));
    mirror.drop();
    expect(mirror.head).toBe(2);
    expect(mirror.open().value).toEqual({ n: 2 });
    expect(cell.reads).toBe(2);
  });

  test("replacing it makes earlier operations moot", () => {
    const { draft, state } = opened(sample());
    state.name = "x";
    draft.value = { ...raw(state), name: "y" };
    expect((draft.value as { name: string }).name).toBe("y");
    expect(opsOf(draft)).toHaveLength(1);
  });
});

function require_isProxy(value: unknown): boolean {
  return inspect(value, { showProxy: true }).startsWith("Proxy");
}
