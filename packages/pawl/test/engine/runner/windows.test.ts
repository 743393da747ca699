/** The windows between an actor's state and its history (engine behaviour 5.5): what is stored is looked at whenever a process could die. */
import { expect, test } from "vitest";
import { openActor, runWorkflow, type WorkflowContextInterface } from "../../../src/engine/index.ts";
import { TestDriver } from "./host.ts";

interface Cells {
  readonly count: { n: number };
}
interface Given {
  readonly cells: Cells;
}
type Ctx = WorkflowContextInterface<Given>;

const cells = { count: { initial: () => ({ n: 0 }) } };
const context = (attempt: Given): Given => attempt;

/** What the next process would find if this one died now: the cell, and how many steps are recorded as completed. */
async function stored(driver: TestDriver): Promise<{ n: number; completed: number }> {
  const copy = TestDriver.of(driver.snapshot().kv);
  const actor = await openActor(copy, { id: "w", cells });
  const { count } = await actor.export();
  await actor.close();
  const metadata = Object.entries(copy.snapshot().kv).filter(([key]) => key.startsWith("1504"));
  return { n: count.n, completed: metadata.filter(([, row]) => row[2] === 2).length };
}

/** Runs to the end on a driver; `seen` gets what is stored after every batch. */
async function run(workflow: (ctx: Ctx) => Promise<unknown>, driver: TestDriver = new TestDriver()) {
  const seen: { n: number; completed: number }[] = [];
  const batch = driver.batch.bind(driver);
  driver.batch = async (writes) => {
    await batch(writes);
    seen.push(await stored(driver));
  };
  const actor = await openActor(driver, { id: "w", cells });
  const { state } = await runWorkflow("w", workflow, undefined, driver, { actor, context }).result;
  await actor.close();
  expect(state).toBe("completed");
  return { seen, driver };
}

/** The rows as they are in the midst of a body, and the key that it was given there and in the next process. */
async function dieIn(of: "step" | "handler"): Promise<{ keys: string[]; next: TestDriver }> {
  const driver = new TestDriver();
  const keys: string[] = [];
  let rows: Record<string, Uint8Array> = {};
  const effect = async (key: string) => {
    keys.push(key);
    if (keys.length === 1) rows = driver.snapshot().kv;
  };
  const workflow = async (ctx: WorkflowContextInterface<{ readonly idempotencyKey: string }>) => {
    await ctx.rollbackCheckpoint("point");
    await ctx.step({
      name: "pay",
      run: async (c) => (of === "step" ? await effect(c.idempotencyKey) : undefined),
      rollback: async (c) => (of === "handler" ? await effect(c.idempotencyKey) : undefined),
    });
    if (of === "handler") throw new Error("undo");
  };
  const given = { context: (attempt: { readonly idempotencyKey: string }) => attempt };
  await runWorkflow("w", workflow, undefined, driver, given).result.catch(() => {});
  const next = TestDriver.of(rows);
  await runWorkflow("w", workflow, undefined, next, given).result.catch(() => {});
  return { keys, next };
}

test("W1: a body that had an effect and was not recorded runs again, under the same key", async () => {
  const { keys } = await dieIn("step");
  expect(keys).toEqual([keys[0], keys[0]]);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
});

test("W13: a handler that had an effect and was not recorded runs again, under the same key", async () => {
  const { keys } = await dieIn("handler");
  expect(keys).toEqual([keys[0], keys[0]]);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
});

test("W2: what a body has half done is not stored while it runs, and is done once after a death", async () => {
  const driver = new TestDriver();
  let rows: Record<string, Uint8Array> = {};
  let bodies = 0;
  const workflow = (ctx: Ctx) =>
    ctx.step("slow", async ({ cells }) => {
      bodies += 1;
      cells.count.n += 1;
      if (bodies === 1) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        rows = driver.snapshot().kv;
        expect((await stored(driver)).n).toBe(0);
      }
    });
  await run(workflow, driver);
  const { driver: next } = await run(workflow, TestDriver.of(rows));
  expect([bodies, await stored(next)]).toEqual([2, { n: 1, completed: 1 }]);
});

