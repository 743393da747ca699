import { expect, test } from "vitest";
import { Case, forEachEngine, pass, rejection, START } from "./harness.ts";

type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;

forEachEngine("a loop", (engine) => {
  const { Loop } = engine;

  test("carries its state from one iteration to the next", async () => {
    const { output } = await new Case(engine).run(async (ctx) =>
      ctx.loop({
        name: "sum",
        state: { n: 0, sum: 0 },
        run: async (inner, { n, sum }) =>
          n === 4 ? Loop.break(sum) : Loop.continue({ n: n + 1, sum: sum + (await inner.step("n", async () => n)) }),
      }),
    );
    expect(output).toBe(6);
  });

  test("without state goes on when an iteration returns nothing", async () => {
    let n = 0;
    const { output } = await new Case(engine).run(async (ctx) =>
      ctx.loop("l", async () => ((n += 1) < 3 ? undefined : Loop.break(n))),
    );
    expect(output).toBe(3);
  });

  test("with state refuses an iteration that returns nothing", async () => {
    const run = async () => undefined as never;
    const error = await rejection(new Case(engine).run(async (ctx) => ctx.loop({ name: "l", state: 1, run })));
    expect(error.message).toBe(
      'Loop "l" returned undefined for a stateful iteration. Return Loop.continue(state) or Loop.break(value).',
    );
  });

  test("takes plain objects for Loop.continue and Loop.break", async () => {
    const { output } = await new Case(engine).run(async (ctx) =>
      ctx.loop({
        name: "l",
        state: 0,
        run: async (_, n) => (n < 2 ? { continue: true, state: n + 1 } : { break: true, value: n }),
      }),
    );
    expect(output).toBe(2);
  });

  test("that is done runs nothing again, even if it gave nothing", async () => {
    const the = new Case(engine);
    let ran = 0;
    const workflow = async (ctx: Ctx) =>
      ctx.loop("l", async () => {
        ran += 1;
        return Loop.break(undefined);
      });
    await the.run(workflow);
    await the.run(workflow);
    expect(ran).toBe(1);
  });

  test("resumes at the iteration that failed", async () => {
    const the = new Case(engine);
    const entered: number[] = [];
    const workflow = async (ctx: Ctx) =>
      ctx.loop({
        name: "l",
        state: 0,
        run: async (inner, n) => {
          entered.push(n);
          await inner.step("s", async () => (n === 3 && entered.length < 5 ? Promise.reject(new Error("x")) : n));
          return n === 4 ? Loop.break("done") : Loop.continue(n + 1);
        },
      });
    expect((await the.run(workflow)).state).toBe("sleeping");
    pass(1000);
    expect((await the.run(workflow)).output).toBe("done");
    expect(entered).toEqual([0, 1, 2, 3, 3, 4]);
  });

  test("of nine iterations that prunes every third deletes two ranges", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) =>
      ctx.loop({
        name: "l",
        state: 0,
        historyPruneInterval: 3,
        run: async (inner, n) => {
          await inner.step("s", async () => n);
          return n === 8 ? Loop.break(n) : Loop.continue(n + 1);
        },
      }),
    );
    expect(the.driver.count("deleteRange")).toBe(2);
  });

  test("keeps no more iterations than historySize once it is done", async () => {
    const the = new Case(engine);
    const run = async (inner: Ctx, n: number) => {
      await inner.step("s", async () => n);
      return n === 8 ? Loop.break(n) : Loop.continue(n + 1);
    };
    await the.run(async (ctx) =>
      ctx.loop<number, number>({ name: "l", state: 0, historyPruneInterval: 3, historySize: 2, run }),
    );
    const keys = [...(await engine.loadStorage(the.driver)).history.entries.keys()];
    expect(keys.filter((key) => key.startsWith("l/")).sort()).toEqual(["l/~7/s", "l/~8/s"]);
  });

  test("finds an entry of an iteration that the code no longer visits", async () => {
    const the = new Case(engine);
    const workflow = (names: string[]) => async (ctx: Ctx) =>
      ctx.loop({
        name: "l",
        state: 0,
        run: async (inner) => {
          for (const name of names) await inner.step(name, async () => name);
          await inner.sleep("pause", 1000);
          return Loop.break(1);
        },
      });
    expect((await the.run(workflow(["a", "b"]))).sleepUntil).toBe(START + 1000);
    pass(1000);
    const error = await rejection(the.run(workflow(["a"])));
    expect(error).toBeInstanceOf(engine.HistoryDivergedError);
    expect(error.message).toBe(
      'Entry "l/~0/b" exists in history but was not visited. Workflow code may have changed. Use ctx.removed() to handle migrations.',
    );
  });
});
