/** Callers' keys: a call under a key that was used before is the same call. */
import { expect, test } from "vitest";
import { actor, ask, type } from "../../src/index.ts";
import { crashEverywhere, createTestRuntime } from "../../src/testing/index.ts";
import { rejection } from "../control/harness.ts";

const till = actor("till", {
  messages: { pay: type<number>(), quote: ask(type<number>(), type<string>()) },
  state: () => ({ sum: 0, calls: 0 }),
  actions: {
    add: (c, amount: number) => {
      c.state.calls += 1;
      if (amount < 0) throw new Error("no");
      return { sum: (c.state.sum += amount), key: c.idempotencyKey };
    },
    sum: (c) => c.state.sum,
  },
  receive: {
    pay: (c, amount) => void (c.state.sum += amount),
    quote: (c, amount) => `quote ${++c.state.calls} for ${amount}`,
  },
});

const shop = actor("shop", {
  workflow: async (ctx) => {
    await ctx.step("sell", async (c) => {
      await c.get(till, "t").actions.add(1);
      await c.get(till, "t").actions.add(2);
      if (c.attempt === 1) throw new Error("once");
    });
    return ctx.step("look", (c) => c.get(till, "t").actions.sum());
  },
});
const actors = [till, shop] as const;

test("an action under a key happens once, and its reply comes back, across a crash", async () => {
  await using t = createTestRuntime({ actors });
  const once = () => t.get(till, "t").with({ idempotencyKey: "order-1" }).actions.add(5);
  const [first, second] = await Promise.all([once(), once()]);
  expect(second).toEqual(first);
  await t.crash();
  expect(await once()).toEqual(first);
  expect(await t.get(till, "t").with({ idempotencyKey: "order-2" }).actions.add(5)).toMatchObject({ sum: 10 });
  expect(await t.state("till", "t")).toEqual({ sum: 10, calls: 2 });
});

test("a call that threw has not happened: under its key it may be made again", async () => {
  await using t = createTestRuntime({ actors });
  const keyed = t.get(till, "t").with({ idempotencyKey: "k" });
  await rejection(keyed.actions.add(-1));
  expect(await keyed.actions.add(3)).toMatchObject({ sum: 3 });
});

test("a key is remembered for a day", async () => {
  await using t = createTestRuntime({ actors });
  const once = () => t.get(till, "t").with({ idempotencyKey: "order-1" }).actions.add(5);
  await once();
  await t.advance("23h");
  expect(await once()).toMatchObject({ sum: 5 });
  await t.advance("2h");
  expect(await once()).toMatchObject({ sum: 10 });
});

test("a message under a key is sent once, and one that is asked gets the same answer", async () => {
  await using t = createTestRuntime({ actors });
  const handle = t.get(till, "t");
  await handle.send("pay", 5, { idempotencyKey: "k" });
  await handle.send("pay", 5, { idempotencyKey: "k" });
  const quote = () => handle.ask("quote", 7, { idempotencyKey: "k" });
  expect([await quote(), await quote()]).toEqual(["quote 1 for 7", "quote 1 for 7"]);
  await t.crash();
  await handle.send("pay", 5, { idempotencyKey: "k" });
  expect(await quote()).toBe("quote 1 for 7");
  await t.idle();
  expect(await t.state("till", "t")).toEqual({ sum: 5, calls: 1 });
});

test("keys that are none are refused", async () => {
  await using t = createTestRuntime({ actors });
  expect(() => t.get(till, "t").with({ idempotencyKey: "" })).toThrow(/text of 1 to 512 bytes/);
  expect(await rejection(t.get(till, "t").send("pay", 1, { idempotencyKey: 5 as never }))).toMatchObject({
    code: "bad_argument",
  });
});

test("whatever batch the process dies at, what a step calls happens once for all its attempts", async () => {
  const { batches } = await crashEverywhere(
    () => ({ actors, patience: 40 }),
    async (t) => {
      const handle = await t.create(shop, "s");
      await t.advance("1m");
      expect(await handle.result()).toBe(3);
      expect(await t.state("till", "t")).toEqual({ sum: 3, calls: 2 });
    },
  );
  expect(batches).toBeGreaterThan(5);
}, 120_000);
