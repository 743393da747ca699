import { expect, test } from "vitest";
import { actor, createRuntime, RetryAfterError, type, type WorkflowContext } from "../../src/index.ts";
import { createRuntimeWith, internals } from "../../src/runtime.ts";
import { createTestRuntime } from "../../src/testing/index.ts";
import { says } from "../runtime/refusal.ts";
import { type Ctx, crashing, failureOf, Gates, playing, rejection, replayed, resultOf } from "./harness.ts";

test.each([
  ["a duration", () => "2h" as const, 7_200_000],
  ["milliseconds", () => 5_000, 5_000],
  ["a time", (now: number) => new Date(now + 60_000), 60_000],
  ["longer than the longest backoff", () => "3d" as const, 259_200_000],
  ["a time that has passed: the policy's", (now: number) => new Date(now - 5), undefined],
  ["a time that cannot be one: the policy's", () => new Date(Number.NaN), undefined],
])("RetryAfterError asks for %s", async (_, after, wait) => {
  const at: number[] = [];
  const { handle, t } = playing((ctx) =>
    ctx.step("s", (c) => {
      at.push(t.now());
      if (c.attempt === 1) throw new RetryAfterError("busy", after(t.now()));
      return c.attempt;
    }),
  );
  const result = handle.result();
  await t.advance("30d");
  expect(await result).toBe(2);
  const waited = (at[1] ?? 0) - (at[0] ?? 0);
  if (wait === undefined) expect(waited).toBeLessThanOrEqual(1_000);
  else expect(waited).toBe(wait);
});

test("RetryAfterError uses up attempts, and the time it asks for survives a crash", async () => {
  let attempts = 0;
  const { handle, t, job } = playing((ctx) =>
    ctx.step({
      name: "s",
      maxRetries: 1,
      run: () => {
        attempts += 1;
        throw new RetryAfterError("busy", "2h");
      },
    }),
  );
  await t.create(job, "1");
  const result = rejection(handle.result());
  await t.advance("1h");
  await t.crash();
  await t.advance("59m");
  expect(attempts).toBe(1);
  await t.advance("1m");
  expect(attempts).toBe(2);
  expect(await result).toMatchObject({ cause: { code: "step_exhausted", cause: { code: "retry_after" } } });
});

test("ephemeral steps become durable with the next entry: two of them and a step are one batch more than none", async () => {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const batches = async (ephemeral: boolean) => {
    const job = actor("job", {
      state: () => ({ n: 0 }),
      workflow: async (ctx) => {
        for (const name of ["a", "b", "c"]) await ctx.step({ name, ephemeral, run: (c) => ++c.state.n });
        return ctx.step("last", (c) => c.state.n);
      },
    });
    const hooks = { fault: { kind: "refuse" as const, at: 0 } };
    const runtime = createRuntimeWith({ actors: [job], store: "memory:", logger: quiet }, hooks);
    expect(await runtime.get(job, "1").result()).toBe(3);
    const count = runtime[internals].pump?.engine.batches ?? Number.NaN;
    await runtime.close();
    return count;
  };
  expect((await batches(false)) - (await batches(true))).toBe(3);
});

test("c.afterCommit of an ephemeral step waits until it is durable, alone and in branches; one that a crash undoes is not heard", async () => {
  const heard: string[] = [];
  const gates = new Gates();
  const note = (ctx: Ctx, name: string) =>
    ctx.step({ name, ephemeral: true, run: (c) => c.afterCommit(() => void heard.push(name)) });
  const { t, job, handle } = playing(async (ctx) => {
    await note(ctx, "a");
    heard.push("after a");
    await ctx.step("s", () => gates.pass("s"));
    await ctx.join("j", { b: (ctx) => note(ctx, "b"), c: (ctx) => note(ctx, "c") });
    await note(ctx, "d");
    await ctx.queue.next("go");
  });
  await t.create(job, "1");
  await t.until("job", "1", { step: "s" });
  expect(heard).toEqual(["after a"]);
  await t.crash();
  gates.open("s");
  await t.until("job", "1", { message: "go" });
  expect(heard.slice(0, 3)).toEqual(["after a", "after a", "a"]);
  expect(heard.slice(3).sort()).toEqual(["b", "c", "d"]);
  await t.crash();
  await handle.send("go", "");
  await handle.result();
  expect(heard.filter((one) => one !== "after a").sort()).toEqual(["a", "b", "c", "d"]);
});

test("what an ephemeral step wrote is seen by the next step; a crash runs again what was not durable", async () => {
  const gates = new Gates();
  const runs: string[] = [];
  const { handle, t, job } = playing(async (ctx) => {
    const a = await ctx.step({
      name: "a",
      ephemeral: true,
      run: (c) => {
        runs.push("a");
        return c.state.notes.push("a");
      },
    });
    await ctx.step("b", async (c) => {
      runs.push(`b ${c.state.notes.join()}`);
      await gates.pass("b");
      c.state.notes.push("b");
    });
    return a;
  });
  await t.create(job, "1");
  await t.until("job", "1", { step: "b" });
  await t.crash();
  gates.open("b");
  expect(await handle.result()).toBe(1);
  expect(runs).toEqual(["a", "b a", "a", "b a"]);
  expect(await t.state("job", "1")).toEqual({ notes: ["a", "b"] });
});

