import { expect, test, vi } from "vitest";
import { actor, type } from "../../src/index.ts";
import { createTestRuntime } from "../../src/testing/index.ts";

const DAY_MS = 86_400_000;
/** 2000-01-01T00:00:00Z. */
const START_MS = Date.UTC(2000, 0, 1);

const sleeper = actor("sleeper", {
  input: type<string[]>(),
  state: () => ({ woken: [] as string[] }),
  workflow: async (ctx, naps) => {
    for (const nap of naps) {
      await ctx.sleep(nap, nap as "1d");
      await ctx.step(`after ${nap}`, (c) => void c.state.woken.push(nap));
    }
    return naps.length;
  },
});

test("a sleep of 30 days takes no real time, and the clock starts in 2000", async () => {
  const t = createTestRuntime({ actors: [sleeper] });
  const began = performance.now();
  const handle = await t.create(sleeper, "1", ["30d"]);
  expect(t.now()).toBe(START_MS);
  expect(await t.skip()).toBe(START_MS + 30 * DAY_MS);
  expect(await handle.result()).toBe(1);
  expect(performance.now() - began).toBeLessThan(2_000);
});

test("the clock starts where it is told to, and stands while nobody moves it", async () => {
  const t = createTestRuntime({ actors: [sleeper], now: new Date("2024-02-29T12:00:00Z") });
  await t.create(sleeper, "1", ["1ms"]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await t.idle();
  expect(new Date(t.now()).toISOString()).toBe("2024-02-29T12:00:00.000Z");
  expect(await t.state("sleeper", "1")).toEqual({ woken: [] });
});

test("a timer fires when its time has come, and not a millisecond before", async () => {
  const t = createTestRuntime({ actors: [sleeper] });
  await t.create(sleeper, "1", ["1d"]);
  await t.advance(DAY_MS - 1);
  expect(await t.state("sleeper", "1")).toEqual({ woken: [] });
  await t.advance(1);
  expect(await t.state("sleeper", "1")).toEqual({ woken: ["1d"] });
});

test("skip goes to the alarms of all actors in the order of their times, and says when there are no more", async () => {
  const t = createTestRuntime({ actors: [sleeper] });
  await t.create(sleeper, "late", ["3h", "1h"]);
  await t.create(sleeper, "early", ["2h", "90m"]);
  const times: (number | undefined)[] = [];
  for (let i = 0; i < 6; i++) times.push(await t.skip());
  const hours = times.map((time) => time && (time - START_MS) / 3_600_000);
  expect(hours).toEqual([2, 3, 3.5, 4, undefined, undefined]);
  expect(t.now() - START_MS - 4 * 3_600_000).toBeLessThanOrEqual(300_000);
});

test("advance stops at every alarm on its way, and everything settles there before it goes on", async () => {
  const seen: [string, number][] = [];
  const ticker = actor("ticker", {
    input: type<number>(),
    workflow: async (ctx, every) => {
      for (let i = 1; i <= 3; i++) {
        await ctx.sleep(`wait ${i}`, every);
        await ctx.step(`note ${i}`, async (c) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          seen.push([c.key, (t.now() - START_MS) / 1_000]);
        });
      }
    },
  });
  const t = createTestRuntime({ actors: [ticker] });
  await t.create(ticker, "a", 2_000);
  await t.create(ticker, "b", 3_000);
  await t.advance("10s");
  expect(seen).toEqual(
    [
      ["a", 2],
      ["b", 3],
      ["a", 4],
      ["a", 6],
      ["b", 6],
      ["b", 9],
    ].sort((x, y) => Number(x[1]) - Number(y[1])),
  );
  expect(t.now()).toBe(START_MS + 10_000);
});

test("retries wait on the virtual clock", async () => {
  const attempts: [number, number][] = [];
  const flaky = actor("flaky", {
    steps: { retryBackoffBase: "1m", retryBackoffMax: "1h", maxRetries: 3 },
    workflow: (ctx) =>
      ctx.step("work", (c) => {
        attempts.push([c.attempt, (t.now() - START_MS) / 60_000]);
        if (c.attempt < 4) throw new Error("not yet");
        return c.attempt;
      }),
  });
  const t = createTestRuntime({ actors: [flaky] });
  const result = t.get(flaky, "1").result();
  await t.advance("1d");
  expect(await result).toBe(4);
  expect(attempts).toEqual([
    [1, 0],
    [2, 2],
    [3, 6],
    [4, 14],
  ]);
});

