import { expect, test } from "vitest";
import { AppError, Loop } from "../../src/index.ts";
import { type Ctx, crashing, failureOf, Gates, playing, replayed, resultOf, seenOf } from "./harness.ts";

test("a race is won by the first branch that returns; it does not wait for the others", async () => {
  const gates = new Gates();
  const { handle, t } = playing((ctx) =>
    ctx.race("r", {
      never: (ctx) => ctx.step("s", () => gates.pass("never")),
      first: (ctx) => ctx.step("s", () => ({ by: "first" })),
    }),
  );
  expect(await handle.result()).toEqual({ winner: "first", value: { by: "first" } });
  expect(await t.state("job", "1")).toEqual({ notes: [] });
});

test("a race is lost only when all branches fail, with each failure in its data", async () => {
  const error = await failureOf(
    resultOf((ctx) =>
      ctx.race("r", {
        a: async () => {
          throw new AppError("a", "no a");
        },
        b: (ctx) =>
          ctx.step({
            name: "s",
            maxRetries: 0,
            run: () => {
              throw new Error("no b");
            },
          }),
      }),
    ),
  );
  expect(error).toMatchObject({
    code: "race_failed",
    message: expect.stringContaining('race "r" has failed in a, b: no a'),
    data: { errors: { a: { code: "a" }, b: { code: "step_exhausted" } } },
    cause: { code: "a" },
  });
});

test("a race without branches is refused", async () => {
  expect(await failureOf(resultOf((ctx) => ctx.race("r", {})))).toMatchObject({ code: "bad_argument" });
});

test("a loser's pending entry rejects, its signal is aborted, and what it starts then rejects, too", async () => {
  const seen: unknown[] = [];
  const { handle, t } = playing(async (ctx) => {
    const outer = ctx.abortSignal;
    await ctx.race("r", {
      loser: async (ctx) => {
        ctx.abortSignal.addEventListener("abort", () => seen.push("aborted"));
        try {
          await ctx.sleep("nap", "1h");
        } catch (error) {
          seen.push((error as { code: string }).code, ctx.abortSignal.aborted);
          await ctx
            .step("cleanup", () => void seen.push("ran"))
            .catch((late: { code: string }) => seen.push(late.code));
          throw error;
        }
      },
      winner: (ctx) => ctx.step("s", () => 1),
    });
    seen.push(outer.aborted);
    await ctx.queue.next("go");
    return "end";
  });
  const result = handle.result();
  await t.until("job", "1", { message: "go" });
  await t.idle();
  expect(seen).toContain("aborted");
  expect(seen).not.toContain("ran");
  expect(seen.filter((one) => one === "cancelled")).toHaveLength(2);
  expect(seen).toContain(false);
  expect((await t.history("job", "1")).some(({ path }) => path.includes("cleanup"))).toBe(false);
  await handle.send("go", "");
  expect(await result).toBe("end");
});

test("a loser's running attempt is aborted through its own signal and writes nothing any more", async () => {
  const gates = new Gates();
  const seen: unknown[] = [];
  const { handle, t, job } = playing(async (ctx) => {
    const result = await ctx.race("r", {
      loser: (ctx) =>
        ctx.step("slow", async (c) => {
          c.abortSignal.addEventListener("abort", () => seen.push("aborted"));
          c.state.notes.push("early");
          await gates.pass("late");
          try {
            c.state.notes.push("late");
          } catch (error) {
            seen.push((error as { code: string }).code);
          }
        }),
      winner: (ctx) => ctx.queue.next("go"),
    });
    return result.winner;
  });
  await t.create(job, "1");
  await t.until("job", "1", { step: "slow" });
  await handle.send("go", "");
  expect(await handle.result()).toBe("winner");
  gates.open("late");
  await t.idle();
  expect(seen).toEqual(["aborted", "stale_step"]);
  expect(await t.state("job", "1")).toEqual({ notes: [] });
});

test("the winner is the same after a crash at any batch, and losers leave nothing to read", async () => {
  await crashing(
    () => async (ctx) => {
      const { winner, value } = await ctx.race("r", {
        timer: async (ctx) => {
          await ctx.step("t1", (c) => void c.state.notes.push("t1"));
          await ctx.sleep("nap", "1h");
          await ctx.step("t2", (c) => void c.state.notes.push("t2"));
          return "slept";
        },
        message: async (ctx) => {
          const { body } = await ctx.queue.next("go");
          await ctx.step("m", (c) => void c.state.notes.push("m"));
          return body;
        },
      });
      // The losers' names are free again where they never were taken: outside of the race.
      await ctx.step("after", (c) => void c.state.notes.push(`after ${winner}`));
      return [winner, value];
    },
    async (t, handle) => {
      await t.until("job", "1", { sleep: "nap" });
      await t.until("job", "1", { message: "go" });
      await handle.send("go", "hello");
      expect(await handle.result()).toEqual(["message", "hello"]);
      expect(await t.state("job", "1")).toEqual({ notes: ["t1", "m", "after message"] });
      await t.advance("2h");
      expect(await t.state("job", "1")).toEqual({ notes: ["t1", "m", "after message"] });
      const paths = (await t.history("job", "1")).map(({ path }) => path);
      expect(paths.filter((path) => path.includes("timer"))).toEqual([]);
    },
  );
});

test("a race's failure and a race's value are the same on replay", async () => {
  const seen: unknown[] = [];
  const { handle, t } = playing(async (ctx) => {
    await ctx
      .race("fails", {
        a: async () => {
          throw Object.assign(new RangeError("a"), { n: 1n });
        },
        b: async () => {
          throw new AppError("b", "b", { x: 1 });
        },
      })
      .catch((error: unknown) => seen.push(seenOf(error)));
    seen.push(await ctx.race("wins", { a: (ctx) => ctx.step("s", () => new Set([1])) }));
    await ctx.queue.next("go");
  });
  await handle.send("on", "");
  await replayed(t);
  expect(seen).toHaveLength(4);
  expect(seen.slice(2)).toEqual(seen.slice(0, 2));
  expect(seen[1]).toEqual({ winner: "a", value: new Set([1]) });
});

test("races in loops and races in races decide anew each time, after a crash at any batch", async () => {
  await crashing(
    () => (ctx) =>
      ctx.loop({
        name: "rounds",
        state: [] as string[],
        run: async (ctx, won) => {
          const { winner, value } = await ctx.race("outer", {
            inner: async (ctx) => (await ctx.race("inner", innerOf(won.length))).winner,
            nap: async (ctx) => ctx.sleep("long", "1d"),
          });
          const next = [...won, `${winner}:${String(value)}`];
          return next.length === 3 ? Loop.break(next) : Loop.continue(next);
        },
      }),
    async (t, handle) => {
      const result = handle.result();
      await t.advance("3h");
      expect(await result).toEqual(["inner:even", "inner:odd", "inner:even"]);
    },
  );
});

function innerOf(round: number) {
  return {
    even: (ctx: Ctx) => ctx.sleep("nap", round % 2 === 0 ? "10m" : "20m"),
    odd: (ctx: Ctx) => ctx.sleep("nap", round % 2 === 1 ? "10m" : "20m"),
  };
}
