/**
 * Idle eviction: actors that have had nothing to do for a while leave memory.
 *
 * Looks at all loaded actors from time to time; how long each was idle, and whether it may go, the actor and the engine say.
 */
import { getHeapStatistics } from "node:v8";

/** An actor that may be put to sleep. */
export interface Sleeper {
  /** In milliseconds since the epoch; none while it has something to do. */
  readonly idleSince: number | undefined;
  retire(): void;
}

export interface SweeperOptions {
  /** In milliseconds. */
  readonly idleAfter: number;
  readonly actors: () => Iterable<Sleeper>;
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
  /** Whether memory is short, so that every actor goes that has nothing to do. */
  readonly isPressed: () => boolean;
}

/** An actor stays up to this part of `idleAfter` longer, and nothing is looked at more often than this many milliseconds. */
const SLACK = 1 / 8;
const LEAST_MS = 10;
const MOST_MS = 4_000;
/** This part of what the process may have is not to be used up. */
const FULL = 0.85;

export class Sweeper {
  readonly #options: SweeperOptions;
  #callOff: (() => void) | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** An actor was loaded. */
  note(): void {
    if (this.#callOff === undefined) this.#arm(this.#options.now() + this.#options.idleAfter);
  }

  stop(): void {
    this.#callOff?.();
    this.#callOff = undefined;
  }

  #sweep(): void {
    this.#callOff = undefined;
    const { idleAfter, actors, now, isPressed } = this.#options;
    const [time, patience] = [now(), isPressed() ? 0 : idleAfter];
    let next = Number.POSITIVE_INFINITY;
    for (const actor of actors()) {
      const { idleSince = time } = actor;
      if (actor.idleSince !== undefined && idleSince + patience <= time) actor.retire();
      next = Math.min(next, idleSince + idleAfter);
    }
    if (next < Number.POSITIVE_INFINITY) this.#arm(next);
  }

  #arm(at: number): void {
    const { idleAfter, now, after } = this.#options;
    const slack = Math.min(Math.max(idleAfter * SLACK, LEAST_MS), MOST_MS);
    // Memory can become short sooner than an actor has been idle for long.
    const wait = Math.min(Math.max(at - now(), slack), MOST_MS);
    this.#callOff = after(wait, () => this.#sweep());
  }
}

/** Whether the heap, or the memory that the system gives this process, is nearly used up. */
export function isMemoryShort(): boolean {
  const { used_heap_size, heap_size_limit } = getHeapStatistics();
  if (used_heap_size > heap_size_limit * FULL) return true;
  const allowed = process.constrainedMemory?.() ?? 0;
  return allowed > 0 && allowed < Number.MAX_SAFE_INTEGER && process.memoryUsage.rss() > allowed * FULL;
}
