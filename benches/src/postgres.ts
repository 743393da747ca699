/**
 * On PostgreSQL: 3-step workflows, 100 at once, beside DBOS Transact on the same server; durable messages between 100 pairs.
 *
 *   npm run postgres -- postgres://user@host:5432/database [rounds]
 *
 * The two take turns, round after round, and what is told is the median: on a machine that has other things to do, only their ratio
 * says something. The database is the one that is named: Pawl's tables go into a schema of this run, DBOS's into one of its own.
 * DBOS has its defaults, but for a connection for each workflow that is under way, which is to its advantage.
 */
import { DBOS } from "@dbos-inc/dbos-sdk";
import { actor, createRuntime, Loop, type Runtime, type } from "pawl";
import { alternate } from "./alternate.ts";

const WORKFLOWS = 3_000;
const DBOS_WORKFLOWS = 200;
const AT_ONCE = 100;
const PAIRS = 100;
const MESSAGES = 200;
/** So many of one pair are under way at once. */
const IN_FLIGHT = 10;

const order = actor("order", {
  workflow: async (ctx) => {
    const one = await ctx.step("one", () => 1);
    const two = await ctx.step("two", () => one + 1);
    return ctx.step("three", () => two + 1);
  },
});

let taken = 0;
let allTaken = () => {};
const receiver = actor("receiver", {
  messages: { note: type<number>() },
  workflow: async (ctx) => {
    await ctx.loop("notes", async (ctx) => {
      await ctx.queue.next("note");
      taken += 1;
      if (taken === PAIRS * MESSAGES) allTaken();
      return Loop.continue();
    });
  },
});

const sender = actor("sender", {
  actions: { tell: (c, key: string, n: number) => c.get(receiver, key).send("note", n) },
});

const actors = [order, receiver, sender] as const;

/** Runs `count` of something, so many at once. Returns how many there were in a second. */
async function rate(count: number, atOnce: number, run: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const began = performance.now();
  const work = async () => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return (count * 1_000) / (performance.now() - began);
}

let orders = 0;

function workflows(runtime: Runtime<typeof actors>): Promise<number> {
  return rate(WORKFLOWS, AT_ONCE, async () => (await runtime.create(order, `o${orders++}`)).result());
}

let rounds = 0;

/** Each message is a change of its sender and one of its receiver; over when the last has been taken. */
async function messages(runtime: Runtime<typeof actors>): Promise<number> {
  const round = rounds++;
  const key = (n: number) => `${round}-${n}`;
  await Promise.all(Array.from({ length: PAIRS }, (_, n) => runtime.create(receiver, key(n))));
  const done = new Promise<void>((resolve) => {
    [taken, allTaken] = [0, resolve];
  });
  const began = performance.now();
  const tell = (n: number) => runtime.get(sender, key(n % PAIRS)).actions.tell(key(n % PAIRS), n);
  await rate(PAIRS * MESSAGES, PAIRS * IN_FLIGHT, tell);
  await done;
  return (PAIRS * MESSAGES * 1_000) / (performance.now() - began);
}

function registered(): () => Promise<number> {
  const step = (name: string, value: number) => DBOS.runStep(async () => value, { name });
  const run = async () => {
    const one = await step("one", 1);
    const two = await step("two", one + 1);
    return step("three", two + 1);
  };
  return DBOS.registerWorkflow(run, { name: "order" });
}

function median(samples: readonly number[]): number {
  return [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? Number.NaN;
}

function told(samples: readonly number[]): string {
  return `${median(samples).toFixed(0)} in a second (${samples.map((sample) => sample.toFixed(0)).join(", ")})`;
}

const [given, wanted = "5"] = process.argv.slice(2);
if (given === undefined) throw new Error("which database? npm run postgres -- postgres://user@host:5432/database");
const [address] = given.split("?") as [string];
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const stamp = Date.now();
DBOS.setConfig({
  name: "pawl-benches",
  systemDatabaseUrl: address,
  systemDatabaseSchemaName: `bench_dbos_${stamp}`,
  systemDatabasePoolSize: AT_ONCE,
  logLevel: "error",
});
const peer = registered();
await DBOS.launch();
const runtime = createRuntime({ actors, store: `${address}?schema=bench_${stamp}`, logger: silent });
try {
  const measures = {
    pawl: () => workflows(runtime),
    dbos: () => rate(DBOS_WORKFLOWS, AT_ONCE, peer),
    messages: () => messages(runtime),
  };
  const samples = await alternate(measures, Number(wanted), (doing) => process.stderr.write(`${doing}\n`));
  const ratio = median(samples.pawl) / median(samples.dbos);
  console.log(`workflows   ${told(samples.pawl)}, of 3 steps, ${AT_ONCE} at once`);
  console.log(`DBOS        ${told(samples.dbos)}: 1 to ${ratio.toFixed(1)} (bar: 1 to 15)`);
  console.log(`messages    ${told(samples.messages)} between ${PAIRS} pairs (bar: 20000)`);
} finally {
  await runtime.close();
  await DBOS.shutdown();
}
