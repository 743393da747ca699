import { expect, test } from "vitest";
import { Case, type Ctx, dieAtEveryCall, forEachEngine, gate, rejection } from "./harness.ts";

forEachEngine("a driver", (engine) => {
  const workflow = async (ctx: Ctx) => ctx.step("s", async () => "out");

  test("that cannot be read makes the run reject with what it said", async () => {
    const the = new Case(engine);
    the.driver.before = ({ operation }) =>
      operation === "list" ? Promise.reject(new Error("no such disk")) : undefined;
    expect((await rejection(the.run(workflow))).message).toContain("no such disk");
    expect(the.host.rows.size).toBe(0);
  });

  test("that refuses every batch makes the run reject, and nothing of it is stored", async () => {
    const the = new Case(engine);
    the.driver.before = ({ operation }) => (operation === "batch" ? Promise.reject(new Error("disk full")) : undefined);
    await rejection(the.run(workflow));
    expect([...the.host.rows.keys()].filter((key) => key.startsWith("1502"))).toEqual([]);
    the.restart();
    expect(await the.finish(workflow)).toBe("out");
  });

  test("that answers late holds the result of a step back until it has answered", async () => {
    const the = new Case(engine);
    const [written, answer] = [gate(), gate()];
    let released = false;
    the.driver.after = ({ operation }) => {
      if (operation !== "batch" || released) return;
      written.open();
      return answer.opened;
    };
    const { result } = the.start(async (ctx) => {
      await ctx.step("s", async () => "out");
      released = true;
    });
    await written.opened;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(released).toBe(false);
    answer.open();
    expect((await result).state).toBe("completed");
  });
});

forEachEngine("a process that dies at any call of its driver", (engine) => {
  test("is followed by one that comes to the same end, and runs no step a third time", async () => {
    const ran = new Map<string, number>();
    const step = (ctx: Ctx, name: string) =>
      ctx.step(name, async () => {
        ran.set(name, (ran.get(name) ?? 0) + 1);
        return name;
      });
    const workflow = async (ctx: Ctx) => {
      const first = await step(ctx, "first");
      await ctx.sleep("nap", 1000);
      const none = await ctx.queue.nextBatch("w", { names: ["never"], timeout: 1000 });
      const last = await ctx.loop<number, string>({
        name: "l",
        state: 0,
        historyPruneInterval: 2,
        run: async (i, n) => {
          const last = await step(i, `iteration ${n}`);
          return n === 4 ? engine.Loop.break(last) : engine.Loop.continue(n + 1);
        },
      });
      return [first, none.length, last];
    };
    await dieAtEveryCall(
      async () => {
        ran.clear();
        return new Case(engine);
      },
      (the) => the.finish(workflow),
      async (the) => {
        expect(await the.finish(workflow)).toEqual(["first", 0, "iteration 4"]);
        expect([...ran.values()].filter((times) => times > 2)).toEqual([]);
        expect([...ran.values()].filter((times) => times === 2).length).toBeLessThanOrEqual(1);
      },
    );
  });
});
