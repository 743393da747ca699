/** Actors leave memory when they have nothing to do, and nothing that is for them passes them by. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { actor, type } from "../../src/index.ts";
import { internals } from "../../src/runtime.ts";
import { gate, turns, until, watch } from "../runtime/harness.ts";
import { inMemory, LifeWorld } from "./world.ts";

const counter = actor("counter", {
  state: () => ({ count: 0 }),
  vars: () => ({ loads: 1 }),
  actions: {
    add: (c) => {
      c.state.count += 1;
      c.vars.loads += 1;
      return c.state.count;
    },
    count: (c) => c.state.count,
    loads: (c) => c.vars.loads,
  },
});

/** Notes every message, and each hour, by a workflow that waits for both. */
const clerk = actor("clerk", {
  messages: { note: type<string>() },
  state: () => ({ notes: [] as string[] }),
  actions: { notes: (c) => [...c.state.notes] },
  workflow: async (ctx) => {
    await ctx.loop("days", async (ctx) => {
      const note = await ctx.queue.next("note", { timeout: "1h" });
      await ctx.step("write down", (c) => void c.state.notes.push(note?.body ?? "an hour"));
    });
  },
});

const writer = actor("writer", {
  state: () => ({ sent: 0 }),
  actions: {
    write: (c, to: string, note: string) => {
      c.state.sent += 1;
      c.get(clerk, to).send("note", note);
    },
    later: (c, to: string, note: string) => c.get(clerk, to).send("note", note, { delay: "10m" }),
  },
});
const actors = [counter, clerk, writer] as const;

for (const kind of ["memory", "sqlite"] as const) {
  test(`an actor with nothing to do leaves memory, and comes back as it was, on ${kind}`, async () => {
    const world = new LifeWorld(kind);
    const runtime = world.open(actors);
    const handle = runtime.get(counter, "a");
    await handle.actions.add();
    await world.pass(900);
    expect(inMemory(runtime)).toEqual(["counter/a"]);
    await world.pass(300);
    expect(inMemory(runtime)).toEqual([]);
    expect(await handle.actions.add()).toBe(2);
    expect(await handle.actions.loads(), "vars were made anew").toBe(2);
    await runtime.close();
    const next = world.open(actors);
    expect(await next.get(counter, "a").actions.count()).toBe(2);
  });
}

test("each call keeps an actor in memory for the whole time again", async () => {
  const world = new LifeWorld();
  const runtime = world.open(actors);
  const { actions } = runtime.get(counter, "a");
  for (let i = 0; i < 10; i++) {
    await actions.add();
    await world.pass(800);
  }
  expect(await actions.loads(), "it was loaded once").toBe(11);
});

test("a message wakes an actor that sleeps, and it goes on from its wait", async () => {
  const world = new LifeWorld();
  const runtime = world.open(actors);
  await runtime.create(clerk, "a");
  await world.pass(5_000);
  expect(inMemory(runtime)).toEqual([]);
  await runtime.get(writer, "w").actions.write("a", "from an actor");
  await world.pass(10);
  await runtime.get(clerk, "a").send("note", "from outside");
  await world.pass(10);
  expect(await runtime.get(clerk, "a").actions.notes()).toEqual(["from an actor", "from outside"]);
});

test("an alarm wakes an actor that sleeps, on time", async () => {
  const world = new LifeWorld();
  const runtime = world.open(actors);
  await runtime.create(clerk, "a");
  await world.pass(3_600_000 - 1);
  expect(inMemory(runtime)).toEqual([]);
  await world.pass(1);
  expect(inMemory(runtime)).toEqual(["clerk/a"]);
  expect(await runtime.get(clerk, "a").actions.notes()).toEqual(["an hour"]);
});

test("a message whose time comes while its receiver sleeps wakes it then", async () => {
  const world = new LifeWorld();
  const runtime = world.open(actors);
  await runtime.create(clerk, "a");
  await runtime.get(writer, "w").actions.later("a", "late");
  await world.pass(599_000);
  expect(inMemory(runtime)).toEqual([]);
  await world.pass(1_000);
  expect(await runtime.get(clerk, "a").actions.notes()).toEqual(["late"]);
});

