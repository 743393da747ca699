/** Thousands of runs, wide joins, and processes that only ran workflows: nothing is left behind, and they exit by themselves. */
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type KVWrite, runWorkflow, type WorkflowContextInterface } from "../../../src/engine/index.ts";
import { TestDriver } from "./host.ts";

const HERE = dirname(fileURLToPath(import.meta.url));

/** Runs a module that may import `pawl/engine`, as built, in a process of its own. */
function runProcess(program: string): { status: number | null; stdout: string; stderr: string } {
  const args = ["--expose-gc", "--input-type=module", "-e", program];
  return spawnSync(process.execPath, args, { cwd: HERE, encoding: "utf8", timeout: 60_000 });
}

const PRELUDE = `
  import { runWorkflow } from "pawl/engine";
  import { InMemoryDriver } from "pawl/engine/testing";
  const newDriver = () => Object.assign(new InMemoryDriver(), { latency: 0, workerPollInterval: 0 });
`;

test("5,000 runs that end, wait, fail or are evicted leave no memory, handle or timer behind", () => {
  const { status, stdout, stderr } = runProcess(`${PRELUDE}
    const flow = (n) => async (ctx) => {
      await ctx.step("s", async () => ctx.abortSignal.aborted);
      if (n % 4 === 1) await ctx.queue.next("m", { names: ["never"] });
      if (n % 4 === 2) throw new Error("fails");
      if (n % 4 === 3) await new Promise((resolve) => setTimeout(resolve, 1));
      return "done";
    };
    const runs = async (count) => {
      for (let n = 0; n < count; n += 50) {
        await Promise.all(Array.from({ length: 50 }, async (_, i) => {
          const handle = runWorkflow("w", flow(i), undefined, newDriver());
          if (i % 4 === 3) setTimeout(() => handle.evict(), 3);
          await handle.result.catch(() => {});
        }));
      }
      for (let i = 0; i < 5; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    await runs(1000);
    const before = await runs(500);
    const after = await runs(5000);
    console.log(JSON.stringify({ grownPerRun: (after - before) / 5000, handles: process.getActiveResourcesInfo().filter((name) => name !== "PipeWrap") }));
  `);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const { grownPerRun, handles } = JSON.parse(stdout) as { grownPerRun: number; handles: string[] };
  expect(handles).toEqual([]);
  // What is kept of one run would be some thousands of bytes.
  expect(grownPerRun).toBeLessThan(200);
}, 90_000);

test("a live run that waits keeps the process; when it is evicted the process exits by itself", () => {
  const { status, stdout, stderr } = runProcess(`${PRELUDE}
    const handle = runWorkflow("w", (ctx) => ctx.queue.next("m", { names: ["never"] }), undefined, newDriver(), { mode: "live" });
    setTimeout(() => { console.log("still here"); handle.evict(); }, 300).unref();
    handle.result.then(({ state }) => console.log(state));
  `);
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "still here\nsleeping\n", stderr: "" });
});

test("a thousand runs at once, each on a driver of its own, do not mix", async () => {
  const workflow = async (ctx: WorkflowContextInterface, n: number) => {
    const [a, b] = [await ctx.step("a", async () => n), (await ctx.queue.next<number>("m", { names: ["go"] })).body];
    return a + b;
  };
  const outputs = await Promise.all(
    Array.from({ length: 1_000 }, async (_, n) => {
      const driver = new TestDriver();
      await driver.messageDriver.addMessage({ id: "one id for all", name: "go", data: n, sentAt: 1 });
      return (await runWorkflow("one name for all", workflow, n, driver).result).output;
    }),
  );
  expect(outputs).toEqual(outputs.map((_, n) => 2 * n));
});

test.each([1_000, 10_000])(
  "a join of %i branches keeps to 128 rows and 999,424 bytes a batch, and is replayed",
  async (width) => {
    const driver = new TestDriver();
    const write = driver.batch.bind(driver);
    let [rows, bytes] = [0, 0];
    driver.batch = (writes: KVWrite[]) => {
      rows = Math.max(rows, writes.length);
      bytes = Math.max(
        bytes,
        writes.reduce((sum, { key, value }) => sum + key.length + value.length, 0),
      );
      return write(writes);
    };
    const join = (value: (n: number) => number) => async (ctx: WorkflowContextInterface) => {
      const branches = Array.from({ length: width }, (_, n) => [
        `branch ${n}`,
        { run: (branch: WorkflowContextInterface) => branch.step("s", async () => value(n)) },
      ]);
      return Object.values(await ctx.join("wide", Object.fromEntries(branches))) as number[];
    };
    const first = await runWorkflow(
      "w",
      join((n) => n),
      undefined,
      driver,
    ).result;
    expect(first.output).toEqual(Array.from({ length: width }, (_, n) => n));
    const replayed = await runWorkflow(
      "w",
      join(() => -1),
      undefined,
      driver,
    ).result;
    expect(replayed.output).toEqual(first.output);
    expect(rows).toBeLessThanOrEqual(128);
    expect(bytes).toBeLessThanOrEqual(999_424);
  },
  60_000,
);
