/** A host that keeps its rows in SQLite and takes changes whole: `commit`, with ids, epochs and a fence. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Change, decodeValue, type EngineDriver, encodeValue, FencedError, type Message } from "pawl/engine";
import { betterSqlite3 } from "../../benches/src/better-sqlite3.ts";
import type { Database } from "../../examples/embed/src/database.ts";

const installed = betterSqlite3((what) => console.log(what));

/** Why there is no SQLite here, or undefined. */
export const missing: string | undefined = "missing" in installed ? installed.missing : undefined;

export function newDatabase(): Database {
  if (!("folder" in installed)) throw new Error(missing);
  const Sqlite = createRequire(join(installed.folder, "/"))("better-sqlite3") as new (file: string) => Database;
  const database = new Sqlite(":memory:");
  database.exec(`
    CREATE TABLE row (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE owner (epoch INTEGER NOT NULL, commit_id TEXT, alarm INTEGER);
    CREATE TABLE message (number INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL, sent_at INTEGER NOT NULL);
    INSERT INTO owner VALUES (0, NULL, NULL);
  `);
  return database;
}

interface Owner {
  readonly epoch: number;
  readonly commit_id: string | null;
  readonly alarm: number | null;
}

/** What becomes of one call of `commit`. `hangs`: it neither writes nor answers, until it is let go on. */
export type Fault = "fails" | "fails after writing" | "hangs" | "hangs after writing";

/** One process's driver. Counts what is called beside `commit`. */
export class CommittingDriver implements EngineDriver {
  readonly workerPollInterval = 0;
  readonly messageDriver: EngineDriver["messageDriver"];
  readonly changes: Change[] = [];
  readonly otherWrites: string[] = [];
  /** The fault of each coming commit, by its place among all of this driver. */
  readonly faults = new Map<number, Fault>();
  lastCommits = 0;
  /** Lets what hangs go on: late. */
  letGo: () => void = () => {};
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    this.messageDriver = {
      addMessage: async (message) => {
        this.otherWrites.push("addMessage");
        this.#add(message);
      },
      receiveMessages: async ({ names = [], count }) =>
        this.messages()
          .filter(({ name }) => names.length === 0 || names.includes(name))
          .slice(0, Math.max(1, count)),
      completeMessage: async (id, response) => {
        this.otherWrites.push(`completeMessage ${String(response)}`);
        this.#run("DELETE FROM message WHERE id = ?", id);
      },
    };
  }

  /** The queue, oldest first. */
  messages(): Message[] {
    const rows = this.#database.prepare("SELECT id, name, data, sent_at AS sentAt FROM message ORDER BY number").all();
    return (rows as (Omit<Message, "data"> & { data: Uint8Array })[]).map(({ data, ...message }) => ({
      ...message,
      data: decodeValue(data),
    }));
  }

  send(message: Message): void {
    this.#add(message);
  }

  get alarm(): number | null {
    return this.#owner().alarm;
  }

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    const found = this.#database.prepare("SELECT value FROM row WHERE key = ?").get(key);
    return (found as { value: Uint8Array } | undefined)?.value ?? null;
  }

  async list(prefix: Uint8Array): Promise<{ key: Uint8Array; value: Uint8Array }[]> {
    const query = "SELECT key, value FROM row WHERE key >= ? AND substr(key, 1, ?) = ? ORDER BY key";
    return this.#database.prepare(query).all(prefix, prefix.length, prefix) as { key: Uint8Array; value: Uint8Array }[];
  }

  async commit(change: Change): Promise<void> {
    const fault = this.faults.get(this.changes.length);
    this.changes.push(change);
    if (fault === "fails") throw new Error("the line is dead");
    if (fault === "hangs") await this.#hang();
    this.#write(change);
    if (fault === "fails after writing") throw new Error("the line is dead");
    if (fault === "hangs after writing") await this.#hang();
  }

  async lastCommit(): Promise<string | null> {
    this.lastCommits += 1;
    return this.#owner().commit_id;
  }

  set = this.#never("set");
  delete = this.#never("delete");
  deletePrefix = this.#never("deletePrefix");
  deleteRange = this.#never("deleteRange");
  batch = this.#never("batch");
  setAlarm = this.#never("setAlarm");
  clearAlarm = this.#never("clearAlarm");
  waitForMessages = this.#never("waitForMessages");

  #hang(): Promise<void> {
    return new Promise((resolve) => {
      this.letGo = resolve;
    });
  }

  #write({ id, epoch, puts, deletes, consumed, sent, alarm }: Change): void {
    this.#database.transaction(() => {
      const known = BigInt(this.#owner().epoch);
      if (epoch < known) throw new FencedError(epoch, known);
      for (const { key, value } of puts) this.#run("INSERT OR REPLACE INTO row (key, value) VALUES (?, ?)", key, value);
      for (const { start, end } of deletes) this.#run("DELETE FROM row WHERE key >= ? AND key < ?", start, end);
      for (const message of consumed) this.#run("DELETE FROM message WHERE id = ?", message);
      for (const message of sent) this.#add(message);
      if (alarm !== undefined) this.#run("UPDATE owner SET alarm = ?", alarm);
      this.#run("UPDATE owner SET commit_id = ?, epoch = ?", id, Number(epoch));
    })();
  }

  #add({ id, name, data, sentAt }: Message): void {
    const put = "INSERT INTO message (id, name, data, sent_at) VALUES (?, ?, ?, ?)";
    this.#run(put, id, name, encodeValue(data), sentAt);
  }

  #owner(): Owner {
    return this.#database.prepare("SELECT * FROM owner").get() as Owner;
  }

  #run(statement: string, ...values: unknown[]): void {
    this.#database.prepare(statement).run(...values);
  }

  #never(method: string): () => Promise<void> {
    return async () => void this.otherWrites.push(method);
  }
}
