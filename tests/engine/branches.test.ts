import { expect, test } from "vitest";
import { Case, entriesUnder, forEachEngine, pass, rejection, START, until } from "./harness.ts";

type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;

const boom = async () => Promise.reject(new Error("boom"));

forEachEngine("a join", (engine) => {
  test("gives the values of its branches by name", async () => {
    const { output } = await new Case(engine).run(async (ctx) =>
      ctx.join("j", { a: { run: async (b) => b.step("s", async () => 1) }, b: { run: async () => "plain" } }),
    );
    expect(output).toEqual({ a: 1, b: "plain" });
  });

  test("starts all bodies at once, in order", async () => {
    const started: string[] = [];
    const run = (name: string) => ({ run: async () => void started.push(name) });
    await new Case(engine).run(async (ctx) => {
      const join = ctx.join("j", { b: run("b"), a: run("a") });
      await join;
    });
    expect(started).toEqual(["b", "a"]);
  });

  test("fails with the errors of the branches that failed, by name, after all have ended", async () => {
    let slowEnded = false;
    const slow = async (b: Ctx) => b.step("slow", async () => void (slowEnded = true));
    const error = await rejection(
      new Case(engine).run(async (ctx) =>
        ctx.join("j", { bad: { run: boom }, slow: { run: slow }, worse: { run: boom } }),
      ),
    );
    expect(error).toBeInstanceOf(engine.JoinError);
    expect(error.message).toBe("Join failed: bad, worse");
    expect(Object.keys(error["errors"] as object)).toEqual(["bad", "worse"]);
    expect(slowEnded).toBe(true);
  });

  test("fails again, with the failing branches only, when the failed run is run again", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) => ctx.join("j", { good: { run: async () => 1 }, bad: { run: boom } });
    await rejection(the.run(workflow));
    const error = await rejection(the.run(workflow));
    expect(error).toBeInstanceOf(engine.JoinError);
    expect(Object.keys(error["errors"] as object)).toEqual(["bad"]);
  });

  test("hides a failure while another branch waits", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) =>
      ctx.join("j", { bad: { run: boom }, naps: { run: async (b) => b.sleep("nap", 1000) } });
    expect((await the.run(workflow)).state).toBe("sleeping");
    pass(1000);
    expect(await rejection(the.run(workflow))).toBeInstanceOf(engine.JoinError);
  });

  test("waits for the earliest deadline and for all names of its branches", async () => {
    const result = await new Case(engine).run(async (ctx) =>
      ctx.join("j", {
        late: { run: async (b) => b.sleep("nap", 9000) },
        early: { run: async (b) => b.sleep("nap", 1000) },
        x: { run: async (b) => b.queue.next("w", { names: ["x"] }) },
        y: { run: async (b) => b.queue.next("w", { names: ["y"] }) },
      }),
    );
    expect(result).toMatchObject({ state: "sleeping", sleepUntil: START + 1000 });
    expect(result.waitingForMessages?.sort()).toEqual(["x", "y"]);
  });

  test("does not run a branch again that is done", async () => {
    const the = new Case(engine);
    let ran = 0;
    const workflow = async (ctx: Ctx) =>
      ctx.join("j", { a: { run: async () => (ran += 1) }, b: { run: async (b) => b.sleep("nap", 1000) } });
    await the.run(workflow);
    pass(1000);
    expect((await the.run(workflow)).output).toMatchObject({ a: 1 });
    expect(ran).toBe(1);
  });
});

forEachEngine("a race", (engine) => {
  test("gives the first branch that ends well, and its value", async () => {
    const { output } = await new Case(engine).run(async (ctx) =>
      ctx.race<string>("r", [
        { name: "fails", run: boom },
        { name: "wins", run: async (b) => b.step("s", async () => "won") },
        { name: "naps", run: async (b) => b.sleep("nap", 1000).then(() => "late") },
      ]),
    );
    expect(output).toEqual({ winner: "wins", value: "won" });
  });

  test("is decided for good", async () => {
    const the = new Case(engine);
    const workflow = (first: string) => async (ctx: Ctx) => {
      const result = await ctx.race("r", [{ name: first, run: async () => first }]);
      await ctx.sleep("nap", 1000);
      return result.winner;
    };
    await the.run(workflow("a"));
    pass(1000);
    expect((await the.run(workflow("a"))).output).toBe("a");
  });

  test("deletes what its losers wrote", async () => {
    const the = new Case(engine);
    // The race, the loser's step and the loser's sleep are written one by one before the winner goes on: overlapping writes are a test of their own.
    const loserNaps = () => until(() => entriesUnder(the.host.rows, "1502").length === 3);
    await the.run(async (ctx) =>
      ctx.race("r", [
        { name: "loses", run: async (b) => b.step("first", async () => 1).then(async () => b.sleep("nap", 1000)) },
        { name: "wins", run: async (b) => loserNaps().then(async () => b.step("a", async () => {})) },
      ]),
    );
    const keys = [...(await engine.loadStorage(the.driver)).history.entries.keys()];
    expect(keys.filter((key) => key.startsWith("r/")).sort()).toEqual(["r/wins/a"]);
  });

  test("fires the signal of the losers", async () => {
    let aborted = false;
    await new Case(engine).run(async (ctx) =>
      ctx.race("r", [
        { name: "wins", run: async () => 1 },
        {
          name: "loses",
          run: (b) =>
            new Promise<number>((_, reject) => {
              b.abortSignal.addEventListener("abort", () => {
                aborted = true;
                reject(new engine.CancelledError());
              });
            }),
        },
      ]),
    );
    expect(aborted).toBe(true);
  });

  test("that all branches lose fails with their errors", async () => {
    const error = await rejection(
      new Case(engine).run(async (ctx) =>
        ctx.race("r", [
          { name: "a", run: boom },
          { name: "b", run: boom },
        ]),
      ),
    );
    expect(error).toBeInstanceOf(engine.RaceError);
    expect(error.message).toBe("All branches failed");
    expect(error["errors"]).toEqual([
      { name: "a", error: "Error: boom" },
      { name: "b", error: "Error: boom" },
    ]);
  });

  test("waits as its branches wait", async () => {
    const result = await new Case(engine).run(async (ctx) =>
      ctx.race<unknown>("r", [
        { name: "timer", run: async (b) => b.sleep("nap", 1000) },
        { name: "message", run: async (b) => b.queue.next("w", { names: ["x"] }) },
      ]),
    );
    expect(result).toMatchObject({ state: "sleeping", sleepUntil: START + 1000, waitingForMessages: ["x"] });
  });
});
