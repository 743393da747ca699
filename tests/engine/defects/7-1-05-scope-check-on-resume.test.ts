import { expect } from "vitest";
import { type Case, type Ctx, defects } from "../harness.ts";

defects("resuming after what is already complete (7.1.5)", (free) => {
  const resumes = (sentence: string, inner: (ctx: Ctx, the: Case) => Promise<unknown>) =>
    free(sentence, async (the) => {
      const output = await the.finish(async (ctx) =>
        ctx.loop("outer", async (iteration) => {
          await inner(iteration, the);
          await iteration.sleep("nap", 1000);
          return the.engine.Loop.break("done");
        }),
      );
      expect(output).toBe("done");
    });

  resumes("does not diverge over a join", (ctx) =>
    ctx.join("j", { a: { run: async (b) => b.step("s", async () => 1) } }),
  );
  resumes("does not diverge over a race", (ctx) =>
    ctx.race("r", [{ name: "a", run: async (b) => b.step("s", async () => 1) }]),
  );
  resumes("does not diverge over an inner loop", (ctx, the) =>
    ctx.loop("inner", async (i) => i.step("s", async () => 1).then(() => the.engine.Loop.break(1))),
  );
  resumes("does not diverge over the earlier iterations of an inner loop that waits", (ctx, the) =>
    ctx.loop({
      name: "inner",
      state: 0,
      run: async (i, n) => {
        await i.step("s", async () => n);
        await i.sleep("nap", 1000);
        return n === 2 ? the.engine.Loop.break(n) : the.engine.Loop.continue(n + 1);
      },
    }),
  );
});
