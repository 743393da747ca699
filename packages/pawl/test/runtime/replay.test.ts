import { describe, expect, test } from "vitest";
import {
  actor,
  Loop,
  type NoConnectionState,
  type PawlError,
  RAW_STATE,
  type,
  type WorkflowContext,
} from "../../src/index.ts";
import { batches, COUNTING, crash, gate, KINDS, quiet, turns, unhandled, until, World, watch } from "./harness.ts";
import { says } from "./refusal.ts";

const messages = { go: type<string>(), end: type<void>() };

describe.each(KINDS)("on %s", (kind) => {
  test("P12 a replay gives every operation its recorded fact, runs no body and writes nothing", async () => {
    const world = new World(kind);
    const runs: unknown[][] = [];
    let bodies = 0;
    const job = actor("job", {
      input: type<{ start: number }>(),
      messages,
      state: () => ({ count: 0 }),
      workflow: async (ctx, input) => {
        const seen: unknown[] = [input];
        runs.push(seen);
        const counted = (c: { state: { count: number } }) => {
          bodies += 1;
          c.state.count += 1;
          return { count: c.state.count, at: new Date(bodies) };
        };
        seen.push(await ctx.step("first", counted));
        seen.push(await ctx.tryStep({ name: "fails", maxRetries: 0, run: (c) => refuse(counted(c)) }));
        await ctx.sleep("nap", 1_000);
        seen.push(await ctx.queue.next("missed", { names: ["go"], timeout: 500 }));
        seen.push(await ctx.queue.next("go"));
        const loops = await ctx.loop({
          name: "rounds",
          state: [] as unknown[],
          run: async (ctx, state) => {
            const next = [...state, await ctx.step("count", counted)];
            return next.length === 3 ? Loop.break(next) : Loop.continue(next);
          },
        });
        seen.push(loops);
        await ctx.queue.next("end");
        return seen;
      },
    });
    const runtime = world.open([job]);
    const handle = await runtime.create(job, "1", { start: 1 });
    await quiet(runtime);
    world.clock.advance(1_000);
    await quiet(runtime);
    world.clock.advance(500);
    await quiet(runtime);
    await handle.send("go", "on");
    await until(() => runs[0]?.length === 6);
    await quiet(runtime);
    crash(runtime);
    const again = world.open([job], COUNTING);
    await again.start();
    await until(() => runs[1]?.length === 6);
    await quiet(again);
    expect(batches(again), "batches").toBe(0);
    await again.get(job, "1").send("end", undefined);
    const output = await again.get(job, "1").result();
    expect(runs).toHaveLength(2);
    expect(runs[1]).toEqual(runs[0]);
    expect(output).toEqual(runs[0]);
    expect(bodies).toBe(5);
  });

  test("P12 a workflow that waits in memory is not replayed when its message arrives", async () => {
    const world = new World(kind);
    let calls = 0;
    const job = actor("job", {
      messages,
      workflow: async (ctx) => {
        calls += 1;
        const local = { untouched: Symbol("of this call") };
        const { body } = await ctx.queue.next("go");
        await ctx.sleep("nap", 1_000);
        return [body, typeof local.untouched];
      },
    });
    const runtime = world.open([job]);
    const handle = await runtime.create(job, "1");
    await quiet(runtime);
    await handle.send("go", "on");
    await quiet(runtime);
    world.clock.advance(1_000);
    expect(await handle.result()).toEqual(["on", "symbol"]);
    expect(calls).toBe(1);
  });

  test("P12 finally blocks do not run when an actor is dropped, and what was awaited never settles", async () => {
    const world = new World(kind);
    const events: string[] = [];
    const job = actor("job", {
      messages,
      workflow: async (ctx) => {
        try {
          events.push("wait");
          await ctx.queue.next("go");
          events.push("go");
        } catch {
          events.push("catch");
        } finally {
          events.push("finally");
        }
      },
    });
    for (const leave of [crash, (runtime: { close(): Promise<void> }) => runtime.close()]) {
      const runtime = world.open([job]);
      await runtime.create(job, "1");
      await runtime.start();
      await until(() => events.includes("wait"));
      await leave(runtime);
      await turns();
      expect(events.splice(0)).toEqual(["wait"]);
    }
    const last = world.open([job]);
    await last.get(job, "1").send("go", "on");
    await last.get(job, "1").result();
    expect(events).toEqual(["wait", "go", "finally"]);
  });
});

