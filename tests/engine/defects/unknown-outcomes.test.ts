import { expect } from "vitest";
import { type Ctx, defects } from "../harness.ts";

defects("a batch that failed after it had been written (3.6.6)", (free) => {
  free("does not run the step again", async (the) => {
    let ran = 0;
    let failures = 1;
    const workflow = async (ctx: Ctx) => {
      await ctx.step("s", async () => void (ran += 1));
      return "done";
    };
    the.driver.after = ({ operation }) => {
      if (operation === "batch" && ran === 1 && failures-- > 0) throw new Error("the connection is gone");
    };
    await the.run(workflow).catch(() => {});
    the.restart();
    expect(await the.finish(workflow)).toBe("done");
    expect(ran).toBe(1);
  });

  free("counts no attempt that did not fail", async (the) => {
    let failures = 1;
    const workflow = async (ctx: Ctx) => ctx.step("s", async () => 1);
    the.driver.after = ({ operation }) => {
      if (operation === "batch" && failures-- > 0) throw new Error("the connection is gone");
    };
    await the.run(workflow).catch(() => {});
    the.restart();
    await the.finish(workflow);
    const storage = await the.engine.loadStorage(the.driver);
    const entry = storage.history.entries.get("s");
    expect(entry?.kind.data).toEqual({ output: 1, error: undefined });
    expect(await the.engine.loadMetadata(storage, the.driver, entry?.id ?? "")).toMatchObject({
      status: "completed",
      attempts: 1,
    });
  });
});

defects("a batch that failed and was not written (3.6.6)", (free) => {
  free("is no failure of the step", async (the) => {
    const events: unknown[] = [];
    let failures = 1;
    the.driver.before = ({ operation }) => {
      if (operation === "batch" && failures-- > 0) throw new Error("disk full");
    };
    await the
      .run(async (ctx) => ctx.step("s", async () => 1), { onError: (event) => void events.push(event) })
      .catch(() => {});
    expect(events.filter((event) => typeof event === "object" && event !== null && "step" in event)).toEqual([]);
  });
});
