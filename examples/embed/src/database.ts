/** The host's one SQLite file: the rows of every actor, their alarms and messages, and how they ended. */
import { createRequire } from "node:module";
import { join } from "node:path";

/** What is used of `better-sqlite3`. */
export interface Database {
  pragma(source: string): unknown;
  exec(source: string): void;
  prepare(source: string): Statement;
  transaction(run: () => void): () => void;
  close(): void;
}
interface Statement {
  run(...values: unknown[]): unknown;
  get(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
}

/** Takes `better-sqlite3`, which is compiled when it is installed, from the folder that `BETTER_SQLITE3` names, if it does. */
export function openDatabase(file: string): Database {
  const folder = process.env["BETTER_SQLITE3"];
  const require = createRequire(folder === undefined ? import.meta.url : join(folder, "/"));
  const Sqlite = require("better-sqlite3") as new (file: string) => Database;
  const database = new Sqlite(file);
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.exec(`
    CREATE TABLE IF NOT EXISTS actor (id TEXT PRIMARY KEY, input TEXT NOT NULL, ended TEXT, endings INTEGER DEFAULT 0);
    CREATE TABLE IF NOT EXISTS row (actor TEXT, key BLOB, value BLOB, PRIMARY KEY (actor, key)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS alarm (actor TEXT PRIMARY KEY, at INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS message (number INTEGER PRIMARY KEY, actor TEXT, id TEXT, name TEXT, data BLOB,
      sentAt INTEGER, completed INTEGER DEFAULT 0, UNIQUE (actor, id));`);
  return database;
}
