/** Runs actors: each when it is new, when its alarm is due, and when a message has come that it waits for. Keeps nothing in memory but that. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Cells,
  type EngineAttempt,
  openActor,
  runWorkflow,
  type StateOf,
  type WorkflowFunction,
} from "pawl/engine";
import type { Database } from "./database.ts";
import { addMessage, SqliteDriver, waiting } from "./driver.ts";

const POLL_MS = 5;
const RETRY_MS = 200;

export class ActorHost<I, C extends Cells> {
  readonly #database: Database;
  readonly #cells: C;
  readonly #workflow: WorkflowFunction<I, string, EngineAttempt<StateOf<C>>>;

  constructor(database: Database, cells: C, workflow: WorkflowFunction<I, string, EngineAttempt<StateOf<C>>>) {
    this.#database = database;
    this.#cells = cells;
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
    const found = this.#database.prepare("SELECT id, input FROM actor WHERE ended IS NULL").all();
    const actors = found as { id: string; input: string }[];
    await Promise.all(actors.map(({ id, input }) => this.#live(id, JSON.parse(input) as I)));
  }

  async #live(id: string, input: I): Promise<void> {
    for (;;) {
      try {
        const waiting = await this.#run(id, input);
        if (waiting === "ended") return;
        while (!this.#isDue(id, waiting.names)) await sleep(POLL_MS);
      } catch (error) {
        console.error(`${id}: the driver has failed, or an undo handler; the next run goes on`, error);
        await sleep(RETRY_MS);
      }
    }
  }

  /** Resolves to the messages that the actor waits for: none, or of any name if there are no names. */
  async #run(id: string, input: I): Promise<"ended" | { readonly names: readonly string[] | undefined }> {
    const driver = new SqliteDriver(this.#database, id);
    const actor = await openActor(driver, { id, cells: this.#cells });
    const handle = runWorkflow(id, this.#workflow, input, driver, { actor, context: (attempt) => attempt });
    try {
      const { state, output, waitingForMessages } = await handle.result;
      if (state !== "completed") return { names: waitingForMessages };
      return this.#end(id, output ?? "");
    } catch (error) {
      if ((await handle.getState()) !== "failed") throw error;
      return this.#end(id, `failed: ${String(error)}`);
    } finally {
      await actor.close();
    }
  }

  #isDue(id: string, names: readonly string[] | undefined): boolean {
    const alarm = this.#database.prepare("SELECT 1 FROM alarm WHERE actor = ? AND at <= ?").get(id, Date.now());
    if (alarm !== undefined || names === undefined) return alarm !== undefined;
    const message = this.#database.prepare(`SELECT 1 FROM message WHERE ${waiting(names)} LIMIT 1`).get(id, ...names);
    return message !== undefined;
  }

  #end(id: string, outcome: string): "ended" {
    this.#database.prepare("UPDATE actor SET ended = ?, endings = endings + 1 WHERE id = ?").run(outcome, id);
    return "ended";
  }
}
