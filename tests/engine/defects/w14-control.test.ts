import { expect } from "vitest";
import { Case, type Ctx, defects, dieAtEveryCall, rejection } from "../harness.ts";

defects("recover and replay (W14)", (free) => {
  free("recover leaves the workflow failed or awake with an alarm, wherever the process dies", async ({ engine }) => {
    const failing = async (ctx: Ctx) =>
      ctx.step({ name: "s", maxRetries: 0, run: () => Promise.reject(new Error("no")) });
    await dieAtEveryCall(
      async () => {
        const the = new Case(engine);
        await rejection(the.run(failing));
        return the;
      },
      (the) => the.start(failing).result.catch(() => the.start(failing).recover()),
      async (the) => {
        const hasError = the.host.rows.has("15031503");
        if (the.host.state === "failed") expect(hasError).toBe(true);
        if (the.host.state === "sleeping") expect(the.host.alarm).not.toBeNull();
      },
    );
  });

  free("replay removes all that comes after the step or nothing, wherever the process dies", async ({ engine }) => {
    let ran: string[] = [];
    const workflow = async (ctx: Ctx) => {
      for (const name of ["a", "b", "c", "d"]) await ctx.step(name, async () => void ran.push(name));
    };
    let target = "";
    await dieAtEveryCall(
      async () => {
        const the = new Case(engine);
        await the.run(workflow);
        target = (await engine.loadStorage(the.driver)).history.entries.get("b")?.id ?? "";
        the.restart();
        ran = [];
        return the;
      },
      (the) => engine.replayWorkflowFromStep("workflow", the.driver, target),
      async (the) => {
        ran = [];
        await the.run(workflow);
        expect(["", "bcd"]).toContain(ran.join(""));
      },
    );
  });
});
