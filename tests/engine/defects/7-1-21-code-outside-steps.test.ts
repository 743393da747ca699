import { expect, vi } from "vitest";
import { defects, rejection } from "../harness.ts";

defects("code outside steps (7.1.21)", (free) => {
  free("runs once in a live run that sleeps", async (the) => {
    vi.useRealTimers();
    let ran = 0;
    await the.run(
      async (ctx) => {
        ran += 1;
        // Long enough for it not to be over before the run looks at it, on a machine that has other things to do.
        await ctx.sleep("nap", 300);
      },
      { mode: "live" },
    );
    expect(ran).toBe(1);
  });

  free("runs once if a run in memory rolls back", async (the) => {
    let ran = 0;
    await rejection(
      the.run(async (ctx) => {
        ran += 1;
        await ctx.step("s", () => Promise.reject(new the.engine.CriticalError("no")));
      }),
    );
    expect(ran).toBe(1);
  });
});
