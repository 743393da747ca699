import { expect, test } from "vitest";
import { AppError, CriticalError, Loop, RollbackError } from "../../src/index.ts";
import { type Ctx, crashing, does, failureOf, Gates, playing, rejection } from "./harness.ts";

const undoneOf = (notes: readonly string[]) => notes.filter((note) => note.startsWith("-"));

/** Ways in which a run comes to be undone, and what its caller hears. */
const WAYS: readonly [string, (ctx: Ctx) => Promise<unknown>, object | string][] = [
  ["ctx.rollback", (ctx) => ctx.rollback("no"), "no"],
  ["a thrown error", () => Promise.reject(new AppError("why", "so")), { code: "why" }],
  ["a RollbackError", () => Promise.reject(new RollbackError("undo")), { code: "rollback", message: "undo" }],
  [
    "a step that fails for good",
    (ctx) => ctx.step({ name: "last", maxRetries: 0, run: () => Promise.reject(new RangeError("far")) }),
    { code: "step_exhausted", cause: { name: "RangeError" } },
  ],
  ["a join's failure", (ctx) => ctx.join("j", { a: () => Promise.reject(new Error("in a")) }), { code: "join_failed" }],
];

test.each(WAYS)(
  "%s undoes each step exactly once, newest first, wherever it stands, after a crash at any batch",
  async (_, end, heard) => {
    await crashing(
      () => async (ctx) => {
        await does(ctx, "first");
        await ctx.loop({
          name: "rounds",
          state: 0,
          keep: 1,
          run: async (ctx, round) => {
            await does(ctx, "round", `round ${round}`);
            return round === 3 ? Loop.break() : Loop.continue(round + 1);
          },
        });
        await ctx.join("both", {
          a: async (ctx) => {
            await does(ctx, "in a");
          },
        });
        await ctx.race("race", {
          loser: async (ctx) => {
            await does(ctx, "in loser");
            await ctx.sleep("for long", "1d");
          },
          winner: async (ctx) => {
            await ctx.sleep("a little", "1s");
            await does(ctx, "in winner");
          },
        });
        await ctx.try("block", async (ctx) => {
          await does(ctx, "in block");
          throw new RollbackError("caught");
        });
        await ctx.map("map", [1], (ctx) => does(ctx, "in map"), { concurrency: 1 });
        await ctx.step("not undone", (c) => void c.state.notes.push("+plain"));
        return end(ctx);
      },
      async (t, handle) => {
        await t.until("job", "1", { sleep: "a little" });
        const ended = handle.result().catch((error: { cause: unknown }) => error.cause);
        await t.advance("1s");
        await t.idle();
        if (typeof heard === "string") expect(await ended).toBe(heard);
        else expect(await ended).toMatchObject(heard);
        const notes = await handle.actions.notes();
        expect(undoneOf(notes)).toEqual([
          "-in map",
          "-in block",
          "-in winner",
          "-in loser",
          "-in a",
          "-round 3",
          "-round 2",
          "-round 1",
          "-round 0",
          "-first",
        ]);
        expect(notes.filter((note) => note.startsWith("+"))).toHaveLength(11);
        await t.crash();
        expect(await handle.actions.notes(), "and nothing more after it").toEqual(notes);
        await t.idle();
        const again = await handle.result().catch((error: { cause: unknown }) => error.cause);
        if (typeof heard === "string") expect(again).toBe(heard);
        else expect(again).toMatchObject(heard);
      },
    );
  },
);

