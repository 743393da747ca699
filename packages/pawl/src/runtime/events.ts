/**
 * Who listens to which actor, in this process. Actors come and go; whoever listens stays.
 *
 * Owns the listeners and the numbers of events. One law: a listener that throws keeps nobody from hearing.
 */
import type { EventRecord, Source } from "../broadcasts.ts";
import type { EventMeta } from "../types.ts";
import { decode } from "../values/index.ts";

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
  /** Told when the first comes who listens to an actor, and when the last goes. */
  changed: ((actor: string, listens: boolean) => void) | undefined;

  /** Calls `call` for every event of this name, with a copy of its own. Returns what ends that. */
  on(actor: string, event: string, call: Listener): () => void {
    if (!this.#channels.has(actor)) this.changed?.(actor, true);
    const channel = this.#channel(actor);
    const listener = { call };
    const listeners = channel.listeners.get(event) ?? new Set();
    channel.listeners.set(event, listeners.add(listener));
    channel.count += 1;
    return () => {
      if (!listeners.delete(listener)) return;
      channel.count -= 1;
      if (channel.count > 0 || this.#channels.get(actor) !== channel) return;
      this.#channels.delete(actor);
      this.changed?.(actor, false);
    };
  }

  /** The actors to which somebody listens. */
  get actors(): Iterable<string> {
    return this.#channels.keys();
  }

  /** Hands an event to whoever listens; `failed` is told of those who throw. */
  emit(
    actor: string,
    { event, payload }: EventRecord,
    source: Source | undefined,
    at: number,
    failed: (error: unknown) => void,
  ): void {
    const channel = this.#channels.get(actor);
    if (channel === undefined) return;
    channel.seq += 1;
    const meta = { seq: channel.seq, at, ...tags(source) };
    for (const { call } of [...(channel.listeners.get(event) ?? [])]) {
      try {
        call(decode(payload), meta);
      } catch (error) {
        failed(error);
      }
    }
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

function tags(source: Source | undefined): Pick<EventMeta, "step" | "attempt"> {
  if (source === undefined) return {};
  return source.step === undefined ? { attempt: source.attempt } : { step: source.step, attempt: source.attempt };
}
