import { expect } from "vitest";
import { type Ctx, defects, pass, rejection } from "../harness.ts";

defects("a branch that wins and does not match its history (7.1.12)", (free) => {
  free("is divergence, not a winner that is not stored", async (the) => {
    const workflow = (visits: boolean) => async (ctx: Ctx) =>
      ctx.race("r", [
        {
          name: "a",
          run: async (b) => {
            if (visits) await b.step("old", async () => 1);
            if (visits) await b.sleep("nap", 1000);
            return "won";
          },
        },
      ]);
    expect((await the.run(workflow(true))).state).toBe("sleeping");
    pass(1000);
    expect(await rejection(the.run(workflow(false)))).toBeInstanceOf(the.engine.HistoryDivergedError);
  });
});
