/** What verbs need of a store: to look into it beside its owner, or to have it for a moment. None of them runs users' code. */
import { PawlError } from "../errors.ts";
import { type Inspection, readSeen } from "../inspection.ts";
import { randomKey } from "../loaded/random-key.ts";
import * as say from "../messages.ts";
import { notesOf } from "../poison/ledger.ts";
import { released, suspectsIn } from "../poison/left.ts";
import { Pump, type PumpedActor, type PumpListener } from "../pump.ts";
import type { Looker } from "../runtime/admin.ts";
import { type ActorCall, callTimeout } from "../runtime/call.ts";
import { unpacked } from "../runtime/reply.ts";
import { decode, encode } from "../values/index.ts";
import type { ActorSink, RowRecord, StoreProblem } from "../wire.ts";

/** How a store is named on a command line. */
export interface Place {
  readonly store: string;
  readonly namespace: string;
}

/** What is said to the engine of an actor that is open here. */
export type Direct = (input: Pump["input"], handle: number, call: number) => void;

/** A file that another process has is not waited for: who has it is told. */
const LOCK_PATIENCE_MS = 250;
/** How long the process that has an actor is waited for. */
const ANSWER_MS = 30_000;
const ROOM = 256 << 20;

/** Opens a store, to look into it or to change it; closes it after `use`. Rejects with why it cannot be opened. */
export async function withStore<R>(
  place: Place,
  why: "look" | "change",
  use: (store: OpenStore) => Promise<R>,
): Promise<R> {
  const store = new OpenStore(place, why === "look");
  try {
    await store.opened;
    return await use(store);
  } finally {
    await store.close();
  }
}

export class OpenStore implements Looker, PumpListener {
  readonly opened: Promise<void>;
  readonly #pump: Pump;
  readonly #namespace: string;
  #marks: ReadonlyMap<string, Uint8Array> = new Map();
  #ready: () => void = ignored;
  #failed: (error: unknown) => void = ignored;
  readonly #answers = new Map<string, { resolve(reply: unknown): void; reject(error: unknown): void }>();

  constructor({ store, namespace }: Place, looks: boolean) {
    this.opened = new Promise((resolve, reject) => {
      this.#ready = resolve;
      this.#failed = reject;
    });
    this.opened.catch(ignored);
    this.#namespace = namespace;
    // A shared store is looked into as it is opened.
    const isFile = store.startsWith("sqlite:");
    const options = { url: store, namespace, lockPatience: LOCK_PATIENCE_MS, ...(looks && isFile ? { looks } : {}) };
    this.#pump = new Pump(options, this);
    this.#pump.hold("wait");
  }

  ready(): void {
    this.#readMarks().then(this.#ready, this.#failed);
  }

  storeFailed(problem: StoreProblem): void {
    this.#failed(say.ofStore(problem));
  }

  wake(): void {}
  resumed(): void {}
  resumeFailed(): void {}

  defect(error: unknown): void {
    this.#failed(error);
  }

  now(): number {
    return this.#pump.now();
  }

  async listed(after: string | undefined, limit: number): Promise<readonly RowRecord[]> {
    const found = await this.#pump.look((ticket) => this.#pump.input.list(ticket, after, limit));
    return found.kind === "listed" ? found.rows : [];
  }

  /** As the last process has left it, or the one that has the store has it now. */
  suspectsOf(name: string): ReadonlyMap<string, number> {
    return suspectsIn(this.#namespace, this.#marks, name);
  }

  /** Lets go of what is quarantined of an actor; whether there was anything. */
  async release(name: string): Promise<boolean> {
    const rows = released(this.#namespace, this.#marks, name);
    if (rows.length > 0) await this.#pump.look((ticket) => this.#pump.input.note(ticket, rows));
    return rows.length > 0;
  }

  async #readMarks(): Promise<void> {
    const found = await this.#pump.look((ticket) => this.#pump.input.notes(ticket, notesOf(this.#namespace)));
    if (found.kind === "notes") this.#marks = found.notes;
  }

  async seen(name: string): Promise<Inspection> {
    return readSeen(await this.#pump.look((ticket) => this.#pump.input.see(ticket, name)));
  }

  /** The state of an actor after the change in which an entry committed. */
  async stateAt(name: string, entry: string): Promise<unknown> {
    const found = await this.#pump.look((ticket) => this.#pump.input.seeAt(ticket, name, entry));
    return found.kind === "was" && found.was.value !== undefined ? decode(found.was.value) : undefined;
  }

  /**
   * Asks something of an actor: of the process that has it, if one has, as `call`; otherwise directly, without its code.
   * Resolves, when that is durable, to what was asked for.
   */
  async ask(name: string, call: ActorCall | undefined, direct: Direct): Promise<unknown> {
    try {
      return await this.#control(name, direct);
    } catch (error) {
      if (!(error instanceof PawlError) || error.code !== "actor_owned" || call === undefined) throw error;
      return this.#travel(name, call);
    }
  }

  async #control(name: string, ask: Direct): Promise<unknown> {
    const pump = this.#pump;
    const [handle, call] = [1, 1];
    const answer = await new Promise<unknown>((resolve, reject) => {
      const failed = (problem: StoreProblem) => reject(say.ofStore(problem));
      const sink: Partial<ActorSink> = {
        opened: (facts) => {
          if (!facts.exists) return reject(notFound(name));
          ask(pump.input, handle, call);
          pump.schedule();
        },
        openFailed: failed,
        lost: failed,
        reply: () => resolve(undefined),
        sent: (_call, id) => resolve(id),
        past: (_call, past) => resolve(past),
        pastFailed: (_call, problem) => failed(problem),
        refuse: (_call, reason, why) => reject(say.refused(name, reason, why)),
      };
      pump.add(handle, new Proxy(sink, { get: (of, key) => Reflect.get(of, key) ?? ignored }) as PumpedActor);
      pump.input.open(handle, name);
      pump.schedule();
    });
    pump.input.suspend(handle);
    pump.schedule();
    await pump.drained();
    return answer;
  }

  /** Asks the process that has the actor. */
  async #travel(name: string, call: ActorCall): Promise<unknown> {
    const id = randomKey();
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
      setTimeout(() => reject(callTimeout(`what was asked of ${name}`, ANSWER_MS)), ANSWER_MS).unref();
    });
    this.#pump.input.call(name, id, encode(call, { maxBytes: ROOM }));
    this.#pump.schedule();
    return answer;
  }

  replied(_name: string, id: string, reply: Uint8Array, problem: StoreProblem | undefined): void {
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    if (problem !== undefined) return answer?.reject(say.ofStore(problem));
    try {
      answer?.resolve(unpacked(reply));
    } catch (error) {
      answer?.reject(error);
    }
  }

  async close(): Promise<void> {
    this.#pump.release("wait");
    this.#pump.close("close");
  }
}

export function notFound(name: string): PawlError {
  return new PawlError("actor_not_found", `there is no actor ${name}.\n  do        see which there are: npx pawl list`);
}

function ignored(): void {}
