/** The peer on `better-sqlite3`, with a driver that makes one transaction of what comes in a turn of the event loop. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { runWorkflow } from "@rivetkit/workflow-engine";
import { atOnce, type Rate } from "./at-once.ts";
import { type Database, GroupedDatabase } from "./grouped-driver.ts";
import { inNewFolder } from "./written.ts";

export interface GroupedBench {
  /** A1 durable: milliseconds of one workflow of so many trivial steps. `from`: where `better-sqlite3` is; `parent`: where the file is to be. */
  steps(from: string, parent: string, count: number): Promise<number>;
  /** A5: so many workflows of 3 steps, `width` at once, after a fifth as many to warm up. */
  many(from: string, parent: string, count: number, width: number): Promise<Rate>;
  /** Rows a second that SQLite takes, so many a transaction, each transaction synced. */
  rows(from: string, parent: string, groups: number, width: number): Promise<number>;
}

/** About as many bytes as a step's row has. */
const ROW_BYTES = 120;
const WARM_UP = 100;

export const grouped: GroupedBench = {
  steps: (from, parent, count) =>
    inDatabase(from, parent, async (file) => {
      const database = new GroupedDatabase(file);
      const run = async (n: number, count: number) => {
        const began = performance.now();
        const { output } = await runWorkflow(
          `w${n}`,
          async (ctx) => {
            for (let i = 0; i < count; i++) await ctx.step(`step-${i}`, async () => i);
            return count;
          },
          null,
          database.driver(n),
        ).result;
        if (output !== count) throw new Error(`a bench resulted in ${output} instead of ${count}`);
        return performance.now() - began;
      };
      await run(0, WARM_UP);
      return run(1, count);
    }),

  many: (from, parent, count, width) =>
    inDatabase(from, parent, async (file) => {
      const database = new GroupedDatabase(file);
      const run = (n: number) =>
        runWorkflow(
          `o${n}`,
          async (ctx) => {
            const one = await ctx.step("one", async () => 1);
            const two = await ctx.step("two", async () => one + 1);
            return ctx.step("three", async () => two + 1);
          },
          null,
          database.driver(n),
        ).result;
      const warm = Math.ceil(count / 5);
      await atOnce(0, warm, width, run);
      return atOnce(warm, count, width, run);
    }),

  rows: (from, parent, groups, width) =>
    inDatabase(from, parent, async (database) => {
      database.exec("CREATE TABLE change (actor TEXT, seq INTEGER, body BLOB, PRIMARY KEY (actor, seq)) WITHOUT ROWID");
      const insert = database.prepare("INSERT INTO change VALUES (?, ?, ?)");
      const body = Buffer.alloc(ROW_BYTES, 7);
      const began = performance.now();
      for (let group = 0; group < groups; group++) {
        database.exec("BEGIN IMMEDIATE");
        for (let i = 0; i < width; i++) insert.run(`order/o${group}-${i}`, 1, body);
        database.exec("COMMIT");
      }
      return (groups * width * 1_000) / (performance.now() - began);
    }),
};

function inDatabase<R>(from: string, parent: string, use: (database: Database) => Promise<R>): Promise<R> {
  const Sqlite = createRequire(join(from, "/"))("better-sqlite3") as new (file: string) => Database;
  return inNewFolder(async (folder) => {
    const database = new Sqlite(join(folder, "bench.db"));
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    try {
      return await use(database);
    } finally {
      database.close();
    }
  }, parent);
}
