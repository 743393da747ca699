import { expect } from "vitest";
import { defects, rejection } from "../harness.ts";

defects("queue.send outside steps (7.1.20)", (free) => {
  free("sends once, however often the workflow is replayed", async (the) => {
    await the.finish(async (ctx) => {
      await ctx.queue.send("out", "hello");
      for (const name of ["a", "b"]) await ctx.sleep(name, 1000);
    });
    expect(the.host.messages.map(({ data }) => data)).toEqual(["hello"]);
  });

  free("does not send again in a rollback", async (the) => {
    await rejection(
      the.run(async (ctx) => {
        await ctx.queue.send("out", "hello");
        await ctx.step("s", () => Promise.reject(new the.engine.CriticalError("no")));
      }),
    );
    expect(the.host.messages).toHaveLength(1);
  });
});