interface Order {
  steps: string[];
}

type Ctx = WorkflowContext<{
  input: void;
  given: void;
  state: Order;
  vars: undefined;
  messages: typeof messages;
  events: object;
  dialled: void;
  params: void;
  connection: NoConnectionState;
}>;

/** An order whose workflow's middle differs from version to version; `ran` says which bodies ran. */
function orderWith(middle: (ctx: Ctx, step: Step) => Promise<unknown>, ran: string[]) {
  return actor("order", {
    messages,
    state: (): Order => ({ steps: [] }),
    actions: { state: (c) => c[RAW_STATE]() },
    onError: () => void ran.push("onError"),
    workflow: async (ctx) => {
      const step: Step = (ctx, name) =>
        ctx.step(name, (c) => {
          ran.push(name);
          c.state.steps.push(name);
        });
      try {
        return await middle(ctx, step);
      } catch (error) {
        ran.push(`catch ${error}`);
        throw error;
      } finally {
        ran.push("finally");
      }
    },
  });
}

type Step = (ctx: Ctx, name: string) => Promise<void>;

const RECORDED: (ctx: Ctx, step: Step) => Promise<unknown> = async (ctx, step) => {
  await step(ctx, "reserve");
  await step(ctx, "charge");
  await ctx.queue.next("go");
  await step(ctx, "ship");
  return "shipped";
};

const CHANGED: Record<string, { middle: typeof RECORDED; recorded?: RegExp; code: RegExp }> = {
  "a changed step name": {
    middle: async (ctx, step) => {
      await step(ctx, "reserve");
      await step(ctx, "pay");
      await ctx.queue.next("go");
    },
    code: /1 step "reserve"\s+2 step "pay"\s+<- new/,
  },
  "a changed kind": {
    middle: async (ctx, step) => {
      await step(ctx, "reserve");
      await ctx.sleep("charge", 10);
      await ctx.queue.next("go");
    },
    code: /1 step "reserve"\s+2 sleep "charge"\s+<- another kind/,
  },
  "a dropped step": {
    middle: async (ctx, step) => {
      await step(ctx, "reserve");
      await ctx.queue.next("go");
    },
    code: /1 step "reserve"\s+2 message "go"\s+<- new/,
  },
  "a step added before recorded ones": {
    middle: async (ctx, step) => {
      await step(ctx, "reserve");
      await step(ctx, "fraud check");
      await step(ctx, "charge");
      await ctx.queue.next("go");
    },
    code: /1 step "reserve"\s+2 step "fraud check"\s+<- new/,
  },
  "an early return": {
    middle: async (ctx, step) => {
      await step(ctx, "reserve");
      return "enough";
    },
    code: /1 step "reserve"\s+<- ends here/,
  },
  "a workflow that does nothing": { middle: async () => "nothing", code: /code\s+nothing\s+<- ends here/ },
  "an early throw": {
    middle: async (ctx, step) => {
      await step(ctx, "reserve");
      throw new TypeError("a bug of the new code");
    },
    code: /1 step "reserve"\s+<- ends here/,
  },
  "a loop in the place of a step": {
    middle: async (ctx, step) => {
      await step(ctx, "reserve");
      await ctx.loop("charge", async (ctx) => {
        await step(ctx, "inside");
        return Loop.break();
      });
    },
    code: /2 loop "charge"\s+<- another kind/,
  },
};

