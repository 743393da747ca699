/**
 * An embedding host's driver, as the engine uses it: reads every row, makes the calls of a change in their order, and notes
 * what is unsettled, so that a later run on the same driver does not read beside it.
 */
import { PawlError } from "../errors.ts";
import type { DriverCall, HostRow } from "../wire.ts";
import { badAnswer, bytesFrom, listFrom } from "./driver-answer.ts";
import { errorKey, historyRootPrefix, inputKey, metadataPrefix, namesPrefix, outputKey, stateKey } from "./keys.ts";
import type { EngineDriver, Message } from "./types.ts";
import { decodeValue } from "./values.ts";

/** The rows of Pawl's own: the tuple `(9)`. */
export const OWN_ROWS: Uint8Array = Uint8Array.of(0x15, 0x09);
/** How long a run waits for a call of an earlier one on the same driver. */
const HANG_MS = 30_000;

/** Calls of earlier runs that have not settled, by driver. */
const unsettled = new WeakMap<EngineDriver, Set<Promise<unknown>>>();

/** Evicted runs that have not ended, by driver: their steps still end, and are written. */
const leaving = new WeakMap<EngineDriver, Set<Promise<unknown>>>();

/** `driver_hang`: a call of an earlier run, or an evicted run itself, has hung for too long. */
export class DriverHangError extends PawlError {
  static override readonly brand: symbol = Symbol.for("pawl.engine.DriverHangError");

  constructor() {
    const said = `a call of an earlier run on this driver, or that run itself, has not settled for ${HANG_MS} ms`;
    super("driver_hang", `${said}: see why it hangs, or run the workflow on another driver object`, {
      retryable: true,
    });
  }
}

export class DriverPort {
  readonly #driver: EngineDriver;
  readonly #workflowId: string;
  readonly #limits: { rows: number; bytes: number } | undefined;
  /** What the last failed call threw. */
  error: unknown;
  #after: Promise<void> = Promise.resolve();
  readonly #completions = new Map<string, Promise<unknown>>();

  /** `limits`: of one batch; the driver's own, if there are none. */
  constructor(driver: EngineDriver, workflowId: string, limits?: { rows: number; bytes: number }) {
    this.#limits = limits;
    this.#driver = driver;
    this.#workflowId = workflowId;
  }

