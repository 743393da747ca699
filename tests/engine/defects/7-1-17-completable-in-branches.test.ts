import { expect } from "vitest";
import { type Ctx, defects } from "../harness.ts";

const IN_BRANCHES = "may be held by two branches at once";

defects(
  "completable messages (7.1.17)",
  (free) => {
    free(IN_BRANCHES, async (the) => {
      the.host.send("a", 1);
      the.host.send("b", 2);
      const branch = (name: string) => ({
        run: async (b: Ctx) => {
          const message = await b.queue.next("w", { names: [name], completable: true });
          await b.step("work", async () => {});
          await message.complete?.();
          return message.body;
        },
      });
      const output = await the.finish(async (ctx) => ctx.join("j", { a: branch("a"), b: branch("b") }));
      expect(output).toEqual({ a: 1, b: 2 });
      expect(the.host.messages).toEqual([]);
    });
  },
  // The guard that spans branches is the actor integration's.
  [IN_BRANCHES],
);
