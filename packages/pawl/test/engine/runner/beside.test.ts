/** What is done beside a run or an open actor, on the same rows: by the same host, or by somebody else. */
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  DriverHangError,
  type EngineAttempt,
  openActor,
  replayWorkflowFromStep,
  runWorkflow,
  type WorkflowContextInterface,
} from "../../../src/engine/index.ts";
import { errorOf, TestDriver } from "./host.ts";

afterEach(() => void vi.useRealTimers());

const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Another driver object on the same rows: another process. */
function elsewhere(driver: TestDriver): TestDriver {
  const other = new TestDriver();
  Reflect.set(other, "rows", Reflect.get(driver, "rows"));
  Reflect.set(other, "alarms", Reflect.get(driver, "alarms"));
  other.messageDriver = driver.messageDriver;
  return other;
}

function counted() {
  const ran: string[] = [];
  const step = (ctx: WorkflowContextInterface, name: string) => ctx.step(name, async () => void ran.push(name));
  return { ran, step };
}

const live = { mode: "live" } as const;

describe("a live run that waits, when somebody else has written", () => {
  test("goes on from what is stored: a step that was gone back to runs again", async () => {
    for (const message of [true, false]) {
      const driver = new TestDriver();
      const { ran, step } = counted();
      const workflow = async (ctx: WorkflowContextInterface) => {
        await step(ctx, "first");
        if (message) await ctx.queue.next("m", { names: ["go"] });
        else await ctx.sleep("nap", 150);
        await step(ctx, "second");
        return "done";
      };
      const run = runWorkflow("w", workflow, undefined, driver, live);
      await expect.poll(() => run.getState()).toBe("sleeping");
      const snapshot = await replayWorkflowFromStep("w", elsewhere(driver));
      expect(snapshot.entries).toEqual([]);
      if (message) await run.message("go", 1);
      expect(await run.result).toEqual({ state: "completed", output: "done" });
      expect(ran).toEqual(["first", "first", "second"]);
    }
  });

  test("ends if it was cancelled there, and runs nothing more", async () => {
    const driver = new TestDriver();
    const { ran, step } = counted();
    const workflow = async (ctx: WorkflowContextInterface) => {
      await ctx.sleep("nap", 100);
      await step(ctx, "after");
    };
    const run = runWorkflow("w", workflow, undefined, driver, live);
    await expect.poll(() => run.getState()).toBe("sleeping");
    const other = elsewhere(driver);
    await other.set(Uint8Array.of(0x15, 3, 0x15, 1), new TextEncoder().encode("cancelled"));
    expect((await errorOf(run.result)).name).toBe("EvictedError");
    expect(ran).toEqual([]);
  });

  test("is told at once by a replay on its own driver", async () => {
    const driver = new TestDriver();
    const { ran, step } = counted();
    const workflow = async (ctx: WorkflowContextInterface) => {
      await step(ctx, "first");
      if (ran.length < 2) await ctx.sleep("nap", 3_600_000);
    };
    const run = runWorkflow("w", workflow, undefined, driver, live);
    await expect.poll(() => run.getState()).toBe("sleeping");
    await replayWorkflowFromStep("w", driver);
    expect((await run.result).state).toBe("completed");
    expect(ran).toEqual(["first", "first"]);
  });

  test("asks what is stored, and replays nothing, if nobody has", async () => {
    const driver = new TestDriver();
    let calls = 0;
    const workflow = async (ctx: WorkflowContextInterface) => {
      calls += 1;
      for (const nap of ["a", "b", "c"]) await ctx.sleep(nap, 20);
    };
    await runWorkflow("w", workflow, undefined, driver, live).result;
    expect(calls).toBe(1);
  });

  test("is not kept busy by a driver that wakes for messages which nobody can take", async () => {
    const driver = new TestDriver();
    driver.workerPollInterval = 20;
    let woken = 0;
    driver.waitForMessages = async () => void (woken += 1);
    const run = runWorkflow("w", (ctx) => ctx.queue.next("m", { names: ["go"] }), undefined, driver, live);
    await pass(200);
    expect(woken).toBeGreaterThan(1);
    expect(woken).toBeLessThan(15);
    await run.message("go", 1);
    expect((await run.result).state).toBe("completed");
  });
});