test("an actor whose body runs, or for whose result somebody waits, stays", async () => {
  const [body, acting] = [gate(), gate()];
  const busy = actor("busy", {
    actions: { act: () => acting.promise },
    workflow: async (ctx) => {
      await ctx.step("slow", () => body.promise);
      await ctx.sleep("night", "8h");
    },
  });
  const world = new LifeWorld();
  const runtime = world.open([busy]);
  const handle = await runtime.create(busy, "a");
  const { pump } = runtime[internals];
  const tick = async () => {
    world.clock.moveTo(world.clock.now + 10_000);
    pump?.schedule();
    await turns();
  };
  await tick();
  expect(inMemory(runtime), "a step runs").toEqual(["busy/a"]);
  const call = watch(handle.with({ timeout: "1h" }).actions.act());
  body.open();
  await turns();
  await tick();
  expect(inMemory(runtime), "an action runs").toEqual(["busy/a"]);
  acting.open();
  await until(() => call.state === "resolved");
  const result = watch(handle.result());
  await turns();
  await tick();
  expect(inMemory(runtime), "somebody waits for the result").toEqual(["busy/a"]);
  expect(result.state).toBe("pending");
});

test("when memory is short, every actor goes that has nothing to do", async () => {
  let pressed = false;
  const world = new LifeWorld();
  const runtime = world.open(actors, { isPressed: () => pressed }, { idleAfter: "1h" });
  for (const key of ["a", "b", "c"]) await runtime.get(counter, key).actions.add();
  await world.pass(600_000);
  expect(inMemory(runtime)).toHaveLength(3);
  pressed = true;
  await world.pass(5_000);
  expect(inMemory(runtime)).toEqual([]);
});

test("what is asked of an actor between its leaving and the engine's word finds it loaded again", async () => {
  const world = new LifeWorld();
  const asked: Promise<unknown>[] = [];
  // A sweep asks this first. The engine hears of what is swept in a microtask: this one comes before.
  const isPressed = () => {
    queueMicrotask(() => asked.push(runtime[internals].actor("counter", "a").then((loaded) => loaded.exist())));
    return true;
  };
  const runtime = world.open(actors, { isPressed });
  const { actions } = runtime.get(counter, "a");
  await actions.add();
  for (let i = 2; i < 12; i++) {
    await world.pass(5_000);
    expect(await actions.add()).toBe(i);
  }
  expect(await actions.loads(), "it was loaded again").toBe(2);
  expect(asked.length).toBeGreaterThan(5);
  await Promise.all(asked);
});

/** What happens in a world, to one of two clerks. */
type Event = readonly ["send" | "write" | "later" | "pass" | "sweep" | "crash", 0 | 1, number];

test("whatever comes when, every message is noted once, and in order, across eviction and death", async () => {
  const kinds = ["send", "write", "later", "pass", "sweep", "crash"] as const;
  const event = fc.tuple(fc.constantFrom(...kinds), fc.constantFrom(0, 1), fc.integer({ min: 1, max: 5 }));
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
      expect(await notes(events)).toEqual(expected(events));
    }),
    { numRuns: 40 },
  );
});

/** What each clerk has noted, by sender. */
async function notes(events: readonly Event[]): Promise<Record<string, string[]>> {
  const world = new LifeWorld();
  let runtime = world.open(actors, {}, { idleAfter: 100 });
  // Whoever makes two calls at once is promised no order: each caller waits for its own.
  const waiting = new Map<string, Promise<unknown>>();
  const after = (caller: string, call: () => Promise<unknown>) =>
    waiting.set(caller, (waiting.get(caller) ?? Promise.resolve()).then(call));
  for (const [index, [kind, which, amount]] of events.entries()) {
    const to = `clerk-${which}`;
    const current = runtime;
    if (kind === "send") after("out", () => current.get(clerk, to).send("note", `out ${index}`));
    else if (kind === "write") after("w", () => current.get(writer, "w").actions.write(to, `w ${index}`));
    else if (kind === "later") after("v", () => current.get(writer, "v").actions.later(to, `v ${index}`));
    else if (kind === "pass") for (let i = 0; i < amount; i++) await undefined;
    else if (kind === "sweep") world.clock.moveTo(world.clock.now + 150);
    else {
      await Promise.all(waiting.values());
      runtime[internals].crash();
      runtime = world.open(actors, {}, { idleAfter: 100 });
      await runtime.start();
    }
  }
  await Promise.all(waiting.values());
  await world.pass(1_200_000);
  const noted: Record<string, string[]> = {};
  for (const which of [0, 1]) {
    const all = await runtime.get(clerk, `clerk-${which}`).actions.notes();
    for (const sender of ["out", "w", "v"])
      noted[`${sender} to ${which}`] = all.filter((note) => note.startsWith(`${sender} `));
  }
  return noted;
}

function expected(events: readonly Event[]): Record<string, string[]> {
  const noted: Record<string, string[]> = {};
  const senders = { send: "out", write: "w", later: "v" } as Record<string, string>;
  for (const which of [0, 1])
    for (const sender of ["out", "w", "v"])
      noted[`${sender} to ${which}`] = events.flatMap(([kind, to], index) =>
        senders[kind] === sender && to === which ? [`${sender} ${index}`] : [],
      );
  return noted;
}
