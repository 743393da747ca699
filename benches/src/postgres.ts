/**
 * On PostgreSQL: 3-step workflows, 100 at once, beside DBOS Transact on the same server; durable messages between 100 pairs.
 *
 *   npm run postgres -- postgres://user@host:5432/database
 *
 * The database is the one that is named: Pawl's tables go into a schema of this run, DBOS's into a database beside it. Without
 * `@dbos-inc/dbos-sdk` that part is left out, and said to be.
 */
import { actor, createRuntime, Loop, type Runtime, type } from "pawl";

const WORKFLOWS = 3_000;
const AT_ONCE = 100;
const PAIRS = 100;
const MESSAGES = 100;

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

/** What DBOS Transact is asked for here, of version 4 of its SDK. */
interface Dbos {
  setConfig(config: { name: string; systemDatabaseUrl: string }): void;
  registerWorkflow(run: (n: number) => Promise<number>, options: { name: string }): (n: number) => Promise<number>;
  runStep(run: () => Promise<number>, options: { name: string }): Promise<number>;
  launch(): Promise<void>;
  shutdown(): Promise<void>;
}

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

async function workflows(runtime: Runtime<typeof actors>): Promise<number> {
  const one = async (n: number) => (await runtime.create(order, `o${n}`)).result();
  await rate(AT_ONCE, AT_ONCE, (n) => one(WORKFLOWS + n));
  return rate(WORKFLOWS, AT_ONCE, one);
}

async function messages(runtime: Runtime<typeof actors>): Promise<number> {
  await Promise.all(Array.from({ length: PAIRS }, (_, n) => runtime.create(receiver, `r${n}`)));
  const done = new Promise<void>((resolve) => {
    allTaken = resolve;
  });
  const began = performance.now();
  await rate(PAIRS * MESSAGES, PAIRS, (n) => runtime.get(sender, `s${n % PAIRS}`).actions.tell(`r${n % PAIRS}`, n));
  await done;
  return (PAIRS * MESSAGES * 1_000) / (performance.now() - began);
}

async function dbos(url: string): Promise<number | undefined> {
  // By a name that is not looked up before it is needed: the package may be missing.
  const name = "@dbos-inc/dbos-sdk";
  const sdk = (await import(name).catch(() => undefined)) as { DBOS: Dbos } | undefined;
  if (sdk === undefined) return undefined;
  const { DBOS } = sdk;
  DBOS.setConfig({ name: "pawl-benches", systemDatabaseUrl: url });
  const step = (name: string, value: number) => DBOS.runStep(async () => value, { name });
  const run = DBOS.registerWorkflow(
    async () => {
      const one = await step("one", 1);
      const two = await step("two", one + 1);
      return step("three", two + 1);
    },
    { name: "order" },
  );
  await DBOS.launch();
  try {
    await rate(AT_ONCE, AT_ONCE, run);
    return await rate(WORKFLOWS / 10, AT_ONCE, run);
  } finally {
    await DBOS.shutdown();
  }
}

const [given] = process.argv.slice(2);
if (given === undefined) throw new Error("which database? npm run postgres -- postgres://user@host:5432/database");
const address = given.split("?")[0] as string;
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const store = `${address}?schema=bench_${Date.now()}`;
const runtime = createRuntime({ actors, store, logger: silent });
try {
  const own = await workflows(runtime);
  console.log(`workflows   ${own.toFixed(0)} of 3 steps in a second, ${AT_ONCE} at once`);
  const peer = await dbos(address);
  const compared =
    peer === undefined
      ? "not installed: left out"
      : `${peer.toFixed(0)} in a second: 1 to ${(own / peer).toFixed(1)} (bar: 1 to 15)`;
  console.log(`DBOS        ${compared}`);
  console.log(`messages    ${(await messages(runtime)).toFixed(0)} in a second between ${PAIRS} pairs`);
} finally {
  await runtime.close();
}
