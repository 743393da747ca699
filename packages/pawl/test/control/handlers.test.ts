/** What undo handlers are given, how they are tried again, and what they do. */
import { expect, test } from "vitest";
import { AppError, CriticalError, RetryAfterError } from "../../src/index.ts";
import { crashing, does, failureOf, playing } from "./harness.ts";

test("a handler that fails is tried again as its step would be; exhausted, it keeps the run until admin.retry", async () => {
  const seen: string[] = [];
  let broken = true;
  const events: string[] = [];
  const { handle, t, job } = playing(
    async (ctx) => {
      await does(ctx, "before");
      await ctx.step({
        name: "s",
        maxRetries: 2,
        retryBackoffBase: "1s",
        run: () => "out",
        rollback: (c, out) => {
          seen.push(`${c.attempt} ${out}`);
          c.state.notes.push("-s");
          if (broken) throw new Error("the bank is closed");
        },
      });
      throw new AppError("why", "so");
    },
    { failed: ({ kind, name, attempt, willRetry }) => void events.push(`${kind} ${name} ${attempt} ${willRetry}`) },
  );
  await t.create(job, "1");
  const result = handle.result();
  let ended = false;
  result.catch(() => {
    ended = true;
  });
  await t.advance("1h");
  expect(ended).toBe(false);
  expect(seen).toEqual(["1 out", "2 out", "3 out"]);
  expect(events.filter((event) => event.startsWith("rollback"))).toEqual([
    "rollback s 1 true",
    "rollback s 2 true",
    "rollback s 3 false",
  ]);
  expect(await handle.actions.notes()).toEqual(["+before"]);
  await t.crash();
  await t.advance("1d");
  expect(seen, "exhausted stays exhausted, across crashes").toHaveLength(3);
  broken = false;
  await t.admin.retry("job", "1");
  await t.advance("1m");
  expect(await failureOf(result)).toMatchObject({ code: "why" });
  expect(await handle.actions.notes()).toEqual(["+before", "-s", "-before"]);
});

test("a handler's attempts, and the time at which it asked to be tried again, survive a crash", async () => {
  const at: [number, number][] = [];
  const { t, handle, job } = playing(async (ctx) => {
    await ctx.step({
      name: "s",
      maxRetries: 2,
      retryBackoffBase: "1s",
      run: () => 1,
      rollback: (c) => {
        at.push([c.attempt, t.now()]);
        if (c.attempt === 1) throw new RetryAfterError("later", "2h");
        if (c.attempt === 2) throw new Error("no");
      },
    });
    return ctx.rollback("out");
  });
  await t.create(job, "1");
  await t.idle();
  await t.crash();
  await t.advance("1h");
  await t.crash();
  await t.advance("1h");
  await t.crash();
  const result = handle.result();
  await t.advance("1m");
  expect(await result).toBe("out");
  const [first = [0, 0], second = [0, 0]] = at;
  expect(at.map(([attempt]) => attempt)).toEqual([1, 2, 3]);
  expect(second[1] - first[1]).toBe(7_200_000);
});

test("a handler that asks to be tried later is; a critical failure of one is not tried again", async () => {
  const at: number[] = [];
  const { t, job } = playing(async (ctx) => {
    await ctx.step({
      name: "critical",
      run: () => 1,
      rollback: (c) => {
        at.push(-c.attempt);
        throw new CriticalError("never");
      },
    });
    await ctx.step({
      name: "later",
      run: () => 1,
      rollback: () => {
        at.push(t.now());
        if (at.length === 1) throw new RetryAfterError("later", "2h");
      },
    });
    return ctx.rollback("out");
  });
  await t.create(job, "1");
  await t.advance("1d");
  expect(at.length).toBe(3);
  expect((at[1] ?? 0) - (at[0] ?? 0)).toBe(7_200_000);
  expect(at[2]).toBe(-1);
  await t.admin.retry("job", "1");
  await t.idle();
  expect(at).toHaveLength(4);
});

test("a handler has its step's key and one of its own, the same for each attempt and after a crash", async () => {
  const keys: string[][] = [];
  const { handle, t } = playing(async (ctx) => {
    await ctx.step({
      name: "s",
      run: (c) => void keys.push(["step", c.idempotencyKey]),
      rollback: async (c) => {
        keys.push([c.stepIdempotencyKey, c.idempotencyKey]);
        if (keys.length === 2) throw new Error("once");
        if (keys.length === 3) await t.crash();
      },
    });
    throw new Error("the end");
  });
  const result = handle.result();
  result.catch(() => {});
  await t.advance("1m");
  await failureOf(result);
  const [, step = ""] = keys[0] ?? [];
  expect(step).toMatch(/^[0-9a-f]{32}$/);
  expect(keys.slice(1)).toHaveLength(3);
  const [, own = ""] = keys[1] ?? [];
  expect(own).toMatch(/^[0-9a-f]{32}$/);
  expect(own).not.toBe(step);
  for (const [ofStep, ofHandler] of keys.slice(1)) expect([ofStep, ofHandler]).toEqual([step, own]);
});

test("a handler's messages leave with its commit, once, after a crash at any batch", async () => {
  await crashing(
    () => async (ctx) => {
      await ctx.step({
        name: "s",
        run: () => "out",
        rollback: (c) => {
          c.queue.send("on", "undone");
          c.state.notes.push("undone");
        },
      });
      await ctx.queue.next("go");
      throw new Error("the end");
    },
    async (t, handle) => {
      await t.until("job", "1", { message: "go" });
      await handle.send("go", "").catch((error: { code: string }) => expect(error.code).toBe("workflow_ended"));
      await failureOf(handle.result());
      expect(await t.state("job", "1")).toEqual({ notes: ["undone"] });
      expect((await t.inbox("job", "1")).filter(({ name }) => name === "on").map(({ body }) => body)).toEqual([
        "undone",
      ]);
    },
  );
});