test("cancel undoes, and says who was cancelled and why; `compensate: false` does not undo", async () => {
  for (const compensate of [true, false]) {
    const { handle, t, job } = playing(async (ctx) => {
      await does(ctx, "a");
      try {
        await ctx.queue.next("go");
      } finally {
        await ctx.step("finally", (c) => void c.state.notes.push("finally"));
      }
    });
    await t.create(job, "1");
    const result = handle.result();
    await t.until("job", "1", { message: "go" });
    await handle.cancel({ reason: "enough", compensate });
    expect(await rejection(result)).toMatchObject({
      code: "cancelled",
      message: expect.stringContaining("enough"),
      data: { reason: "enough" },
    });
    expect(await handle.actions.notes()).toEqual(compensate ? ["+a", "-a"] : ["+a"]);
    await t.crash();
    expect(await rejection(handle.result())).toMatchObject({ code: "cancelled", data: { reason: "enough" } });
  }
});

test("a cancelled run is undone exactly once, after a crash at any batch", async () => {
  await crashing(
    () => async (ctx) => {
      await does(ctx, "a");
      await ctx.join("both", {
        b: async (ctx) => {
          await does(ctx, "b");
          await ctx.sleep("nap", "1d");
        },
        c: async (ctx) => {
          await ctx.queue.next("go");
          await does(ctx, "c");
          await ctx.sleep("nap", "1d");
        },
      });
    },
    async (t, handle) => {
      await t.until("job", "1", { message: "go" });
      await handle.send("go", "");
      await t.until("job", "1", { step: "c" });
      await t.idle();
      await handle.cancel().catch((error: { code: string }) => expect(error.code).toBe("bad_argument"));
      expect(await rejection(handle.result())).toMatchObject({ code: "cancelled" });
      expect(await handle.actions.notes()).toEqual(["+a", "+b", "+c", "-c", "-b", "-a"]);
    },
  );
});

test("rollbackAttempted undoes what was tried and never committed: timed out, failed, interrupted by a cancel or a lost race", async () => {
  const gates = new Gates();
  const undo = (name: string) => ({
    name,
    rollback: (c: { state: { notes: string[] } }) => void c.state.notes.push(`-${name} (committed)`),
    rollbackAttempted: (c: { state: { notes: string[] } }) => void c.state.notes.push(`-${name}?`),
  });
  const { handle, t, job } = playing(async (ctx) => {
    await ctx.step({ ...undo("fine"), run: () => 1 });
    await ctx.tryStep({ ...undo("times out"), timeout: 5, retryOnTimeout: false, run: () => new Promise(() => {}) });
    await ctx.tryStep({ ...undo("fails"), maxRetries: 0, run: () => Promise.reject(new Error("no")) });
    await ctx.tryStep({ ...undo("critical"), run: () => Promise.reject(new CriticalError("no")) });
    await ctx.race("race", {
      loser: (ctx) => ctx.step({ ...undo("loses"), run: () => gates.pass("never") }),
      winner: (ctx) => ctx.sleep("nap", "1s"),
    });
    await ctx.step({ ...undo("interrupted"), run: () => gates.pass("never") });
  });
  await t.create(job, "1");
  await t.until("job", "1", { step: "interrupted" });
  await handle.cancel();
  expect(await rejection(handle.result())).toMatchObject({ code: "cancelled" });
  expect(await handle.actions.notes()).toEqual([
    "-interrupted?",
    "-loses?",
    "-critical?",
    "-fails?",
    "-times out?",
    "-fine (committed)",
  ]);
});

test("a step that failed, was retried and committed is undone as committed", async () => {
  const { handle, t } = playing(async (ctx) => {
    await ctx.step({
      name: "s",
      run: (c) => (c.attempt === 1 ? Promise.reject(new Error("once")) : 7),
      rollback: (c, output) => void c.state.notes.push(`-${output}`),
      rollbackAttempted: (c) => void c.state.notes.push("-?"),
    });
    return ctx.rollback(1);
  });
  const result = handle.result();
  await t.advance("1m");
  expect(await result).toBe(1);
  expect(await handle.actions.notes()).toEqual(["-7"]);
});

