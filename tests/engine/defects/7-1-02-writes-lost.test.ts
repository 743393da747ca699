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

  free("keep the output of an ephemeral step that ends while a sibling's write is under way", async (the) => {
    let ran = 0;
    let siblingRan = false;
    const underWay = gate();
    the.driver.after = async ({ operation }) => {
      if (operation !== "batch" || !siblingRan) return;
      underWay.open();
      await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const run = async () => {
      ran += 1;
      await underWay.opened;
      return "kept";
    };
    await the.finish(async (ctx) =>
      ctx.join("both", {
        a: {
          run: async (b) => {
            await b.step({ name: "e", ephemeral: true, run });
            // Until the sibling's write has returned: nothing else writes meanwhile.
            await new Promise((resolve) => setTimeout(resolve, 15));
            await b.sleep("nap", 1000);
          },
        },
        b: { run: async (b) => b.step("quick", async () => void (siblingRan = true)) },
      }),
    );
    expect(ran).toBe(1);
  });
});
