/** Steps that begin in the call, and rounds that begin by themselves: what the engine would have refused never runs. */
import { describe, expect, test, vi } from "vitest";
import { Loop } from "../../src/index.ts";
import { InputWriter } from "../../src/wire.ts";
import { crashing, type Flow, failureOf, Gates, playing, rejection, resultOf } from "./harness.ts";

/** What a workflow comes to while time passes. */
async function passing(flow: Flow): Promise<unknown> {
  const { t, handle } = playing(flow);
  const result = handle.result();
  await t.advance("1h");
  return result;
}

test("a body begins in the call, in the async context of its caller", async () => {
  const heard: string[] = [];
  await resultOf(async (ctx) => {
    const step = ctx.step("a", () => {
      heard.push("body");
    });
    heard.push("called");
    await step;
  });
  expect(heard).toEqual(["body", "called"]);
});

test("a name that is used again is refused before its body runs", async () => {
  let runs = 0;
  const body = () => ++runs;
  const error = await failureOf(
    resultOf(async (ctx) => {
      await ctx.step("twice", body);
      await ctx.step("twice", body);
    }),
  );
  expect(error).toMatchObject({ code: "duplicate_name" });
  expect(runs).toBe(1);
});

test("a step with the name of a message's row is refused before its body runs", async () => {
  let runs = 0;
  const gates = new Gates();
  const { handle } = playing(async (ctx) => {
    await ctx.step("gate", () => gates.pass("sent"));
    await ctx.queue.nextBatch("m", { names: ["go"], count: 3 });
    return ctx.step("m:1", () => ++runs);
  });
  await Promise.all([handle.send("go", "a"), handle.send("go", "b")]);
  gates.open("sent");
  await rejection(handle.result());
  expect(runs).toBe(0);
});

test("a step beside one that is pending is refused before its body runs", async () => {
  const [gates, ran] = [new Gates(), [] as string[]];
  const error = await failureOf(
    resultOf(async (ctx) => {
      const first = ctx.step("first", () => gates.pass("first"));
      const second = ctx.step("second", () => ran.push("second"));
      gates.open("first");
      await Promise.all([first, second]);
    }),
  );
  expect(error).toMatchObject({ code: "entry_in_progress" });
  expect(ran).toEqual([]);
});

test("a body cannot begin a step of the workflow around it", async () => {
  const ran: string[] = [];
  const error = await failureOf(
    resultOf((ctx) =>
      ctx.step({ name: "outer", maxRetries: 0, run: () => ctx.step("inner", () => ran.push("inner")) }),
    ),
  );
  expect(error).toMatchObject({ message: expect.stringContaining("outer") });
  expect(ran).toEqual([]);
});

test("code that does not match what is recorded parks before a new body runs", async () => {
  const ran: string[] = [];
  const { t, code, job, handle } = playing(async (ctx) => {
    await ctx.step("old", () => 1);
    await ctx.queue.next("go");
  });
  await t.create(job, "1");
  await t.until("job", "1", { message: "go" });
  code.flow = async (ctx) => {
    await ctx.step("new", () => ran.push("new"));
  };
  await t.crash();
  expect(await rejection(handle.result())).toMatchObject({ code: "history_diverged" });
  expect(ran).toEqual([]);
});

test("a crash between a step's beginning and its end runs the body again, and nothing twice that was recorded", async () => {
  const make = (): Flow => async (ctx) => {
    await ctx.step("before", (c) => {
      c.state.notes.push("before");
    });
    return ctx.loop({
      name: "rounds",
      state: { round: 0 },
      run: async (ctx, { round }) => {
        await ctx.step("add", (c) => {
          c.state.notes.push(`round ${round}`);
        });
        return round === 3 ? Loop.break(round) : Loop.continue({ round: round + 1 });
      },
    });
  };
  await crashing(make, async (t, handle) => {
    expect(await handle.result()).toBe(3);
    expect(await t.state("job", "1")).toEqual({ notes: ["before", "round 0", "round 1", "round 2", "round 3"] });
  });
});

