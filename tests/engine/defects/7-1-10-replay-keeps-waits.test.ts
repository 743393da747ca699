import { expect } from "vitest";
import { type Ctx, defects } from "../harness.ts";

defects("replay from a late step (7.1.10)", (free) => {
  free("keeps the messages, sleeps and versions before it", async (the) => {
    the.host.send("go", "body");
    const workflow = async (ctx: Ctx) => {
      const version = await ctx.getVersion("gate", 2);
      const message = await ctx.queue.next("w", { names: ["go"] });
      await ctx.sleep("nap", 1000);
      const [first, second] = [
        await ctx.step("first", async () => "first"),
        await ctx.step("second", async () => "second"),
      ];
      return [version, message.body, first, second];
    };
    const expected = await the.finish(workflow);
    const entries = (await the.engine.loadStorage(the.driver)).history.entries;
    await the.engine.replayWorkflowFromStep("workflow", the.driver, entries.get("second")?.id);
    expect(await the.run(workflow)).toEqual({ state: "completed", output: expected });
  });

  free("orders what happened in one millisecond as it happened, not by name", async (the) => {
    const ran: string[] = [];
    const workflow = async (ctx: Ctx) => {
      for (const name of ["c", "a", "b"]) await ctx.step(name, async () => void ran.push(name));
    };
    await the.run(workflow);
    const entries = (await the.engine.loadStorage(the.driver)).history.entries;
    await the.engine.replayWorkflowFromStep("workflow", the.driver, entries.get("a")?.id);
    await the.run(workflow);
    expect(ran).toEqual(["c", "a", "b", "a", "b"]);
  });
});
