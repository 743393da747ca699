import { expect } from "vitest";
import { Case, type Ctx, defects, dieAtEveryCall } from "../harness.ts";

const ONCE = "is acknowledged to the host in the end, wherever the process dies";

defects(
  "a completable message (W8)",
  (free) => {
    free(ONCE, async ({ engine }) => {
      const workflow = async (ctx: Ctx) => {
        const message = await ctx.queue.next("w", { names: ["m"], completable: true });
        await ctx.step("work", async () => {});
        await message.complete?.("answer");
        return message.body;
      };
      await dieAtEveryCall(
        async () => {
          const the = new Case(engine);
          the.host.send("m", "body");
          return the;
        },
        (the) => the.finish(workflow),
        async (the) => {
          expect(await the.finish(workflow)).toBe("body");
          expect(the.host.messages).toEqual([]);
        },
      );
    });
  },
  // The map of callbacks that dies with the process is the actor integration's; the engine completes by id.
  [ONCE],
);
