import { expect } from "vitest";
import { type Case, type Ctx, defects, rejection } from "../harness.ts";

defects("a rollback (7.1.9)", (free) => {
  const undoesAll = (
    sentence: string,
    expected: string[],
    body: (ctx: Ctx, undoable: Undoable, the: Case) => Promise<unknown>,
  ) =>
    free(sentence, async (the) => {
      const undone: string[] = [];
      const undoable: Undoable = (ctx, name) =>
        ctx.step({ name, run: async () => name, rollback: async () => void undone.push(name) });
      await rejection(
        the.run(async (ctx) => {
          await ctx.rollbackCheckpoint("checkpoint");
          await body(ctx, undoable, the);
          throw new the.engine.CriticalError("back");
        }),
      );
      expect(undone).toEqual(expected);
    });

  undoesAll("reaches the steps of a loop, newest first", ["2", "1", "0"], (ctx, undoable, the) =>
    ctx.loop({
      name: "l",
      state: 0,
      run: async (i, n) =>
        undoable(i, `${n}`).then(() => (n === 2 ? the.engine.Loop.break(n) : the.engine.Loop.continue(n + 1))),
    }),
  );
  undoesAll("reaches the steps of a join", ["a"], (ctx, undoable) =>
    ctx.join("j", { only: { run: (b) => undoable(b, "a") } }),
  );
  undoesAll("reaches the steps of a race", ["a"], (ctx, undoable) =>
    ctx.race("r", [{ name: "only", run: (b) => undoable(b, "a") }]),
  );
  undoesAll("goes on behind a failure that was caught", ["after", "before"], async (ctx, undoable, the) => {
    await undoable(ctx, "before");
    await ctx.tryStep("caught", () => Promise.reject(new the.engine.CriticalError("caught")));
    await undoable(ctx, "after");
  });
});

type Undoable = (ctx: Ctx, name: string) => Promise<unknown>;
