import { describe, expect, test } from "vitest";
import { actor, type PawlError, RAW_STATE, type } from "../../src/index.ts";
import { batches, COUNTING, crash, KINDS, quiet, turns, until, World } from "./harness.ts";
import { refusal } from "./refusal.ts";

interface V1 {
  name: string;
}

interface V2 {
  first: string;
  last: string;
}

const messages = { rename: type<string>() };

const v1 = actor("person", {
  messages,
  state: (): V1 => ({ name: "Ada Lovelace" }),
  actions: { state: (c) => c[RAW_STATE](), rename: (c, name: string) => void (c.state.name = name) },
  workflow: async (ctx) => (await ctx.queue.next("rename")).body,
});

/** The second version; `migrations` hears of each migration. */
function v2(migrations: unknown[], migrate?: (old: V1) => V2) {
  return actor("person", {
    messages,
    version: 2,
    migrate: (old, from): V2 => {
      migrations.push([old, from]);
      return (migrate ?? split)(old as V1);
    },
    state: (): V2 => ({ first: "", last: "" }),
    actions: { state: (c) => c[RAW_STATE](), marry: (c, last: string) => void (c.state.last = last) },
    workflow: async (ctx) => {
      const { body } = await ctx.queue.next("rename");
      return ctx.step("last name", (c) => `${body} ${c.state.last}`);
    },
  });
}

function split({ name }: V1): V2 {
  const [first = "", last = ""] = name.split(" ");
  return { first, last };
}

const LOVELACE = { first: "Ada", last: "Lovelace" };

describe.each(KINDS)("on %s", (kind) => {
  test("P13 older state is migrated once, as one change of its own, when the actor is next loaded", async () => {
    const world = new World(kind);
    await inV1(world);
    const migrations: unknown[] = [];
    const person = v2(migrations);
    const runtime = world.open([person], COUNTING);
    expect(await runtime.get(person, "1").actions.state()).toEqual(LOVELACE);
    await quiet(runtime);
    expect([batches(runtime), migrations]).toEqual([1, [[{ name: "Ada Lovelace" }, 1]]]);
    await runtime.get(person, "1").actions.marry("King");
    crash(runtime);
    const again = world.open([person]);
    const { actions, send, result } = again.get(person, "1");
    expect(await actions.state()).toEqual({ first: "Ada", last: "King" });
    await send("rename", "Countess");
    expect(await result(), "the run goes on with the new shape").toBe("Countess King");
    expect(migrations).toHaveLength(1);
  });

  test("P13 a migration whose batch is lost is done again; one that was written is not", async () => {
    for (const [fault, expected] of [
      ["lose_before", 2],
      ["lose_after", 1],
    ] as const) {
      const world = new World(kind);
      await inV1(world);
      const migrations: unknown[] = [];
      const person = v2(migrations);
      const runtime = world.open([person], { fault: { kind: fault, at: 1 } });
      await runtime.start();
      await until(() => runtime.get(person, "1") !== undefined && migrations.length === 1);
      await turns();
      crash(runtime);
      expect(await world.open([person]).get(person, "1").actions.state()).toEqual(LOVELACE);
      expect(migrations).toHaveLength(expected);
    }
  });

  test.each(["unknown_written", "unknown_not_written", "refuse"])(
    "P14 a migration that ends in %s leaves state whole and isolated",
    async (fault) => {
      const world = new World(kind);
      await inV1(world);
      const person = v2([]);
      const runtime = world.open([person], { fault: { kind: fault, at: 1 } });
      const { actions } = runtime.get(person, "1");
      const first = await actions.marry("King").catch((error: PawlError) => error.code);
      await actions.marry("King");
      expect(["store_unavailable", undefined]).toContain(first);
      expect(await actions.state()).toEqual({ first: "Ada", last: "King" });
      crash(runtime);
      expect(await world.open([person]).get(person, "1").actions.state()).toEqual({ first: "Ada", last: "King" });
    },
  );

  test("P13 state of a newer version is refused and left alone: state_version", async () => {
    const world = new World(kind);
    const newer = v2([]);
    const runtime = world.open([newer]);
    await runtime.create(newer, "1");
    await runtime.get(newer, "1").actions.marry("King");
    crash(runtime);
    const older = world.open([v1], COUNTING);
    await older.start();
    const { actions, send, result } = older.get(v1, "1");
    for (const use of [
      () => actions.state(),
      () => actions.rename("x"),
      () => send("rename", "x"),
      () => result(),
      () => older.create(v1, "1"),
    ])
      await refusal(use, "state_version", {
        found: /version 2/,
        expected: /version 1 or older/,
        do: /newer/,
        where: /person\/1/,
      });
    expect(batches(older)).toBe(0);
    crash(older);
    expect(await world.open([newer]).get(newer, "1").actions.state()).toEqual({ first: "", last: "King" });
  });

  test("P13 a migration that throws, or returns what cannot be stored, leaves the actor as it was", async () => {
    const world = new World(kind);
    await inV1(world);
    const broken: [string, (old: V1) => V2, string][] = [
      ["throws", () => { throw new Error("no last name"); }, "migration_failed"], // biome-ignore format: one line each
      ["a function", () => ({ ...LOVELACE, greet: () => {} }), "value_not_storable"],
      ["a promise", () => Promise.resolve(LOVELACE) as unknown as V2, "value_not_storable"],
    ];
    for (const [, migrate, code] of broken) {
      const person = v2([], migrate);
      const runtime = world.open([person], COUNTING);
      await runtime.start();
      await refusal(() => runtime.get(person, "1").actions.state(), code, { where: /person\/1/ });
      expect(batches(runtime)).toBe(0);
      crash(runtime);
    }
    const back = world.open([v1]);
    expect(await back.get(v1, "1").actions.state()).toEqual({ name: "Ada Lovelace" });
    crash(back);
    const fixed = v2([]);
    expect(await world.open([fixed]).get(fixed, "1").actions.state()).toEqual(LOVELACE);
  });
});

test("P13 an actor that has work and cannot be loaded is not tried again and again at once", async () => {
  const world = new World("memory");
  await inV1(world);
  let migrations = 0;
  const person = v2([], () => {
    migrations += 1;
    throw new Error("never");
  });
  const runtime = world.open([person]);
  await runtime.start();
  await until(() => migrations > 0);
  await turns(200);
  expect(migrations).toBe(1);
  expect(world.log.at("error")).toHaveLength(1);
});

test("P13 an actor that was made before its type had state gets its first one; with input it cannot", async () => {
  const world = new World("memory");
  const bare = actor("thing", { input: type<number>(), actions: { raw: (c) => c[RAW_STATE]() } });
  const first = world.open([bare]);
  await first.create(bare, "1", 5);
  crash(first);
  const fromInput = actor("thing", {
    input: type<number>(),
    state: (input) => ({ input }),
    actions: { raw: (c) => c[RAW_STATE]() },
  });
  const second = world.open([fromInput]);
  await refusal(() => second.get(fromInput, "1").actions.raw(), "migration_failed", {
    where: /thing\/1/,
    do: /take `input` out/,
  });
  crash(second);
  const third = world.open([bare]);
  expect(await third.get(bare, "1").actions.raw()).toBeUndefined();
});

/** Leaves person/1 in the first version. */
async function inV1(world: World): Promise<void> {
  const runtime = world.open([v1]);
  await runtime.create(v1, "1");
  await quiet(runtime);
  crash(runtime);
}
