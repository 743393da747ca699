/** A store copied into another one, of whatever kind, while it is in use: the copy is a moment of it, whole. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { actor, createRuntime, type PawlError, type Runtime, type Status, type } from "pawl";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const CLI = join(dirname(fileURLToPath(import.meta.url)), "../../packages/pawl/dist/cli.cjs");
const silent = { debug() {}, info() {}, warn() {}, error() {} };
let server: PostgresServer;
let made = 0;
const open: Runtime[] = [];
const folder: string = mkdtempSync(join(tmpdir(), "pawl-copy-"));

beforeAll(async () => {
  if (isInstalled()) server = await PostgresServer.start();
  else if (process.env["CI"] === undefined) console.warn(MISSING);
  else throw new Error(MISSING);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((runtime) => runtime.close({ grace: 0 })));
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

const purse = actor("purse", {
  messages: { pay: type<number>() },
  state: () => ({ amount: 1_000, filler: "" }),
  actions: {
    give: (c, to: string, amount: number) => {
      c.state.amount -= amount;
      c.get(purse, to).send("pay", amount);
    },
    read: (c): number => c.state.amount,
    fill: (c, filler: string) => {
      c.state.filler = filler;
    },
  },
  receive: { pay: (c, amount) => void (c.state.amount += amount) },
});

const order = actor("order", {
  input: type<{ item: string }>(),
  messages: { approve: type<string>() },
  state: () => ({ steps: [] as string[] }),
  workflow: async (ctx, { item }): Promise<string> => {
    await ctx.step("reserve", (c) => void c.state.steps.push(`reserve ${item}`));
    const { body } = await ctx.queue.next("approve");
    await ctx.sleep("cool down", 20);
    return ctx.step("ship", (c) => {
      c.state.steps.push(`ship for ${body}`);
      return c.state.steps.join(", ");
    });
  },
});

const actors = [purse, order] as const;
type Shop = Runtime<typeof actors>;

const KINDS = ["memory", "sqlite", "postgres"] as const;
type Kind = (typeof KINDS)[number];

function newStore(kind: Kind): string {
  made += 1;
  if (kind === "memory") return `memory:copy-${made}`;
  return kind === "sqlite" ? `sqlite:${folder}/${made}.db` : server.url(`copy_${made}`, "&lease=1000");
}

function start(store: string): Shop {
  const runtime = createRuntime({ actors, store, logger: silent });
  open.push(runtime as unknown as Runtime);
  return runtime;
}

async function total(runtime: Shop): Promise<number> {
  const amounts = await Promise.all([0, 1, 2, 3].map((n) => runtime.get(purse, `p${n}`).actions.read()));
  return amounts.reduce((sum, amount) => sum + amount);
}

async function eventually(reached: () => Promise<boolean>): Promise<void> {
  while (!(await reached())) await new Promise((resolve) => setTimeout(resolve, 5));
}

const rejected = (promise: Promise<unknown>): Promise<PawlError> =>
  promise.then(
    () => expect.fail("it resolved"),
    (error) => error,
  );
const pairs = KINDS.flatMap((from) => KINDS.map((to) => [from, to] as const));

describe.runIf(isInstalled())("copyTo", () => {
  test.each(pairs)("a store in use is copied whole from %s to %s, and everything goes on there", async (from, to) => {
    const [source, target] = [newStore(from), newStore(to)];
    const shop = start(source);
    await shop.create(order, "o", { item: "tea" });
    await eventually(async () => (await shop.admin.show("order", "o")).history.length > 0);
    // Enough for snapshots, with changes behind them.
    for (let n = 0; n < 12; n++) await shop.get(purse, "p0").actions.fill(`${n}`.repeat(40_000));
    let paying = true;
    const payments = [0, 1, 2, 3].map(async (n) => {
      for (let to = n + 1; paying; to++) await shop.get(purse, `p${n}`).actions.give(`p${to % 4}`, 1);
    });
    const { actors: copied } = await shop.admin.copyTo(target);
    paying = false;
    await Promise.all(payments);
    expect(copied).toBeGreaterThanOrEqual(2);

    const copy = start(target);
    await eventually(async () => (await total(copy)) === 4_000);
    await copy.get(order, "o").send("approve", "ann");
    expect(await copy.get(order, "o").result()).toBe("reserve tea, ship for ann");
    expect((await copy.admin.show("order", "o")).actorState).toEqual({ steps: ["reserve tea", "ship for ann"] });
    // What was copied does not know of it.
    expect((await shop.admin.show("order", "o")).state).toBe("waiting");
    await eventually(async () => (await total(shop)) === 4_000);
  });

  test.each(KINDS)("a target on %s that has something in it is refused, and is as it was", async (kind) => {
    const [source, target] = [start(newStore("sqlite")), newStore(kind)];
    await source.create(order, "o", { item: "tea" });
    const other = start(target);
    await other.get(purse, "p0").actions.give("p1", 5);
    expect((await rejected(source.admin.copyTo(target))).code).toBe("store_in_use");
    await other.close();
    const error = await rejected(source.admin.copyTo(target));
    expect(error.code).toBe("store_not_empty");
    expect(error.message).toMatch(/found +\d actors/);
    const again = start(target);
    await eventually(async () => (await again.get(purse, "p1").actions.read()) === 1_005);
    expect(await listed(again)).toEqual(["purse/p0", "purse/p1"]);
  });

  test("a copy keeps the store's id and gets epochs that no actor has had", async () => {
    const stores = [newStore("postgres"), newStore("sqlite"), newStore("postgres")] as const;
    const facts = (store: string) => {
      const schema = /schema=(\w+)/.exec(store)?.[1];
      const id = server.sql(`SELECT value FROM ${schema}.meta WHERE key = 'id'`).trim();
      return { id, epoch: BigInt(server.sql(`SELECT max(epoch) FROM ${schema}.actor`).trim()) };
    };
    const runtimes = stores.map(start);
    for (const [n, runtime] of runtimes.entries()) {
      await runtime.get(purse, "p0").actions.give("p0", 1);
      const next = stores[n + 1];
      if (next !== undefined) await runtime.admin.copyTo(next);
    }
    const [first, last] = [facts(stores[0]), facts(stores[2])];
    expect(last.id).toBe(first.id);
    expect(last.epoch).toBeGreaterThan(first.epoch);
  });

  test("npx pawl copy copies beside the process that has the store, and says what is wrong", async () => {
    const [source, target] = [newStore("sqlite"), newStore("postgres")];
    const shop = start(source);
    await shop.create(order, "o", { item: "tea" });
    const copying = ["copy", "--store", source, "--to"];
    expect(JSON.parse(pawl(...copying, target, "--json").stdout)).toEqual({ actors: 1 });
    expect(await listed(start(target))).toEqual(["order/o"]);
    const refused = pawl(...copying, source, "--json");
    expect(refused.status).toBe(1);
    expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: "store_in_use" } });
    expect(pawl("copy", "--store", source).stderr).toContain("was not told where to");
    const nothing = pawl("copy", "--store", server.url("nothing_here"), "--to", newStore("sqlite"));
    expect(nothing.stderr).toContain("no tables in the schema nothing_here");
  });
});

async function listed(runtime: Shop): Promise<string[]> {
  const found: Status[] = [];
  for await (const status of runtime.admin.list()) found.push(status);
  return found.map(({ type, key }) => `${type}/${key}`);
}

function pawl(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}
