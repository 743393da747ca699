import { AsyncLocalStorage } from "node:async_hooks";
import { expect, test } from "vitest";
import { actor, Loop, type } from "../../src/index.ts";
import { createTestRuntime } from "../../src/testing/index.ts";
import { turns } from "./harness.ts";

test("a context says whose attempt it is, and its log says so, too", async () => {
  const seen: unknown[] = [];
  const job = actor("job", {
    actions: { who: (c) => [c.type, c.key, c.attempt] },
    steps: { retryBackoffBase: 0, retryBackoffMax: 0 },
    workflow: async (ctx) => {
      seen.push([ctx.type, ctx.key]);
      await ctx.step("work", (c) => {
        seen.push([c.type, c.key, c.attempt]);
        c.log.info({ line: 1 }, "working");
        if (c.attempt === 1) throw new Error("once");
      });
    },
  });
  const t = createTestRuntime({ actors: [job] });
  const handle = t.get(job, "a/b");
  await handle.result();
  expect(seen).toEqual([
    ["job", "a/b"],
    ["job", "a/b", 1],
    ["job", "a/b", 2],
  ]);
  expect(await handle.actions.who()).toEqual(["job", "a/b", 1]);
  const logged = t.logs.filter(({ message }) => message === "working").map(({ fields }) => fields);
  const who = { actor: "job/a/b", type: "job", key: "a/b", entry: "work" };
  expect(logged).toEqual([1, 2].map((attempt) => ({ ...who, attempt, line: 1 })));
});

test("attempts and callbacks run in the async context of the call that asked for them", async () => {
  const who = new AsyncLocalStorage<string>();
  const seen: Record<string, string | undefined> = {};
  const job = actor("job", {
    actions: {
      ask: async () => {
        await turns(2);
        return who.getStore();
      },
    },
    steps: { retryBackoffBase: 0, retryBackoffMax: 0 },
    workflow: async (ctx) => {
      await who.run("first", () =>
        ctx.step("first", async (c) => {
          await turns(2);
          seen[`first ${c.attempt}`] = who.getStore();
          if (c.attempt === 1) throw new Error("once");
        }),
      );
      await who.run("loop", () =>
        ctx.loop("loop", async (ctx) => {
          seen["round"] = who.getStore();
          await ctx.step("inside", () => void (seen["inside"] = who.getStore()));
          return Loop.break();
        }),
      );
    },
  });
  const runtime = createTestRuntime({ actors: [job] });
  await who.run("creator", () => runtime.create(job, "1"));
  await runtime.get(job, "1").result();
  expect(seen).toEqual({ "first 1": "first", "first 2": "first", round: "loop", inside: "loop" });
  const { actions } = runtime.get(job, "1");
  const asked = ["ann", "bob"].map((name) => who.run(name, () => actions.ask()));
  expect(await Promise.all(asked)).toEqual(["ann", "bob"]);
});

test("an abort signal fires when its attempt is given up: at its timeout, and at the end of the runtime", async () => {
  const reasons: Record<string, unknown> = {};
  const job = actor("job", {
    messages: { end: type<void>() },
    workflow: async (ctx) => {
      ctx.abortSignal.addEventListener("abort", () => (reasons["workflow"] = ctx.abortSignal.reason));
      const hang = (c: { readonly abortSignal: AbortSignal; readonly attempt: number }, name: string) =>
        new Promise<never>(() => {
          c.abortSignal.addEventListener("abort", () => (reasons[`${name} ${c.attempt}`] = c.abortSignal.reason));
        });
      await ctx.tryStep({ name: "slow", timeout: 10, retryOnTimeout: false, run: (c) => hang(c, "slow") });
      await ctx.step({ name: "hangs", timeout: 0, run: (c) => hang(c, "hangs") });
    },
  });
  const t = createTestRuntime({ actors: [job] });
  await t.create(job, "1");
  await t.until("job", "1", { step: "slow" });
  await t.advance(9);
  expect(reasons).toEqual({});
  await t.advance(1);
  expect(reasons).toMatchObject({ "slow 1": { code: "step_timeout" } });
  await t.close({ grace: 0 });
  expect(reasons).toMatchObject({ "hangs 1": { code: "runtime_closed" }, workflow: { code: "cancelled" } });
});