test("a step that never ends is timed out on the virtual clock", async () => {
  const reasons: unknown[] = [];
  const stuck = actor("stuck", {
    workflow: (ctx) =>
      ctx.tryStep({
        name: "call",
        timeout: "5m",
        retryOnTimeout: false,
        run: (c) =>
          new Promise(() => c.abortSignal.addEventListener("abort", () => reasons.push(c.abortSignal.reason))),
      }),
  });
  const t = createTestRuntime({ actors: [stuck], patience: 20 });
  const result = t.get(stuck, "1").result();
  await t.advance("299s");
  expect(reasons).toEqual([]);
  await t.advance("1s");
  expect(await result).toMatchObject({ ok: false, failure: { kind: "timeout", attempts: 1 } });
  expect(reasons).toEqual([expect.objectContaining({ code: "step_timeout" })]);
});

test("calls and results are given up on the virtual clock", async () => {
  const slow = actor("slow", {
    messages: { go: type<void>() },
    actions: { hang: () => new Promise<void>(() => {}) },
    workflow: (ctx) => ctx.queue.next("go"),
  });
  const t = createTestRuntime({ actors: [slow], patience: 20 });
  const result = t.get(slow, "1").result({ timeout: "7d" });
  const call = t.get(slow, "1").actions.hang();
  const outcomes = Promise.allSettled([result, call]);
  await t.idle();
  expect(await t.skip()).toBe(START_MS + 30_000);
  await expect(call).rejects.toMatchObject({ code: "call_timeout" });
  expect(await t.skip()).toBe(START_MS + 7 * DAY_MS);
  await expect(result).rejects.toMatchObject({ code: "call_timeout" });
  expect(await outcomes).toHaveLength(2);
  expect(await t.skip()).toBeUndefined();
});

test("idle waits for what a body does in the real world, as long as something happens within its patience", async () => {
  const worker = actor("worker", {
    workflow: (ctx) => ctx.step("work", () => new Promise<string>((resolve) => setTimeout(resolve, 60, "done"))),
  });
  const patient = createTestRuntime({ actors: [worker] });
  await patient.create(worker, "1");
  await patient.idle();
  expect((await patient.history("worker", "1")).map(({ output }) => output)).toEqual(["done"]);
  const hasty = createTestRuntime({ actors: [worker], patience: 5 });
  await hasty.create(worker, "1");
  await hasty.idle();
  expect(await hasty.history("worker", "1")).toEqual([]);
  expect(await hasty.get(worker, "1").result()).toBe("done");
});

test("two runtimes have clocks, stores and definitions of their own", async () => {
  const one = createTestRuntime({ actors: [sleeper], steps: { sleeper: { "after 1d": () => "one" } } });
  const other = createTestRuntime({ actors: [sleeper], now: 0 });
  await one.create(sleeper, "1", ["1d"]);
  await other.create(sleeper, "1", ["1d", "1d".replace("1", "2")]);
  await one.advance("10d");
  expect(await one.state("sleeper", "1")).toEqual({ woken: [] });
  expect(await other.state("sleeper", "1")).toEqual({ woken: [] });
  await other.advance("1d");
  expect(await other.state("sleeper", "1")).toEqual({ woken: ["1d"] });
  expect([one.now(), other.now()]).toEqual([START_MS + 10 * DAY_MS, DAY_MS]);
});

test("it works under fake timers, which change nothing for it", { timeout: 5_000 }, async () => {
  vi.useFakeTimers();
  try {
    const t = createTestRuntime({ actors: [sleeper], patience: 20 });
    const naps = Array.from({ length: 300 }, (_, i) => `${i + 1}s`);
    const handle = await t.create(sleeper, "1", naps);
    await t.until("sleeper", "1", { sleep: "150s" });
    await t.crash();
    await t.advance("100d");
    expect(await handle.result()).toBe(300);
    expect(t.now()).toBe(START_MS + 100 * DAY_MS + (149 * 150 * 1_000) / 2);
    await t.close();
  } finally {
    vi.useRealTimers();
  }
});

test("idle waits for a replay of branches, whose facts come one per turn of the event loop", async () => {
  const replayed: number[] = [];
  const wide = actor("wide", {
    messages: { go: type<void>() },
    workflow: (ctx) =>
      ctx.map(
        "all",
        Array.from({ length: 50 }, (_, i) => i),
        async (ctx, i) => {
          await ctx.step("work", () => i);
          replayed.push(i);
          await ctx.sleep("nap", "1h");
        },
        { concurrency: 50 },
      ),
  });
  const t = createTestRuntime({ actors: [wide] });
  await t.create(wide, "1");
  await t.until("wide", "1", { sleep: "nap" });
  expect(replayed.splice(0)).toHaveLength(50);
  await t.crash();
  expect(await t.history("wide", "1"), "which loads it").toHaveLength(101);
  await t.idle();
  expect(replayed).toHaveLength(50);
});
