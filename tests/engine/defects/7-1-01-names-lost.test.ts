import { expect } from "vitest";
import { defects } from "../harness.ts";

defects("overlapping writes (7.1.1)", (free) => {
  free("lose no name", async (the) => {
    the.driver.after = slowBatches;
    const output = await the.finish(async (ctx) => {
      const both = await ctx.join("both", {
        a: { run: async (b) => b.step("quick a", async () => 1).then(async () => b.step("new name", slow)) },
        b: { run: async (b) => b.step("quick b", async () => 3) },
      });
      await ctx.sleep("nap", 1000);
      return both;
    });
    expect(output).toEqual({ a: 2, b: 3 });
  });
});

/** Longer than a batch: the sibling's write returns meanwhile. */
async function slow(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 10));
  return 2;
}

async function slowBatches(call: { operation: string }): Promise<void> {
  if (call.operation === "batch") await new Promise((resolve) => setTimeout(resolve, 3));
}