describe("runs on one driver object", () => {
  test("that are started at once run one after the other, and no body twice", async () => {
    const driver = new TestDriver();
    const { ran } = counted();
    let [now, most] = [0, 0];
    const workflow = async (ctx: WorkflowContextInterface) => {
      for (const name of ["a", "b"])
        await ctx.step(name, async () => {
          now += 1;
          most = Math.max(most, now);
          ran.push(name);
          await pass(5);
          now -= 1;
        });
      return ran.length;
    };
    const runs = [1, 2, 3].map(() => runWorkflow("w", workflow, undefined, driver));
    expect(await Promise.all(runs.map(async ({ result }) => (await result).output))).toEqual([2, 2, 2]);
    expect({ ran, most }).toEqual({ ran: ["a", "b"], most: 1 });
  });

  test("wait 30 s for one that goes on, and then say so", async () => {
    const driver = new TestDriver();
    const first = runWorkflow("w", (ctx) => ctx.queue.next("m"), undefined, driver, live);
    await expect.poll(() => first.getState()).toBe("sleeping");
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const second = errorOf(runWorkflow("w", (ctx) => ctx.queue.next("m"), undefined, driver).result);
    vi.advanceTimersByTime(30_000);
    expect(await second).toMatchObject({ code: "driver_hang", retryable: true });
    vi.useRealTimers();
    first.evict();
    await first.result;
  });
});

describe("a driver that hangs", () => {
  test.each(["evict", "cancel"] as const)("in its first list lets a run end 30 s after %s", async (how) => {
    const driver = new TestDriver();
    let lists = 0;
    driver.list = () => {
      lists += 1;
      return new Promise(() => {});
    };
    const run = runWorkflow("w", async () => 1, undefined, driver);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const ended = errorOf(run.result);
    const asked = how === "cancel" ? errorOf(run.cancel()) : run.evict();
    while (lists === 0) await new Promise(setImmediate);
    vi.advanceTimersByTime(30_000);
    expect(await ended).toBeInstanceOf(DriverHangError);
    if (how === "cancel") expect(await asked).toMatchObject({ code: "driver_hang" });
  });

  test("in a batch lets an evicted run end 30 s later", async () => {
    const driver = new TestDriver();
    let asked = 0;
    driver.batch = () => {
      asked += 1;
      return new Promise(() => {});
    };
    const run = runWorkflow("w", (ctx) => ctx.step("s", async () => 1), undefined, driver);
    await expect.poll(() => asked).toBe(1);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const ended = errorOf(run.result);
    run.evict();
    vi.advanceTimersByTime(30_000);
    expect(await ended).toMatchObject({ code: "driver_hang" });
  });
});

interface Counter {
  count: number;
}
const cells = { count: { initial: () => 0 } };
const all = (attempt: EngineAttempt<Counter>) => attempt;
type Ctx = WorkflowContextInterface<EngineAttempt<Counter>>;
const add = (ctx: Ctx, name: string) => ctx.step(name, async (c) => (c.cells.count += 1));

