import { expect } from "vitest";
import { Case, type Ctx, defects, dieAtEveryCall } from "../harness.ts";

const fresh = async (engine: Case["engine"]) => {
  const the = new Case(engine);
  for (const n of [1, 2]) the.host.send("m", n);
  return the;
};

defects("a message (W7)", (free) => {
  free("is neither lost nor taken twice, wherever the process dies", async ({ engine }) => {
    const workflow = async (ctx: Ctx) => [
      (await ctx.queue.next("first", { names: ["m"] })).body,
      (await ctx.queue.next("second", { names: ["m"] })).body,
    ];
    await dieAtEveryCall(
      () => fresh(engine),
      (the) => the.finish(workflow),
      async (the) => {
        expect(await the.finish(workflow)).toEqual([1, 2]);
        expect(the.host.messages).toEqual([]);
      },
    );
  });
});
