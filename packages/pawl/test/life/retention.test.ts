/** What is over goes: the workflow that has ended, then what is known of the actor that was destroyed. */
import { expect, test } from "vitest";
import { actor, type Runtime, type } from "../../src/index.ts";
import { crash } from "../runtime/harness.ts";
import { inMemory, LifeWorld } from "./world.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const keys: string[] = [];
const order = actor("order", {
  input: type<{ fails?: boolean }>(),
  state: () => ({ notes: 0 }),
  events: { noted: type<number>() },
  connection: {},
  actions: {
    note: (c) => {
      c.state.notes += 1;
      return c.state.notes;
    },
    notes: (c) => c.state.notes,
  },
  workflow: async (ctx, input) => {
    await ctx.step("charge", (c) => void keys.push(c.idempotencyKey));
    if (input.fails) await ctx.step({ name: "ship", maxRetries: 0, run: () => Promise.reject(new Error("no")) });
  },
});
const retention = { ended: HOUR, destroyed: HOUR };
const actors = [order] as const;

async function names(runtime: Runtime): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of runtime.admin.list()) found.push(key);
  return found;
}

/** Lets time pass until an actor is not listed. What makes it short is planned by a thread, whose time is not that of the clock. */
async function forgotten(world: LifeWorld, runtime: Runtime, key: string): Promise<void> {
  while ((await names(runtime)).includes(key)) await world.pass(1_000);
}

async function refusal(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => "none",
    (error: { code?: string }) => error.code ?? "other",
  );
}

for (const kind of ["memory", "sqlite"] as const) {
  test(`a workflow that has ended is destroyed after its time, and forgotten after another, on ${kind}`, async () => {
    const world = new LifeWorld(kind);
    const runtime = world.open(actors, {}, { retention });
    const [done, failed] = [
      await runtime.create(order, "done", {}),
      await runtime.create(order, "failed", { fails: true }),
    ];
    await done.result();
    await failed.result().catch(() => {});
    await world.pass(HOUR - MINUTE);
    expect(inMemory(runtime), "they sleep").toEqual([]);
    expect(await done.actions.notes()).toBe(0);
    await world.pass(2 * MINUTE);
    expect(await refusal(done.actions.notes())).toBe("actor_destroyed");
    expect(await refusal(failed.actions.notes())).toBe("actor_destroyed");
    await world.pass(HOUR - 2 * MINUTE);
    expect(await names(runtime)).toEqual(["done", "failed"]);
    await world.pass(3 * MINUTE);
    for (const key of ["done", "failed"]) await forgotten(world, runtime, key);
    expect(await refusal(done.actions.notes())).toBe("actor_not_found");
    expect(inMemory(runtime), "nobody is left in memory").not.toContain("order/failed");
  });

  test(`an actor that is written to before its time is up stays, and so does one without the option, on ${kind}`, async () => {
    const world = new LifeWorld(kind);
    const runtime = world.open(actors, {}, { retention });
    const handle = await runtime.create(order, "used", {});
    await handle.result();
    for (let turn = 1; turn <= 3; turn++) {
      await world.pass(HOUR - MINUTE);
      expect(await handle.actions.note()).toBe(turn);
    }
    await world.pass(HOUR + MINUTE);
    expect(await refusal(handle.actions.note())).toBe("actor_destroyed");
    const keeps = new LifeWorld(kind);
    const other = keeps.open(actors);
    const kept = await other.create(order, "kept", {});
    await kept.result();
    await keeps.pass(1_000 * HOUR);
    expect(await kept.actions.note()).toBe(1);
  });

  test(`a key that was forgotten is used again by a new incarnation, with new keys for the outside, on ${kind}`, async () => {
    const world = new LifeWorld(kind);
    keys.length = 0;
    for (let life = 0; life < 3; life++) {
      const runtime = world.open(actors, {}, { retention: { destroyed: MINUTE } });
      const handle = await runtime.create(order, "again", {});
      await handle.result();
      expect(await handle.actions.note(), "nothing of the one before it is left").toBe(1);
      await handle.destroy();
      expect(await refusal(handle.actions.note())).toBe("actor_destroyed");
      await world.pass(2 * MINUTE);
      await forgotten(world, runtime, "again");
      await runtime.close();
    }
    expect(new Set(keys).size).toBe(3);
  });

  test(`what was due while no process ran goes when the next one starts, on ${kind}`, async () => {
    const world = new LifeWorld(kind);
    const first = world.open(actors, {}, { retention });
    const handle = await first.create(order, "due", {});
    await handle.result();
    crash(first);
    world.clock.moveTo(world.clock.now + 2 * HOUR);
    const second = world.open(actors, {}, { retention });
    await second.start();
    await world.pass(MINUTE);
    expect(await refusal(second.get(order, "due").actions.notes())).toBe("actor_destroyed");
    await world.pass(2 * HOUR);
    await forgotten(world, second, "due");
  });
}

test("an actor whose client is connected stays, and its time counts from when that is gone", async () => {
  const world = new LifeWorld();
  const runtime = world.open(actors, {}, { retention });
  const handle = await runtime.create(order, "watched", {});
  await handle.result();
  const connection = await handle.connect();
  await world.pass(3 * HOUR);
  expect(await handle.actions.notes()).toBe(0);
  await connection[Symbol.asyncDispose]();
  await world.pass(HOUR - MINUTE);
  expect(await handle.actions.notes()).toBe(0);
  await world.pass(2 * MINUTE);
  expect(await refusal(handle.actions.notes())).toBe("actor_destroyed");
});

test("show says when an actor that has ended goes", async () => {
  const world = new LifeWorld();
  const runtime = world.open(actors, {}, { retention });
  const handle = await runtime.create(order, "shown", {});
  await handle.result();
  const ended = world.clock.now;
  expect((await runtime.admin.show("order", "shown")).alarm).toBe(ended + HOUR);
  await world.pass(MINUTE);
  expect((await runtime.admin.show("order", "shown")).alarm).toBe(ended + HOUR);
});

test("a large actor goes in slices while others work, and a process that dies in between is gone on with", async () => {
  const world = new LifeWorld("sqlite");
  const first = world.open(actors, {}, { retention: { ...retention, destroyed: MINUTE } });
  const [large, small] = [await first.create(order, "large", {}), await first.create(order, "small", {})];
  for (let turn = 0; turn < 3_000; turn += 100)
    await Promise.all(Array.from({ length: 100 }, () => large.actions.note()));
  await large.destroy();
  expect(await small.actions.note()).toBe(1);
  crash(first);
  const second = world.open(actors, {}, { retention: { ...retention, destroyed: MINUTE } });
  await second.start();
  await world.pass(2 * MINUTE);
  await forgotten(world, second, "large");
  expect(await names(second)).toEqual(["small"]);
  const anew = await second.create(order, "large", {});
  expect(await anew.actions.note()).toBe(1);
  expect(await second.get(order, "small").actions.note()).toBe(2);
}, 60_000);

test.each([
  ["ended", -1],
  ["destroyed", "soon"],
])("retention.%s of %s is refused", async (bound, value) => {
  const open = () => new LifeWorld().open(actors, {}, { retention: { [bound]: value } as never });
  expect(open).toThrow(new RegExp(`retention.${bound}`));
});
