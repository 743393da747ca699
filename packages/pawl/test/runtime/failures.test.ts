import { describe, expect, test } from "vitest";
import { AppError, actor, CriticalError, type ErrorEvent, PawlError, RAW_STATE, type } from "../../src/index.ts";
import { createTestRuntime } from "../../src/testing/index.ts";
import { crash, gate, KINDS, turns, until, World } from "./harness.ts";

/** Retries that need no clock. */
const AT_ONCE = { retryBackoffBase: 0, retryBackoffMax: 0 } as const;

describe.each(KINDS)("on %s", (kind) => {
  test("P3 the failure record is durable before onError is called, and onError is called at most once per failure", async () => {
    const world = new World(kind);
    const attempts: number[] = [];
    const events: [number, boolean][] = [];
    const failing = (onEvent: () => void) =>
      actor("job", {
        onError: (_, event) => {
          events.push([event.attempt, event.willRetry]);
          onEvent();
        },
        steps: { ...AT_ONCE, maxRetries: 2 },
        workflow: async (ctx) => {
          await ctx.step("work", (c) => {
            attempts.push(c.attempt);
            throw new Error(`failure ${c.attempt}`);
          });
        },
      });
    const died = gate();
    const dying = failing(() => {
      crash(runtime);
      died.open();
    });
    const runtime = world.open([dying]);
    void runtime.create(dying, "1").catch(() => {});
    await died.promise;
    expect([attempts, events]).toEqual([[1], [[1, true]]]);
    const living = failing(() => {});
    const result = world.open([living]).get(living, "1").result();
    await expect(result).rejects.toMatchObject({ code: "workflow_failed" });
    expect(attempts).toEqual([1, 2, 3]);
    expect(events).toEqual([
      [1, true],
      [2, true],
      [3, false],
      [1, false],
    ]);
  });

  test("P3 onError is a transaction of its own: it sees nothing of the attempt, and what it writes stays", async () => {
    const world = new World(kind);
    const seen: unknown[] = [];
    const job = actor("job", {
      state: () => ({ done: [] as string[], failures: [] as string[] }),
      actions: { state: (c) => c[RAW_STATE]() },
      onError: async (c, event) => {
        seen.push(c[RAW_STATE]());
        await turns(2);
        c.state.failures.push(`${event.kind} ${event.name} ${event.attempt}: ${event.error.message}`);
      },
      steps: { ...AT_ONCE, maxRetries: 1 },
      workflow: async (ctx) => {
        await ctx.step("work", (c) => {
          c.state.done.push("half");
          if (c.attempt === 1) throw new Error("once");
          c.state.done.push("whole");
        });
      },
    });
    const handle = world.open([job]).get(job, "1");
    await handle.result();
    expect(seen).toEqual([{ done: [], failures: [] }]);
    const expected = { done: ["half", "whole"], failures: ["step work 1: once"] };
    expect(await handle.actions.state()).toEqual(expected);
  });

  test("P3 what onError wrote before it threw is dropped, its throw is logged, and the run goes on", async () => {
    const world = new World(kind);
    const job = actor("job", {
      state: () => ({ failures: 0 }),
      actions: { state: (c) => c[RAW_STATE]() },
      onError: (c) => {
        c.state.failures += 1;
        throw new Error("no pager");
      },
      steps: { ...AT_ONCE },
      workflow: (ctx) =>
        ctx.step("work", (c) => {
          if (c.attempt === 1) throw new Error("once");
          return c.attempt;
        }),
    });
    const handle = world.open([job]).get(job, "1");
    expect(await handle.result()).toBe(2);
    expect(await handle.actions.state()).toEqual({ failures: 0 });
    expect(world.log.at("error")).toEqual([expect.stringContaining("onError threw")]);
  });

  const TERMINAL = {
    critical: { run: () => fail(new CriticalError("no such card")), policy: {} },
    exhausted: { run: () => fail(new Error("no line")), policy: { ...AT_ONCE, maxRetries: 1 } },
    timeout: { run: () => new Promise<never>(() => {}), policy: { timeout: 1_000, retryOnTimeout: false } },
  };
  const ATTEMPTS = { critical: 1, exhausted: 2, timeout: 1 };

  test.each(Object.keys(TERMINAL) as (keyof typeof TERMINAL)[])(
    "P3 a failure that is %s and was caught by tryStep is not run again after a reopen, whatever the policy says then",
    async (how) => {
      const world = new World(kind);
      let bodies = 0;
      const seen: unknown[] = [];
      const { run, policy } = TERMINAL[how];
      const jobWith = (steps: object) =>
        actor("job", {
          messages: { end: type<void>() },
          onError: (_, event) => void seen.push({ attempt: event.attempt, willRetry: event.willRetry }),
          workflow: async (ctx) => {
            const body = () => {
              bodies += 1;
              return run();
            };
            seen.push(await ctx.tryStep({ name: "work", ...steps, run: body }));
            await ctx.queue.next("end");
            return "ended";
          },
        });
      const strict = jobWith(policy);
      const runtime = world.open([strict]);
      const handle = await runtime.create(strict, "1");
      if (how === "timeout") world.clock.advance(1_000);
      await until(() => seen.some((one) => "ok" in (one as object)));
      crash(runtime);
      const [failed] = seen.splice(0).slice(-1) as [{ failure: { error: { message: string } } }];
      expect(failed).toMatchObject({ ok: false, failure: { kind: how, name: "work", attempts: ATTEMPTS[how] } });

      const generous = jobWith({ maxRetries: 100, retryOnTimeout: true });
      const again = world.open([generous]);
      await again.get(generous, "1").send("end", undefined);
      expect(await again.get(generous, "1").result()).toBe("ended");
      expect(bodies).toBe(ATTEMPTS[how]);
      expect(seen, "the same failure, and nothing told to onError").toEqual([failed]);
      expect(handle.key).toBe("1");
    },
  );

  test("P3 a failure that ended the run is not run again", async () => {
    const world = new World(kind);
    let bodies = 0;
    const job = actor("job", {
      workflow: (ctx) =>
        ctx.step("work", () => {
          bodies += 1;
          throw new CriticalError("no such card");
        }),
    });
    const runtime = world.open([job]);
    const expected = { code: "workflow_failed", data: { error: { name: "CriticalError", message: "no such card" } } };
    await expect(runtime.get(job, "1").result()).rejects.toMatchObject(expected);
    crash(runtime);
    const again = world.open([job]);
    await again.start();
    await expect(again.get(job, "1").result()).rejects.toMatchObject(expected);
    expect(bodies).toBe(1);
  });
});

