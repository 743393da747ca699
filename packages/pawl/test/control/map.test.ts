import { expect, test } from "vitest";
import { AppError, CriticalError, RollbackError } from "../../src/index.ts";
import { type Ctx, crashing, failureOf, Gates, playing, replayed, resultOf, seenOf } from "./harness.ts";

test("a map of nothing is an empty list", async () => {
  expect(await resultOf((ctx) => ctx.map("none", [], async () => 1))).toEqual([]);
  expect(await resultOf((ctx) => ctx.mapSettled("none", [], async () => 1))).toEqual([]);
});

test("a map gives results in the order of its items, whatever the order in which they come", async () => {
  const gates = new Gates();
  const { handle, t } = playing((ctx) =>
    ctx.map("m", ["a", "b", "c"], (ctx, item, index) =>
      ctx.step("s", () => gates.pass(item).then(() => [item, index])),
    ),
  );
  const result = handle.result();
  for (const item of ["c", "a", "b"]) {
    await t.idle();
    gates.open(item);
  }
  expect(await result).toEqual([
    ["a", 0],
    ["b", 1],
    ["c", 2],
  ]);
});

test.each([
  ["1", { concurrency: 1 }, 1],
  ["3", { concurrency: 3 }, 3],
  ["16 unless it says otherwise", undefined, 16],
  ["as many as there are", { concurrency: 1_000 }, 40],
])("a map runs %s at once", async (_, options, most) => {
  let [now, seen] = [0, 0];
  const items = Array.from({ length: 40 }, (_, i) => i);
  const flow = (ctx: Ctx) =>
    ctx.map(
      "m",
      items,
      async (ctx, item) => {
        now += 1;
        seen = Math.max(seen, now);
        await ctx.sleep("nap", "1s");
        now -= 1;
        return item;
      },
      options,
    );
  const { handle, t } = playing(flow);
  const result = handle.result();
  await t.advance("1m");
  expect(await result).toEqual(items);
  expect(seen).toBe(most);
});

test("the first failure stops a map: no item begins after it, what runs is cancelled, data has the values so far", async () => {
  const begun: number[] = [];
  const ended: unknown[] = [];
  const { handle, t } = playing((ctx) =>
    ctx.map(
      "m",
      [0, 1, 2, 3, 4],
      async (ctx, item) => {
        begun.push(item);
        if (item === 0) return "zero";
        if (item === 1) throw new AppError("one", "bad one");
        await ctx.sleep("nap", "1h").catch((error: { code: string }) => {
          ended.push([item, error.code]);
          throw error;
        });
        return item;
      },
      { concurrency: 2 },
    ),
  );
  const error = await failureOf(handle.result());
  expect(error).toMatchObject({
    code: "map_failed",
    message: 'map "m" has failed in 1: bad one',
    data: { values: ["zero", undefined, undefined, undefined, undefined], errors: { "1": { code: "one" } } },
    cause: { code: "one" },
  });
  await t.idle();
  expect(begun).toEqual(begun.length === 2 ? [0, 1] : [0, 1, 2]);
});

test("a map's failure is the same on replay, and after a crash at any batch it fails for the same item", async () => {
  const seen: unknown[] = [];
  const flow = async (ctx: Ctx) => {
    const failed = await ctx
      .map("m", [1, 2, 3], async (ctx, item) => {
        await ctx.step("s", () => item);
        if (item === 2) throw Object.assign(new RangeError("two"), { item: new Map([[1, item]]) });
        if (item === 3) await ctx.sleep("nap", "1d");
        return item;
      })
      .catch((error: unknown) => seenOf(error));
    seen.push(failed);
    await ctx.queue.next("go");
    return failed;
  };
  await crashing(
    () => {
      seen.length = 0;
      return flow;
    },
    async (t, handle) => {
      await t.until("job", "1", { message: "go" });
      await t.crash();
      await t.until("job", "1", { message: "go" });
      await handle.send("go", "");
      await handle.result();
      expect(seen.at(-1)).toEqual(seen.at(-2));
      expect(seen.at(-1)).toMatchObject({
        class: "PawlError",
        fields: { code: "map_failed", data: { errors: { "1": { name: "RangeError" } } } },
        cause: { name: "RangeError", fields: { item: new Map([[1, 2]]) } },
      });
    },
  );
});

