import { expect } from "vitest";
import { Case, type Ctx, defects, dieAtEveryCall } from "../harness.ts";

defects("a message that a workflow sends (W9)", (free) => {
  free("arrives once, wherever the process dies", async ({ engine }) => {
    const workflow = async (ctx: Ctx) => {
      await ctx.queue.send("out", "hello");
      await ctx.step("s", async () => 1);
    };
    await dieAtEveryCall(
      async () => new Case(engine),
      (the) => the.finish(workflow),
      async (the) => {
        await the.finish(workflow);
        expect(the.host.messages.map(({ data }) => data)).toEqual(["hello"]);
      },
    );
  });
});
