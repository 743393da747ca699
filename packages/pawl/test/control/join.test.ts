import { expect, test } from "vitest";
import { AppError, CriticalError, Loop, PawlError } from "../../src/index.ts";
import { type Ctx, crashing, failureOf, Gates, playing, replayed, resultOf, seenOf } from "./harness.ts";

const boom = async (): Promise<never> => {
  throw new AppError("boom", "it burst", { deep: [1] });
};

test("a join of nothing is an empty object, at once", async () => {
  expect(await resultOf((ctx) => ctx.join("none", {}))).toEqual({});
});

test("a join gives every branch's value under its name, in the order of the branches", async () => {
  const gates = new Gates();
  const { handle, t } = playing((ctx) =>
    ctx.join("all", {
      slow: (ctx) => ctx.step("s", () => gates.pass("slow").then(() => "slow")),
      nothing: async () => {},
      null: async () => null,
      __proto__x: (ctx) => ctx.step("s", () => 3),
    }),
  );
  const result = handle.result();
  await t.idle();
  gates.open("slow");
  const values = (await result) as object;
  expect(values).toEqual({ slow: "slow", nothing: undefined, null: null, __proto__x: 3 });
  expect(Object.keys(values)).toEqual(["slow", "nothing", "null", "__proto__x"]);
});

test("a join of 1,000 branches, crashed in the middle, runs each body once and has all values", async () => {
  const runs = new Map<number, number>();
  const flow = (ctx: Ctx) =>
    ctx.join(
      "wide",
      Object.fromEntries(
        Array.from({ length: 1_000 }, (_, i) => [
          `b${i}`,
          async (ctx: Ctx) => {
            const one = await ctx.step("one", () => void runs.set(i, (runs.get(i) ?? 0) + 1));
            await ctx.sleep("nap", "1s");
            return [i, one];
          },
        ]),
      ),
    );
  const { handle, t } = playing(flow);
  const result = handle.result();
  await t.until("job", "1", { sleep: "nap" });
  await t.crash();
  await t.advance("1s");
  const values = (await result) as Record<string, unknown>;
  expect(Object.keys(values)).toHaveLength(1_000);
  expect(values["b999"]).toEqual([999, undefined]);
  expect(Math.max(...runs.values())).toBe(1);
});

test("a join waits for all of its branches before it fails, and its data has values and errors by name", async () => {
  const gates = new Gates();
  const done: string[] = [];
  const { handle, t } = playing((ctx) =>
    ctx.join("mixed", {
      fails: boom,
      late: async (ctx) => {
        await ctx.step("s", () => gates.pass("late"));
        done.push("late");
        return new Map([["k", 1n]]);
      },
    }),
  );
  const result = handle.result();
  await t.idle();
  gates.open("late");
  const error = await failureOf(result);
  expect(done).toEqual(["late"]);
  expect(error).toBeInstanceOf(PawlError);
  expect(error).toMatchObject({
    code: "join_failed",
    message: 'join "mixed" has failed in fails: it burst',
    data: {
      values: { late: new Map([["k", 1n]]) },
      errors: { fails: { name: "AppError", code: "boom", message: "it burst", data: { deep: [1] } } },
    },
    cause: { code: "boom", data: { deep: [1] } },
  });
});

test("the error that a join throws is the same on replay: class, code, message, data, cause", async () => {
  const seen: unknown[] = [];
  const { handle, t } = playing(async (ctx) => {
    for (const [name, branch] of Object.entries({
      app: boom,
      critical: (ctx: Ctx) =>
        ctx.step("s", () => {
          throw new CriticalError("never");
        }),
      exhausted: (ctx: Ctx) =>
        ctx.step({
          name: "s",
          maxRetries: 1,
          run: () => {
            throw Object.assign(new RangeError("far"), { by: 5 });
          },
        }),
      own: async () => {
        throw Object.assign(new TypeError("mine"), { field: new Date(5) });
      },
      text: async () => {
        throw "only text";
      },
      outer: async (ctx: Ctx) => ctx.join("inner", { x: boom }),
    })) {
      try {
        await ctx.join(`join ${name}`, { [name]: branch as (ctx: Ctx) => Promise<unknown>, fine: async () => name });
      } catch (error) {
        seen.push(seenOf(error));
      }
    }
    await ctx.queue.next("go");
    return "end";
  });
  const result = handle.result();
  await replayed(t);
  expect(seen).toHaveLength(12);
  expect(seen.slice(6)).toEqual(seen.slice(0, 6));
  expect(seen[2]).toMatchObject({
    class: "PawlError",
    fields: { code: "join_failed" },
    cause: { fields: { code: "step_exhausted" }, cause: { name: "RangeError", fields: { by: 5 } } },
  });
  expect(seen[3]).toMatchObject({ cause: { name: "TypeError", fields: { field: new Date(5) } } });
  await handle.send("go", "");
  expect(await result).toBe("end");
});

test("what a branch returns is given by value: what it keeps and changes is not seen", async () => {
  const result = await resultOf(async (ctx) => {
    const kept = { list: [1] };
    const { a, b } = await ctx.join("j", { a: async () => kept, b: async () => kept });
    kept.list.push(2);
    a.list.push(3);
    return [a, b];
  });
  expect(result).toEqual([{ list: [1, 3] }, { list: [1] }]);
});

test("a value that cannot be stored fails its branch, and says which", async () => {
  const error = await failureOf(resultOf((ctx) => ctx.join("j", { f: async () => ({ a: [() => 1] }) })));
  expect(error).toMatchObject({
    code: "join_failed",
    cause: { code: "value_not_storable", message: expect.stringContaining('branch "f" of join "j" of job/1') },
  });
});

test("joins nest in loops, in tries and in one another, and crash at every batch", async () => {
  await crashing(
    () => (ctx) =>
      ctx.loop({
        name: "rounds",
        state: [] as unknown[],
        run: async (ctx, sums) => {
          const { left, right } = await ctx.join("both", {
            left: async (ctx) => {
              const { x, y } = await ctx.join("inner", {
                x: (ctx) => note(ctx, `x${sums.length}`),
                y: (ctx) => note(ctx, `y${sums.length}`),
              });
              return x + y;
            },
            right: async (ctx) =>
              ctx.try("may fail", async (ctx) => {
                await note(ctx, `r${sums.length}`);
                return ctx.join("fails", { bad: boom, good: async () => 1 });
              }),
          });
          const next = [...sums, [left, right.ok ? "ok" : right.failure.kind]];
          return next.length === 2 ? Loop.break(next) : Loop.continue(next);
        },
      }),
    async (_, handle) => {
      expect(await handle.result()).toEqual([
        ["x0y0", "join"],
        ["x1y1", "join"],
      ]);
      expect([...(await handle.actions.notes())].sort()).toEqual(["r0", "r1", "x0", "x1", "y0", "y1"]);
    },
  );
});

function note(ctx: Ctx, text: string): Promise<string> {
  return ctx.step("note", (c) => {
    c.state.notes.push(text);
    return text;
  });
}

test("a branch without entries runs once while its process lives", async () => {
  let runs = 0;
  const { handle, t } = playing(async (ctx) => {
    await ctx.join("j", {
      pure: async () => {
        runs += 1;
      },
      waits: (ctx) => ctx.sleep("nap", "1h"),
    });
  });
  const result = handle.result();
  await t.until("job", "1", { sleep: "nap" });
  await t.advance("1h");
  await result;
  expect(runs).toBe(1);
});
