import { expect, test } from "vitest";
import { Case, forEachEngine, pass, rejection } from "./harness.ts";

type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;

forEachEngine("getVersion", (engine) => {
  test("is the latest for a new workflow, and stays so when the latest moves on", async () => {
    const the = new Case(engine);
    const workflow = (latest: number) => async (ctx: Ctx) => ctx.getVersion("gate", latest);
    expect((await the.run(workflow(2))).output).toBe(2);
    expect((await the.run(workflow(3))).output).toBe(2);
  });

  test("is 1 where the scope already went on without it", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => ctx.step("old", async () => 1).then(async () => ctx.sleep("nap", 1000)));
    pass(1000);
    const { output } = await the.run(async (ctx) => {
      const version = await ctx.getVersion("gate", 2);
      await ctx.step("old", async () => 1);
      await ctx.sleep("nap", 1000);
      return version;
    });
    expect(output).toBe(1);
  });

  test("is decided by each iteration for itself", async () => {
    const the = new Case(engine);
    const { Loop } = engine;
    const workflow = (gated: boolean) => async (ctx: Ctx) =>
      ctx.loop<{ n: number; seen: number[] }, number[]>({
        name: "l",
        state: { n: 0, seen: [] },
        run: async (inner, { n, seen }) => {
          const version = gated ? await inner.getVersion("gate", 2) : 1;
          await inner.step("old", async () => 1);
          if (n === 0) await inner.sleep("nap", 1000);
          return n === 1 ? Loop.break([...seen, version]) : Loop.continue({ n: n + 1, seen: [...seen, version] });
        },
      });
    await the.run(workflow(false));
    pass(1000);
    expect((await the.run(workflow(true))).output).toEqual([1, 2]);
  });

  test("refuses a latest that is no whole number from 1", async () => {
    for (const latest of [0, 1.5, Number.NaN]) {
      const error = await rejection(new Case(engine).run(async (ctx) => ctx.getVersion("gate", latest)));
      expect(error.message).toBe(`getVersion("gate", ${latest}): latest must be an integer >= 1`);
    }
  });

  test("is retired with removed", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => ctx.getVersion("gate", 2).then(async () => ctx.sleep("nap", 1)));
    pass(1000);
    const result = await the.run(async (ctx) =>
      ctx.removed("gate", "version_check").then(async () => ctx.sleep("nap", 1)),
    );
    expect(result.state).toBe("completed");
  });
});

forEachEngine("removed", (engine) => {
  test("covers an entry of the type it names", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) =>
      ctx.try("block", async (b) => b.step("old", async () => 1).then(async () => b.sleep("nap", 1000))),
    );
    pass(1000);
    const result = await the.run(async (ctx) =>
      ctx.try("block", async (b) => b.removed("old", "step").then(async () => b.sleep("nap", 1000))),
    );
    expect(result).toMatchObject({ state: "completed", output: { ok: true } });
  });

  test("writes a placeholder where there is nothing", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => ctx.removed("old", "step"));
    const entry = (await engine.loadStorage(the.driver)).history.entries.get("old");
    expect(entry?.kind).toMatchObject({ type: "removed", data: { originalType: "step" } });
  });

  test("diverges where the entry is of another type", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => ctx.step("old", async () => 1));
    const error = await rejection(the.run(async (ctx) => ctx.removed("old", "sleep")));
    expect(error.message).toBe("Expected sleep or removed at old, found step");
  });
});
