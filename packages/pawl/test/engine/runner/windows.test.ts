/** The windows between an actor's state and its history (engine behaviour 5.5, W2 to W5, W16): what is stored is looked at whenever a process could die. */
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
