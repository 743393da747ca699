/** A run in live mode that waits in memory: for time, and for messages if anyone waits for any. */
import { EvictedError } from "./errors.ts";
import type { EngineDriver } from "./types.ts";

/** What a wait needs of its run. */
export interface WaitingRun {
  /** Whether nobody else has written; otherwise the run begins anew. */
  isCurrent(): Promise<boolean>;
  /** Takes what is there of these names. */
  take(names: readonly string[]): Promise<void>;
  fail(error: unknown): void;
}

export class LiveWait {
  readonly #driver: EngineDriver;
  readonly #run: WaitingRun;
  #waiter: AbortController | undefined;
  /** Whether the queue was asked and the run has not got anywhere since. */
  #askedInVain = false;

  constructor(driver: EngineDriver, run: WaitingRun) {
    this.#driver = driver;
    this.#run = run;
  }

  get isOn(): boolean {
    return this.#waiter !== undefined;
  }

  /** Waits until a message comes of these names (of any, if there are none), or the run goes on without; `undefined`: nobody waits for one. */
  async begin(names: readonly string[] | undefined): Promise<void> {
    this.stop();
    const waiter = new AbortController();
    this.#waiter = waiter;
    if (names === undefined) return;
    try {
      if (this.#askedInVain) await new Promise((resolve) => setTimeout(resolve, this.#patience()));
      if (waiter.signal.aborted) return;
      await this.#driver.waitForMessages([...names], waiter.signal);
      if (waiter.signal.aborted || !(await this.#run.isCurrent())) return;
      this.#askedInVain = true;
      await this.#run.take(names);
    } catch (error) {
      if (!waiter.signal.aborted) this.#run.fail(error);
    }
  }

  /** How long a driver is left in peace that wakes for messages which nobody can take. */
  #patience(): number {
    return Math.max(1, this.#driver.workerPollInterval);
  }

  /** The run has got somewhere. */
  wentOn(): void {
    this.#askedInVain = false;
  }

  stop(): void {
    this.#waiter?.abort(new EvictedError());
    this.#waiter = undefined;
  }
}
