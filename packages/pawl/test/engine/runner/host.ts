/** A host in memory at full speed, whose rows a test may damage, and the error of a run. */
import { InMemoryDriver } from "../../../src/engine/testing.ts";

export class TestDriver extends InMemoryDriver {
  override latency = 0;
  override workerPollInterval = 0;

  /** A host with these rows, by the hex of their keys, and nothing else. */
  static of(rows: Readonly<Record<string, Uint8Array>>): TestDriver {
    const driver = new TestDriver();
    for (const [key, value] of Object.entries(rows)) driver.put(key, value);
    return driver;
  }

  /** Puts a row past everything that a test has put around `set`. */
  put(key: string, value: Uint8Array): void {
    void this.rowsByHex().set(key, value.slice());
  }

  private rowsByHex(): Map<string, Uint8Array> {
    return Reflect.get(this, "rows") as Map<string, Uint8Array>;
  }
}

/** The error that `promise` rejects with, or a failure of the test. */
export async function errorOf(promise: Promise<unknown>): Promise<Error & { code?: string; data?: unknown }> {
  const outcome = await promise.then(
    (value) => new TypeError(`expected a rejection, got ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (outcome instanceof TypeError || !(outcome instanceof Error)) throw outcome;
  return outcome;
}