test("P3 the failure is in the SQLite file when onError hears of it, and the state is as before", async () => {
  const world = new World("sqlite");
  const attempts: [string, number, string][] = [];
  const copies: string[] = [];
  const jobOf = (where: string, body: (attempt: number) => void) =>
    actor("job", {
      state: () => ({ status: "new" }),
      actions: { status: (c) => c.state.status },
      onError: () => void copies.push(world.copy()),
      workflow: (ctx) =>
        ctx.step({
          name: "work",
          ...AT_ONCE,
          run: (c) => {
            attempts.push([where, c.attempt, c.state.status]);
            c.state.status = "half";
            body(c.attempt);
          },
        }),
    });
  const job = jobOf("here", (attempt) => attempt === 1 && fail(new Error("once")));
  await world.open([job]).get(job, "1").result();
  expect(copies).toHaveLength(1);
  const copied = jobOf("in the copy", () => {});
  const handle = world.open([copied], {}, { store: copies[0] ?? "" }).get(copied, "1");
  await handle.result();
  expect(attempts).toEqual([
    ["here", 1, "new"],
    ["here", 2, "new"],
    ["in the copy", 2, "new"],
  ]);
});

test("P3 onError is told the attempt, whether and when it is tried again, and the failure", async () => {
  const events: ErrorEvent[] = [];
  const job = actor("job", {
    onError: (_, event) => void events.push(event),
    steps: { retryBackoffBase: 100, maxRetries: 1 },
    workflow: (ctx) =>
      ctx.step("work", (c) => fail(new AppError("no_line", `attempt ${c.attempt}`, { line: c.attempt }))),
  });
  const t = createTestRuntime({ actors: [job] });
  const started = t.now();
  const failed = expect(t.get(job, "1").result()).rejects.toMatchObject({ code: "workflow_failed" });
  await t.idle();
  expect(events).toHaveLength(1);
  await t.advance(199);
  expect(events).toHaveLength(1);
  await t.advance(1);
  await failed;
  const error = (message: string, line: number) =>
    expect.objectContaining({ name: "AppError", code: "no_line", message, data: { line }, stack: expect.any(String) });
  expect(events).toEqual([
    { kind: "step", name: "work", attempt: 1, willRetry: true, retryAt: started + 200, error: error("attempt 1", 1) },
    { kind: "step", name: "work", attempt: 2, willRetry: false, error: error("attempt 2", 2) },
    expect.objectContaining({ kind: "workflow", name: "job", attempt: 1, willRetry: false }),
  ]);
});

