/** Parts of the state: which of them are decoded, and what a refused value leaves of one. */
import { describe, expect, test } from "vitest";
import { encode } from "../../src/values/index.ts";
import { given, opsOf, settle } from "./harness.ts";

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
