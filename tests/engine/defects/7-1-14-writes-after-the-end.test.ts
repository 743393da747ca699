import { expect } from "vitest";
import { defects, gate } from "../harness.ts";

defects("a step that nobody awaits (7.1.14)", (free) => {
  free("writes nothing after the run has ended", async (the) => {
    const [inside, go] = [gate(), gate()];
    const handle = the.start(async (ctx) => {
      ctx
        .step("s", async () => {
          inside.open();
          await go.opened;
          return "late";
        })
        .catch(() => {});
      await inside.opened;
      return "over";
    });
    await handle.result.catch(() => {});
    const rows = the.host.copy().rows;
    const batches = the.driver.count("batch");
    go.open();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(the.host.rows).toEqual(rows);
    expect(the.driver.count("batch")).toBe(batches);
  });
});
