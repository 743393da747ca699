/**
 * Runs a story to its end, and keeps the world as it was after every batch: each is a moment at which the process could have died, and another engine
 * could have gone on.
 */
import { vi } from "vitest";
import type { Engine } from "../engine/engines.ts";
import { entriesUnder, Host, HostDriver } from "../engine/host.ts";
import { interpret, Outside, show, Trace } from "./interpret.ts";
import type { Story } from "./programs/ops.ts";

/** How a story ended. Two engines agree on a story if these are equal. */
export interface Ending {
  readonly state: "completed" | "failed" | "stuck";
  /** The output, or the error's name and message, as text. */
  readonly outcome: string;
  /** What rollback handlers undid, each path once, in the order of its first time. */
  readonly undone: readonly string[];
}

/** The world at one moment, from which any engine can go on. */
export interface Stage {
  readonly host: Host;
  readonly outside: Outside;
  readonly trace: Trace;
  /** The clock, in milliseconds since the epoch. */
  readonly now: number;
  /** How many of the story's messages have been sent. */
  readonly sent: number;
}

/** A story that has been run. */
export interface Telling {
  readonly ending: Ending;
  readonly end: Stage;
  /** One for each batch, in order. */
  readonly stages: readonly Stage[];
}

const START = 1_700_000_000_000;
/** A story that needs more runs than this is going round in circles. */
const MOST_RUNS = 200;

/** The world before anything has happened. */
export function beginning(): Stage {
  return { host: new Host(), outside: new Outside(), trace: new Trace(), now: START, sent: 0 };
}

/**
 * Goes on with a story from a stage, by one engine, or by several that take turns run by run, to its end. The stage itself stays as it is; the clock
 * must be a fake one.
 */
export async function tell(by: Engine | readonly Engine[], story: Story, from: Stage = beginning()): Promise<Telling> {
  return await new Teller([by].flat(), story, from).tell();
}

class Teller {
  readonly #engines: readonly Engine[];
  readonly #story: Story;
  readonly #host: Host;
  readonly #outside: Outside;
  readonly #trace: Trace;
  readonly #stages: Stage[] = [];
  #sent: number;

  constructor(engines: readonly Engine[], story: Story, from: Stage) {
    this.#engines = engines;
    this.#story = story;
    this.#host = from.host.copy();
    this.#outside = from.outside.copy();
    this.#trace = from.trace.copy();
    this.#sent = from.sent;
    vi.setSystemTime(from.now);
  }

  async tell(): Promise<Telling> {
    const ending = await this.#end();
    return { ending, end: this.#stage(), stages: this.#stages };
  }

  async #end(): Promise<Ending> {
    for (let runs = 0; runs < MOST_RUNS; runs += 1) {
      const result = await this.#run(runs).catch((error: unknown) => ({ error }));
      if ("error" in result) return this.#ending("failed", textOf(result.error));
      if (result.state === "completed") return this.#ending("completed", show(result.output));
      if (!this.#deliver(result.waitingForMessages) && !passUntil(result.sleepUntil)) {
        return this.#ending("stuck", `${result.state}, waiting for ${result.waitingForMessages?.join() ?? "nothing"}`);
      }
    }
    return this.#ending("stuck", `not done in ${MOST_RUNS} runs`);
  }

  #run(n: number): Promise<{ state: string; output?: unknown; sleepUntil?: number; waitingForMessages?: string[] }> {
    const engine = this.#engines[n % this.#engines.length];
    if (engine === undefined) throw new Error("a story needs at least one engine");
    const driver = new HostDriver(this.#host);
    driver.after = (call) => {
      if (call.operation === "batch") this.#stages.push(this.#stage());
    };
    const world = { engine, outside: this.#outside, trace: this.#trace };
    const workflow = engine.runWorkflow(
      "story",
      (ctx) => interpret(ctx, this.#story.program, world),
      undefined,
      driver,
    );
    return workflow.result;
  }

  /** Sends the story's next message if the run waits for it. Messages that nobody waits for hold the later ones back. */
  #deliver(names: readonly string[] | undefined): boolean {
    const message = this.#story.messages[this.#sent];
    if (names === undefined || message === undefined) return false;
    if (names.length > 0 && !names.includes(message.name)) return false;
    this.#sent += 1;
    this.#host.send(message.name, message.data);
    return true;
  }

  #stage(): Stage {
    const host = this.#host.copy();
    host.messages = host.messages.filter(
      ({ id, name }) => !isRecorded(host, id) || (name.startsWith("ack-") && !isCompleted(host, id)),
    );
    return { host, outside: this.#outside.copy(), trace: this.#trace.copy(), now: Date.now(), sent: this.#sent };
  }

  #ending(state: Ending["state"], outcome: string): Ending {
    return { state, outcome, undone: [...new Set(this.#outside.undone)] };
  }
}

function passUntil(at: number | undefined): boolean {
  if (at === undefined) return false;
  vi.setSystemTime(Math.max(at, Date.now()));
  return true;
}

/**
 * Whether the history holds the message. An engine that records before it takes has, between the two, the message in both places, and says so in rows
 * that only it reads: a host that swaps engines just then removes what is recorded. Completable messages stay until they are completed.
 */
function isRecorded(host: Host, id: string): boolean {
  return entriesUnder(host.rows, "1502").some(({ value }) => Buffer.from(value).includes(id));
}

/** Whether the history holds the message as completed: `completed` is the last field of its record, as CBOR `true`. */
function isCompleted(host: Host, id: string): boolean {
  const TRUE = 0xf5;
  return entriesUnder(host.rows, "1502").some(({ value }) => Buffer.from(value).includes(id) && value.at(-1) === TRUE);
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : show(error);
}
