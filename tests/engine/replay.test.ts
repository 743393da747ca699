import { expect, test } from "vitest";
import { Case, type Engine, forEachEngine, rejection, START } from "./harness.ts";

type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;

forEachEngine("replay from a step", (engine) => {
  const three = (ran: string[]) => async (ctx: Ctx) => {
    for (const name of ["a", "b", "c"]) await ctx.step(name, async () => void ran.push(name));
  };

  test("deletes the step and everything after it, and sets the alarm", async () => {
    const the = new Case(engine);
    const ran: string[] = [];
    await the.run(three(ran));
    const snapshot = await engine.replayWorkflowFromStep("workflow", the.driver, await idOf(engine, the, "b"));
    expect(snapshot.entries).toHaveLength(1);
    expect(the.host.state).toBe("sleeping");
    expect(the.host.alarm).toBe(START);
    await the.run(three(ran));
    expect(ran).toEqual(["a", "b", "c", "b", "c"]);
  });

  test("without a step deletes everything", async () => {
    const the = new Case(engine);
    const ran: string[] = [];
    await the.run(three(ran));
    await engine.replayWorkflowFromStep("workflow", the.driver);
    await the.run(three(ran));
    expect(ran).toEqual(["a", "b", "c", "a", "b", "c"]);
  });

  test("leaves the alarm alone if it is told to", async () => {
    const the = new Case(engine);
    await the.run(three([]));
    await engine.replayWorkflowFromStep("workflow", the.driver, undefined, { scheduleAlarm: false });
    expect(the.host.alarm).toBeNull();
  });

  test("that is to leave the alarm alone leaves the one that is there", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) => {
      await ctx.step("a", async () => 1);
      await ctx.sleep("nap", 60_000);
    };
    await the.run(workflow);
    await engine.replayWorkflowFromStep("workflow", the.driver, await idOf(engine, the, "a"), { scheduleAlarm: false });
    expect(the.host.alarm).toBe(START + 60_000);
    expect(the.host.state).toBe("sleeping");
  });

  test("in a loop goes back to the loop", async () => {
    const the = new Case(engine);
    const ran: number[] = [];
    const workflow = async (ctx: Ctx) =>
      ctx.loop({
        name: "l",
        state: 0,
        run: async (inner, n) => {
          await inner.step("s", async () => void ran.push(n));
          return n === 1 ? engine.Loop.break(n) : engine.Loop.continue(n + 1);
        },
      });
    await the.run(workflow);
    await engine.replayWorkflowFromStep("workflow", the.driver, await idOf(engine, the, "l/~1/s"));
    await the.run(workflow);
    expect(ran).toEqual([0, 1, 0, 1]);
  });

  test("refuses an id that is not there, and an entry that is no step", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => ctx.removed("gone", "step"));
    expect((await rejection(engine.replayWorkflowFromStep("workflow", the.driver, "nobody"))).message).toBe(
      "Workflow step not found: nobody",
    );
    const id = await idOf(engine, the, "gone");
    expect((await rejection(engine.replayWorkflowFromStep("workflow", the.driver, id))).message).toBe(
      "Workflow replay target must be a step",
    );
  });
});

async function idOf(engine: Engine, the: Case, key: string): Promise<string> {
  const entry = (await engine.loadStorage(the.driver)).history.entries.get(key);
  if (entry === undefined) throw new Error(`there is no entry at ${key}`);
  return entry.id;
}
