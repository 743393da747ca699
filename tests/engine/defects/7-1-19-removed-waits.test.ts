import { expect } from "vitest";
import { type Ctx, defects, pass } from "../harness.ts";

defects("removed of a queue wait (7.1.19)", (free) => {
  free("covers the rows that the wait wrote, in a nested scope", async (the) => {
    the.host.send("go", 1);
    const workflow = (waits: boolean) => async (ctx: Ctx) =>
      ctx.try("block", async (inner) => {
        if (waits) await inner.queue.next("old", { names: ["go"], timeout: 5000 });
        else await inner.removed("old", "message");
        await inner.sleep("nap", 1000);
      });
    expect((await the.run(workflow(true))).state).toBe("sleeping");
    pass(1000);
    expect((await the.run(workflow(false))).state).toBe("completed");
  });
});
