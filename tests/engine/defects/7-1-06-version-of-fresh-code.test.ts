import { expect } from "vitest";
import { type Ctx, defects } from "../harness.ts";

defects("getVersion (7.1.6)", (free) => {
  for (const kind of ["loop", "join", "race"] as const) {
    free(`is the latest for code that has had it from the start, after a ${kind} of an earlier run`, async (the) => {
      const inner = async (b: Ctx) => b.step("s", async () => 1);
      const before = {
        loop: async (ctx: Ctx) => ctx.loop("x", async (i) => inner(i).then(() => the.engine.Loop.break(1))),
        join: async (ctx: Ctx) => ctx.join("x", { a: { run: inner } }),
        race: async (ctx: Ctx) => ctx.race("x", [{ name: "a", run: inner }]),
      }[kind];
      const version = await the.finish(async (ctx) => {
        await before(ctx);
        await ctx.sleep("nap", 1000);
        return ctx.getVersion("gate", 2);
      });
      expect(version).toBe(2);
    });
  }
});
