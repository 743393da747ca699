/** Eviction and cancellation at any moment, and on drivers that fail. */
import { expect, test } from "vitest";
import { runWorkflow, type WorkflowContextInterface } from "../../../src/engine/index.ts";
import { errorOf, TestDriver } from "./host.ts";

const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Three steps of some milliseconds each, and how many bodies ran, and ran at once. */
function slow() {
  const seen = { ran: 0, now: 0, most: 0 };
  const workflow = async (ctx: WorkflowContextInterface) => {
    for (const name of ["first", "second", "third"])
      await ctx.step(name, async () => {
        seen.ran += 1;
        seen.now += 1;
        seen.most = Math.max(seen.most, seen.now);
        await pass(4);
        seen.now -= 1;
      });
    return "done";
  };
  return { seen, workflow };
}

test("a run that follows at once on an evicted one waits for it, runs no body beside it, and none twice", async () => {
  for (let afterMs = 0; afterMs < 40; afterMs += 3) {
    const { seen, workflow } = slow();
    const driver = new TestDriver();
    driver.latency = 2;
    const evicted = runWorkflow("w", workflow, undefined, driver);
    await pass(afterMs);
    evicted.evict();
    const { state, output } = await runWorkflow("w", workflow, undefined, driver).result;
    expect({ afterMs, state, output, ...seen }).toEqual({
      afterMs,
      state: "completed",
      output: "done",
      ran: 3,
      now: 0,
      most: 1,
    });
  }
});

test("an evicted run whose driver does not answer waits without keeping the processor busy", async () => {
  const driver = new TestDriver();
  const { result, evict } = runWorkflow("w", (ctx) => ctx.step("s", async () => 1), undefined, driver);
  let answer: () => void = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let calls = 0;
  driver.batch = () => {
    calls += 1;
    return answered;
  };
  await expect.poll(() => calls).toBe(1);
  evict();
  const before = process.cpuUsage();
  await pass(400);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(200);
  answer();
  await result;
});

test("a cancellation that cannot be written rejects as the driver did, and the workflow is not cancelled", async () => {
  const driver = new TestDriver();
  const { workflow } = slow();
  const handle = runWorkflow("w", workflow, undefined, driver);
  const { batch, set } = driver;
  await pass(2);
  driver.batch = driver.set = async () => {
    throw new Error("disk full");
  };
  expect((await errorOf(handle.cancel())).message).toBe("disk full");
  expect((await errorOf(handle.result)).message).toBe("disk full");
  Object.assign(driver, { batch, set });
  expect((await runWorkflow("w", workflow, undefined, driver).result).output).toBe("done");
});

test("a workflow that is cancelled at any moment stays cancelled", async () => {
  for (let afterMs = 0; afterMs < 20; afterMs += 3) {
    const { seen, workflow } = slow();
    const driver = new TestDriver();
    const handle = runWorkflow("w", workflow, undefined, driver);
    await pass(afterMs);
    await handle.cancel();
    await handle.result.catch(() => {});
    const { ran } = seen;
    if ((await handle.getState()) === "completed") continue;
    expect((await errorOf(runWorkflow("w", workflow, undefined, driver).result)).name).toBe("EvictedError");
    expect([await handle.getState(), seen.ran, driver.getAlarm("w")]).toEqual(["cancelled", ran, undefined]);
  }
});

test("a live run that is evicted anywhere between its sleeps and messages is finished by the next", async () => {
  const workflow = async (ctx: WorkflowContextInterface) => {
    await ctx.sleep("a", 5);
    const { body } = await ctx.queue.next("m", { names: ["x"] });
    await ctx.sleep("b", 5);
    const late = await ctx.queue.nextBatch("n", { names: ["y"], timeout: 5 });
    return [body, late.length];
  };
  for (let afterMs = 0; afterMs < 40; afterMs += 4) {
    const driver = new TestDriver();
    const first = runWorkflow("w", workflow, undefined, driver, { mode: "live" });
    setTimeout(() => void first.message("x", 7), 10);
    await pass(afterMs);
    first.evict();
    const { output } = await runWorkflow("w", workflow, undefined, driver, { mode: "live" }).result;
    expect({ afterMs, output }).toEqual({ afterMs, output: [7, 0] });
  }
});
