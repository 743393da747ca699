import { expect } from "vitest";
import { type Ctx, defects, pass } from "../harness.ts";

defects("a run that is started again while a backoff has a few milliseconds left", (free) => {
  free("waits in memory and goes on", async (the) => {
    let ran = 0;
    const run = async () => ((ran += 1) === 1 ? Promise.reject(new Error("once")) : "done");
    const workflow = async (ctx: Ctx) => ctx.step({ name: "s", retryBackoffBase: 50, run });
    expect((await the.run(workflow)).state).toBe("sleeping");
    pass(95);
    setTimeout(() => pass(10), 3);
    expect(await the.run(workflow)).toEqual({ state: "completed", output: "done" });
  });
});
