/** What operators see of actors that nobody has loaded, and do from a shell. */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, expectTypeOf, test } from "vitest";
import { actor, createRuntime, type Status, type } from "../../src/index.ts";
import { rejection } from "../control/harness.ts";
import { temporaryFolder } from "../runtime/harness.ts";
import { inMemory, LifeWorld } from "./world.ts";

const CLI = join(dirname(fileURLToPath(import.meta.url)), "../../dist/cli.cjs");

const order = actor("order", {
  messages: { approve: type<string>() },
  state: () => ({ status: "new" }),
  workflow: async (ctx) => {
    await ctx.sleep("a while", "1h");
    const { body } = await ctx.queue.next("approve");
    await ctx.step("ship", (c) => void (c.state.status = body));
  },
});

const flaky = actor("flaky", {
  workflow: async (ctx) => {
    await ctx.step({ name: "call", retryBackoffBase: "1h", retryBackoffMax: "2h", run: () => failing("no answer") });
  },
});

const hopeless = actor("hopeless", {
  workflow: async (ctx) => ctx.step({ name: "call", maxRetries: 0, run: () => failing("gone") }),
});
const plain = actor("plain", { state: () => ({ n: 0 }), actions: { up: (c) => ++c.state.n } });
const actors = [order, flaky, hopeless, plain] as const;

function failing(why: string): never {
  throw new Error(why);
}

async function all(listed: AsyncIterable<Status>): Promise<Status[]> {
  const found: Status[] = [];
  for await (const status of listed) found.push(status);
  return found;
}

const names = (found: readonly Status[]) => found.map(({ type, key }) => `${type}/${key}`);

for (const kind of ["memory", "sqlite"] as const)
  test(`actors are listed by type, key, state and what they wait for, and none is loaded for it, on ${kind}`, async () => {
    const world = new LifeWorld(kind);
    const runtime = world.open(actors);
    for (const key of ["a1", "a2", "b1"]) await runtime.create(order, key);
    await runtime.create(flaky, "f");
    await runtime.create(hopeless, "h");
    await runtime.get(plain, "p").actions.up();
    await world.pass(10_000);
    expect(inMemory(runtime)).toEqual([]);
    const { admin } = runtime;
    expect(names(await all(admin.list()))).toEqual([
      "flaky/f",
      "hopeless/h",
      "order/a1",
      "order/a2",
      "order/b1",
      "plain/p",
    ]);
    expect(names(await all(admin.list({ type: "order", prefix: "a" })))).toEqual(["order/a1", "order/a2"]);
    expect(names(await all(admin.list({ state: "failed" })))).toEqual(["hopeless/h"]);
    expect(names(await all(admin.list({ state: "none" })))).toEqual(["plain/p"]);
    expect(names(await all(admin.list({ waitingFor: "a while", limit: 2 })))).toEqual(["order/a1", "order/a2"]);
    expect(names(await all(admin.list({ after: "order/a1" })))).toEqual(["order/a2", "order/b1", "plain/p"]);
    expect(names(await all(admin.list({ stuckFor: "1h" })))).toEqual([]);
    expect(names(await all(admin.list({ stuckFor: "5s" })))).toEqual(["flaky/f", "order/a1", "order/a2", "order/b1"]);
    expect(inMemory(runtime)).toEqual([]);
    expectTypeOf<Awaited<ReturnType<typeof all>>>().toEqualTypeOf<Status[]>();
  });

test("show tells what an actor waits for, since when, when it goes on, and what has failed last", async () => {
  const world = new LifeWorld();
  const runtime = world.open(actors);
  const begun = world.clock.now;
  for (const definition of [order, flaky, hopeless] as const) await runtime.create(definition, "1");
  await world.pass(10_000);
  const at = begun + 3_600_000;
  expect(await runtime.admin.show("order", "1")).toMatchObject({
    state: "waiting",
    alarm: at,
    waitingFor: [{ kind: "timer", name: "a while", at }],
    actorState: { status: "new" },
    inbox: [],
  });
  const shown = await runtime.admin.show("flaky", "1");
  expect(shown).toMatchObject({
    state: "waiting",
    since: begun,
    waitingFor: [{ kind: "retry", step: "call", attempt: 1, error: { message: "no answer" } }],
    error: { message: "no answer" },
  });
  expect(shown.alarm).toBeGreaterThan(world.clock.now);
  expect(await runtime.admin.show("hopeless", "1")).toMatchObject({ state: "failed", error: { message: /gone/ } });
  expect(inMemory(runtime)).toEqual([]);
  await world.pass(3_600_000);
  expect(await runtime.admin.show("order", "1")).toMatchObject({ waitingFor: [{ kind: "message", names: [] }] });
});