test("ephemeral steps in branches, loops and tries are exact after a crash at any batch", async () => {
  const note = (ctx: Ctx, name: string, ephemeral: boolean) =>
    ctx.step({ name, ephemeral, run: (c) => void c.state.notes.push(name) });
  await crashing(
    () => async (ctx) => {
      await note(ctx, "e1", true);
      await ctx.join("both", {
        a: async (ctx) => {
          await note(ctx, "e2", true);
          await note(ctx, "s2", false);
          await note(ctx, "e3", true);
        },
        b: (ctx) => ctx.try("t", (ctx) => note(ctx, "e4", true)),
      });
      await ctx.sleep("nap", "1h");
      await note(ctx, "e5", true);
    },
    async (t, handle) => {
      await t.until("job", "1", { sleep: "nap" });
      await t.advance("1h");
      await handle.result();
      expect([...(await handle.actions.notes())].sort()).toEqual(["e1", "e2", "e3", "e4", "e5", "s2"]);
    },
  );
});

test("now, random and uuid are the same on replay, whatever the time is", async () => {
  const seen: unknown[][] = [];
  const draw = (ctx: Ctx) => [ctx.now(), ctx.random(), ctx.uuid(), ctx.random()];
  const { handle, t } = playing(async (ctx) => {
    const drawn: unknown[] = [draw(ctx)];
    await ctx.step("s", () => 1);
    drawn.push(draw(ctx));
    await ctx.sleep("nap", "1h");
    drawn.push(draw(ctx));
    const { a, b } = await ctx.join("j", { a: async (ctx) => draw(ctx), b: async (ctx) => draw(ctx) });
    drawn.push(a, b);
    drawn.push(await ctx.map("m", [1, 2], async (ctx) => draw(ctx)));
    drawn.push(
      await ctx.loop({
        name: "l",
        state: [] as unknown[],
        run: async (ctx, list) =>
          list.length === 2 ? { break: true, value: list } : { continue: true, state: [...list, draw(ctx)] },
      }),
    );
    drawn.push(await ctx.try("t", async (ctx) => draw(ctx)));
    drawn.push(draw(ctx));
    seen.push(drawn);
    await ctx.queue.next("go");
  });
  await handle.send("on", "");
  await t.advance("1h");
  await t.until("job", "1", { message: "go" });
  await t.advance("5h");
  await replayed(t);
  expect(seen).toHaveLength(2);
  expect(seen[1]).toEqual(seen[0]);
  const uuids =
    JSON.stringify(seen[0]).match(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g) ?? [];
  expect(uuids).toHaveLength(11);
  expect(new Set(uuids).size).toBe(11);
});

test("random and uuid differ from actor to actor", async () => {
  const job = actor("job", { workflow: async (ctx) => ctx.uuid() });
  const other = actor("other", { workflow: async (ctx) => ctx.uuid() });
  const t = createTestRuntime({ actors: [job, other] });
  const drawn = await Promise.all(
    [t.get(job, "1"), t.get(job, "2"), t.get(other, "1")].map((handle) => handle.result()),
  );
  expect(new Set(drawn).size).toBe(3);
});

test("ctx.now moves with facts alone, and never back", async () => {
  const { handle, t, job } = playing(async (ctx) => {
    const times = [ctx.now()];
    await ctx.sleep("nap", "1h");
    times.push(ctx.now());
    await ctx.join("j", { long: (ctx) => ctx.sleep("nap", "2h"), short: (ctx) => ctx.sleep("nap", "1h") });
    times.push(ctx.now());
    return times.map((time) => time - (times[0] ?? 0));
  });
  await t.create(job, "1");
  await t.advance("4h");
  expect(await handle.result()).toEqual([0, 3_600_000, 10_800_000]);
});

test("ctx.log is silent while a run is replayed, in branches and rounds, too", async () => {
  const { handle, t } = playing(async (ctx) => {
    ctx.log.info({}, "begin");
    await ctx.step("s", () => 1);
    ctx.log.info({}, "after the step");
    await ctx.join("j", {
      a: async (ctx) => {
        await ctx.step("s", () => 1);
        ctx.log.info({}, "in a");
      },
    });
    await ctx.loop("l", async (ctx) => {
      await ctx.step("s", () => 1);
      ctx.log.info({}, "in a round");
      return { break: true, value: undefined };
    });
    await ctx.queue.next("go");
    ctx.log.info({}, "went on");
  });
  const said = () => t.logs.filter(({ level }) => level === "info").map(({ message }) => message);
  const expected = ["begin", "after the step", "in a", "in a round"];
  await handle.send("on", "");
  await t.until("job", "1", { message: "go" });
  expect(said()).toEqual(expected);
  await t.crash();
  await t.until("job", "1", { message: "go" });
  expect(said()).toEqual(expected);
  await handle.send("go", "");
  await handle.result();
  expect(said()).toEqual([...expected, "went on"]);
});

