import { expect } from "vitest";
import { type Ctx, defects, pass, rejection } from "../harness.ts";

defects("a critical failure (7.1.4)", (free) => {
  free("is not tried again by a later run", async (the) => {
    let ran = 0;
    const workflow = async (ctx: Ctx) =>
      ctx.step("s", async () => {
        ran += 1;
        throw new the.engine.CriticalError("no");
      });
    await rejection(the.run(workflow));
    pass(3_600_000);
    the.restart();
    const error = await rejection(the.run(workflow));
    expect(error).toMatchObject({ message: "no" });
    expect(ran).toBe(1);
  });

  free("after a rollback runs nothing more, forward or back", async (the) => {
    const did: string[] = [];
    const workflow = (broken: boolean) => async (ctx: Ctx) => {
      await ctx.rollbackCheckpoint("checkpoint");
      await ctx.step({ name: "a", run: async () => void did.push("a"), rollback: async () => void did.push("undo a") });
      await ctx.step("b", async () =>
        broken ? Promise.reject(new the.engine.CriticalError("no")) : void did.push("b"),
      );
    };
    await rejection(the.run(workflow(true)));
    pass(3_600_000);
    the.restart();
    expect((await rejection(the.run(workflow(false)))).message).toBe("no");
    expect(did).toEqual(["a", "undo a"]);
  });
});
