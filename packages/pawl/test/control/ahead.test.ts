/** A replay is handed recorded steps before it asks for them: what it must not notice. */
import { expect, test } from "vitest";
import { type Ctx, crashing, type Flow, playing, rejection, replayed } from "./harness.ts";

const MANY = 600;

const step = (ctx: Ctx, name: string, value: unknown = name) =>
  ctx.step(name, (c) => {
    c.state.notes.push(name);
    return value;
  });

/** Steps s0 to s(count - 1), each with its own number. */
async function counted(ctx: Ctx, count: number): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (let i = 0; i < count; i++) seen.push(await step(ctx, `s${i}`, { i }));
  return seen;
}

/** Runs `before` until it waits for "go", and goes on with `after` in another process. */
async function over(before: Flow, after: Flow) {
  const played = playing(before);
  const { t, code, job, handle } = played;
  await t.create(job, "1");
  await t.until("job", "1", { message: "go" });
  code.flow = after;
  await t.crash();
  await handle.send("go", "").catch(() => {});
  return { ...played, result: handle.result() };
}

const waitingAfter =
  (play: (ctx: Ctx) => Promise<unknown>): Flow =>
  async (ctx) => {
    const seen = await play(ctx);
    await ctx.queue.next("go");
    return seen;
  };

test("a long replay gives every step the outcome that it had, runs no body again, and a copy each time", async () => {
  const flow = waitingAfter((ctx) => counted(ctx, MANY));
  const { result, t } = await over(flow, flow);
  expect(await result).toEqual(Array.from({ length: MANY }, (_, i) => ({ i })));
  const { notes } = (await t.state("job", "1")) as { notes: string[] };
  expect(notes).toHaveLength(MANY);
});

test("the clock of a replay shows the time of each step, and log lines are silent until the last", async () => {
  const times: number[][] = [];
  const flow = waitingAfter(async (ctx) => {
    const seen: number[] = [];
    times.push(seen);
    for (let i = 0; i < 40; i++) {
      if (i % 10 === 9) await ctx.sleep(`nap${i}`, "1s");
      await step(ctx, `s${i}`);
      seen.push(ctx.now());
      ctx.log.info({}, `line ${i}`);
    }
    return seen.length;
  });
  const { t, job } = playing(flow);
  await t.create(job, "1");
  await replayed(t);
  expect(times).toHaveLength(2);
  expect(times[1]).toEqual(times[0]);
  expect(new Set(times[0]).size).toBe(4 + 1);
});

test("steps in another order than they were recorded in, among the others, are each answered with their own outcome", async () => {
  const names = Array.from({ length: 50 }, (_, i) => `s${i}`);
  const flow = (order: readonly string[]) =>
    waitingAfter(async (ctx) => {
      const seen: Record<string, unknown> = {};
      for (const name of order) seen[name] = await step(ctx, name, `of ${name}`);
      return seen;
    });
  const moved = [...names.slice(10, 20), ...names.slice(0, 10), ...names.slice(21), "s20"];
  const { result, t } = await over(flow(names), flow(moved));
  expect(await result).toEqual(Object.fromEntries(names.map((name) => [name, `of ${name}`])));
  expect(await t.state("job", "1")).toEqual({ notes: names });
});

test("a step that is new in the middle of recorded ones parks the run there, undamaged, and old code goes on", async () => {
  const old = waitingAfter((ctx) => counted(ctx, 40));
  const changed = waitingAfter(async (ctx) => {
    await counted(ctx, 13);
    await step(ctx, "new");
  });
  const { result, t, code, handle } = await over(old, changed);
  const error = await rejection(result);
  expect(error.code).toBe("history_diverged");
  expect(error.message).toContain('13 step "s12"    14 step "new"    <- new, before entries that are already recorded');
  code.flow = old;
  await t.crash();
  expect(await handle.result()).toHaveLength(40);
  const { notes } = (await t.state("job", "1")) as { notes: string[] };
  expect(notes).toHaveLength(40);
});

test("code that ends before it has come to all that was handed out parks the run", async () => {
  const { result } = await over(
    waitingAfter((ctx) => counted(ctx, 40)),
    (ctx) => counted(ctx, 30),
  );
  expect((await rejection(result)).code).toBe("history_diverged");
});

test("removed and getVersion among recorded steps do as they do in a replay that asks for each", async () => {
  const { result, t } = await over(
    waitingAfter((ctx) => counted(ctx, 30)),
    waitingAfter(async (ctx) => {
      await counted(ctx, 12);
      const version = await ctx.getVersion("change", 2);
      await ctx.removed("s12", "step");
      for (let i = 13; i < 30; i++) await step(ctx, `s${i}`);
      const later = await ctx.getVersion("later", 2);
      return [version, later];
    }),
  );
  expect(await result).toEqual([1, 2]);
  const { notes } = (await t.state("job", "1")) as { notes: string[] };
  expect(notes).toHaveLength(30);
});

test("a name used twice, and a step begun beside another, are refused in a replay as in a first run", async () => {
  const errors: string[][] = [];
  const flow = waitingAfter(async (ctx) => {
    const seen: string[] = [];
    errors.push(seen);
    const caught = (error: unknown) => seen.push((error as { code: string }).code);
    await counted(ctx, 20);
    await step(ctx, "s3").catch(caught);
    const first = step(ctx, "a");
    await step(ctx, "b").catch(caught);
    await first;
    await step(ctx, "c");
    return undefined;
  });
  const { t, job } = playing(flow);
  await t.create(job, "1");
  await replayed(t);
  expect(errors[0]).toHaveLength(2);
  expect(errors[1]).toEqual(errors[0]);
});

test("tried steps, failed ones, handlers and scopes between plain steps come back as they were, after a crash at any batch", async () => {
  const flow: Flow = async (ctx) => {
    const seen: unknown[] = [];
    for (let round = 0; round < 3; round++) {
      const name = (what: string) => `${what}${round}`;
      seen.push(await step(ctx, name("a")), await ctx.tryStep(name("b"), () => round));
      seen.push(await ctx.tryStep({ name: name("c"), run: () => Promise.reject(new Error("no")), maxRetries: 0 }));
      seen.push(await ctx.step({ name: name("d"), run: () => round, rollback: () => {} }), await step(ctx, name("e")));
      seen.push(await ctx.try(name("t"), async (ctx) => [await step(ctx, "x"), await step(ctx, "y")]));
      seen.push(await ctx.join(name("j"), { p: (ctx) => step(ctx, "p"), q: (ctx) => step(ctx, "q") }));
      seen.push(await step(ctx, name("f")), await step(ctx, name("g")));
    }
    return seen.length;
  };
  await crashing(
    () => flow,
    async (t, handle) => {
      expect(await handle.result()).toBe(27);
      const { notes } = (await t.state("job", "1")) as { notes: string[] };
      expect(notes).toHaveLength(3 * 8);
    },
  );
});

test("a run that is cancelled while its replay is answered ahead hears nothing more, and undoes what it did", async () => {
  const undone: string[] = [];
  const flow = waitingAfter(async (ctx) => {
    await ctx.step({ name: "held", run: () => 1, rollback: () => void undone.push("held") });
    await counted(ctx, 300);
    return 1;
  });
  const { t, job, handle } = playing(flow);
  await t.create(job, "1");
  await t.until("job", "1", { message: "go" });
  await t.crash();
  await Promise.all([t.admin.cancel("job", "1"), handle.result().catch(() => {})]);
  expect(undone).toEqual(["held"]);
});