test("abortSignal: of the run when it is cancelled, of its branches, too", async () => {
  const aborted: string[] = [];
  const watch = (name: string, ctx: { abortSignal: AbortSignal }) =>
    ctx.abortSignal.addEventListener("abort", () =>
      aborted.push(`${name} ${(ctx.abortSignal.reason as { code: string }).code}`),
    );
  const { handle, t, job } = playing(async (ctx) => {
    watch("run", ctx);
    await ctx.join("j", {
      a: async (ctx) => {
        watch("a", ctx);
        await ctx.step("s", (c) => {
          watch("step", c);
          return new Promise(() => {});
        });
      },
      b: async (ctx) => {
        watch("b", ctx);
        await ctx.loop("l", async (ctx) => {
          watch("round", ctx);
          await ctx.sleep("nap", "1d");
        });
      },
    });
  });
  await t.create(job, "1");
  await t.until("job", "1", { step: "s" });
  await t.until("job", "1", { sleep: "nap" });
  await handle.cancel();
  expect(aborted.sort()).toEqual(["a cancelled", "b cancelled", "round cancelled", "run cancelled", "step cancelled"]);
});

const forget = (ctx: Ctx) =>
  ctx.step("forgotten", async (c) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    c.state.notes.push("forgotten");
  });

type Callback = (outer: Ctx) => Promise<unknown>;

test.each<[string, Callback]>([
  ["loop", (outer) => outer.loop("around", async () => void (await outer.step("inside", () => 1)))],
  ["join", (outer) => outer.join("around", { a: () => outer.step("inside", () => 1) })],
  ["race", (outer) => outer.race("around", { a: () => outer.step("inside", () => 1) })],
  ["map", (outer) => outer.map("around", [1], () => outer.step("inside", () => 1))],
  ["try", (outer) => outer.try("around", () => outer.step("inside", () => 1))],
])("the outer ctx inside a %s is refused, with the line to write", async (kind, flow) => {
  const failed = await failureOf(resultOf(flow));
  const error = failed.code === "wrong_context" ? failed : (failed.cause as typeof failed);
  expect(error).toMatchObject({ code: "wrong_context", data: { entry: "inside", [kind]: "around" } });
  says(error.message, {
    found: /the ctx of the enclosing function/,
    do: new RegExp(`ctx\\.${kind}\\("around".*ctx\\.step\\("inside"`),
    where: new RegExp(`started on the ctx outside of ${kind} "around", in job/1`),
  });
});

test.each<[string, Callback]>([
  ["loop", (ctx) => ctx.loop("l", async (ctx) => void forget(ctx))],
  ["join", (ctx) => ctx.join("j", { a: async (ctx) => void forget(ctx) })],
  ["race", (ctx) => ctx.race("r", { a: async (ctx) => void forget(ctx) })],
  ["map", (ctx) => ctx.map("m", [1], async (ctx) => void forget(ctx))],
  ["workflow", async (ctx) => void forget(ctx)],
])("an await that was forgotten in a %s fails it, and commits nothing of the forgotten", async (_, flow) => {
  const { handle, t } = playing(async (ctx) => {
    await flow(ctx);
  });
  const failed = await failureOf(handle.result());
  const error = failed.code === "entry_in_progress" ? failed : (failed.cause as typeof failed);
  expect(error).toMatchObject({ code: "entry_in_progress", data: { pending: "forgotten" } });
  await t.idle();
  expect(await t.state("job", "1")).toEqual({ notes: [] });
});

test("a ctx that is used after its callback has ended is refused", async () => {
  const { handle } = playing(async (ctx) => {
    let kept: WorkflowContext<never> | undefined;
    await ctx.join("j", {
      a: async (ctx) => {
        kept = ctx as never;
      },
    });
    return kept?.step("late", () => 1).catch((error: { code: string; message: string }) => [error.code, error.message]);
  });
  const [code, message] = (await handle.result()) as string[];
  expect(code).toBe("stale_step");
  expect(message).toMatch(/step "late".*of job\/1 was used after/);
});

test("what an evicted run awaits never settles: no catch, no finally, and no step after it", async () => {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const seen: string[] = [];
  const job = actor("job", {
    messages: { go: type<void>() },
    workflow: async (ctx) => {
      const watched = async (name: string, wait: Promise<unknown>) => {
        try {
          await wait;
          seen.push(`${name} went on`);
        } catch {
          seen.push(`${name} caught`);
        } finally {
          seen.push(`${name} finally`);
        }
      };
      await watched(
        "join",
        ctx.join("j", {
          a: (ctx) => watched("a", ctx.queue.next("go")),
          b: (ctx) => watched("b", ctx.sleep("nap", "1h")),
          c: (ctx) =>
            watched(
              "c",
              ctx.try("t", (ctx) => ctx.sleep("nap", "1h")),
            ),
        }),
      );
    },
  });
  const runtime = createRuntime({ actors: [job], store: "memory:", logger: quiet });
  await runtime.create(job, "1");
  await new Promise((resolve) => setTimeout(resolve, 20));
  await runtime.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(seen).toEqual([]);
});
