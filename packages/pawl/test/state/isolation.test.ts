import assert from "node:assert";
import { describe, expect, test } from "vitest";
import { type Draft, raw } from "../../src/state/index.ts";
import { given, readsOf, sameValue, settle, type World } from "./harness.ts";

interface Shop {
  name: string;
  count: number;
  items: { price: number; tags?: string[] }[];
  list: number[];
  byId: Record<string, number>;
  long: number[];
}

const shop = (): Shop => ({
  name: "a",
  count: 0,
  items: [{ price: 1 }, { price: 2 }],
  list: [1, 2, 3],
  byId: { x: 1, y: 2 },
  long: Array.from({ length: 100 }, (_, i) => i),
});

function pair(): { world: World; older: Draft; newer: Draft; old: Shop; fresh: Shop } {
  const world = given(shop());
  const older = world.mirror.open();
  const newer = world.mirror.open();
  return { world, older, newer, old: older.value as Shop, fresh: newer.value as Shop };
}

function committed(world: World, act: (state: Shop) => void): void {
  const draft = world.mirror.open();
  act(draft.value as Shop);
  assert.ok(settle(world, draft), "conflict");
}

describe("an older pin", () => {
  test.each<[string, (state: Shop) => void]>([
    [
      "a slot was set",
      (s) => {
        s.count = 9;
        s.items[0] = { price: 7 };
        (s.items[1] as { price: number }).price = 8;
      },
    ],
    [
      "keys were added and removed",
      (s) => {
        delete s.byId["x"];
        s.byId["0"] = 5;
        s.byId["x"] = 6;
        s.byId["z"] = 1;
      },
    ],
    [
      "an array grew",
      (s) => {
        s.list.push(4, 5);
        s.items.push({ price: 3 });
      },
    ],
    [
      "an array was cut",
      (s) => {
        s.list.length = 1;
        s.items.pop();
      },
    ],
    [
      "an array was cut and grew again",
      (s) => {
        s.list.length = 0;
        s.list.push(7, 8, 9, 10);
      },
    ],
    [
      "a long array was cut and grew again",
      (s) => {
        s.long.length = 0;
        s.long.push(1, 2, 3);
        s.long.length = 90;
      },
    ],
    [
      "a part was changed and then replaced",
      (s) => {
        (s.items[0] as { price: number }).price = 50;
        s.items = [{ price: 51 }];
        s.byId["x"] = 52;
        s.byId = {};
      },
    ],
    [
      "elements were moved",
      (s) => {
        s.list.shift();
        s.list.reverse();
        s.items.sort((a, b) => b.price - a.price);
      },
    ],
    [
      "holes were made",
      (s) => {
        Reflect.deleteProperty(s.list, "1");
      },
    ],
    [
      "containers were replaced",
      (s) => {
        s.items = [];
        s.byId = { only: 1 };
      },
    ],
  ])("keeps seeing its version after %s by other drafts", (_, act) => {
    const world = given(shop());
    const older = world.mirror.open();
    const old = older.value as Shop;
    for (let i = 0; i < 3; i++) committed(world, act);
    assert.ok(sameValue(old, shop()));
    assert.deepStrictEqual(readAll(old), shop());
    assert.ok(sameValue(older.raw(), shop()));
    const between = world.mirror.open();
    const version = raw(between.value);
    committed(world, act);
    assert.ok(sameValue(between.value, version) && sameValue(old, shop()));
    assert.ok(sameValue(raw(world.mirror.open().value), world.cell.value));
  });

  test("tells versions of one array apart, whether elements moved before or after they were set", () => {
    const world = given({ list: [1, 2, 3] });
    const pins: { list: number[] }[] = [];
    const steps: ((list: number[]) => unknown)[] = [
      (list) => list.reverse(),
      (list) => {
        list[0] = 99;
      },
      (list) => list.push(4),
      (list) => {
        list[3] = 5;
      },
      (list) => list.shift(),
      (list) => {
        list[1] = 7;
      },
    ];
    const expected = [1, 2, 3];
    const versions: number[][] = [];
    for (const step of steps) {
      pins.push(world.mirror.open().value as { list: number[] });
      versions.push([...expected]);
      step(expected);
      const draft = world.mirror.open();
      step((draft.value as { list: number[] }).list);
      assert.ok(settle(world, draft));
    }
    expect(pins.map(({ list }) => raw(list))).toEqual(versions);
    expect(pins.map(({ list }) => Array.from({ length: 5 }, (_, i) => list[i]))).toEqual(
      versions.map((list) => Array.from({ length: 5 }, (_, i) => list[i])),
    );
  });

  test("sees its version of the root after the root was replaced", () => {
    const { world, old, newer } = pair();
    newer.value = { other: true };
    settle(world, newer);
    assert.ok(sameValue(old, shop()));
    expect(world.mirror.open().value).toEqual({ other: true });
  });

  test("sees its own writes on top of its version", () => {
    const { world, older, old } = pair();
    old.list.push(99);
    old.byId["mine"] = 1;
    committed(world, (s) => {
      s.name = "other";
      s.count = 5;
    });
    expect([old.list, old.byId]).toEqual([[1, 2, 3, 99], { x: 1, y: 2, mine: 1 }]);
    assert.ok(settle(world, older), "they read and wrote different slots");
    assert.ok(sameValue(world.mirror.open().value, world.cell.value));
    expect(world.mirror.open().value).toMatchObject({ name: "other", count: 5, list: [1, 2, 3, 99] });
  });

  test("is refused if another draft wrote what it read", () => {
    const { world, older, old } = pair();
    old.byId["mine"] = old.count;
    committed(world, (s) => {
      s.count = 5;
    });
    expect(old.count).toBe(0);
    assert.ok(!settle(world, older));
    expect((world.mirror.open().value as Shop).byId).toEqual({ x: 1, y: 2 });
  });

  test("holds old values only as long as it is open, and one per slot that a pin can tell apart", () => {
    const { world, older, newer, old } = pair();
    void old.name;
    newer.drop();
    for (let i = 0; i < 50; i++)
      committed(world, (s) => {
        s.count = i + 1;
      });
    expect(world.mirror.undoSlots).toBe(1);
    expect(old.count).toBe(0);
    const second = world.mirror.open();
    expect((second.value as Shop).count).toBe(50);
    for (let i = 0; i < 50; i++)
      committed(world, (s) => {
        s.count = -i;
      });
    expect([world.mirror.undoSlots, old.count, (second.value as Shop).count]).toEqual([2, 0, 50]);
    older.drop();
    expect([world.mirror.undoSlots, (second.value as Shop).count]).toEqual([1, 50]);
    second.drop();
    expect([world.mirror.undoSlots, world.mirror.oldestPin()]).toEqual([0, undefined]);
  });
});

