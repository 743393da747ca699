/** One actor's share of the file, as the engine asks for it. */
import { decodeValue, type EngineDriver, encodeValue, type KVEntry, type KVWrite, type Message } from "pawl/engine";
import type { Database } from "./database.ts";

interface MessageRow {
  readonly id: string;
  readonly name: string;
  readonly data: Uint8Array;
  readonly sentAt: number;
}

export class SqliteDriver implements EngineDriver {
  /** `batch` is one transaction, so that any number of rows is written together or not at all. */
  readonly atomicBatch = true;
  readonly workerPollInterval = 20;
  readonly messageDriver: EngineDriver["messageDriver"];
  readonly #database: Database;
  readonly #actor: string;

  constructor(database: Database, actor: string) {
    this.#database = database;
    this.#actor = actor;
    this.messageDriver = {
      addMessage: async (message) => addMessage(database, actor, message),
      receiveMessages: async (wanted) => this.#receive(wanted),
      // Marked, not deleted: what is sent again under an id that was completed is ignored, too.
      completeMessage: async (id) => this.#run("UPDATE message SET completed = 1 WHERE actor = ? AND id = ?", id),
    };
  }

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    const found = this.#database.prepare("SELECT value FROM row WHERE actor = ? AND key = ?").get(this.#actor, key);
    return (found as { value: Uint8Array } | undefined)?.value ?? null;
  }

  async list(prefix: Uint8Array): Promise<KVEntry[]> {
    return this.#database
      .prepare("SELECT key, value FROM row WHERE actor = ? AND key >= ? AND substr(key, 1, ?) = ? ORDER BY key")
      .all(this.#actor, prefix, prefix.length, prefix) as KVEntry[];
  }

  async set(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.batch([{ key, value }]);
  }

  async batch(writes: KVWrite[]): Promise<void> {
    const put = this.#database.prepare("INSERT OR REPLACE INTO row (actor, key, value) VALUES (?, ?, ?)");
    this.#database.transaction(() => {
      for (const { key, value } of writes) put.run(this.#actor, key, value);
    })();
  }

  async delete(key: Uint8Array): Promise<void> {
    this.#run("DELETE FROM row WHERE actor = ? AND key = ?", key);
  }

  async deletePrefix(prefix: Uint8Array): Promise<void> {
    this.#run("DELETE FROM row WHERE actor = ? AND key >= ? AND substr(key, 1, ?) = ?", prefix, prefix.length, prefix);
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

  #run(statement: string, ...values: unknown[]): void {
    this.#database.prepare(statement).run(this.#actor, ...values);
  }

  #receive({ names = [], count }: { names?: readonly string[]; count: number }): Message[] {
    const marks = names.map(() => "?").join();
    const wanted = names.length === 0 ? "" : `AND name IN (${marks})`;
    const query = `SELECT id, name, data, sent_at AS sentAt FROM message
      WHERE actor = ? AND completed = 0 ${wanted} ORDER BY number LIMIT ?`;
    const found = this.#database.prepare(query).all(this.#actor, ...names, Math.max(1, count)) as MessageRow[];
    return found.map(({ data, ...message }) => ({ ...message, data: decodeValue(data) }));
  }
}

/** Puts a message into an actor's queue. Does nothing if it has had one of this id. */
export function addMessage(database: Database, actor: string, { id, name, data, sentAt }: Message): void {
  const put = "INSERT OR IGNORE INTO message (actor, id, name, data, sent_at) VALUES (?, ?, ?, ?, ?)";
  database.prepare(put).run(actor, id, name, encodeValue(data), sentAt);
}
