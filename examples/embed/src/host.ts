/**
 * Runs actors: each when it is new, when its alarm is due, and when a message has come that it waits for. Keeps nothing in memory that is not
 * in the file as well, except what the actors that it has run wait for.
 */
import { runWorkflow, type WorkflowFunction } from "pawl/engine";
import type { Database } from "./database.ts";
import { addMessage, SqliteDriver } from "./driver.ts";

const RETRY_MS = 200;

interface Actor {
  readonly driver: SqliteDriver;
  readonly input: unknown;
  isRunning: boolean;
  /** Epoch milliseconds of the next run after one that failed for a reason outside of the workflow; else none. */
  retryAt: number | undefined;
  /** None: it waits for no message. Empty: for any. */
  waitsFor: readonly string[] | undefined;
}

export class ActorHost<I> {
  readonly #database: Database;
  readonly #workflow: WorkflowFunction<I, string>;
  readonly #actors = new Map<string, Actor>();

  constructor(database: Database, workflow: WorkflowFunction<I, string>) {
    this.#database = database;
    this.#workflow = workflow;
  }

  /** Makes an actor, unless there is one of this name. */
  create(id: string, input: I): void {
    this.#database.prepare("INSERT OR IGNORE INTO actor (id, input) VALUES (?, ?)").run(id, JSON.stringify(input));
  }

  send(id: string, message: { id: string; name: string; data: unknown }): void {
    addMessage(this.#database, id, { ...message, sentAt: Date.now() });
  }

  /** Runs every actor until all have ended. The first run of each in this process is where a crash is made good. */
  async untilAllEnded(): Promise<void> {
    for (const { id, input } of this.#unended()) {
      const driver = new SqliteDriver(this.#database, id);
      this.#actors.set(id, {
        driver,
        input: JSON.parse(input),
        isRunning: false,
        retryAt: undefined,
        waitsFor: undefined,
      });
      void this.#run(id);
    }
    while (this.#actors.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      for (const [id, actor] of this.#actors) if (!actor.isRunning && this.#isDue(id, actor)) void this.#run(id);
    }
  }

  #unended(): { id: string; input: string }[] {
    return this.#database.prepare("SELECT id, input FROM actor WHERE ended IS NULL").all() as {
      id: string;
      input: string;
    }[];
  }

  #isDue(id: string, { retryAt, waitsFor }: Actor): boolean {
    const now = Date.now();
    if (retryAt !== undefined) return retryAt <= now;
    if (this.#database.prepare("SELECT 1 FROM alarm WHERE actor = ? AND at <= ?").get(id, now) !== undefined)
      return true;
    if (waitsFor === undefined) return false;
    const names = waitsFor.length === 0 ? "" : `AND name IN (${waitsFor.map(() => "?").join()})`;
    const query = `SELECT 1 FROM message WHERE actor = ? AND completed = 0 ${names} LIMIT 1`;
    return this.#database.prepare(query).get(id, ...waitsFor) !== undefined;
  }

  async #run(id: string): Promise<void> {
    const actor = this.#actors.get(id);
    if (actor === undefined) return;
    actor.isRunning = true;
    actor.retryAt = undefined;
    actor.waitsFor = undefined;
    const handle = runWorkflow(id, this.#workflow, actor.input as I, actor.driver);
    try {
      const { state, output, waitingForMessages } = await handle.result;
      if (state === "completed") this.#end(id, output ?? "");
      actor.waitsFor = waitingForMessages;
    } catch (error) {
      // The workflow has failed if its rows say so. Else the driver did, or an undo handler, and the next run goes on.
      if ((await handle.getState()) === "failed") this.#end(id, `failed: ${String(error)}`);
      else actor.retryAt = Date.now() + RETRY_MS;
    } finally {
      actor.isRunning = false;
    }
  }

  #end(id: string, outcome: string): void {
    this.#database.prepare("UPDATE actor SET ended = ?, endings = endings + 1 WHERE id = ?").run(outcome, id);
    this.#actors.delete(id);
  }
}
