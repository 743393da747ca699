/** One actor's share of the file, as the engine asks for it. */
import { decodeValue, type EngineDriver, encodeValue, type KVEntry, type KVWrite, type Message } from "pawl/engine";
import type { Database } from "./database.ts";

export class SqliteDriver implements EngineDriver {
  /** `batch` is one transaction, so that any number of rows is written together or not at all. */
  readonly atomicBatch = true;
  readonly workerPollInterval = 20;
  readonly #database: Database;
  readonly #actor: string;

  constructor(database: Database, actor: string) {
    this.#database = database;
    this.#actor = actor;
  }

  readonly messageDriver: EngineDriver["messageDriver"] = {
    addMessage: async (message) => addMessage(this.#database, this.#actor, message),
    receiveMessages: async ({ names = [], count }) => {
      const rows = this.#all(
        `SELECT id, name, data, sentAt FROM message WHERE ${waiting(names)} LIMIT ?`,
        ...names,
        count,
      );
      return (rows as (Message & { data: Uint8Array })[]).map((row) => ({ ...row, data: decodeValue(row.data) }));
    },
    // Marked, not deleted: what is sent again under an id that was completed is ignored, too.
    completeMessage: async (id) => this.#run("UPDATE message SET completed = 1 WHERE actor = ? AND id = ?", id),
  };

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    const [row] = this.#all("SELECT value FROM row WHERE actor = ? AND key = ?", key) as { value: Uint8Array }[];
    return row?.value ?? null;
  }

  async list(prefix: Uint8Array): Promise<KVEntry[]> {
    return this.#all(`SELECT key, value FROM row WHERE ${BELOW} ORDER BY key`, ...below(prefix)) as KVEntry[];
  }

  async set(key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#put(key, value);
  }

  async batch(writes: KVWrite[]): Promise<void> {
    this.#database.transaction(() => {
      // What throws in here undoes all of it; a promise that rejects would not.
      for (const { key, value } of writes) this.#put(key, value);
    })();
  }

  async delete(key: Uint8Array): Promise<void> {
    this.#run("DELETE FROM row WHERE actor = ? AND key = ?", key);
  }

  async deletePrefix(prefix: Uint8Array): Promise<void> {
    this.#run(`DELETE FROM row WHERE ${BELOW}`, ...below(prefix));
  }

  async deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
    this.#run("DELETE FROM row WHERE actor = ? AND key >= ? AND key < ?", start, end);
  }

  async setAlarm(_workflowId: string, wakeAt: number): Promise<void> {
    this.#run("INSERT OR REPLACE INTO alarm (actor, at) VALUES (?, ?)", Math.ceil(wakeAt));
  }

  async clearAlarm(): Promise<void> {
    this.#run("DELETE FROM alarm WHERE actor = ?");
  }

  async waitForMessages(): Promise<void> {
    throw new Error("this host runs workflows in yield mode, in which the engine does not wait for messages");
  }

  #put(key: Uint8Array, value: Uint8Array): void {
    this.#run("INSERT OR REPLACE INTO row (actor, key, value) VALUES (?, ?, ?)", key, value);
  }

  #run(statement: string, ...values: unknown[]): void {
    this.#database.prepare(statement).run(this.#actor, ...values);
  }

  #all(statement: string, ...values: unknown[]): unknown[] {
    return this.#database.prepare(statement).all(this.#actor, ...values);
  }
}

const BELOW = "actor = ? AND key >= ? AND substr(key, 1, ?) = ?";
const below = (prefix: Uint8Array) => [prefix, prefix.length, prefix];

/** The messages of an actor that nobody has taken yet, of these names, or of any if there are none. */
export function waiting(names: readonly string[]): string {
  const named = names.length === 0 ? "" : `AND name IN (${names.map(() => "?").join()})`;
  return `actor = ? AND completed = 0 ${named} ORDER BY number`;
}

/** Puts a message into an actor's queue. Does nothing if it has had one of this id. */
export function addMessage(database: Database, actor: string, { id, name, data, sentAt }: Message): void {
  const put = "INSERT OR IGNORE INTO message (actor, id, name, data, sentAt) VALUES (?, ?, ?, ?, ?)";
  database.prepare(put).run(actor, id, name, encodeValue(data), sentAt);
}
