/** Engines with the peer's API, on a plain driver in memory; a new driver for each workflow, which is the peer's contract. */
import type { BranchConfig, Loop, runWorkflow, WorkflowContextInterface } from "@rivetkit/workflow-engine";
import { type Engine, timed, warmUp } from "./engine.ts";
import { PlainDriver } from "./plain-driver.ts";
import { TimedDriver } from "./timed-driver.ts";

type Workflow = (ctx: WorkflowContextInterface, input: { count: number }) => Promise<number>;

const steps: Workflow = async (ctx, input) => {
  for (let i = 0; i < input.count; i++) await ctx.step(`step-${i}`, async () => i);
  return input.count;
};

const resumed: Workflow = async (ctx, input) => {
  for (let i = 0; i < input.count; i++) await ctx.step(`step-${i}`, async () => i);
  await ctx.queue.next("go", { names: ["go"] });
  return input.count;
};

const branch: BranchConfig<number> = { run: (ctx) => ctx.step("step", async () => 1) };

const join: Workflow = async (ctx, input) => {
  const names = Array.from({ length: input.count }, (_, i) => `branch-${i}`);
  const values = await ctx.join("join", Object.fromEntries(names.map((name) => [name, branch])));
  return Object.values(values).reduce((sum, value) => sum + value, 0);
};

/** What of an engine with that API is needed. */
export interface Api {
  readonly runWorkflow: typeof runWorkflow;
  readonly Loop: typeof Loop;
}

const WARM_UP_BRANCHES = 100;

/** An engine that can be told what its driver has cost. */
export interface EngineOnDriver extends Engine {
  /** The same as `replay`, less the time that passed in the driver. */
  replayLessDriver(steps: number): Promise<number>;
}

/** The programs, in the peer's words. */
export function onPlainDriver({ runWorkflow, Loop }: Api): EngineOnDriver {
  const loop: Workflow = (ctx, input) =>
    ctx.loop({
      name: "loop",
      state: { round: 0 },
      run: async (ctx, { round }) => {
        const next = await ctx.step("step", async () => round + 1);
        return next === input.count ? Loop.break(next) : Loop.continue({ round: next });
      },
    });

  const queue: Workflow = (ctx, input) =>
    ctx.loop({
      name: "loop",
      state: { taken: 0 },
      run: async (ctx, { taken }) => {
        const { body } = await ctx.queue.next<{ n: number }>("job", { names: ["job"] });
        if (body.n !== taken) throw new Error(`message ${body.n} came as number ${taken}`);
        return taken + 1 === input.count ? Loop.break(taken + 1) : Loop.continue({ taken: taken + 1 });
      },
    });

  function measure(workflow: Workflow, key: string, count: number, driver: PlainDriver): Promise<number> {
    return timed(async () => (await runWorkflow(key, workflow, { count }, driver).result).output, count);
  }

  /** `recorded` is called between the two runs. */
  async function replayOn(driver: PlainDriver, key: string, count: number, recorded = () => {}): Promise<number> {
    // It comes to the message, which is not there, and yields.
    await runWorkflow(key, resumed, { count }, driver).result;
    await driver.messageDriver.addMessage({ id: "m", name: "go", data: null, sentAt: 1 });
    recorded();
    return measure(resumed, key, count, driver);
  }

  return {
    async sequentialSteps(workflows, count) {
      const run = (key: string, count: number) => measure(steps, key, count, new PlainDriver());
      await warmUp(run, count, workflows * count);
      let total = 0;
      for (let i = 0; i < workflows; i++) total += await run(`w${i}`, count);
      return total;
    },

    async loop(rounds) {
      const run = (key: string, count: number) => measure(loop, key, count, new PlainDriver());
      await warmUp(run, rounds, rounds);
      return run("w", rounds);
    },

    async queue(messages) {
      const run = async (key: string, count: number) => {
        const driver = new PlainDriver();
        for (let n = 0; n < count; n++) {
          await driver.messageDriver.addMessage({ id: `m${n}`, name: "job", data: { n }, sentAt: n });
        }
        return measure(queue, key, count, driver);
      };
      await warmUp(run, messages, messages);
      return run("w", messages);
    },

    async replay(steps) {
      const run = (key: string, count: number) => replayOn(new PlainDriver(), key, count);
      await warmUp(run, steps, steps);
      return run("w", steps);
    },

    async replayLessDriver(steps) {
      const run = async (key: string, count: number) => {
        const driver = new TimedDriver();
        const took = await replayOn(driver, key, count, () => driver.forget());
        return took - driver.spent;
      };
      await warmUp(run, steps, steps);
      return run("w", steps);
    },

    async join(branches) {
      const run = (key: string, count: number) => measure(join, key, count, new PlainDriver());
      // It takes the square of the width and more: a warm-up as wide as that of others would take as long as the sample.
      await warmUp(run, Math.min(branches, WARM_UP_BRANCHES), WARM_UP_BRANCHES);
      return run("w", branches);
    },
  };
}
