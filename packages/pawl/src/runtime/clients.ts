/**
 * The clients of this process: who is connected from here, to whatever actor, wherever that is. Actors come and go; clients stay.
 *
 * Owns who listens and the numbers of what each hears. One law: what a client is told between the beginning of its connection
 * and the turn after `connect()` has resolved waits for that turn, so that whoever listens at once misses nothing.
 */
import type { Audience } from "../broadcasts.ts";
import { deferred } from "../deferred.ts";
import type { Closed } from "../peers.ts";
import type { EventMeta } from "../types.ts";
import { decode } from "../values/index.ts";

/** As it is when this is loaded: a test that puts a fake one in its place must not stop a client. */
const { setImmediate } = globalThis;

/** What waits for a client that nobody listens to yet: more than so many, and the oldest are lost. */
const MOST_HELD = 1_000;

/** An event on its way to one client. */
export interface Delivery {
  readonly event: string;
  readonly payload: Uint8Array;
  readonly meta: Omit<EventMeta, "seq">;
}

type Listener = (payload: unknown, meta: EventMeta) => void;

/** One connection, at its client's end. */
export class Client {
  readonly id: string;
  /** The actor. */
  readonly name: string;
  readonly #failed: (event: string, error: unknown) => void;
  readonly #listeners = new Map<string, Set<{ readonly call: Listener }>>();
  readonly #closed = deferred<Closed>();
  #held: (Delivery & { readonly seq: number })[] | undefined = [];
  #seq = 0;
  #isOver = false;

  constructor(id: string, name: string, failed: (event: string, error: unknown) => void) {
    this.id = id;
    this.name = name;
    this.#failed = failed;
  }

  /** Why it has ended, once it has. */
  get closed(): Promise<Closed> {
    return this.#closed.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** `connect()` is about to resolve. */
  opened(): void {
    setImmediate(() => this.#release());
  }

  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const delivery of held) this.#hand(delivery, delivery.seq);
  }

  on(event: string, call: Listener): () => void {
    const listener = { call };
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** So many things that may have been for it have not arrived. */
  skip(lost: number): void {
    this.#seq += lost;
  }

  hear(delivery: Delivery): void {
    if (this.#isOver) return;
    this.#seq += 1;
    if (this.#held === undefined) return this.#hand(delivery, this.#seq);
    this.#held.push({ ...delivery, seq: this.#seq });
    if (this.#held.length > MOST_HELD) this.#held.shift();
  }

  #hand({ event, payload, meta }: Delivery, seq: number): void {
    for (const { call } of [...(this.#listeners.get(event) ?? [])]) {
      if (this.#isOver) return;
      try {
        call(decode(payload), { seq, ...meta });
      } catch (error) {
        this.#failed(event, error);
      }
    }
  }

  /** It is over. False: it was already. */
  end(why: Closed): boolean {
    if (this.#isOver) return false;
    // What it was told before the end is heard before the end.
    if (why === "actor") this.#release();
    this.#isOver = true;
    this.#listeners.clear();
    this.#closed.resolve(why);
    return true;
  }
}

/** All clients of a process. */
export class Clients {
  readonly #byId = new Map<string, Client>();
  readonly #byActor = new Map<string, Map<string, Client>>();

  add(client: Client): void {
    this.#byId.set(client.id, client);
    const others = this.#byActor.get(client.name) ?? new Map<string, Client>();
    this.#byActor.set(client.name, others.set(client.id, client));
  }

  get(id: string): Client | undefined {
    return this.#byId.get(id);
  }

  all(): Client[] {
    return [...this.#byId.values()];
  }

  /** Hands an event of an actor to those whom it is for. */
  tell(actor: string, delivery: Delivery, { to, except }: Audience): void {
    const clients = this.#byActor.get(actor);
    if (clients === undefined) return;
    if (to !== undefined) return clients.get(to)?.hear(delivery);
    for (const client of [...clients.values()]) if (client.id !== except) client.hear(delivery);
  }

  /** So much of what an actor said has not arrived. */
  skip(actor: string, lost: number): void {
    for (const client of this.#byActor.get(actor)?.values() ?? []) client.skip(lost);
  }

  /** Ends a connection at this end. Returns it, unless it had ended. */
  end(id: string, why: Closed): Client | undefined {
    const client = this.#byId.get(id);
    if (client === undefined) return undefined;
    this.#byId.delete(id);
    const others = this.#byActor.get(client.name);
    others?.delete(id);
    if (others?.size === 0) this.#byActor.delete(client.name);
    return client.end(why) ? client : undefined;
  }
}