test("rollbackAttempted sees a crash at any batch: the effect is undone one way or the other, once", async () => {
  await crashing(
    () => async (ctx) => {
      await ctx.tryStep({
        name: "s",
        maxRetries: 1,
        retryBackoffBase: 10,
        run: () => Promise.reject(new Error("no")),
        rollbackAttempted: (c) => void c.state.notes.push("-s?"),
      });
      await does(ctx, "after");
      throw new Error("the end");
    },
    async (t, handle) => {
      const result = handle.result();
      result.catch(() => {});
      await t.advance("1m");
      await failureOf(result);
      expect(await handle.actions.notes()).toEqual(["+after", "-after", "-s?"]);
    },
  );
});

test("code that has lost a handler parks the run, undamaged, and it goes on when the handler is back", async () => {
  const gates = new Gates();
  const flow = async (ctx: Ctx) => {
    await does(ctx, "a");
    await ctx.step({
      name: "b",
      run: (c) => void c.state.notes.push("+b"),
      rollback: async (c) => {
        c.state.notes.push("-b");
        await gates.pass("b");
      },
    });
    throw new AppError("why", "so");
  };
  const { handle, t, code, job } = playing(flow);
  await t.create(job, "1");
  await t.idle();
  code.flow = async (ctx) => {
    await does(ctx, "a");
    await ctx.step("b", (c) => void c.state.notes.push("+b"));
    throw new AppError("why", "so");
  };
  await t.crash();
  expect(await rejection(handle.result())).toMatchObject({
    code: "history_diverged",
    message: expect.stringMatching(/does not say how step "b".* of job\/1 is undone/),
  });
  expect(await t.state("job", "1")).toEqual({ notes: ["+a", "+b"] });
  gates.open("b");
  code.flow = flow;
  await t.crash();
  expect(await failureOf(handle.result())).toMatchObject({ code: "why" });
  expect(await handle.actions.notes()).toEqual(["+a", "+b", "-b", "-a"]);
});

test("a history that does not match undoes nothing", async () => {
  const { handle, t, code, job } = playing(async (ctx) => {
    await does(ctx, "a");
    await ctx.queue.next("go");
  });
  await t.create(job, "1");
  await t.until("job", "1", { message: "go" });
  const matching = code.flow;
  code.flow = (ctx) => does(ctx, "other");
  await t.crash();
  expect(await rejection(handle.result())).toMatchObject({ code: "history_diverged" });
  expect(await t.state("job", "1")).toEqual({ notes: ["+a"] });
  code.flow = matching;
  await t.crash();
  await handle.send("go", "");
  expect(await handle.result()).toBeUndefined();
  expect(await t.state("job", "1")).toEqual({ notes: ["+a"] });
});

test("nothing of the workflow runs after ctx.rollback, or while it is undone", async () => {
  const seen: string[] = [];
  const { handle } = playing(async (ctx) => {
    await does(ctx, "a");
    try {
      await ctx.rollback({ out: [1] });
      seen.push("went on");
    } catch {
      seen.push("caught");
    } finally {
      seen.push("finally");
    }
  });
  expect(await handle.result()).toEqual({ out: [1] });
  expect(seen).toEqual([]);
});

test("ctx.rollback in a branch undoes the whole run", async () => {
  const { handle, t } = playing(async (ctx) => {
    await does(ctx, "a");
    await ctx.join("both", {
      b: (ctx) => does(ctx, "b"),
      c: async (ctx) => {
        await ctx.sleep("nap", 1);
        await ctx.rollback("out");
      },
    });
  });
  const result = handle.result();
  await t.advance("1s");
  expect(await result).toBe("out");
  expect(await handle.actions.notes()).toEqual(["+a", "+b", "-b", "-a"]);
});

test("what is given to ctx.rollback must be storable", async () => {
  const { handle } = playing(async (ctx) => {
    await does(ctx, "a");
    return ctx.rollback(() => 1);
  });
  expect(await failureOf(handle.result())).toMatchObject({ code: "value_not_storable" });
});
