import { expect, test, vi } from "vitest";
import { Case, forEachEngine, rejection, until } from "./harness.ts";

type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;

const live = { mode: "live" } as const;

forEachEngine("live mode", (engine) => {
  /** Live runs wait on the real clock. */
  const unfrozen = (): Case => {
    vi.useRealTimers();
    return new Case(engine);
  };

  test("waits through a sleep and sets the alarm all the same", async () => {
    const the = unfrozen();
    const result = await the.run(async (ctx) => ctx.sleep("nap", 300).then(() => "awake"), live);
    expect(result).toEqual({ state: "completed", output: "awake" });
    expect(the.driver.count("setAlarm")).toBeGreaterThan(0);
    expect(the.host.alarm).toBeNull();
  });

  test("waits out a retry", async () => {
    const the = unfrozen();
    let ran = 0;
    const run = async () => ((ran += 1) < 3 ? Promise.reject(new Error("x")) : ran);
    const result = await the.run(async (ctx) => ctx.step({ name: "s", retryBackoffBase: 1, run }), live);
    expect(result.output).toBe(3);
  });

  test("wakes for a message", async () => {
    const the = unfrozen();
    const handle = the.start(async (ctx: Ctx) => (await ctx.queue.next("w", { names: ["a"] })).body, live);
    await until(() => the.host.state === "sleeping");
    await handle.message("a", "hello");
    expect((await handle.result).output).toBe("hello");
  });

  test("wakes for a message before the deadline of a wait", async () => {
    const the = unfrozen();
    const handle = the.start(async (ctx: Ctx) => ctx.queue.nextBatch("w", { names: ["a"], timeout: 60_000 }), live);
    await until(() => the.host.state === "sleeping" && the.host.alarm !== null);
    await handle.message("a", 1);
    expect((await handle.result).output).toHaveLength(1);
  });

  test("sets no alarm for wake", async () => {
    const the = unfrozen();
    const handle = the.start(async (ctx: Ctx) => ctx.queue.next("w", { names: ["a"] }), live);
    await until(() => the.host.state === "sleeping");
    await handle.wake();
    expect(the.driver.count("setAlarm")).toBe(0);
    handle.evict();
    await handle.result;
  });

  test("resolves as sleeping when it is evicted while it waits", async () => {
    const the = unfrozen();
    const handle = the.start(async (ctx: Ctx) => ctx.sleep("nap", 60_000), live);
    await until(() => the.host.alarm !== null);
    handle.evict();
    expect((await handle.result).state).toBe("sleeping");
  });

  test("rejects as a yielding run does when the workflow fails", async () => {
    const the = unfrozen();
    const error = await rejection(
      the.run(async (ctx) => ctx.step("s", () => Promise.reject(new engine.CriticalError("no"))), live),
    );
    expect(error.message).toBe("no");
  });
});
