import type { WorkflowErrorEvent } from "@rivetkit/workflow-engine";
import { expect, test } from "vitest";
import { Case, type Engine, forEachEngine, rejection } from "./harness.ts";

type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;

forEachEngine("a rollback", (engine) => {
  test("undoes steps in the reverse order, each with its output, and rejects with the error that began it", async () => {
    const the = new Case(engine);
    const undone: unknown[] = [];
    const critical = new engine.CriticalError("no");
    const error = await rejection(
      the.run(async (ctx) => {
        await ctx.rollbackCheckpoint("checkpoint");
        for (const name of ["a", "b"]) await undoable(ctx, name, async (output) => void undone.push(output));
        await ctx.step("fails", () => Promise.reject(critical));
      }),
    );
    expect(error).toBe(critical);
    expect(undone).toEqual(["did b", "did a"]);
    expect(the.host.state).toBe("failed");
  });

  test("needs a checkpoint before the first handler", async () => {
    const the = new Case(engine);
    const error = await rejection(the.run(async (ctx) => undoable(ctx, "a", async () => {})));
    expect(error).toBeInstanceOf(engine.RollbackCheckpointError);
    expect(error.message).toBe("Rollback requires a checkpoint before any rollback step");
    expect(the.host.state).toBe("failed");
  });

  test("does not happen for a wait", async () => {
    let undone = 0;
    await new Case(engine).run(async (ctx) => {
      await ctx.rollbackCheckpoint("checkpoint");
      await undoable(ctx, "a", async () => void (undone += 1));
      await ctx.sleep("nap", 1000);
    });
    expect(undone).toBe(0);
  });

  test("leaves the iteration counter of a loop alone", async () => {
    const the = new Case(engine);
    await rejection(
      the.run(async (ctx) => {
        await ctx.rollbackCheckpoint("checkpoint");
        await ctx.loop({
          name: "l",
          state: 0,
          run: async (inner, n) =>
            inner.step("s", async () => (n === 2 ? failed(engine) : n)).then(() => engine.Loop.continue(n + 1)),
        });
      }),
    );
    const entry = (await engine.loadStorage(the.driver)).history.entries.get("l");
    expect(entry?.kind).toMatchObject({ type: "loop", data: { iteration: 2, state: 2 } });
  });

  test("that is evicted goes on later with the handlers that are left", async () => {
    const the = new Case(engine);
    const undone: string[] = [];
    const workflow = (evict: () => void) => async (ctx: Ctx) => {
      await ctx.rollbackCheckpoint("checkpoint");
      await undoable(ctx, "a", async () => void undone.push("a"));
      await undoable(ctx, "b", async () => {
        undone.push("b");
        evict();
      });
      await ctx.step("fails", () => Promise.reject(new engine.CriticalError("no")));
    };
    const handle = the.start(workflow(() => handle.evict()));
    expect((await handle.result).state).toBe("rolling_back");
    expect(the.host.state).toBe("rolling_back");
    const error = await rejection(the.run(workflow(() => {})));
    expect(error.message).toBe("no");
    expect(undone.at(-1)).toBe("a");
    expect(the.host.state).toBe("failed");
  });

  test("whose handler throws is said to the hook", async () => {
    const events: WorkflowErrorEvent[] = [];
    const the = new Case(engine);
    await rejection(
      the.run(
        async (ctx) => {
          await ctx.rollbackCheckpoint("checkpoint");
          await undoable(ctx, "a", () => Promise.reject(new Error("cannot undo")));
          await ctx.step("fails", () => Promise.reject(new engine.CriticalError("no")));
        },
        { onError: (event) => void events.push(event) },
      ),
    ).catch(() => {});
    expect(events).toContainEqual({
      rollback: { workflowId: "workflow", stepName: "a", error: expect.objectContaining({ message: "cannot undo" }) },
    });
    expect(the.host.state).toBe("rolling_back");
  });
});

function undoable(ctx: Ctx, name: string, undo: (output: unknown) => Promise<void>): Promise<unknown> {
  return ctx.step({ name, run: async () => `did ${name}`, rollback: async (_, output) => undo(output) });
}

function failed(engine: Engine): never {
  throw new engine.CriticalError("stop");
}
