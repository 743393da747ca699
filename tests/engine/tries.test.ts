import { expect, test } from "vitest";
import { Case, type Engine, forEachEngine, pass, rejection, START } from "./harness.ts";

type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;

forEachEngine("tryStep", (engine) => {
  const failing = (error: Error) => ({ name: "s", maxRetries: 0, run: () => Promise.reject(error) });

  test("gives the value of a step that succeeds", async () => {
    const { output } = await new Case(engine).run(async (ctx) => ctx.tryStep("s", async () => 7));
    expect(output).toEqual({ ok: true, value: 7 });
  });

  test("catches an exhausted step", async () => {
    const { output } = await new Case(engine).run(async (ctx) => ctx.tryStep(failing(new Error("x"))));
    expect(output).toMatchObject({
      ok: false,
      failure: { kind: "exhausted", stepName: "s", attempts: 1, error: { message: "x" } },
    });
  });

  test("catches a critical failure", async () => {
    const { output } = await new Case(engine).run(async (ctx) => ctx.tryStep(failing(new engine.CriticalError("x"))));
    expect(output).toMatchObject({
      ok: false,
      failure: { kind: "critical", attempts: 1, error: { name: "CriticalError", message: "x" } },
    });
  });

  test("catches a timeout", async () => {
    const run = () => new Promise<never>(() => {});
    const { output } = await new Case(engine).run(async (ctx) => ctx.tryStep({ name: "s", timeout: 2, run }));
    expect(output).toMatchObject({ ok: false, failure: { kind: "timeout", attempts: 1 } });
  });

  test("leaves a RollbackError alone, unless it is asked to catch it", async () => {
    const error = new engine.RollbackError("back");
    expect(await rejection(new Case(engine).run(async (ctx) => ctx.tryStep(failing(error))))).toBe(error);
    const { output } = await new Case(engine).run(async (ctx) =>
      ctx.tryStep({ ...failing(error), catch: ["rollback"] }),
    );
    expect(output).toMatchObject({ ok: false, failure: { kind: "rollback" } });
  });

  test("catches only what is listed", async () => {
    const error = await rejection(
      new Case(engine).run(async (ctx) => ctx.tryStep({ ...failing(new Error("x")), catch: ["critical"] })),
    );
    expect(error).toBeInstanceOf(engine.StepExhaustedError);
  });

  test("waits out retries before it catches anything", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) =>
      ctx.tryStep({ name: "s", maxRetries: 1, run: () => Promise.reject(new Error("x")) });
    expect(await the.run(workflow)).toMatchObject({ state: "sleeping", sleepUntil: START + 200 });
    pass(200);
    expect((await the.run(workflow)).output).toMatchObject({ ok: false, failure: { kind: "exhausted", attempts: 2 } });
  });
});

forEachEngine("try", (engine) => {
  const output = async (run: (ctx: Ctx) => Promise<unknown>, more: object = {}) =>
    (await new Case(engine).run(async (ctx) => ctx.try({ name: "block", run, ...more }))).output;

  test("gives the value of its block", async () => {
    expect(await output(async (ctx) => ctx.step("s", async () => 1))).toEqual({ ok: true, value: 1 });
  });

  test("names the step that failed as the source", async () => {
    expect(await output(exhausted)).toMatchObject({
      ok: false,
      failure: { source: "step", name: "s", step: { kind: "exhausted", stepName: "s", attempts: 1 } },
    });
  });

  test("names a join that failed as the source", async () => {
    const found = await output(async (ctx) =>
      ctx.join("j", { a: { run: async () => Promise.reject(new Error("x")) } }),
    );
    expect(found).toMatchObject({ ok: false, failure: { source: "join", name: "j", error: { name: "JoinError" } } });
  });

  test("names a race that everyone lost as the source", async () => {
    const found = await output(async (ctx) =>
      ctx.race("r", [{ name: "a", run: async () => Promise.reject(new Error("x")) }]),
    );
    expect(found).toMatchObject({ ok: false, failure: { source: "race", name: "r", error: { name: "RaceError" } } });
  });

  test("catches a RollbackError of the block itself only if asked to", async () => {
    const run = async () => Promise.reject(new engine.RollbackError("back"));
    await rejection(output(run));
    expect(await output(run, { catch: ["rollback"] })).toMatchObject({ failure: { source: "block", name: "block" } });
  });

  test("never catches a plain error of code outside steps", async () => {
    expect((await rejection(output(async () => Promise.reject(new TypeError("bug"))))).message).toBe("bug");
  });

  test("lets a wait through", async () => {
    const result = await new Case(engine).run(async (ctx) =>
      ctx.try("block", async (inner) => inner.sleep("nap", 1000)),
    );
    expect(result).toMatchObject({ state: "sleeping", sleepUntil: START + 1000 });
  });

  test("leaves no entry of its own", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => ctx.try("block", async (inner) => inner.step("s", async () => 1)));
    expect([...(await keysOf(engine, the))]).toEqual(["block/s"]);
  });
});

function exhausted(ctx: Ctx): Promise<never> {
  return ctx.step({ name: "s", maxRetries: 0, run: () => Promise.reject(new Error("x")) });
}

async function keysOf(engine: Engine, the: Case): Promise<Iterable<string>> {
  return (await engine.loadStorage(the.driver)).history.entries.keys();
}
