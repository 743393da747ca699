import { expect, test } from "vitest";
import { AppError, CriticalError, Loop, RollbackError } from "../../src/index.ts";
import { type Ctx, crashing, failureOf, playing, replayed, resultOf } from "./harness.ts";

const failing = (error: Error) => (ctx: Ctx) =>
  ctx.step({ name: "s", maxRetries: 0, run: () => Promise.reject(error) });

test.each<[string, (ctx: Ctx) => Promise<unknown>, object]>([
  ["a critical failure", failing(new CriticalError("no")), { kind: "critical", name: "s", attempts: 1 }],
  ["a RollbackError of a step", failing(new RollbackError("no")), { kind: "rollback", name: "s", attempts: 1 }],
  ["exhaustion", failing(new Error("no")), { kind: "exhausted", name: "s", attempts: 1 }],
  [
    "a timeout",
    (ctx) => ctx.step({ name: "s", timeout: 5, retryOnTimeout: false, run: () => new Promise(() => {}) }),
    { kind: "timeout", name: "s", attempts: 1 },
  ],
  [
    "a join's failure",
    (ctx) => ctx.join("j", { a: failing(new Error("no")) }),
    { kind: "join", name: "j", attempts: 0 },
  ],
  [
    "a race's failure",
    (ctx) => ctx.race("r", { a: failing(new Error("no")) }),
    { kind: "race", name: "r", attempts: 0 },
  ],
  ["a map's failure", (ctx) => ctx.map("m", [1], failing(new Error("no"))), { kind: "map", name: "m", attempts: 0 }],
  [
    "a step's failure in a loop of it",
    (ctx) => ctx.loop("l", async (ctx) => void (await failing(new Error("no"))(ctx))),
    { kind: "exhausted", name: "s", attempts: 1 },
  ],
  [
    "a RollbackError of its own",
    async () => {
      throw new RollbackError("no");
    },
    { kind: "rollback", name: "t", attempts: 0 },
  ],
])("try gives %s as a result, the same on replay", async (_, body, failure) => {
  const seen: unknown[] = [];
  const { handle, t } = playing(async (ctx) => {
    seen.push(await ctx.try("t", body));
    await ctx.queue.next("go");
  });
  await handle.send("on", "");
  await replayed(t);
  expect(seen[0]).toMatchObject({ ok: false, failure });
  expect(seen[1]).toEqual(seen[0]);
});

test.each<[string, (ctx: Ctx) => Promise<unknown>, object]>([
  ["an error of code", () => Promise.reject(new AppError("mine", "no", 5)), { code: "mine", data: 5 }],
  ["misuse", (ctx) => ctx.sleep("n", -1), { code: "bad_argument" }],
  [
    "another error that code made of a failure",
    (ctx) =>
      failing(new Error("no"))(ctx).catch((cause) => {
        throw new AppError("other", "so", { was: cause.code });
      }),
    { code: "other", data: { was: "step_exhausted" } },
  ],
])("try throws %s on", async (_, body, error) => {
  expect(await failureOf(resultOf((ctx) => ctx.try("t", body)))).toMatchObject(error);
});

test("a caught failure stays caught: its body never runs again, after a crash at any batch", async () => {
  const runs: string[] = [];
  await crashing(
    () => {
      runs.length = 0;
      return (ctx) =>
        ctx.loop({
          name: "rounds",
          state: [] as unknown[],
          run: async (ctx, seen) => {
            const tried = await ctx.try("t", async (ctx) => {
              await ctx.step("before", (c) => void c.state.notes.push(`before ${seen.length}`));
              return ctx.step("fails", (c) => {
                runs.push(`${seen.length}`);
                c.state.notes.push("never");
                throw new CriticalError("no");
              });
            });
            const next = [...seen, tried.ok ? "ok" : tried.failure.kind];
            return next.length === 2 ? Loop.break(next) : Loop.continue(next);
          },
        });
    },
    async (t, handle) => {
      expect(await handle.result()).toEqual(["critical", "critical"]);
      expect(await t.state("job", "1")).toEqual({ notes: ["before 0", "before 1"] });
      expect(runs.length).toBeLessThanOrEqual(3);
    },
  );
});

test("tries nest; the innermost that a failure meets has it", async () => {
  const result = await resultOf((ctx) =>
    ctx.try("outer", async (ctx) => {
      const inner = await ctx.try("inner", failing(new Error("no")));
      await ctx.step({ name: "s", maxRetries: 0, run: () => Promise.reject(new Error("again")) });
      return inner;
    }),
  );
  expect(result).toMatchObject({ ok: false, failure: { kind: "exhausted", error: { message: /again/ } } });
});

test("a forgotten await in a try block fails it, and is not a result", async () => {
  const error = await failureOf(
    resultOf((ctx) =>
      ctx.try("t", async (ctx) => {
        void ctx.step("forgotten", () => 1);
      }),
    ),
  );
  expect(error).toMatchObject({ code: "entry_in_progress", message: /step "forgotten" is still running/ });
});
