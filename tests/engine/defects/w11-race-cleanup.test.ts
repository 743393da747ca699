import { expect } from "vitest";
import { type Ctx, defects, gate, until } from "../harness.ts";

defects("the loser of a race (W11)", (free) => {
  free("does not start from scratch if the process dies while it is cleaned up", async (the) => {
    let ran = 0;
    const workflow = async (ctx: Ctx) =>
      ctx.race<unknown>("r", [
        {
          name: "loses",
          run: async (b) => b.step("first", async () => void (ran += 1)).then(async () => b.sleep("nap", 60_000)),
        },
        {
          name: "wins",
          run: async (b) => {
            await until(() => ran === 1 && the.driver.count("batch") >= 3);
            return b.step("quick", async () => "won");
          },
        },
      ]);
    const died = gate();
    the.driver.after = ({ operation }) => {
      if (!operation.startsWith("delete") && operation !== "batchDelete") return;
      died.open();
      return new Promise<never>(() => {});
    };
    await Promise.race([died.opened, the.run(workflow)]);
    const batches = the.driver.count("batch");
    the.restart();
    for (let n = 0; n < batches; n += 1) the.driver.calls.push({ operation: "batch", writes: [] });
    expect((await the.run(workflow)).output).toMatchObject({ winner: "wins" });
    expect(ran).toBe(1);
  });
});