describe("beside an open actor", () => {
  test("a workflow goes back to a step, and the actor goes on with its cells", async () => {
    const driver = new TestDriver();
    const actor = await openActor(driver, { id: "w", cells });
    const workflow = async (ctx: Ctx) => [await add(ctx, "one"), await add(ctx, "two")];
    const run = () => runWorkflow("w", workflow, undefined, driver, { actor, context: all }).result;
    expect((await run()).output).toEqual([1, 2]);
    const { entries } = await replayWorkflowFromStep("w", driver, "none").catch(() => ({ entries: undefined }));
    expect(entries).toBeUndefined();
    expect((await replayWorkflowFromStep("w", driver)).entries).toEqual([]);
    expect((await run()).output).toEqual([3, 4]);
    expect(await actor.export()).toEqual({ count: 4 });
    await actor.close();
  });

  test("a live run that waits goes back to a step at once; one in a step is not disturbed", async () => {
    const driver = new TestDriver();
    const actor = await openActor(driver, { id: "w", cells });
    let hold: () => void = () => {};
    const workflow = async (ctx: Ctx) => {
      const count = await add(ctx, "one");
      if (count === 1) await ctx.sleep("nap", 3_600_000);
      await ctx.step("hold", () => new Promise<void>((resolve) => (hold = resolve)));
      return count;
    };
    const run = runWorkflow("w", workflow, undefined, driver, { ...live, actor, context: all });
    await expect.poll(() => run.getState()).toBe("sleeping");
    await replayWorkflowFromStep("w", driver);
    await expect.poll(async () => (await actor.export()).count).toBe(2);
    await expect.poll(() => String(hold)).toContain("[native code]");
    const refused = await errorOf(replayWorkflowFromStep("w", driver));
    expect(refused.message).toBe("Cannot replay a workflow while a step is currently running");
    hold();
    expect(await run.result).toEqual({ state: "completed", output: 2 });
    await actor.close();
  });

  test("a run that is not given the actor is its run all the same, and no second actor is opened", async () => {
    const driver = new TestDriver();
    const actor = await openActor(driver, { id: "w", cells });
    expect((await errorOf(openActor(driver, { id: "w", cells }))).message).toContain("close it first");
    await runWorkflow("w", (ctx) => ctx.step("s", async () => 1), undefined, driver).result;
    expect(await actor.transaction(all, ({ cells }) => (cells.count += 1))).toBe(1);
    await actor.close();
    const again = await openActor(driver, { id: "w", cells });
    expect(await again.export()).toEqual({ count: 1 });
    await again.close();
  });

  test("rows that somebody else has written are read anew when its run goes on", async () => {
    const driver = new TestDriver();
    const actor = await openActor(driver, { id: "w", cells });
    const workflow = async (ctx: Ctx) => {
      await ctx.sleep("nap", 150);
      return add(ctx, "one");
    };
    const run = runWorkflow("w", workflow, undefined, driver, { ...live, actor, context: all });
    await expect.poll(() => run.getState()).toBe("sleeping");
    const other = await openActor(elsewhere(driver), { id: "w", cells });
    await other.transaction(all, ({ cells }) => void (cells.count = 10));
    await other.close();
    expect((await run.result).output).toBe(11);
    expect(await actor.export()).toEqual({ count: 11 });
    await actor.close();
  });

  test("after rows that could not be read, the next transaction tries again", async () => {
    const driver = new TestDriver();
    const actor = await openActor(driver, { id: "w", cells });
    await actor.transaction(all, ({ cells }) => void (cells.count = 5));
    const { batch } = driver;
    const list = driver.list.bind(driver);
    driver.batch = async () => {
      throw new Error("disk full");
    };
    driver.list = async (prefix) => (await list(prefix)).map(({ key, value }) => ({ key, value: value.slice(1) }));
    expect((await errorOf(actor.transaction(all, ({ cells }) => void (cells.count = 6)))).message).toBe("disk full");
    const damaged = await errorOf(actor.transaction(all, ({ cells }) => cells.count));
    expect(damaged).toMatchObject({ code: "record_corrupt" });
    Object.assign(driver, { batch, list });
    expect(await actor.transaction(all, ({ cells }) => (cells.count += 1))).toBe(6);
    await actor.close();
  });
});

describe("cancelling a workflow that has ended", () => {
  test.each([true, false])("makes it cancelled, and it keeps its output; with an actor: %s", async (hasActor) => {
    const driver = new TestDriver();
    const actor = hasActor ? await openActor(driver, { id: "w", cells }) : undefined;
    const options = actor === undefined ? {} : { actor };
    const run = runWorkflow("w", (ctx) => ctx.step("s", async () => "out"), undefined, driver, options);
    await run.result;
    await run.cancel();
    expect([await run.getState(), await run.getOutput(), driver.getAlarm("w")]).toEqual([
      "cancelled",
      "out",
      undefined,
    ]);
    await run.cancel();
    const next = runWorkflow("w", (ctx) => ctx.step("s", async () => "again"), undefined, driver, options);
    expect((await errorOf(next.result)).name).toBe("EvictedError");
    await actor?.close();
  });

  test("makes one that has failed cancelled, too", async () => {
    const driver = new TestDriver();
    const run = runWorkflow("w", () => Promise.reject(new Error("no")), undefined, driver);
    await errorOf(run.result);
    await run.cancel();
    expect(await run.getState()).toBe("cancelled");
  });
});

test("an evicted run whose state cannot be read says so", async () => {
  const driver = new TestDriver();
  const run = runWorkflow("w", (ctx) => ctx.queue.next("m"), undefined, driver, live);
  await expect.poll(() => run.getState()).toBe("sleeping");
  const get = driver.get.bind(driver);
  driver.get = async () => Uint8Array.of(1, 2, 3);
  run.evict();
  expect(await errorOf(run.result)).toMatchObject({ code: "record_corrupt", data: { key: "15031501" } });
  Object.assign(driver, { get });
});
