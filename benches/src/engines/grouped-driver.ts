/** The peer's driver on `better-sqlite3`: what is written in a turn of the event loop is one transaction, synced once. */
import type { EngineDriver, KVEntry, KVWrite } from "@rivetkit/workflow-engine";
import { PlainDriver } from "./plain-driver.ts";

/** What is used of `better-sqlite3`. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

interface Statement {
  run(...values: unknown[]): unknown;
  get(...values: unknown[]): unknown;
  all(...values: unknown[]): unknown[];
}

type Write = (database: GroupedDatabase) => void;

export class GroupedDatabase {
  readonly put: Statement;
  readonly remove: Statement;
  readonly removeRange: Statement;
  readonly read: Statement;
  readonly list: Statement;
  readonly #database: Database;
  #waiting: { write: Write; done: () => void; failed: (error: unknown) => void }[] = [];

  constructor(database: Database) {
    database.exec("CREATE TABLE row (run INTEGER, key BLOB, value BLOB, PRIMARY KEY (run, key)) WITHOUT ROWID");
    this.#database = database;
    this.put = database.prepare("INSERT OR REPLACE INTO row VALUES (?, ?, ?)");
    this.remove = database.prepare("DELETE FROM row WHERE run = ? AND key = ?");
    this.removeRange = database.prepare("DELETE FROM row WHERE run = ? AND key >= ? AND key < ?");
    this.read = database.prepare("SELECT value FROM row WHERE run = ? AND key = ?");
    this.list = database.prepare("SELECT key, value FROM row WHERE run = ? AND substr(key, 1, ?) = ? ORDER BY key");
  }

  /** Resolves when what `write` does is durable. Whoever reads what it wrote waits for that. */
  write(write: Write): Promise<void> {
    return new Promise((done, failed) => {
      if (this.#waiting.length === 0) setImmediate(() => this.flush());
      this.#waiting.push({ write, done, failed });
    });
  }

  flush(): void {
    const group = this.#waiting;
    this.#waiting = [];
    if (group.length === 0) return;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const { write } of group) write(this);
      this.#database.exec("COMMIT");
    } catch (error) {
      for (const { failed } of group) failed(error);
      return;
    }
    for (const { done } of group) done();
  }

  driver(run: number): EngineDriver {
    return new GroupedDriver(this, run);
  }

  close(): void {
    this.#database.close();
  }
}

/** Rows in the database; messages and alarms, of which there are none here, as in the plain driver. */
class GroupedDriver extends PlainDriver {
  readonly #database: GroupedDatabase;
  readonly #run: number;

  constructor(database: GroupedDatabase, run: number) {
    super();
    this.#database = database;
    this.#run = run;
  }

  override async get(key: Uint8Array): Promise<Uint8Array | null> {
    const found = this.#database.read.get(this.#run, key) as { value: Uint8Array } | undefined;
    return found === undefined ? null : new Uint8Array(found.value);
  }

  override set(key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.batch([{ key, value }]);
  }

  override delete(key: Uint8Array): Promise<void> {
    return this.#database.write(({ remove }) => remove.run(this.#run, key));
  }

  override deletePrefix(prefix: Uint8Array): Promise<void> {
    const end = Buffer.concat([prefix, Buffer.from([0xff])]);
    return this.deleteRange(prefix, end);
  }

  override deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
    return this.#database.write(({ removeRange }) => removeRange.run(this.#run, start, end));
  }

  override async list(prefix: Uint8Array): Promise<KVEntry[]> {
    const found = this.#database.list.all(this.#run, prefix.length, prefix) as KVEntry[];
    // Not a `Buffer`: the peer takes only plain `Uint8Array`s from a driver.
    return found.map(({ key, value }) => ({ key: new Uint8Array(key), value: new Uint8Array(value) }));
  }

  override batch(writes: KVWrite[]): Promise<void> {
    return this.#database.write(({ put }) => {
      for (const { key, value } of writes) put.run(this.#run, key, value);
    });
  }
}
