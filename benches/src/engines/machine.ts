/** The machine's own speed, measured with nothing of any engine: what the other figures have to be read beside. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface MachineBench {
  /** Appends of 4 KiB, each synced with fdatasync, in a second. */
  syncs(count: number): Promise<number>;
  /** Transactions of one row of 100 bytes in a second: SQLite with WAL and synchronous=FULL, through the `better-sqlite3` in `folder`; the file in `parent`. */
  commits(folder: string, count: number, parent?: string): Promise<number>;
  /** Nanoseconds of `await` on an async function that does nothing. */
  promiseTurn(count: number): Promise<number>;
  /** Milliseconds of a loop of integer arithmetic: the clock of the processor, and what others take of it. */
  integers(): Promise<number>;
}

export const machine: MachineBench = {
  async syncs(count) {
    return inFolder((folder) => {
      const file = openSync(join(folder, "appended"), "w");
      const page = Buffer.alloc(4_096, 7);
      const rate = perSecond(count, () => {
        writeSync(file, page);
        fdatasyncSync(file);
      });
      closeSync(file);
      return rate;
    });
  },

  async commits(from, count, parent) {
    const Database = createRequire(join(from, "/"))("better-sqlite3") as new (file: string) => SqliteDatabase;
    return inFolder((folder) => {
      const database = new Database(join(folder, "rows.db"));
      database.pragma("journal_mode = WAL");
      database.pragma("synchronous = FULL");
      database.exec("CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB NOT NULL)");
      const insert = database.prepare("INSERT INTO row (body) VALUES (?)");
      const body = Buffer.alloc(100, 7);
      const rate = perSecond(count, () => insert.run(body));
      database.close();
      return rate;
    }, parent);
  },

  async promiseTurn(count) {
    const nothing = async () => {};
    for (let i = 0; i < count / 10; i++) await nothing();
    const began = performance.now();
    for (let i = 0; i < count; i++) await nothing();
    return ((performance.now() - began) / count) * 1e6;
  },

  async integers() {
    const began = performance.now();
    let sum = 0;
    for (let i = 0; i < 100_000_000; i++) sum = (sum * 31 + i) | 0;
    const took = performance.now() - began;
    if (!Number.isInteger(sum)) throw new Error("a sum of integers is none");
    return took;
  },
};

/** What is used of `better-sqlite3`, which is not a dependency. */
interface SqliteDatabase {
  pragma(source: string): unknown;
  exec(source: string): void;
  prepare(source: string): { run(value: Uint8Array): unknown };
  close(): void;
}

function perSecond(count: number, once: () => void): number {
  for (let i = 0; i < count / 10; i++) once();
  const began = performance.now();
  for (let i = 0; i < count; i++) once();
  return (count / (performance.now() - began)) * 1_000;
}

function inFolder<R>(use: (folder: string) => R, parent: string = tmpdir()): R {
  const folder = mkdtempSync(join(parent, "pawl-bench-"));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
