/**
 * On SQLite, each commit synced: 3-step workflows, 1,000 at once; beside the peer's engine on a driver of `better-sqlite3` that
 * makes one transaction of what comes in a turn of the event loop, and beside what SQLite itself writes in groups of that size.
 *
 *   npm run sqlite             10,000 workflows of Pawl, 3,000 of the peer
 *   npm run sqlite -- 20000 5000 1000
 *
 * Pawl stores four rows a workflow: its creation, and one for each step, the last of which ends it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { actor, createRuntime } from "pawl";
import { betterSqlite3 } from "./better-sqlite3.ts";
import { type Database, GroupedDatabase } from "./engines/grouped-driver.ts";

const ROWS_A_WORKFLOW = 4;
/** About as many bytes as a step's row has. */
const ROW_BYTES = 120;

const [own = 10_000, peers = 3_000, atOnce = 1_000] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), "pawl-sqlite-"));

/** How many there were in a second, and what the process computed for one, on all its threads, in microseconds. */
interface Found {
  readonly rate: number;
  readonly cpu: number;
}

/** Runs `count` of something, so many at once, after a fifth of them to warm up. */
async function measured(count: number, run: (n: number) => Promise<unknown>): Promise<Found> {
  let next = 0;
  const until = async (end: number) => {
    while (next < end) await run(next++);
  };
  const all = (end: number) => Promise.all(Array.from({ length: atOnce }, () => until(end)));
  const warm = Math.ceil(count / 5);
  await all(warm);
  const [began, computed] = [performance.now(), process.cpuUsage()];
  await all(warm + count);
  const { user, system } = process.cpuUsage(computed);
  return { rate: (count * 1_000) / (performance.now() - began), cpu: (user + system) / count };
}

const order = actor("order", {
  workflow: async (ctx) => {
    const one = await ctx.step("one", () => 1);
    const two = await ctx.step("two", () => one + 1);
    return ctx.step("three", () => two + 1);
  },
});

async function pawl(): Promise<Found> {
  const runtime = createRuntime({ actors: [order], store: `sqlite:${join(folder, "pawl.db")}`, idleAfter: 1_000 });
  await runtime.start();
  const found = await measured(own, async (n) => (await runtime.create(order, `o${n}`)).result());
  await runtime.close();
  return found;
}

async function peer(open: (file: string) => Database): Promise<Found> {
  const { runWorkflow } = await import("@rivetkit/workflow-engine");
  const database = new GroupedDatabase(open(join(folder, "peer.db")));
  const found = await measured(peers, async (n) => {
    const run = runWorkflow(
      `o${n}`,
      async (ctx) => {
        const one = await ctx.step("one", async () => 1);
        const two = await ctx.step("two", async () => one + 1);
        return ctx.step("three", async () => two + 1);
      },
      null,
      database.driver(n),
    );
    return run.result;
  });
  database.close();
  return found;
}

/** How many rows a second SQLite takes, so many a transaction, each synced. */
function rows(open: (file: string) => Database): number {
  const database = open(join(folder, "rows.db"));
  database.exec("CREATE TABLE change (actor TEXT, seq INTEGER, body BLOB, PRIMARY KEY (actor, seq)) WITHOUT ROWID");
  const insert = database.prepare("INSERT INTO change VALUES (?, ?, ?)");
  const body = Buffer.alloc(ROW_BYTES, 7);
  let [written, began] = [0, performance.now()];
  for (let group = 0; written === 0 || performance.now() - began < 2_000; group++) {
    if (group === 20) [written, began] = [0, performance.now()];
    database.exec("BEGIN IMMEDIATE");
    for (let i = 0; i < atOnce; i++) insert.run(`order/o${group}-${i}`, 1, body);
    database.exec("COMMIT");
    written += atOnce;
  }
  const rate = (written * 1_000) / (performance.now() - began);
  database.close();
  return rate;
}

const shown = ({ rate, cpu }: Found) =>
  `${rate.toFixed(0)} workflows of 3 steps in a second, ${cpu.toFixed(0)} us of computing each`;

try {
  const found = await pawl();
  console.log(`Pawl        ${shown(found)} (goal: 30,000)`);
  const installed = betterSqlite3((what) => console.log(what));
  if ("missing" in installed) console.log(`the others  ${installed.missing}`);
  else {
    const Sqlite = createRequire(join(installed.folder, "/"))("better-sqlite3") as new (file: string) => Database;
    const open = (file: string) => {
      const database = new Sqlite(file);
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
      return database;
    };
    const beside = await peer(open);
    console.log(
      `the peer    ${shown(beside)}: 1 to ${(found.rate / beside.rate).toFixed(1)}, by computing 1 to ${(beside.cpu / found.cpu).toFixed(1)} (bar: 1 to 5)`,
    );
    const row = rows(open);
    console.log(
      `SQLite      ${row.toFixed(0)} rows in a second, ${atOnce} a transaction: enough for ${(row / ROWS_A_WORKFLOW).toFixed(0)} workflows`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
