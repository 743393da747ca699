/** The host's one SQLite file: the rows of every actor, their alarms and messages, and how they ended. */
import { createRequire } from "node:module";
import { join } from "node:path";

/** What is used of `better-sqlite3`. */
export interface Database {
  pragma(source: string): unknown;
  exec(source: string): void;
  prepare(source: string): Statement;
  transaction<A extends unknown[]>(run: (...args: A) => void): (...args: A) => void;
  close(): void;
}
export interface Statement {
  run(...values: unknown[]): { changes: number };
  get(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
}

const TABLES = `
  CREATE TABLE IF NOT EXISTS actor (id TEXT PRIMARY KEY, input TEXT NOT NULL, ended TEXT, endings INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE IF NOT EXISTS row (actor TEXT, key BLOB, value BLOB NOT NULL, PRIMARY KEY (actor, key)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS alarm (actor TEXT PRIMARY KEY, at INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS message (
    number INTEGER PRIMARY KEY, actor TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL,
    sent_at INTEGER NOT NULL, completed INTEGER NOT NULL DEFAULT 0, UNIQUE (actor, id)
  );
`;

/**
 * Opens the file. `better-sqlite3` is compiled when it is installed, so that it is no dependency of the workspace: it is taken
 * from the folder that `BETTER_SQLITE3` names, else from where packages are found.
 */
export function openDatabase(file: string): Database {
  const folder = process.env["BETTER_SQLITE3"];
  const require = createRequire(folder === undefined ? import.meta.url : join(folder, "/"));
  const Sqlite = require("better-sqlite3") as new (file: string) => Database;
  const database = new Sqlite(file);
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.exec(TABLES);
  return database;
}