test("W3: the commit of a branch stores nothing of what its sibling is in the midst of", async () => {
  const { seen } = await run((ctx) =>
    ctx.join("both", {
      slow: {
        run: (slow) =>
          slow.step("slow", async ({ cells }) => {
            cells.count.n += 100;
            await new Promise((resolve) => setTimeout(resolve, 30));
          }),
      },
      quick: {
        run: (quick) =>
          quick.step("quick", async () => {
            await new Promise((resolve) => setTimeout(resolve, 5));
          }),
      },
    }),
  );
  expect(seen.some(({ completed }) => completed === 1)).toBe(true);
  for (const { n, completed } of seen) expect(n, `${completed} completed`).toBe(completed < 2 ? 0 : 100);
});

test("W4: a step that is recorded has its state in the same batch, also if it wrote in the turn in which it ended", async () => {
  const { seen } = await run(async (ctx) => {
    for (const name of ["one", "two", "three"]) await ctx.step(name, async ({ cells }) => void (cells.count.n += 1));
  });
  for (const { n, completed } of seen) expect(n).toBe(completed);
  expect(seen.at(-1)).toEqual({ n: 3, completed: 3 });
});

test("W5: state whose batch failed, written or not, is stored with the step that runs again", async () => {
  for (const isWritten of [true, false]) {
    const driver = new TestDriver();
    const batch = driver.batch.bind(driver);
    const workflow = (ctx: Ctx) => ctx.step("add", async ({ cells }) => void (cells.count.n += 1));
    const actor = await openActor(driver, { id: "w", cells });
    driver.batch = async (writes) => {
      driver.batch = batch;
      if (isWritten) await batch(writes);
      throw new Error("refused");
    };
    const { result } = runWorkflow("w", workflow, undefined, driver, { actor, context });
    await expect(result).rejects.toThrow("refused");
    await actor.close();
    const { driver: next } = await run(workflow, TestDriver.of(driver.snapshot().kv));
    expect(await stored(next), `written: ${isWritten}`).toEqual({ n: 1, completed: 1 });
  }
});

test("W16: an ephemeral step's state is not stored before its entry", async () => {
  const { seen } = await run(async (ctx) => {
    await ctx.step({ name: "light", ephemeral: true, run: async ({ cells }) => void (cells.count.n += 1) });
    await ctx.step("heavy", async ({ cells }) => void (cells.count.n += 1));
  });
  for (const { n, completed } of seen) expect(n).toBe(completed);
  expect(seen.at(-1)?.n).toBe(2);
});

test("W6: the failure that the hook hears of is durable by then, and what the hook writes is, when its transaction resolves", async () => {
  const driver = new TestDriver();
  const actor = await openActor(driver, { id: "w", cells });
  const seen: { n: number; failed: number }[] = [];
  const look = async () => {
    const { kv } = driver.snapshot();
    const failed = Object.entries(kv).filter(([key, row]) => key.startsWith("1504") && row[2] === 3).length;
    seen.push({ n: (await stored(TestDriver.of(kv))).n, failed });
  };
  const onError = async () => {
    await look();
    await actor.transaction(context, ({ cells }) => void (cells.count.n += 1));
    await look();
  };
  const failing = (ctx: Ctx) => ctx.step("flaky", async () => Promise.reject(new Error("not yet")));
  const { state } = await runWorkflow("w", failing, undefined, driver, { actor, context, onError }).result;
  await actor.close();
  expect([state, seen]).toEqual([
    "sleeping",
    [
      { n: 0, failed: 1 },
      { n: 1, failed: 1 },
    ],
  ]);
});

test("W15: a body that ends after its run was evicted is recorded, with its state", async () => {
  const driver = new TestDriver();
  const actor = await openActor(driver, { id: "w", cells });
  const handle = runWorkflow(
    "w",
    async (ctx: Ctx) => {
      await ctx.step("last", async ({ cells }) => {
        handle.evict();
        await new Promise((resolve) => setTimeout(resolve, 5));
        cells.count.n += 1;
      });
    },
    undefined,
    driver,
    { actor, context },
  );
  await handle.result;
  await actor.close();
  expect(await stored(driver)).toEqual({ n: 1, completed: 1 });
});
