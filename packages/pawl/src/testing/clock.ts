/** Time as a value: it stands until it is moved, and jumps. Real time, for what waits for the real world. */

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** The clock of a test runtime. In milliseconds since the epoch. */
export class VirtualClock {
  #now: number;
  readonly #timers = new Set<Timer>();

  constructor(now: number) {
    this.#now = now;
  }

  get now(): number {
    return this.#now;
  }

  /** Calls `run` when the clock has moved on by `ms`. Returns what calls that off. */
  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** The earliest timer; `Infinity` without one. */
  get next(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { at } of this.#timers) next = Math.min(next, at);
    return next;
  }

  /** Moves on, never back, and runs what is due, earliest first. Returns how much that was. */
  moveTo(time: number): number {
    this.#now = Math.max(this.#now, time);
    const due = [...this.#timers].filter(({ at }) => at <= this.#now).sort((a, b) => a.at - b.at);
    for (const timer of due) if (this.#timers.delete(timer)) timer.run();
    return due.length;
  }

  /** Forgets every timer: the process that set them is dead. */
  clear(): void {
    this.#timers.clear();
  }
}

/** As they are when this is loaded: a test may put fake ones in their place. */
const { setTimeout, setImmediate, performance } = globalThis;
const performanceNow = performance.now.bind(performance);

/** Milliseconds of real time, from some moment. */
export function realNow(): number {
  return performanceNow();
}

/** One turn of the event loop: every promise that can settle by itself has. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A moment of real time. */
export function moment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
