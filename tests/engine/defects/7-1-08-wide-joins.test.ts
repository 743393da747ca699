import { expect } from "vitest";
import { type Ctx, defects } from "../harness.ts";

defects("a join wider than a batch of the host (7.1.8)", (free) => {
  free("gets through", async (the) => {
    the.driver.limits = { rows: 128, bytes: 999_424 };
    the.driver.before = ({ operation, writes }) => {
      if (operation === "batch" && writes.length > 128) throw new Error(`the host refuses ${writes.length} rows`);
    };
    const branches = Object.fromEntries(
      Array.from({ length: 60 }, (_, n) => [
        `branch ${n}`,
        { run: async (b: Ctx) => b.step(`step ${n}`, async () => n) },
      ]),
    );
    const output = await the.finish(async (ctx) => ctx.join("wide", branches));
    expect(Object.values(output ?? {})).toEqual(Array.from({ length: 60 }, (_, n) => n));
  });
});