test("mapSettled runs all items and says of each what became of it, the same on replay", async () => {
  const seen: unknown[] = [];
  const { handle, t } = playing(async (ctx) => {
    const tried = await ctx.mapSettled("m", [0, 1, 2, 3, 4, 5, 6], async (ctx, item) => {
      if (item === 1) throw new AppError("mine", "by code", { item });
      if (item === 2) await ctx.step("s2", () => Promise.reject(new CriticalError("critical")));
      if (item === 3) await ctx.step({ name: "s3", maxRetries: 2, run: () => Promise.reject(new TypeError("never")) });
      if (item === 4)
        await ctx.step({ name: "s4", timeout: "1s", retryOnTimeout: false, run: () => new Promise(() => {}) });
      if (item === 5) await ctx.join("j5", { a: async () => Promise.reject(new Error("in a")) });
      if (item === 6) throw new RollbackError("no more");
      return { item };
    });
    seen.push(JSON.parse(JSON.stringify(tried, (key, value) => (key === "stack" ? undefined : value))));
    await ctx.queue.next("go");
  });
  await handle.send("on", "");
  await replayed(t);
  expect(seen[1]).toEqual(seen[0]);
  expect(seen[0]).toMatchObject([
    { ok: true, value: { item: 0 } },
    { ok: false, failure: { kind: "error", attempts: 0, error: { code: "mine", data: { item: 1 } } } },
    { ok: false, failure: { kind: "critical", name: "s2", attempts: 1, error: { message: "critical" } } },
    { ok: false, failure: { kind: "exhausted", name: "s3", attempts: 3, error: { code: "step_exhausted" } } },
    { ok: false, failure: { kind: "timeout", name: "s4", attempts: 1, error: { code: "step_timeout" } } },
    { ok: false, failure: { kind: "join", name: "j5", attempts: 0, error: { code: "join_failed" } } },
    { ok: false, failure: { kind: "rollback" } },
  ]);
});

test("what the caller does with the list afterwards changes nothing", async () => {
  const { handle, t } = playing(async (ctx) => {
    const items = [1, 2, 3];
    const mapped = ctx.map("m", items, (ctx, item) => ctx.step("s", () => item), { concurrency: 1 });
    items.push(4);
    items[1] = 20;
    return mapped;
  });
  expect(await handle.result()).toEqual([1, 2, 3]);
  await t.idle();
});

test("maps nest, and each item's scope is its own, after a crash at any batch", async () => {
  await crashing(
    () => (ctx) =>
      ctx.map("outer", [1, 2], async (ctx, a) => {
        const inner = await ctx.map("inner", [10, 20], (ctx, b) =>
          ctx.step("add", (c) => {
            c.state.notes.push(`${a}+${b}`);
            return a + b;
          }),
        );
        await ctx.sleep("nap", "1h");
        return inner;
      }),
    async (t, handle) => {
      await t.until("job", "1", { sleep: "nap" });
      await t.advance("1h");
      expect(await handle.result()).toEqual([
        [11, 21],
        [12, 22],
      ]);
      expect([...(await handle.actions.notes())].sort()).toEqual(["1+10", "1+20", "2+10", "2+20"]);
    },
  );
});

test.each<[string, (ctx: Ctx) => Promise<unknown>, RegExp]>([
  ["no list", (ctx) => ctx.map("m", "abc" as never, async () => 1), /expected {2}an array/],
  ["no function", (ctx) => ctx.map("m", [1], 5 as never), /function/],
  ["half a count", (ctx) => ctx.map("m", [1], async () => 1, { concurrency: 0.5 }), /expected {2}an integer from 1/],
  ["no count", (ctx) => ctx.map("m", [1], async () => 1, { concurrency: 0 }), /expected {2}an integer from 1/],
  ["an unknown option", (ctx) => ctx.map("m", [1], async () => 1, { limit: 2 } as never), /limit/],
])("a map that is given %s says so", async (_, flow, text) => {
  expect(await failureOf(resultOf(flow))).toMatchObject({ code: "bad_argument", message: expect.stringMatching(text) });
});
