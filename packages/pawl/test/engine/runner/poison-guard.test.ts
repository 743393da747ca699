/** A step that takes its process down is found, run last and alone, and quarantined; nobody else is, and it costs no retry. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runWorkflow, type WorkflowContextInterface, type WorkflowHandle } from "../../../src/engine/index.ts";
import { PawlError } from "../../../src/errors.ts";
import { errorOf, TestDriver } from "./host.ts";

const MARKS = "15091504";
const GUARDED = { poisonGuard: true };

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: 1_700_000_000_000 }));
afterEach(() => void vi.useRealTimers());

/** A host whose process can be killed: what is stored then is what the next one finds. */
class Mortal {
  driver = new TestDriver();
  #die = () => {};
  #bury = () => {};
  #buried = Promise.resolve();

  /** What a body does that takes the process down. */
  readonly dies = async (): Promise<never> => {
    this.#die();
    await this.#buried;
    throw new Error("whatever it does from now on, nobody reads it");
  };

  /** Runs until the run or the process ends. Says which, or what the run rejected with. */
  async life(workflow: (ctx: WorkflowContextInterface) => Promise<unknown>): Promise<unknown> {
    const died = new Promise<"died">((resolve) => {
      this.#die = () => resolve("died");
    });
    this.#buried = new Promise((resolve) => {
      this.#bury = resolve;
    });
    const { result } = this.start(workflow);
    const ended = result.then(
      ({ state }) => state,
      (error: unknown) => error,
    );
    const how = await Promise.race([ended, died]);
    this.driver = TestDriver.of(this.driver.snapshot().kv);
    this.#bury();
    await ended;
    return how;
  }

  start(workflow: (ctx: WorkflowContextInterface) => Promise<unknown>): WorkflowHandle<unknown> {
    return runWorkflow("w", workflow, undefined, this.driver, GUARDED);
  }
}

test("an attempt is marked before its body begins, and a run that ends leaves no mark", async () => {
  const driver = new TestDriver();
  const marked: boolean[] = [];
  const workflow = async (ctx: WorkflowContextInterface) => {
    await ctx.step("one", async () => void marked.push(MARKS in driver.snapshot().kv));
    await ctx.join("both", {
      a: { run: (a) => a.step("two", async () => void marked.push(MARKS in driver.snapshot().kv)) },
    });
  };
  await runWorkflow("w", workflow, undefined, driver, GUARDED).result;
  expect(marked).toEqual([true, true]);
  expect(driver.snapshot().kv).not.toHaveProperty(MARKS);
});

test("without being asked, nothing is marked", async () => {
  const driver = new TestDriver();
  let marked = true;
  await runWorkflow("w", (ctx) => ctx.step("s", async () => void (marked = MARKS in driver.snapshot().kv)), 0, driver)
    .result;
  expect(marked).toBe(false);
});

test("a suspect runs last and alone, and after three deaths alone it is quarantined until it is released", async () => {
  const host = new Mortal();
  let poison = true;
  const begun: string[] = [];
  const workflow = (ctx: WorkflowContextInterface) =>
    ctx.join("both", {
      bad: {
        run: (bad) =>
          bad.step("poison", async () => {
            begun.push("poison");
            return poison ? host.dies() : "harmless";
          }),
      },
      good: {
        run: (good) =>
          good.step("good", async () => {
            begun.push("good");
            await new Promise((resolve) => setTimeout(resolve, 5));
          }),
      },
    });
  // Twice both are at work when the process dies: that says nothing of either yet.
  expect([await host.life(workflow), await host.life(workflow)]).toEqual(["died", "died"]);
  begun.length = 0;
  // From now on both are suspects, one at a time: the good one's settling clears it.
  for (const _ of [1, 2, 3]) expect(await host.life(workflow)).toBe("died");
  begun.length = 0;
  const error = await host.life(workflow);
  expect(error).toBeInstanceOf(PawlError);
  expect(error).toMatchObject({ code: "quarantined", data: { entry: "both/bad/poison" } });
  expect(begun).not.toContain("poison");
  expect(await host.life(workflow), "and again").toMatchObject({ code: "quarantined" });
  poison = false;
  const handle = host.start(workflow);
  await errorOf(handle.result);
  await handle.recover();
  const { state } = await host.start(workflow).result;
  expect(state).toBe("completed");
  expect(begun).toContain("poison");
});

test("a death costs no retry, and deaths ten minutes apart are no suspicion", async () => {
  const host = new Mortal();
  let deaths = 0;
  const workflow = (ctx: WorkflowContextInterface) =>
    ctx.step({ name: "unlucky", maxRetries: 0, run: async () => (deaths++ < 8 ? host.dies() : "at last") });
  for (let i = 0; i < 8; i++) {
    expect(await host.life(workflow)).toBe("died");
    vi.setSystemTime(Date.now() + 600_001);
  }
  expect(await host.life(workflow)).toBe("completed");
});

test("the timeout of a body counts from its beginning, not while it is kept waiting", async () => {
  const driver = new TestDriver();
  const batch = driver.batch.bind(driver);
  driver.batch = async (writes) => {
    await new Promise((resolve) => setTimeout(resolve, 40));
    await batch(writes);
  };
  const step = { name: "s", timeout: 30, run: async () => "in time" };
  const { state } = await runWorkflow("w", (ctx) => ctx.step(step), undefined, driver, GUARDED).result;
  expect(state).toBe("completed");
  const slow = { name: "slow", timeout: 30, run: () => new Promise<never>(() => {}) };
  const error = await errorOf(runWorkflow("v", (ctx) => ctx.step(slow), undefined, new TestDriver(), GUARDED).result);
  expect(error.message).toBe('Step "slow" timed out after 30ms');
});

test("a mark that cannot be read is named, and nothing runs", async () => {
  const driver = new TestDriver();
  driver.put(MARKS, Uint8Array.of(1, 0, 0xf6, 1, 2, 3, 4));
  let ran = false;
  const error = await errorOf(
    runWorkflow("w", (ctx) => ctx.step("s", async () => void (ran = true)), undefined, driver, GUARDED).result,
  );
  expect(error).toMatchObject({ code: "record_corrupt", data: { key: MARKS, offset: 3 } });
  expect(ran).toBe(false);
});

test("a driver that cannot write the mark ends the run before the body begins", async () => {
  const driver = new TestDriver();
  driver.batch = () => Promise.reject(new Error("disk full"));
  let ran = false;
  const error = await errorOf(
    runWorkflow("w", (ctx) => ctx.step("s", async () => void (ran = true)), undefined, driver, GUARDED).result,
  );
  expect([error.message, ran]).toEqual(["disk full", false]);
});
