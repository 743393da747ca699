/** What verbs need of a store: to look into it beside its owner, or to have it for a moment. None of them runs users' code. */
import { PawlError } from "../errors.ts";
import { type Inspection, readSeen } from "../inspection.ts";
import * as say from "../messages.ts";
import { noteOf, released, suspectsIn } from "../poison/guard.ts";
import { Pump, type PumpedActor, type PumpListener } from "../pump.ts";
import type { Looker } from "../runtime/admin.ts";
import type { ActorSink, RowRecord, StoreProblem } from "../wire.ts";

/** How a store is named on a command line. */
export interface Place {
  readonly store: string;
  readonly namespace: string;
}

/** Opens a store, to look into it (`looks`) or to have it; closes it after `use`. Rejects with why it cannot be opened. */
export async function withStore<R>(place: Place, looks: boolean, use: (store: OpenStore) => Promise<R>): Promise<R> {
  const store = new OpenStore(place, looks);
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
  readonly #note: string;
  #marks: Uint8Array | undefined;
  #ready: () => void = ignored;
  #failed: (error: unknown) => void = ignored;

  constructor({ store, namespace }: Place, looks: boolean) {
    this.opened = new Promise((resolve, reject) => {
      this.#ready = resolve;
      this.#failed = reject;
    });
    this.opened.catch(ignored);
    this.#note = noteOf(namespace);
    // A shared store is looked into as it is opened.
    const options = { url: store, namespace, ...(looks && store.startsWith("sqlite:") ? { looks } : {}) };
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
    return suspectsIn(this.#marks, name);
  }

  /** Lets go of what is quarantined of an actor; whether there was anything. */
  async release(name: string): Promise<boolean> {
    const row = released(this.#marks, name);
    if (row === undefined) return false;
    await this.#pump.look((ticket) => this.#pump.input.note(ticket, [[this.#note, row]]));
    return true;
  }

  async #readMarks(): Promise<void> {
    const found = await this.#pump.look((ticket) => this.#pump.input.notes(ticket, this.#note));
    if (found.kind === "notes") this.#marks = found.notes.get(this.#note);
  }

  async seen(name: string): Promise<Inspection> {
    return readSeen(await this.#pump.look((ticket) => this.#pump.input.see(ticket, name)));
  }

  /** Loads an actor without its code, and asks the engine for something; resolves when that is durable. */
  async control(name: string, ask: (input: Pump["input"], handle: number, call: number) => void): Promise<void> {
    const pump = this.#pump;
    const [handle, call] = [1, 1];
    await new Promise<void>((resolve, reject) => {
      const failed = (problem: StoreProblem) => reject(say.ofStore(problem));
      const sink: Partial<ActorSink> = {
        opened: (facts) => {
          if (!facts.exists) return reject(new PawlError("actor_not_found", `there is no actor ${name}.`));
          ask(pump.input, handle, call);
          pump.schedule();
        },
        openFailed: failed,
        lost: failed,
        reply: () => resolve(),
        refuse: (_call, reason, why) => reject(say.refused(name, reason, why)),
      };
      pump.add(handle, new Proxy(sink, { get: (of, key) => Reflect.get(of, key) ?? ignored }) as PumpedActor);
      pump.input.open(handle, name);
      pump.schedule();
    });
    pump.input.suspend(handle);
    pump.schedule();
    await pump.drained();
  }

  async close(): Promise<void> {
    this.#pump.release("wait");
    this.#pump.close("close");
  }
}

function ignored(): void {}