test("P3 each failure that onError hears of has an idempotency key of its own", async () => {
  const keys: string[] = [];
  const job = actor("job", {
    onError: (c) => void keys.push(c.idempotencyKey),
    steps: { ...AT_ONCE, maxRetries: 2 },
    workflow: (ctx) => ctx.step("work", () => fail(new Error("always"))),
  });
  const t = createTestRuntime({ actors: [job] });
  for (const key of ["1", "2"]) await expect(t.get(job, key).result()).rejects.toThrow("always");
  await t.idle();
  expect(new Set(keys).size).toBe(8);
  for (const key of keys) expect(key).toMatch(/^[0-9a-f]{32}$/);
});

test("P3 a failure that was reported is not reported again when a smaller maxRetries makes it final", async () => {
  const events: [number, boolean][] = [];
  let maxRetries = 5;
  const job = actor("job", {
    onError: (_, event) => void (event.kind === "step" && events.push([event.attempt, event.willRetry])),
    workflow: (ctx) => ctx.step({ name: "work", maxRetries, run: () => fail(new Error("always")) }),
  });
  const t = createTestRuntime({ actors: [job] });
  const handle = await t.create(job, "1");
  await t.idle();
  expect(events).toHaveLength(1);
  maxRetries = 0;
  await t.crash();
  await expect(handle.result()).rejects.toMatchObject({ code: "workflow_failed" });
  expect(events).toEqual([[1, true]]);
});

