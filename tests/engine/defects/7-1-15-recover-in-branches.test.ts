import { expect } from "vitest";
import { type Ctx, defects, rejection } from "../harness.ts";

defects("recover (7.1.15)", (free) => {
  const revives = (sentence: string, scope: (ctx: Ctx, run: (b: Ctx) => Promise<string>) => Promise<unknown>) =>
    free(sentence, async (the) => {
      let broken = true;
      const step = async () => (broken ? Promise.reject(new the.engine.CriticalError("no")) : "fixed");
      const workflow = async (ctx: Ctx) => scope(ctx, async (b) => b.step("s", step));
      const handle = the.start(workflow);
      await rejection(handle.result);
      await handle.recover();
      broken = false;
      expect((await the.run(workflow)).state).toBe("completed");
    });

  revives("revives what failed in a join", (ctx, run) => ctx.join("j", { a: { run } }));
  revives("revives what failed in a race", (ctx, run) => ctx.race("r", [{ name: "a", run }]));

  free("arms the rollback handlers again", async (the) => {
    const undone: string[] = [];
    const workflow = async (ctx: Ctx) => {
      await ctx.rollbackCheckpoint("checkpoint");
      await ctx.step({ name: "a", run: async () => "a", rollback: async () => void undone.push("a") });
      await ctx.step("b", () => Promise.reject(new the.engine.CriticalError("no")));
    };
    const handle = the.start(workflow);
    await rejection(handle.result);
    await handle.recover();
    await rejection(the.run(workflow));
    expect(undone).toEqual(["a", "a"]);
  });
});
