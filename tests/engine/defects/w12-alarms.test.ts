import { expect, vi } from "vitest";
import { Case, type Ctx, defects, dieAtEveryCall, START } from "../harness.ts";

defects("a workflow that sleeps (W12)", (free) => {
  free("has its alarm as soon as it is seen to sleep, wherever the process dies", async ({ engine }) => {
    const workflow = async (ctx: Ctx) => ctx.sleep("nap", 1000).then(() => "awake");
    await dieAtEveryCall(
      async () => {
        vi.setSystemTime(START);
        return new Case(engine);
      },
      (the) => the.run(workflow),
      async (the) => {
        if (the.host.state === "sleeping") expect(the.host.alarm).not.toBeNull();
      },
    );
  });

  free("has an alarm that is not late for its next wait, wherever the process dies", async ({ engine }) => {
    const workflow = async (ctx: Ctx) => {
      await ctx.step({ name: "flaky", run: () => Promise.reject(new Error("no")) });
    };
    await dieAtEveryCall(
      async () => {
        vi.setSystemTime(START);
        return new Case(engine);
      },
      (the) => the.run(workflow),
      async (the) => {
        if (the.host.state === "sleeping")
          expect(the.host.alarm ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(START + 200);
      },
    );
  });
});