describe("reads", () => {
  const reads = (act: (state: Shop) => unknown): string[] => {
    const world = given(shop());
    const draft = world.mirror.open();
    act(draft.value as Shop);
    (draft.value as Shop & { written: boolean }).written = true;
    return readsOf(draft);
  };

  test.each<[string, (state: Shop) => unknown, string[]]>([
    ["a slot", (s) => s.count, ["slot count"]],
    ["the absence of a key", (s) => s.byId["none"], ["slot byId/none"]],
    ["a key that is asked for", (s) => "x" in s.byId, ["slot byId/x"]],
    ["the slot of a container that is looked at", (s) => s.items, ["slot items"]],
    ["a leaf, and not the way to it", (s) => s.items[1]?.price, ["slot items/1/price"]],
    ["keys as the shape", (s) => Object.keys(s.byId), ["shape byId"]],
    [
      "an enumeration as the shape",
      (s) => {
        for (const _ in s.byId);
      },
      ["shape byId"],
    ],
    ["a spread as shape and slots", (s) => ({ ...s.byId }), ["shape byId", "slot byId/x", "slot byId/y"]],
    ["a length as the shape", (s) => s.list.length, ["shape list"]],
    ["an index beyond the end", (s) => s.list[3], ["slot list/3"]],
    [
      "an iteration as shape and slots",
      (s) => [...s.list],
      ["shape list", "slot list/0", "slot list/1", "slot list/2"],
    ],
    ["a sort as everything in the array", (s) => s.list.sort((a, b) => b - a), ["subtree list"]],
    ["a shift as everything in the array", (s) => s.items.shift(), ["subtree items"]],
    ["a pop as its element and the shape", (s) => s.items.pop(), ["shape items", "subtree items/1"]],
    ["JSON.stringify as one subtree", (s) => JSON.stringify(s.items), ["subtree items"]],
    ["JSON.stringify of an object as one subtree", (s) => JSON.stringify(s.byId), ["subtree byId"]],
    ["the keys of an array as its level", (s) => Object.keys(s.list), ["level list"]],
    ["a sort that changes nothing as the level", (s) => s.list.sort(), ["level list"]],
    ["an index that is set again", (s) => s.list.fill(1, 0, 1), ["shape list"]],
    [
      "an element that is set again",
      (s) => {
        s.list[0] = 1;
      },
      ["slot list/0"],
    ],
    [
      "nothing of copies that were made within an array",
      (s) => {
        s.items.copyWithin(0, 1);
        return s.items[0]?.price;
      },
      ["shape items", "subtree items/1"],
    ],
    ["raw as one subtree", (s) => raw(s.items), ["subtree items"]],
    [
      "a part that is copied as one subtree",
      (s) => {
        s.items[0] = s.items[1] as { price: number };
      },
      ["subtree items/1"],
    ],
    [
      "a value that is set again",
      (s) => {
        s.count = 0;
      },
      ["slot count"],
    ],
    [
      "nothing of what the attempt wrote itself",
      (s) => {
        s.name = "n";
        s.items[0] = { price: 5 };
        return [s.name, s.items[0].price];
      },
      [],
    ],
    [
      "nothing of an array of its own",
      (s) => {
        s.list = [1];
        return [...s.list, s.list.length];
      },
      [],
    ],
    [
      "a removed part's reads",
      (s) => {
        void s.items[0]?.price;
        s.items = [];
      },
      ["slot items/0/price"],
    ],
  ])("name %s", (_, act, expected) => {
    expect(reads(act).filter((entry) => entry !== "slot written")).toEqual(expected);
  });

  test("of RAW_STATE are the subtree of the root", () => {
    const draft = given(shop()).mirror.open();
    draft.raw();
    (draft.value as Shop).count = 1;
    expect(readsOf(draft)).toEqual(["subtree"]);
  });

  test("of more than 64 slots are the level, and of more than 1,024 containers the root", () => {
    const wide = given({
      list: Array.from({ length: 100 }, (_, i) => i),
      rows: Array.from({ length: 2000 }, () => ({ n: 1 })),
      w: 0,
    });
    const first = wide.mirror.open();
    const state = first.value as { list: number[]; rows: { n: number }[]; w: number };
    for (let i = 0; i < 65; i++) void state.list[i];
    state.w = 1;
    expect(readsOf(first)).toEqual(["level list"]);
    const looked = wide.mirror.open();
    const rows = looked.value as typeof state;
    for (let i = 0; i < 65; i++) void rows.rows[i];
    rows.w = 1;
    expect(readsOf(looked)).toEqual(["level rows"]);
    const second = wide.mirror.open();
    const again = second.value as typeof state;
    for (const row of again.rows) void row.n;
    again.w = 1;
    expect(readsOf(second)).toEqual(["subtree"]);
  });

  test("are left out when nothing can have come between, and without writes", () => {
    const world = given(shop());
    const reader = world.mirror.open();
    void (reader.value as Shop).count;
    expect(reader.seal(1)).toEqual({ pin: 1, delta: undefined, reads: undefined });
    const writer = world.mirror.open();
    (writer.value as Shop).count += 1;
    expect(writer.seal(0).reads).toBeUndefined();
    expect(world.mirror.open().seal(5)).toEqual({ pin: 1, delta: undefined, reads: undefined });
  });
});

function readAll(value: unknown): unknown {
  if (Array.isArray(value)) {
    const out: unknown[] = [];
    value.forEach((one, i) => {
      out[i] = readAll(one);
    });
    out.length = value.length;
    return out;
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, readAll(one)]));
}