  /**
   * Waits for calls of earlier runs on the same driver, and for those of them that were evicted. Rejects with `DriverHangError`
   * after 30 s.
   */
  async quiet(): Promise<void> {
    const earlier = [...(unsettled.get(this.#driver) ?? []), ...(leaving.get(this.#driver) ?? [])];
    if (earlier.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new DriverHangError()), HANG_MS);
    });
    try {
      await Promise.race([Promise.allSettled(earlier), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Every row: names, entries, metadata, the single rows, and Pawl's own. */
  async rows(): Promise<HostRow[]> {
    const driver = this.#driver;
    const rows: HostRow[] = [];
    for (const prefix of [namesPrefix(), historyRootPrefix(), metadataPrefix()])
      rows.push(...(await this.#list(prefix)));
    for (const key of [stateKey(), outputKey(), errorKey(), inputKey()]) {
      const value: unknown = await driver.get(key);
      if (value !== null && value !== undefined) rows.push({ key, value: bytesFrom("get", value) });
    }
    return [...rows, ...(await this.#list(OWN_ROWS))];
  }

  async #list(prefix: Uint8Array): Promise<HostRow[]> {
    const rows: HostRow[] = [];
    for (const { key, value } of listFrom("list", await this.#driver.list(prefix)))
      rows.push({ key: bytesFrom("list", key), value: bytesFrom("list", value) });
    return rows;
  }

  /** Messages that are there now, none of them taken. */
  async received(names: readonly string[], count: number): Promise<Message[]> {
    const wanted = { ...(names.length > 0 && { names }), count, completable: true };
    const messages = listFrom("receiveMessages", await this.#driver.messageDriver.receiveMessages(wanted));
    for (const { id, name, sentAt } of messages) {
      const isWell = typeof id === "string" && typeof name === "string" && Number.isFinite(sentAt);
      if (!isWell)
        throw badAnswer("receiveMessages", { id, name, sentAt }, "an id and a name of text, and sentAt in ms");
    }
    return messages;
  }

  get limits(): { rows: number; bytes: number } | undefined {
    return this.#limits ?? this.#driver.limits;
  }

  get isAtomic(): boolean {
    return this.#driver.atomicBatch === true;
  }

  /** Makes calls up to the first that fails. Resolves to whether a batch or row may have been written then; undefined: all went well. */
  async calls(calls: readonly DriverCall[]): Promise<{ readonly certain: boolean } | undefined> {
    for (const call of calls) {
      try {
        await this.#note(this.#call(call));
      } catch (error) {
        this.error = error;
        return { certain: call.kind === "setAlarm" || call.kind === "clearAlarm" };
      }
    }
    return undefined;
  }

  /** Makes every call, whatever becomes of the one before. Resolves to the indices of those that failed. */
  after(calls: readonly DriverCall[]): Promise<number[]> {
    const done = this.#each(calls);
    this.#after = done.then(() => {});
    return done;
  }

  /** Resolves when the host knows that a message is completed. Tells it again if it could not be told. */
  async completed(id: string, response: unknown): Promise<void> {
    await this.#after;
    const told = this.#completions.get(id);
    this.#completions.delete(id);
    if (told === undefined) return this.#driver.messageDriver.completeMessage(id, response);
    await told;
  }

  /** When no call is under way. */
  async idle(): Promise<void> {
    for (let calls = unsettled.get(this.#driver); calls !== undefined && calls.size > 0; )
      await Promise.allSettled(calls);
  }

  /** When the calls after the newest commit have been made. */
  settled(): Promise<void> {
    return this.#after;
  }

  async #each(calls: readonly DriverCall[]): Promise<number[]> {
    const failed: number[] = [];
    for (const [index, call] of calls.entries()) {
      try {
        await this.#note(this.#call(call));
      } catch {
        failed.push(index);
      }
    }
    return failed;
  }

  /** The run has been evicted: later ones on the same driver wait for its result. */
  leaves(result: Promise<unknown>): void {
    noteIn(leaving, this.#driver, result);
  }

  #note<T>(call: Promise<T>): Promise<T> {
    noteIn(unsettled, this.#driver, call);
    return call;
  }

  async #call(call: DriverCall): Promise<unknown> {
    const driver = this.#driver;
    switch (call.kind) {
      case "set":
        return driver.set(call.key, call.value);
      case "batch":
        return driver.batch(call.writes);
      case "delete":
        return driver.delete(call.key);
      case "deletePrefix":
        return driver.deletePrefix(call.prefix);
      case "deleteRange":
        return driver.deleteRange(call.start, call.end);
      case "setAlarm":
        return driver.setAlarm(this.#workflowId, call.at);
      case "clearAlarm":
        return driver.clearAlarm(this.#workflowId);
      case "addMessage": {
        const { id, name, body, sentAt } = call;
        return driver.messageDriver.addMessage({ id, name, data: decodeValue(body), sentAt });
      }
      case "completeMessage": {
        const { id, response } = call;
        const told = driver.messageDriver.completeMessage(
          id,
          response === undefined ? undefined : decodeValue(response),
        );
        this.#completions.set(id, told);
        return told;
      }
    }
  }
}

/** Keeps `promise` under `driver` until it settles. */
function noteIn(
  notes: WeakMap<EngineDriver, Set<Promise<unknown>>>,
  driver: EngineDriver,
  promise: Promise<unknown>,
): void {
  const noted = notes.get(driver) ?? new Set();
  notes.set(driver, noted.add(promise));
  const over = () => noted.delete(promise);
  promise.then(over, over);
}
