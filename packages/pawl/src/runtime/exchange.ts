/**
 * What actors tell those who listen or are connected, in this process and, on a shared store, in others.
 *
 * Owns the clients of this process, and who it listens to. One law: **an event is heard at most once, and what is lost leaves a gap
 * in the numbers.** Within the process nothing is lost; between processes events are rows that are kept for a minute.
 */
import type { Audience, EventRecord, Source } from "../broadcasts.ts";
import type { HeldConnection } from "../connections.ts";
import { randomKey } from "../loaded/random-key.ts";
import type { Logger } from "../log.ts";
import type { Closed, Switchboard } from "../peers.ts";
import type { Pump } from "../pump.ts";
import type { EventMeta } from "../types.ts";
import { decode, encode } from "../values/index.ts";
import type { ActorCall } from "./call.ts";
import { Client, Clients, type Delivery } from "./clients.ts";
import { type Events, tags } from "./events.ts";

/** What this needs of the runtime. */
export interface ExchangeHost {
  readonly pump: Pump | undefined;
  readonly log: Logger;
  readonly events: Events;
  now(): number;
  /** The connections of an actor that is loaded here whose clients are in other processes. */
  connectionsElsewhere(name: string): Iterable<HeldConnection>;
  call(type: string, key: string, call: ActorCall): Promise<unknown>;
}

/** What one process tells another of an actor: an event, or the end of a connection. */
interface Told {
  /** Counts what the writer tells of the actor. */
  readonly n: number;
  readonly event?: string;
  readonly payload?: Uint8Array;
  /** Whom alone it is for, and the process that they are in. */
  readonly to?: { readonly id: string; readonly process: string };
  readonly except?: string;
  readonly meta?: Omit<EventMeta, "seq">;
  /** Why the connection `to` has ended. */
  readonly ended?: Closed;
}

const ROOM = 256 << 20;

export class Exchange implements Switchboard {
  readonly #host: ExchangeHost;
  readonly #clients = new Clients();
  /** How many here listen to an actor or are connected to it. */
  readonly #interest = new Map<string, number>();
  /** How much has been told of actors of ours. */
  readonly #told = new Map<string, number>();
  /** Of actors that are listened to: who told of it last, and how much. */
  readonly #lastHeard = new Map<string, { readonly writer: string; readonly n: number }>();
  /** Actors of ours to which somebody listens in another process or thread, as far as is known. */
  readonly #listened = new Set<string>();
  #process: string | undefined;
  #isShut = false;

  constructor(host: ExchangeHost) {
    this.#host = host;
  }

  get process(): string {
    this.#process ??= this.#number()?.toString() ?? randomKey();
    return this.#process;
  }

