import { expect } from "vitest";
import { defects, gate, rejection } from "../harness.ts";

defects("cancel (7.1.13)", (free) => {
  for (const state of ["step that goes on", "step that is the last"] as const) {
    free(`is not undone by a ${state}`, async (the) => {
      const [inside, go] = [gate(), gate()];
      const handle = the.start(async (ctx) => {
        await ctx.step("s", async () => {
          inside.open();
          await go.opened;
        });
        if (state === "step that goes on") await ctx.sleep("nap", 1000);
      });
      await inside.opened;
      await handle.cancel();
      go.open();
      expect(await rejection(handle.result)).toBeInstanceOf(the.engine.EvictedError);
      expect(the.host.state).toBe("cancelled");
      expect(the.host.alarm).toBeNull();
    });
  }
});
