/** A store, a clock that is moved by hand, and the processes that have the store one after another: actors leave memory there. */
import { onTestFinished } from "vitest";
import type { Actor, Logger, RuntimeOptions } from "../../src/index.ts";
import { createRuntimeWith, type Hooks, internals } from "../../src/runtime.ts";
import { VirtualClock } from "../../src/testing/clock.ts";
import { Log, quiet, temporaryFolder } from "../runtime/harness.ts";

type Made<A extends readonly Actor[]> = ReturnType<typeof createRuntimeWith<A>>;

let stores = 0;

export class LifeWorld {
  readonly clock: VirtualClock = new VirtualClock(1_700_000_000_000);
  readonly log: Log = new Log();
  readonly url: string;
  #newest: Made<readonly Actor[]> | undefined;

  constructor(kind: "memory" | "sqlite" = "memory") {
    stores += 1;
    this.url = kind === "memory" ? `memory:life-${stores}` : `sqlite:${temporaryFolder()}/store.db`;
  }

  /** A runtime whose actors leave memory after a second. As everywhere, a timer fires between turns of the event loop. */
  open<const A extends readonly Actor[]>(
    actors: A,
    hooks: Hooks = {},
    options: Partial<RuntimeOptions<A>> & { logger?: Logger } = {},
  ): Made<A> {
    const runtime = createRuntimeWith<A>(
      { actors, store: this.url, logger: this.log, idleAfter: "1s", ...options },
      {
        now: () => this.clock.now,
        after: (ms, run) => this.clock.after(ms, () => void setImmediate(run)),
        isPressed: () => false,
        ...hooks,
      },
    );
    this.#newest = runtime;
    onTestFinished(() => runtime[internals].crash());
    return runtime;
  }

  /** Lets time pass, from one thing that is due to the next; everything settles before it goes on, and at the end. */
  async pass(ms: number): Promise<void> {
    const runtime = this.#newest;
    if (runtime === undefined) throw new Error("no runtime was opened");
    const end = this.clock.now + ms;
    for (;;) {
      await quiet(runtime);
      const deadline = runtime[internals].pump?.deadline ?? Number.NaN;
      const next = Math.min(Number.isNaN(deadline) ? Number.POSITIVE_INFINITY : deadline, this.clock.next);
      const at = Math.min(Math.max(next, this.clock.now), end);
      const isOver = next > end;
      this.clock.moveTo(at);
      runtime[internals].pump?.schedule();
      await quiet(runtime);
      if (isOver) return;
    }
  }
}

/** The actors in memory, in the order in which they were loaded. */
export function inMemory(runtime: Made<readonly Actor[]>): string[] {
  return runtime[internals].names();
}