test("a store is copied while it is in use", async () => {
  const file = join(temporaryFolder(), "copy.db");
  const world = new LifeWorld("sqlite");
  const runtime = world.open(actors);
  await runtime.get(plain, "p").actions.up();
  await runtime.admin.backup(file);
  await runtime.get(plain, "p").actions.up();
  expect((await rejection(runtime.admin.backup(file))).message).toContain("is there already");
  const copy = createRuntime({ actors, store: `sqlite:${file}` });
  expect(await copy.get(plain, "p").actions.up()).toBe(2);
  await copy.close();
  expect((await rejection(new LifeWorld().open(actors).admin.backup(file))).code).toBe("bad_argument");
});

test("what is wrong with a filter is said", async () => {
  const runtime = new LifeWorld().open(actors);
  for (const filter of [{ status: "failed" }, { state: "sleeping" }, { limit: -1 }, { stuckFor: "soon" }])
    expect((await rejection(all(runtime.admin.list(filter as object)))).code).toBe("bad_argument");
  expect((await rejection(runtime.admin.backup(""))).code).toBe("bad_argument");
});

function pawl(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: "utf8" });
  return { status, stdout, stderr, lines: stdout.split("\n").filter(Boolean) };
}

test("npx pawl looks into a store beside the process that has it, and changes it once that is gone", async () => {
  const world = new LifeWorld("sqlite");
  const store = ["--store", world.url];
  const runtime = world.open(actors);
  await runtime.create(order, "o 1");
  await runtime.create(hopeless, "h");
  await world.pass(100);
  const listed = pawl("list", "--json", ...store).lines.map((text) => JSON.parse(text) as Status);
  expect(listed).toMatchObject([
    { type: "hopeless", key: "h", state: "failed" },
    { type: "order", key: "o 1", state: "waiting", waitingFor: [{ kind: "timer", name: "a while" }] },
  ]);
  expect(pawl("list", "order", "o", ...store).stdout).toMatch(/^order\/o 1 +waiting .* waits for a while until /);
  expect(pawl("list", "--state", "completed", ...store)).toMatchObject({
    status: 0,
    stdout: "",
    stderr: "no actor is like that\n",
  });
  expect(pawl("show", "order/o 1", ...store).stdout, "as it is printed").toBe(
    pawl("show", "order", "o 1", ...store).stdout,
  );
  expect(pawl("show", "order", "o 1", ...store).stdout).toContain('value     {"status":"new"}');
  expect(JSON.parse(pawl("show", "hopeless", "h", "--json", ...store).stdout)).toMatchObject({
    error: { message: /gone/ },
    history: [{ kind: "step", path: "call" }],
  });
  const refused = pawl("cancel", "order", "o 1", "--json", ...store);
  expect(refused.status).toBe(1);
  expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: "store_in_use" } });
  await runtime.close();
  expect(pawl("cancel", "order", "o 1", ...store)).toMatchObject({ status: 0, stdout: "order/o 1 is cancelled\n" });
  expect(pawl("retry", "hopeless", "h", ...store).status).toBe(0);
  const next = world.open(actors);
  expect((await rejection(next.get(order, "o 1").result())).code).toBe("cancelled");
  expect((await rejection(next.get(hopeless, "h").result())).code, "it was tried again").toBe("workflow_failed");
  expect((await next.admin.show("hopeless", "h")).history[0]?.attempts).toBeGreaterThan(0);
}, 60_000);

test.each([
  [["list"], /no store was named/],
  [["show", "order", "--store", "sqlite:./nowhere.db"], /no actor was named/],
  [["show", "order", "1", "--store", "sqlite:./nowhere.db"], /nowhere.db/],
  [["show", "order", "1", "--store", "mongo:x"], /does not name a store|store/],
  [["list", "--store", "memory:"], /no store was named/],
  [["list", "--state", "sleeping", "--store", "sqlite:./nowhere.db"], /nowhere.db|sleeping/],
])("npx pawl %j says what is wrong", (args, message) => {
  const { status, stderr } = pawl(...args);
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
});
