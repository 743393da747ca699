import { expect } from "vitest";
import { type Ctx, defects } from "../harness.ts";

defects("values at the edge (7.1.18)", (free) => {
  free("loop state that is changed in place is not stored half-done", async (the) => {
    const output = await the.finish(async (ctx) =>
      ctx.loop({
        name: "l",
        state: { n: 0 },
        run: async (i, state) => {
          state.n += 1;
          await i.step("s", async () => 1);
          await i.sleep("nap", 1000);
          return state.n >= 3 ? the.engine.Loop.break(state.n) : the.engine.Loop.continue(state);
        },
      }),
    );
    expect(output).toBe(3);
  });

  free("names with slashes do not collide with scopes", async (the) => {
    const output = await the.finish(async (ctx) => [
      await ctx.step("a/b", async () => "a step"),
      await ctx.try("a", async (inner) => inner.step("b", async () => "another")),
    ]);
    expect(output).toEqual(["a step", { ok: true, value: "another" }]);
  });

  free("a timeout of more than a timer can hold does not fire", async (the) => {
    const run = () => afterTurns(50, 20);
    const { output } = await the.run(async (ctx) => ctx.step({ name: "s", timeout: 2 ** 31, run }));
    expect(output).toBe("in time");
  });

  free("a sleep of a part of a millisecond is slept", async (the) => {
    expect(await the.finish(async (ctx) => ctx.sleep("nap", 1.5).then(() => "awake"))).toBe("awake");
  });

  free("a deadline before the epoch has passed, after a replay as well", async (the) => {
    const workflow = async (ctx: Ctx) => ctx.sleepUntil("past", -5).then(() => "awake");
    expect((await the.run(workflow)).output).toBe("awake");
    the.restart();
    expect((await the.run(workflow)).output).toBe("awake");
  });
});

/** So many turns of the event loop and so many milliseconds later: any timer that was due at once has fired before. */
async function afterTurns(turns: number, ms: number): Promise<string> {
  const began = performance.now();
  for (let turn = 0; turn < turns || performance.now() - began < ms; turn++)
    await new Promise((resolve) => setImmediate(resolve));
  return "in time";
}