  #number(): number | undefined {
    return this.#host.pump?.engine.process() ?? undefined;
  }

  has(id: string): boolean {
    return this.#clients.get(id) !== undefined;
  }

  mayLive(process: string): boolean {
    if (this.#number() === undefined || !/^\d+$/.test(process)) return false;
    this.#host.pump?.input.heed(Number(process));
    return true;
  }

  hangUp(actor: string, { id, process }: { readonly id: string; readonly process: string }, why: Closed): void {
    if (process === this.process) return void this.#end(id, why);
    if (why !== "client") this.#tell(actor, { to: { id, process }, ended: why });
  }

  dial(id: string, name: string): Client {
    const client = new Client(id, name, (event, error) => this.#failed(name, event, error));
    this.#clients.add(client);
    this.#want(name);
    return client;
  }

  #end(id: string, why: Closed): Client | undefined {
    const client = this.#clients.end(id, why);
    if (client !== undefined) this.#leave(client.name);
    return client;
  }

  async endClient(id: string, why: Closed): Promise<void> {
    const client = this.#end(id, why);
    if (client === undefined) return;
    await this.#disconnect(client.name, id);
  }

  async #disconnect(name: string, id: string): Promise<void> {
    const slash = name.indexOf("/");
    await this.#host.call(name.slice(0, slash), name.slice(slash + 1), { kind: "disconnect", id });
  }

  /** Ends every client: the process ends, or has lost its hold on the store. `disconnect`: their actors are told. */
  async endAll(why: Closed, options: { readonly disconnect: boolean }): Promise<void> {
    const ended = this.#clients.all().map(async ({ id, name }) => {
      this.#end(id, why);
      if (options.disconnect) await this.#disconnect(name, id);
    });
    await Promise.allSettled(ended);
  }

  listen(name: string, event: string, listener: (payload: unknown, meta: EventMeta) => void): () => void {
    const stop = this.#host.events.on(name, event, listener);
    this.#want(name);
    let isOver = false;
    return () => {
      stop();
      if (!isOver) this.#leave(name);
      isOver = true;
    };
  }

  #want(name: string): void {
    const count = this.#interest.get(name) ?? 0;
    this.#interest.set(name, count + 1);
    if (count === 0) this.#subscribe(name, true);
  }

  #leave(name: string): void {
    const count = (this.#interest.get(name) ?? 0) - 1;
    if (count > 0) return void this.#interest.set(name, count);
    this.#interest.delete(name);
    this.#lastHeard.delete(name);
    this.#subscribe(name, false);
  }

  #subscribe(name: string, wanted: boolean): void {
    const { pump } = this.#host;
    if (pump === undefined || this.#isShut || this.#number() === undefined) return;
    pump.input.listen(name, wanted);
    pump.schedule();
  }

  /** The store is open: what was wanted before is wanted now. */
  opened(): void {
    for (const name of this.#interest.keys()) this.#subscribe(name, true);
  }

  /** The runtime ends: whoever is still connected has lost it. */
  shut(): void {
    this.#isShut = true;
    void this.endAll("lost", { disconnect: false });
  }

  /** Whether somebody elsewhere listens to an actor. */
  listened(name: string, listens: boolean): void {
    if (listens) this.#listened.add(name);
    else this.#listened.delete(name);
  }

  /** An actor of ours says something. */
  emit(name: string, record: EventRecord, source: Source | undefined): void {
    const { event, payload, to, except } = record;
    const meta = { at: this.#host.now(), ...tags(source) };
    this.#hand(name, { event, payload, meta }, { to, except });
    const wanted = this.#wantedElsewhere(name, to);
    if (wanted === undefined) return;
    this.#tell(name, { event, payload, meta, ...wanted, ...(except === undefined ? {} : { except }) });
  }

  /** Whether an event, of all or of one connection, is of interest in other processes, and for whom there. */
  #wantedElsewhere(name: string, to: string | undefined): Pick<Told, "to"> | undefined {
    let someone = false;
    for (const { id, process } of this.#host.connectionsElsewhere(name)) {
      if (id === to) return { to: { id, process } };
      someone = true;
      if (to === undefined) break;
    }
    if (to !== undefined) return undefined;
    if (someone || this.#listened.has(name)) return {};
    this.#told.delete(name);
    return undefined;
  }

  #tell(name: string, what: Omit<Told, "n">): void {
    const { pump } = this.#host;
    if (pump === undefined || this.#isShut) return;
    const n = (this.#told.get(name) ?? 0) + 1;
    this.#told.set(name, n);
    pump.input.event(name, encode({ n, ...what }, { maxBytes: ROOM }));
    pump.schedule();
  }

  #hand(name: string, delivery: Delivery, audience: Audience): void {
    if (audience.to === undefined)
      this.#host.events.emit(name, delivery, (error) => this.#failed(name, delivery.event, error));
    this.#clients.tell(name, delivery, audience);
  }

  #failed(actor: string, event: string, err: unknown): void {
    this.#host.log.error({ actor, event, err }, "whoever listens to an event threw");
  }

  /** Another process tells of an actor of its own. */
  heard(name: string, writer: string, body: Uint8Array): void {
    if (!this.#interest.has(name) || writer === this.process) return;
    const { n, event, payload, to, except, meta, ended } = decode(body) as Told;
    const last = this.#lastHeard.get(name);
    this.#lastHeard.set(name, { writer, n });
    const lost = last === undefined ? 0 : last.writer === writer && n > last.n ? n - last.n - 1 : 1;
    if (lost > 0) {
      this.#host.events.skip(name, lost);
      this.#clients.skip(name, lost);
    }
    if (to !== undefined && to.process !== this.process) return;
    if (to !== undefined && !this.has(to.id)) return this.#refuse(name, to.id);
    if (to !== undefined && ended !== undefined) return void this.#end(to.id, ended);
    if (event === undefined || payload === undefined || meta === undefined) return;
    this.#hand(name, { event, payload, meta }, { to: to?.id, except });
  }

  /** A connection that nobody here has: its actor has not heard of its end. */
  #refuse(name: string, id: string): void {
    this.#disconnect(name, id).catch(() => {});
  }

  /** This process may have been taken for dead: its connections have ended. */
  lapsed(): void {
    void this.endAll("lost", { disconnect: true });
  }
}
