import { expect } from "vitest";
import { type Case, defects } from "../harness.ts";

defects("a caught terminal failure (7.1.3)", (free) => {
  const caughtAfterNap = async (the: Case, fail: () => Promise<never>, more: object) => {
    let ran = 0;
    const run = async () => ((ran += 1) === 1 ? fail() : "recovered");
    const output = await the.finish(async (ctx) => {
      const result = await ctx.tryStep({ name: "s", run, ...more });
      await ctx.sleep("nap", 60_000);
      return result;
    });
    expect(ran).toBe(1);
    return output;
  };

  free("that is critical is the same on replay", async (the) => {
    const output = await caughtAfterNap(the, () => Promise.reject(new the.engine.CriticalError("no")), {});
    expect(output).toMatchObject({
      ok: false,
      failure: { kind: "critical", attempts: 1, error: { name: "CriticalError", message: "no" } },
    });
  });

  free("that is a timeout is the same on replay", async (the) => {
    const output = await caughtAfterNap(the, () => new Promise<never>(() => {}), { timeout: 3 });
    expect(output).toMatchObject({ ok: false, failure: { kind: "timeout", attempts: 1 } });
  });

  free("that is a RollbackError is the same on replay", async (the) => {
    const output = await caughtAfterNap(the, () => Promise.reject(new the.engine.RollbackError("back")), {
      catch: ["rollback"],
    });
    expect(output).toMatchObject({ ok: false, failure: { kind: "rollback", attempts: 1 } });
  });
});
