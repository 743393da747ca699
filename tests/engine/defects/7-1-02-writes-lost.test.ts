import { expect } from "vitest";
import { defects, gate } from "../harness.ts";

defects("overlapping writes (7.1.2)", (free) => {
  free("leave no void step to be run again", async (the) => {
    let ran = 0;
    const siblingIsWritten = gate();
    await the.finish(async (ctx) =>
      ctx.join("both", {
        a: {
          run: async (b) => {
            await b.step("void", async () => {
              ran += 1;
              await siblingIsWritten.opened;
            });
            await b.sleep("nap", 1000);
          },
        },
        b: { run: async (b) => b.step("quick", async () => 1).then(() => siblingIsWritten.open()) },
      }),
    );
    expect(ran).toBe(1);
  });
});
