/**
 * Who listens to which actor, in this process. Actors come and go; whoever listens stays.
 *
 * Owns the listeners and the numbers of events. One law: a listener that throws keeps nobody from hearing.
 */
import type { Source } from "../broadcasts.ts";
import type { EventMeta } from "../types.ts";
import { decode } from "../values/index.ts";
import type { Delivery } from "./clients.ts";

type Listener = (payload: unknown, meta: EventMeta) => void;

/** Those who listen to one actor. */
interface Channel {
  /** By the event's name. */
  readonly listeners: Map<string, Set<{ readonly call: Listener }>>;
  count: number;
  seq: number;
}

export class Events {
  readonly #channels = new Map<string, Channel>();

  /** Calls `call` for every event of this name, with a copy of its own. Returns what ends that. */
  on(actor: string, event: string, call: Listener): () => void {
    const channel = this.#channel(actor);
    const listener = { call };
    const listeners = channel.listeners.get(event) ?? new Set();
    channel.listeners.set(event, listeners.add(listener));
    channel.count += 1;
    return () => {
      if (!listeners.delete(listener)) return;
      channel.count -= 1;
      if (channel.count === 0 && this.#channels.get(actor) === channel) this.#channels.delete(actor);
    };
  }

  /** Hands an event to whoever listens; `failed` is told of those who throw. */
  emit(actor: string, { event, payload, meta }: Delivery, failed: (error: unknown) => void): void {
    const channel = this.#channels.get(actor);
    if (channel === undefined) return;
    channel.seq += 1;
    const numbered = { seq: channel.seq, ...meta };
    for (const { call } of [...(channel.listeners.get(event) ?? [])]) {
      try {
        call(decode(payload), numbered);
      } catch (error) {
        failed(error);
      }
    }
  }

  /** So much of what an actor said has not arrived. */
  skip(actor: string, lost: number): void {
    const channel = this.#channels.get(actor);
    if (channel !== undefined) channel.seq += lost;
  }

  #channel(actor: string): Channel {
    let channel = this.#channels.get(actor);
    if (channel === undefined) {
      channel = { listeners: new Map(), count: 0, seq: 0 };
      this.#channels.set(actor, channel);
    }
    return channel;
  }
}

/** What a live event is tagged with. */
export function tags(source: Source | undefined): Pick<EventMeta, "step" | "attempt"> {
  if (source === undefined) return {};
  return source.step === undefined ? { attempt: source.attempt } : { step: source.step, attempt: source.attempt };
}