describe("while a body runs that began in the call", () => {
  test("a cancel aborts it, and nothing of it is kept", async () => {
    const gates = new Gates();
    let reason: unknown;
    const { t, handle } = playing(async (ctx) => {
      await ctx.step("slow", async (c) => {
        c.abortSignal.addEventListener("abort", () => {
          reason = c.abortSignal.reason;
        });
        gates.open("running");
        await gates.pass("on");
        c.state.notes.push("too late");
      });
    });
    const result = rejection(handle.result());
    await gates.pass("running");
    await handle.cancel();
    gates.open("on");
    expect(await result).toMatchObject({ code: "cancelled" });
    expect(reason).toBeInstanceOf(Error);
    expect(await t.state("job", "1")).toEqual({ notes: [] });
  });

  test("a timeout gives it up, and its next attempt is as any other", async () => {
    const attempts: number[] = [];
    const gates = new Gates();
    const result = passing((ctx) =>
      ctx.step({
        name: "slow",
        timeout: 20,
        run: async (c) => {
          attempts.push(c.attempt);
          if (c.attempt === 1) await gates.pass("never");
          return c.attempt;
        },
      }),
    );
    expect(await result).toBe(2);
    expect(attempts).toEqual([1, 2]);
  });

  test("a crash drops it, and another process runs it", async () => {
    const gates = new Gates();
    let runs = 0;
    const { t, handle } = playing(async (ctx) =>
      ctx.step("slow", async () => {
        runs++;
        gates.open("running");
        if (runs === 1) await gates.pass("never");
        return runs;
      }),
    );
    void handle.result().catch(() => {});
    await gates.pass("running");
    await t.crash();
    expect(await handle.result()).toBe(2);
  });
});

test("its key is there from the first moment, and the same on another attempt and in another round", async () => {
  const keys: string[] = [];
  const flow: Flow = (ctx) =>
    ctx.loop({
      name: "rounds",
      state: { round: 0 },
      run: async (ctx, { round }) => {
        await ctx.step({
          name: "keyed",
          run: (c) => {
            keys.push(c.idempotencyKey);
            if (c.attempt === 1) throw new Error("again");
          },
        });
        return round === 2 ? Loop.break(round) : Loop.continue({ round: round + 1 });
      },
    });
  await passing(flow);
  expect(keys.every((key) => /^[0-9a-f]{32}$/.test(key))).toBe(true);
  expect([keys[1], keys[3], keys[5]]).toEqual([keys[0], keys[2], keys[4]]);
  expect(new Set(keys).size).toBe(3);
});

test("nothing begins once somebody has asked to cancel", async () => {
  const gates = new Gates();
  const ran: string[] = [];
  const { handle } = playing(async (ctx) => {
    gates.open("here");
    await gates.pass("on");
    await ctx.step("late", () => ran.push("late"));
  });
  const result = rejection(handle.result());
  await gates.pass("here");
  // As soon as the engine is about to be told, before it is.
  const original = InputWriter.prototype.cancel;
  const spy = vi.spyOn(InputWriter.prototype, "cancel").mockImplementation(function (this: InputWriter, ...args) {
    gates.open("on");
    return original.apply(this, args);
  });
  await handle.cancel();
  spy.mockRestore();
  await result;
  expect(ran).toEqual([]);
});

test("what a branch would begin when the race has been decided does not run, although nobody has told it yet", async () => {
  const ran: string[] = [];
  let decide = () => {};
  const decided = new Promise<void>((resolve) => {
    decide = resolve;
  });
  const result = await resultOf((ctx) =>
    ctx.race("r", {
      first: async (ctx) => {
        await ctx.step("a", () => "a");
        decide();
        return "a";
      },
      second: async (ctx) => {
        await decided;
        // By now the first has returned, in the same turn.
        await null;
        await ctx.step("b", () => ran.push("b"));
      },
    }),
  );
  expect(result).toMatchObject({ winner: "first" });
  expect(ran).toEqual([]);
});

test("a loop whose rounds wait for nothing lets the event loop come round", async () => {
  let turns = 0;
  const count = () => {
    turns++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const last = await resultOf((ctx) =>
    ctx.loop({
      name: "idle",
      state: { round: 0 },
      run: (_ctx, { round }) =>
        Promise.resolve(round === 5_000 ? Loop.break(round) : Loop.continue({ round: round + 1 })),
    }),
  );
  clearImmediate(timer);
  expect(last).toBe(5_000);
  expect(turns).toBeGreaterThan(5);
});
