import { expect } from "vitest";
import { type Ctx, defects, entriesUnder, gate, until } from "../harness.ts";

defects("the loser of a race (W11)", (free) => {
  free("does not start from scratch if the process dies while it is cleaned up", async (the) => {
    let ran = 0;
    // The race, the loser's step and the loser's sleep; true at once in the second process.
    const loserNaps = () => ran > 1 || entriesUnder(the.host.rows, "1502").length >= 3;
    const workflow = async (ctx: Ctx) =>
      ctx.race<unknown>("r", [
        {
          name: "loses",
          run: async (b) => b.step("first", async () => void (ran += 1)).then(async () => b.sleep("nap", 60_000)),
        },
        { name: "wins", run: async (b) => until(loserNaps).then(async () => b.step("quick", async () => "won")) },
      ]);
    const died = gate();
    the.driver.after = ({ operation }) => {
      if (!operation.startsWith("delete") && operation !== "batchDelete") return;
      died.open();
      return new Promise<never>(() => {});
    };
    await Promise.race([died.opened, the.run(workflow)]);
    the.restart();
    expect((await the.run(workflow)).output).toEqual({ winner: "wins", value: "won" });
    expect(ran).toBe(1);
  });
});
