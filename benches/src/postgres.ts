/**
 * On PostgreSQL: 3-step workflows, 100 at once, beside DBOS Transact on the same server; durable messages between 100 pairs
 * (`messages.ts`).
 *
 *   npm run postgres -- postgres://user@host:5432/database [rounds]
 *
 * The two take turns, round after round, and what is told is the median: on a machine that has other things to do, only their ratio
 * says something. The database is the one that is named: Pawl's tables go into a schema of this run, DBOS's into one of its own.
 * DBOS has its defaults, but for a connection for each workflow that is under way, which is to its advantage.
 */
import { DBOS } from "@dbos-inc/dbos-sdk";
import { actor, createRuntime, type Runtime } from "pawl";
import { alternate } from "./alternate.ts";
import {
  described,
  type Manner,
  type Messengers,
  messages,
  actors as messengerActors,
  PAIRS,
  sender,
} from "./messages.ts";

const WORKFLOWS = 3_000;
const DBOS_WORKFLOWS = 200;
const AT_ONCE = 100;

const order = actor("order", {
  workflow: async (ctx) => {
    const one = await ctx.step("one", () => 1);
    const two = await ctx.step("two", () => one + 1);
    return ctx.step("three", () => two + 1);
  },
});

const actors = [order, ...messengerActors] as const;

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
const messengers: Messengers = {
  create: (receiver, key) => runtime.create(receiver, key),
  actionsOf: (key) => runtime.get(sender, key).actions,
};
try {
  const measures = {
    pawl: () => workflows(runtime),
    dbos: () => rate(DBOS_WORKFLOWS, AT_ONCE, peer),
    waiting: () => messages(messengers, "waiting"),
    handling: () => messages(messengers, "handling"),
    draining: () => messages(messengers, "draining"),
  };
  const samples = await alternate(measures, Number(wanted), (doing) => process.stderr.write(`${doing}\n`));
  const ratio = median(samples.pawl) / median(samples.dbos);
  console.log(`workflows   ${told(samples.pawl)}, of 3 steps, ${AT_ONCE} at once`);
  console.log(`DBOS        ${told(samples.dbos)}: 1 to ${ratio.toFixed(1)} (bar: 1 to 15)`);
  console.log(`messages between ${PAIRS} pairs (bar: 20000)`);
  for (const manner of Object.keys(described) as Manner[]) {
    console.log(`  ${manner.padEnd(10)}${told(samples[manner])}: ${described[manner]}`);
  }
} finally {
  await runtime.close();
  await DBOS.shutdown();
}