describe.each(KINDS)("on %s", (kind) => {
  test.each(Object.keys(CHANGED))(
    "P12 %s parks the run: nothing runs, nothing is recorded, and the old code goes on",
    async (what) => {
      const { middle, code } = CHANGED[what] as (typeof CHANGED)[string];
      const rejections = unhandled();
      const world = new World(kind);
      const before: string[] = [];
      const old = orderWith(RECORDED, before);
      const first = world.open([old]);
      await first.create(old, "42");
      await until(() => before.length === 2);
      await quiet(first);
      crash(first);

      const ran: string[] = [];
      const changed = orderWith(middle, ran);
      const second = world.open([changed]);
      const handle = second.get(changed, "42");
      const error = (await handle.result().then(String, (error: unknown) => error)) as PawlError;
      expect(error).toMatchObject({ code: "history_diverged" });
      says(error.message, { where: /order\/42 has recorded/, do: /./ });
      expect(error.message).toMatch(/recorded\s+1 step "reserve"\s+2 step "charge"/);
      expect(error.message).toMatch(code);
      await expect(handle.result(), "and again").rejects.toMatchObject({ code: "history_diverged" });
      expect(await handle.actions.state(), "actions go on").toEqual({ steps: ["reserve", "charge"] });
      await handle.send("go", "kept for matching code");
      await turns();
      // An early throw runs the `finally` of the code that threw; what is suspended never passes through user code.
      expect(ran.filter((event) => !/^catch TypeError|^finally$/.test(event))).toEqual([]);
      if (!/early|nothing/.test(what)) expect(ran).toEqual([]);
      crash(second);

      const after: string[] = [];
      const back = orderWith(RECORDED, after);
      const third = world.open([back]);
      await third.start();
      expect(await third.get(back, "42").result()).toBe("shipped");
      expect(after).toEqual(["ship", "finally"]);
      expect(await third.get(back, "42").actions.state()).toEqual({ steps: ["reserve", "charge", "ship"] });
      expect(rejections).toEqual([]);
    },
  );
});

test("P12 divergence inside a round of a loop names the round, and passes through no user code around the loop", async () => {
  const world = new World("memory");
  const ran: string[] = [];
  const looping = (name: string) =>
    orderWith(async (ctx, step) => {
      await ctx.loop({
        name: "items",
        state: 0,
        run: async (ctx, round) => {
          await step(ctx, name);
          await ctx.queue.next("go");
          return round === 1 ? Loop.break() : Loop.continue(round + 1);
        },
      });
    }, ran);
  const old = looping("pack");
  const first = world.open([old]);
  const handle = await first.create(old, "1");
  await handle.send("go", "1");
  await until(() => ran.length === 2);
  await quiet(first);
  crash(first);
  ran.length = 0;
  const changed = looping("wrap");
  const error = await world
    .open([changed])
    .get(changed, "1")
    .result()
    .then(String, (error: PawlError) => error.message);
  expect(error).toMatch(/recorded\s+1 step "pack"\s+\(in items\/#1\)/);
  expect(error).toMatch(/code\s+1 step "wrap"\s+<- new/);
  expect(ran).toEqual([]);
});

test("P12 a parked run is tried again after a minute, then after two, and fails nobody who does not ask", async () => {
  const world = new World("memory");
  const old = orderWith(RECORDED, []);
  const first = world.open([old]);
  await first.create(old, "1");
  await quiet(first);
  crash(first);
  let calls = 0;
  const changed = orderWith(async () => {
    calls += 1;
  }, []);
  const second = world.open([changed]);
  await second.start();
  await until(() => calls === 1);
  await quiet(second);
  for (const [ms, expected] of [
    [59_999, 1],
    [1, 2],
    [119_999, 2],
    [1, 3],
  ] as const) {
    world.clock.advance(ms);
    await turns();
    await quiet(second);
    expect(calls).toBe(expected);
  }
});

test("P12 a result that is awaited while the run is parked rejects, and one asked for later does not hang", async () => {
  const world = new World("memory");
  const reached = gate();
  const job = (extra: boolean) =>
    actor("job", {
      messages,
      workflow: async (ctx) => {
        await ctx.step("first", () => reached.open());
        if (extra) await ctx.step("second", () => {});
        await ctx.queue.next("go");
      },
    });
  const long = job(true);
  const first = world.open([long]);
  await first.create(long, "1");
  await reached.promise;
  await quiet(first);
  crash(first);
  const short = job(false);
  const second = world.open([short]);
  const waiting = [watch(second.get(short, "1").result()), watch(second.get(short, "1").result())];
  await until(() => waiting.every(({ state }) => state === "rejected"));
  for (const { value } of waiting) expect(value).toMatchObject({ code: "history_diverged" });
});

function refuse(value: unknown): never {
  throw new Error(`refused ${JSON.stringify(value)}`);
}
