/** The plain driver, and how long was spent in it: what an engine is not to blame for, or only by its choice of calls. */
import type { KVEntry, KVWrite } from "@rivetkit/workflow-engine";
import { PlainDriver } from "./plain-driver.ts";

/** Each of the plain driver's operations is over when it returns its promise. */
export class TimedDriver extends PlainDriver {
  #spent = 0;

  /** Milliseconds so far. */
  get spent(): number {
    return this.#spent;
  }

  forget(): void {
    this.#spent = 0;
  }

  override get(key: Uint8Array): Promise<Uint8Array | null> {
    return this.#timed(() => super.get(key));
  }

  override list(prefix: Uint8Array): Promise<KVEntry[]> {
    return this.#timed(() => super.list(prefix));
  }

  override batch(writes: KVWrite[]): Promise<void> {
    return this.#timed(() => super.batch(writes));
  }

  override set(key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.#timed(() => super.set(key, value));
  }

  #timed<R>(work: () => R): R {
    const began = performance.now();
    const result = work();
    this.#spent += performance.now() - began;
    return result;
  }
}
