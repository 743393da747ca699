import { describe, expect, test } from "vitest";
import { actor, Loop, RAW_STATE, type } from "../../src/index.ts";
import { crash, gate, KINDS, struck, turns, until, World } from "./harness.ts";

describe.each(KINDS)("on %s", (kind) => {
  test("P9 a step's idempotency key is the same over attempts, reruns, crashes and retries after a reopen", async () => {
    const world = new World(kind);
    const keys: string[] = [];
    const reached = gate();
    const goOn = gate();
    const jobThat = (body: (attempt: number, overtaken: boolean) => Promise<void>) =>
      actor("job", {
        state: () => ({ count: 0 }),
        actions: { add: (c) => void (c.state.count += 1) },
        steps: { retryBackoffBase: 0, retryBackoffMax: 0 },
        workflow: (ctx) =>
          ctx.step("work", async (c) => {
            keys.push(c.idempotencyKey);
            const { count } = c.state;
            await body(c.attempt, count > 0);
            c.state.count = count + 1;
          }),
      });
    const dying = jobThat(async (attempt, overtaken) => {
      if (attempt === 1) throw new Error("once");
      if (!overtaken) return goOn.promise;
      reached.open();
      await new Promise(() => {});
    });
    const runtime = world.open([dying]);
    const handle = await runtime.create(dying, "1");
    await until(() => keys.length === 2);
    await handle.actions.add();
    goOn.open();
    await reached.promise;
    crash(runtime);
    const living = jobThat(async () => {});
    await world.open([living]).get(living, "1").result();
    expect(keys, "failed, overtaken, crashed, done").toHaveLength(4);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(keys).size).toBe(1);
  });

  test("P9 a message is taken exactly once, whichever batch is lost", async () => {
    for (const fault of ["lose_before", "lose_after"]) {
      for (let at = 1; ; at++) {
        const world = new World(kind);
        if (!(await takesEachOnce(world, fault, at))) break;
        expect(at, "the program ends").toBeLessThan(30);
      }
    }
  });
});

/** Sends three messages, loses a batch, sends again what was not confirmed; false if there is no such batch. */
async function takesEachOnce(world: World, kind: string, at: number): Promise<boolean> {
  const till = actor("till", {
    messages: { coin: type<string>() },
    state: () => ({ coins: [] as string[] }),
    actions: { coins: (c) => c[RAW_STATE]().coins },
    workflow: (ctx) =>
      ctx.loop("coins", async (ctx) => {
        const coin = await ctx.queue.next("coin");
        const count = await ctx.step("keep", (c) => c.state.coins.push(coin.body));
        return coin.body === "last" ? Loop.break(count) : Loop.continue();
      }),
  });
  const sent = new Map<string, "yes" | "unknown">();
  const broken = world.open([till], { fault: { kind, at } });
  const all = (async () => {
    const handle = await broken.create(till, "1");
    for (const coin of ["a", "b", "c"]) {
      sent.set(coin, "unknown");
      await handle.send("coin", coin);
      sent.set(coin, "yes");
    }
  })().catch(() => {});
  let done = false;
  void all.then(() => {
    done = true;
  });
  await until(() => done || struck(broken));
  await turns();
  const hit = struck(broken);
  crash(broken);
  await all;
  const handle = await world.open([till]).create(till, "1");
  await handle.send("coin", "last");
  await handle.result();
  const coins = await handle.actions.coins();
  expect(new Set(coins).size, `${kind} ${at}: ${coins}`).toBe(coins.length);
  for (const [coin, confirmed] of sent) if (confirmed === "yes") expect(coins, `${kind} ${at}`).toContain(coin);
  expect(coins, "in the order of sending").toEqual(
    [...coins].sort((a, b) => Number(a === "last") - Number(b === "last") || a.localeCompare(b)),
  );
  return hit;
}

test("P9 keys differ by step, round, actor, type, namespace and store", async () => {
  const keys: string[] = [];
  const named = <N extends string>(name: N) =>
    actor(name, {
      workflow: async (ctx) => {
        const note = async (c: { readonly idempotencyKey: string }) => void keys.push(c.idempotencyKey);
        await ctx.step("one", note);
        await ctx.step("two", note);
        await ctx.loop({
          name: "rounds",
          state: 1,
          run: async (ctx, round) => {
            await ctx.step("one", note);
            return round === 2 ? Loop.break() : Loop.continue(round + 1);
          },
        });
      },
    });
  const [job, task] = [named("job"), named("task")];
  const world = new World("memory");
  const runtime = world.open([job, task]);
  await runtime.get(job, "1").result();
  await runtime.get(job, "2").result();
  await runtime.get(task, "1").result();
  crash(runtime);
  await world.open([job], {}, { namespace: "other" }).get(job, "1").result();
  await new World("memory").open([job]).get(job, "1").result();
  expect(keys).toHaveLength(20);
  expect(new Set(keys).size).toBe(20);
});

test("P9 each call of an action has a key of its own", async () => {
  const job = actor("job", { actions: { key: (c) => c.idempotencyKey } });
  const { actions } = new World("memory").open([job]).get(job, "1");
  const keys = await Promise.all(Array.from({ length: 10 }, () => actions.key()));
  expect(new Set(keys).size).toBe(10);
  for (const key of keys) expect(key).toMatch(/^[0-9a-f]{32}$/);
});

test("P9 an attempt that is over is never given an empty key: stale_step", async () => {
  const world = new World("memory");
  const goOn = gate();
  const reached = gate();
  let late: unknown;
  let body = Promise.resolve();
  const job = actor("job", {
    workflow: (ctx) =>
      ctx.step("work", (c) => {
        reached.open();
        body = goOn.promise.then(() => {
          try {
            late = c.idempotencyKey;
          } catch (error) {
            late = error;
          }
        });
        return body;
      }),
  });
  const runtime = world.open([job]);
  await runtime.create(job, "1");
  await reached.promise;
  crash(runtime);
  goOn.open();
  await body;
  expect(late).toMatchObject({ code: "stale_step" });
});

test("P9 messages are taken in the order in which they came, each wait taking only what it names", async () => {
  const desk = actor("desk", {
    messages: { a: type<number>(), b: type<number>(), c: type<number>() },
    workflow: async (ctx) => {
      const taken: unknown[] = [];
      for (const [label, names] of Object.entries({
        x: ["b"],
        y: ["a", "c"],
        z: ["a", "b", "c"],
        w: ["a", "b", "c"],
      } as const)) {
        const { name, body, id, sentAt } = await ctx.queue.next(label, { names });
        taken.push([name, body]);
        ids.add(id);
        expect(sentAt).toBe(world.clock.now);
      }
      return taken;
    },
  });
  const ids = new Set<string>();
  const world = new World("memory");
  const handle = await world.open([desk]).create(desk, "1");
  await Promise.all([handle.send("a", 1), handle.send("c", 2), handle.send("a", 3), handle.send("b", 4)]);
  expect(await handle.result()).toEqual([
    ["b", 4],
    ["a", 1],
    ["c", 2],
    ["a", 3],
  ]);
  expect(ids.size).toBe(4);
});
