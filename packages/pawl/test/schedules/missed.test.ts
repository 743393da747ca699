/** What becomes of times at which no process was there, at which the clock jumped, and at which the code was another. */
import { expect, test } from "vitest";
import { actor } from "../../src/index.ts";
import { internals } from "../../src/runtime.ts";
import { VirtualClock } from "../../src/testing/clock.ts";
import { LifeWorld } from "../life/world.ts";
import { quiet } from "../runtime/harness.ts";

const HOUR = 3_600_000;
type Every = { every: "1h" | "2h" | "10s" } | { cron: string };

/** `at`: the hours since the world began at which it ran. */
function beater(
  world: LifeWorld,
  began: number,
  schedules: Record<string, Every & { missed?: "once" | "skip" | "all" }>,
) {
  const run = (name: string) => (c: { state: { at: string[] } }) =>
    void c.state.at.push(`${name} ${Math.round(((world.clock.now - began) / HOUR) * 100) / 100}`);
  const all = Object.entries(schedules).map(([name, schedule]) => [name, { ...schedule, run: run(name) }]);
  return actor("beater", {
    state: () => ({ at: [] as string[] }),
    actions: { at: (c) => [...c.state.at] },
    schedules: Object.fromEntries(all) as {},
  });
}

type Beater = ReturnType<typeof beater>;

/** A process with this code, until it is killed. */
async function life(world: LifeWorld, of: Beater, hours: number): Promise<string[]> {
  const runtime = world.open([of], {}, { idleAfter: "1h" });
  await runtime.start();
  await runtime.create(of, "b");
  await world.pass(hours * HOUR);
  const at = await runtime.get(of, "b").actions.at();
  await quiet(runtime);
  runtime[internals].crash();
  return at;
}

test.each([
  ["once", ["b 1", "b 2", "b 5.5", "b 6", "b 7"]],
  ["skip", ["b 1", "b 2", "b 6", "b 7"]],
  ["all", ["b 1", "b 2", "b 5.5", "b 5.5", "b 5.5", "b 6", "b 7"]],
] as const)("what was missed while no process was there runs as it says: %s", async (missed, expected) => {
  const world = new LifeWorld("sqlite");
  const of = beater(world, world.clock.now, { b: { every: "1h", missed } });
  await life(world, of, 2.5);
  world.clock.moveTo(world.clock.now + 3 * HOUR);
  expect(await life(world, of, 1.6)).toEqual(expected);
});

test("what is late by less than a minute was not missed", async () => {
  const world = new LifeWorld("sqlite");
  const of = beater(world, world.clock.now, { b: { every: "1h", missed: "skip" } });
  await life(world, of, 0.5);
  world.clock.moveTo(world.clock.now + HOUR / 2 + 50_000);
  expect(await life(world, of, 0.1)).toEqual(["b 1.01"]);
});

test("a clock that goes forwards is a time that was missed; one that goes back makes nothing run twice", async () => {
  const world = new LifeWorld("sqlite");
  const of = beater(world, world.clock.now, { b: { every: "1h" } });
  await life(world, of, 1.5);
  world.clock.moveTo(world.clock.now + 10 * HOUR);
  await life(world, of, 0.1);
  const ahead = world.clock;
  Object.assign(world, { clock: new VirtualClock(ahead.now - 5 * HOUR) });
  expect(await life(world, of, 3)).toEqual(["b 1", "b 11.5"]);
  expect(await life(world, of, 3)).toEqual(["b 1", "b 11.5", "b 12"]);
});

test("a schedule that the code changes, adds or drops is so at once, also of actors that sleep", async () => {
  const world = new LifeWorld("sqlite");
  const began = world.clock.now;
  await life(world, beater(world, began, { old: { every: "2h" }, b: { every: "2h" } }), 0.5);
  const next = beater(world, began, { b: { every: "1h" }, fresh: { cron: "13 22 * * *" } });
  const runtime = world.open([next]);
  await runtime.start();
  // Nobody has asked for it, and no time of its old schedule has come.
  await world.pass(1.2 * HOUR);
  await world.pass(25 * HOUR);
  const at = await runtime.get(next, "b").actions.at();
  expect(at[0]).toBe("b 1.5");
  expect(at.filter((line) => line.startsWith("fresh"))).toHaveLength(1);
  expect(at.filter((line) => line.startsWith("old"))).toEqual([]);
  expect(at.filter((line) => line.startsWith("b"))).toHaveLength(26);
});

test("actors whose type had no schedules before are gone through once, and again when it has had none meanwhile", async () => {
  const world = new LifeWorld("sqlite");
  const began = world.clock.now;
  await life(world, beater(world, began, {}), 1);
  const with_ = beater(world, began, { b: { every: "1h" } });
  for (const code of [with_, with_, beater(world, began, {}), with_]) {
    const runtime = world.open([code]);
    await runtime.start();
    await world.pass(1.5 * HOUR);
    await runtime.close();
  }
  const runtime = world.open([with_]);
  expect(await runtime.get(with_, "b").actions.at()).toEqual(["b 2", "b 3", "b 4", "b 6.5"]);
});

test("what was due before the code changed still runs, and the next time is the new code's", async () => {
  const world = new LifeWorld("sqlite");
  const began = world.clock.now;
  await life(world, beater(world, began, { b: { every: "1h", missed: "all" } }), 0.5);
  world.clock.moveTo(began + 1.5 * HOUR);
  expect(await life(world, beater(world, began, { b: { every: "2h", missed: "all" } }), 2)).toEqual(["b 1.5", "b 3"]);
});
