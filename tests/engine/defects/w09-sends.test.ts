import { expect } from "vitest";
import { Case, type Ctx, defects, dieAtEveryCall } from "../harness.ts";

defects("a message that a workflow sends (W9)", (free) => {
  free("arrives under one id, wherever the process dies", async ({ engine }) => {
    const workflow = async (ctx: Ctx) => {
      await ctx.queue.send("out", "hello");
      await ctx.step("s", async () => 1);
    };
    await dieAtEveryCall(
      async () => new Case(engine),
      (the) => the.finish(workflow),
      async (the) => {
        await the.finish(workflow);
        // A host's queue is no part of the engine's commit: what is added again has the same id.
        expect(new Set(the.host.messages.map(({ id }) => id)).size).toBe(1);
      },
    );
  });
});