describe("P3 user code is given the same error on the first run and on replay", () => {
  class CardError extends Error {
    override readonly name = "CardError";
    readonly card = { last4: "4242", tries: new Map([["visa", 2n]]) };
    readonly at = new Date(5);
  }
  class Late extends AppError {}
  const withFields = Object.assign(new TypeError("wrong type"), { field: "price", nested: [1, , 3], skip: () => {} });
  const THROWN: Record<string, unknown> = {
    "an Error": new Error("plain"),
    "an Error with a cause": new Error("outer", {
      cause: new RangeError("inner", { cause: new AppError("deep", "deepest", 7) }),
    }),
    "a TypeError with fields": withFields,
    "a class of one's own": new CardError("declined"),
    "an AppError": new AppError("no_funds", "too little", { missing: 5, currency: "EUR" }),
    "a subclass of AppError": new Late("late", "too late"),
    "a CriticalError": new CriticalError("never", { cause: new Error("because") }),
    "a PawlError": new PawlError("actor_busy", "busy", { retryable: true, outcome: "unknown", data: [1] }),
    "an AggregateError": new AggregateError([new Error("a")], "many"),
    "an error with an odd name": Object.assign(new Error("odd"), { name: "Odd\u0000 näme" }),
    "an error whose message is no text": Object.assign(new Error(""), { message: 5 }),
    "an error whose message cannot be read": Object.defineProperty(new Error(""), "message", { get: () => fail("no") }),
    "an error whose name cannot be read": Object.defineProperty(new Error("x"), "name", { get: () => fail("no") }),
    "a text": "just a text",
    undefined: undefined,
    "a plain object": { code: 5 },
    "an object that cannot be shown": Object.create(null),
    "a symbol": Symbol("s"),
    "a revoked proxy": revoked(),
  };

  test.each(Object.keys(THROWN))("%s", async (what) => {
    const seen: unknown[] = [];
    const job = actor("job", {
      messages: { end: type<void>() },
      workflow: async (ctx) => {
        for (const name of ["critical", "exhausted"]) {
          try {
            await ctx.step({ name, maxRetries: 0, run: () => fail(THROWN[what]) });
          } catch (error) {
            seen.push(described(error));
          }
        }
        seen.push(await ctx.tryStep({ name: "tried", maxRetries: 0, run: () => fail(THROWN[what]) }));
        await ctx.queue.next("end");
      },
    });
    const t = createTestRuntime({ actors: [job] });
    const handle = await t.create(job, "1");
    await t.until("job", "1", { message: "end" });
    await t.crash();
    await handle.send("end", undefined);
    await handle.result();
    expect(seen).toHaveLength(6);
    expect(seen.slice(3)).toEqual(seen.slice(0, 3));
    if (what === "a CriticalError") expect(seen[0]).toMatchObject({ class: "CriticalError" });
    else expect(seen[0]).toMatchObject({ class: "PawlError", own: { code: "step_exhausted" } });
  });

  test("cut to what a record holds, if somebody put a whole page into it", async () => {
    const page = "x".repeat(5_000_000);
    const job = actor("job", {
      steps: { maxRetries: 0 },
      workflow: async (ctx) => {
        const tried = await ctx.tryStep("work", () => fail(new Error(page, { cause: new Error(page) })));
        return tried.ok ? undefined : tried.failure.error;
      },
    });
    const error = await createTestRuntime({ actors: [job] })
      .get(job, "1")
      .result();
    expect(error?.message).toBe(`${"x".repeat(65_536)}... (4934464 more characters)`);
    expect(error?.stack?.length).toBeLessThan(70_000);
  });

  test("with its class, name, message, stack, fields and causes", async () => {
    const thrown = new CriticalError("never", { cause: Object.assign(new RangeError("because"), { limit: 5n }) });
    const job = actor("job", {
      workflow: async (ctx) => {
        try {
          await ctx.step("work", () => fail(thrown));
        } catch (error) {
          caught = error as Error;
        }
      },
    });
    let caught = new Error();
    await createTestRuntime({ actors: [job] })
      .get(job, "1")
      .result();
    expect(caught).not.toBe(thrown);
    expect(caught).toBeInstanceOf(CriticalError);
    expect(caught).toMatchObject({ name: "CriticalError", message: "never", code: "critical", stack: thrown.stack });
    const cause = caught.cause as Error;
    expect(Object.getPrototypeOf(cause)).toBe(Error.prototype);
    expect(cause).toMatchObject({
      name: "RangeError",
      message: "because",
      limit: 5n,
      stack: (thrown.cause as Error).stack,
    });
  });
});

function fail(error: unknown): never {
  throw error;
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable(new Error("gone"), {});
  revoke();
  return proxy;
}

/** An error as user code can know it. */
function described(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const own: Record<string, unknown> = {};
  for (const key of Object.keys(error)) own[key] = (error as unknown as Record<string, unknown>)[key];
  return {
    class: error.constructor.name,
    brands: [PawlError, AppError, CriticalError].map((type) => error instanceof type),
    name: error.name,
    message: error.message,
    stack: error.stack,
    own,
    cause: described(error.cause),
  };
}
