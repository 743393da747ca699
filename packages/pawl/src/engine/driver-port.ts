/**
 * An embedding host's driver, as the engine uses it: reads every row, makes the calls of a change in their order, and notes
 * what is under way, so that a later run on the same driver does not read beside it.
 */
import { type DriverCall, PackedRows } from "../wire.ts";
import { Commits, NotCommitted, wholeChanges } from "./commits.ts";
import { badAnswer, listFrom, rowFrom, rowsFrom } from "./driver-answer.ts";
import { compareKeys } from "./key-bytes.ts";
import { errorKey, historyRootPrefix, inputKey, metadataPrefix, namesPrefix, outputKey, stateKey } from "./keys.ts";
import type { EngineDriver, KVEntry, KVWrite, Message } from "./types.ts";
import { afterHang, DriverHangError, idle, note, noteCall, quiet, type RunUnderWay } from "./under-way.ts";
import { decodeValue } from "./values.ts";

/** The rows of Pawl's own: the tuple `(9)`. */
export const OWN_ROWS: Uint8Array = Uint8Array.of(0x15, 0x09);
/** The row that is written with every change: `(9,0)`. */
const HEAD_ROW = Uint8Array.of(0x15, 0x09, 0x14);
const STATE_ROW = stateKey();
/** Of so many messages it is known that the host was told that they are done with. */
const MOST_COMPLETIONS = 1_000;

/** What became of the calls that decide: whether those that failed are certain to have done nothing, or what those after them come to. */
export type PortWritten =
  | { readonly failed: { readonly certain: boolean } }
  | { readonly failed: undefined; readonly settled: Promise<number[]> | undefined };

export interface PortOptions {
  /** Of one batch; the driver's own, if there are none. */
  readonly limits?: { rows: number; bytes: number } | undefined;
  /** Of whoever owns the rows: a driver with `commit` refuses older ones. Default 0. */
  readonly epoch?: bigint | undefined;
  /** The host's alarm stays as it is, whatever the engine asks for. Default false. */
  readonly keepsAlarm?: boolean;
}

export class DriverPort {
  readonly epoch: bigint;
  readonly #driver: EngineDriver;
  readonly #workflowId: string;
  readonly #limits: { rows: number; bytes: number } | undefined;
  readonly #commits: Commits | undefined;
  readonly #keepsAlarm: boolean;
  /** What the last failed call threw. */
  error: unknown;
  #after: Promise<void> = Promise.resolve();
  #committed: Promise<void> = Promise.resolve();
  readonly #completions = new Map<string, Promise<unknown>>();
  /** The rows that every writer writes, as they were when they were read or written last. */
  #head: Uint8Array | undefined;
  #state: Uint8Array | undefined;
  readonly #open = new Set<Promise<unknown>>();
  #onHang: ((error: DriverHangError) => void) | undefined;

  constructor(driver: EngineDriver, workflowId: string, { limits, epoch = 0n, keepsAlarm = false }: PortOptions = {}) {
    this.#keepsAlarm = keepsAlarm;
    this.#limits = limits;
    this.#driver = driver;
    this.#workflowId = workflowId;
    this.epoch = epoch;
    this.#commits = driver.commit === undefined ? undefined : new Commits(driver, epoch);
  }

  /** Waits for calls and runs on the same driver that began earlier. Rejects with `DriverHangError` after 30 s. */
  quiet(overlooks?: (run: RunUnderWay) => boolean): Promise<void> {
    return quiet(this.#driver, this.epoch, overlooks);
  }

  /** A run has begun: later ones on the same driver wait for its result. */
  begins(run: RunUnderWay): void {
    note(this.#driver, this.epoch, run);
  }

  /** From now on, calls `tell` when a call of the driver has not settled for 30 s. */
  watch(tell: (error: DriverHangError) => void): void {
    if (this.#onHang !== undefined) return;
    this.#onHang = tell;
    for (const call of this.#open) this.#time(call);
  }

  /** Every row: names, entries, metadata, the single rows, and Pawl's own. */
  async rows(): Promise<PackedRows> {
    this.error = undefined;
    const rows = new PackedRows();
    for (const prefix of [namesPrefix(), historyRootPrefix()]) pack(await this.#list(prefix), rows);
    const metadata = await this.#list(metadataPrefix());
    const single: KVWrite[] = [];
    for (const key of [stateKey(), outputKey(), errorKey(), inputKey()]) {
      const value = await this.row(key);
      if (value !== undefined) single.push({ key, value });
    }
    const own = await this.#list(OWN_ROWS);
    for (const part of [single, metadata, own]) pack(part, rows);
    [this.#head, this.#state] = [undefined, undefined];
    this.#remember(single);
    this.#remember(own.slice(0, 1));
    return rows;
  }

  /** Whether the rows that every writer writes are as this port has last read or written them. */
  async isCurrent(): Promise<boolean> {
    const [head, state] = [await this.row(HEAD_ROW), await this.row(STATE_ROW)];
    return isSame(head, this.#head) && isSame(state, this.#state);
  }

  /** One row; undefined if there is none. */
  async row(key: Uint8Array): Promise<Uint8Array | undefined> {
    return rowFrom("get", await this.#asked(this.#driver.get(key))) ?? undefined;
  }

  async #list(prefix: Uint8Array): Promise<KVEntry[]> {
    return rowsFrom("list", await this.#asked(this.#driver.list(prefix)));
  }

  #remember(rows: readonly KVWrite[]): void {
    for (const { key, value } of rows) {
      if (key.length > STATE_ROW.length) continue;
      if (compareKeys(key, HEAD_ROW) === 0) this.#head = value;
      else if (compareKeys(key, STATE_ROW) === 0) this.#state = value;
    }
  }

  /** Messages that are there now, none of them taken. */
  async received(names: readonly string[], count: number): Promise<Message[]> {
    const wanted = { ...(names.length > 0 && { names }), count, completable: true };
    const asked = this.#asked(this.#driver.messageDriver.receiveMessages(wanted));
    const messages = listFrom("receiveMessages", await asked);
    for (const message of messages) {
      const { id, name, sentAt }: Partial<Message> = message ?? {};
      const isWell = typeof id === "string" && typeof name === "string" && Number.isFinite(sentAt);
      if (!isWell)
        throw badAnswer("receiveMessages", { id, name, sentAt }, "an id and a name of text, and sentAt in ms");
    }
    return messages;
  }

  get limits(): { rows: number; bytes: number } | undefined {
    return this.#limits ?? this.#driver.limits;
  }

  /** Whether a batch of any size is all or nothing. */
  get isAtomic(): boolean {
    return this.#driver.atomicBatch === true || this.takesWhole;
  }

  /** Whether the driver takes what follows a batch together with it. */
  get takesWhole(): boolean {
    return this.#commits !== undefined;
  }

  /** Makes `calls` up to the first that fails; if all went well, every call of `after`, whatever becomes of the one before. */
  async write(calls: readonly DriverCall[], after: readonly DriverCall[]): Promise<PortWritten> {
    if (this.#commits !== undefined) return this.#commit(this.#commits, calls, after);
    for (const call of calls) {
      try {
        await this.#note(this.#call(call));
      } catch (error) {
        this.error = error;
        return { failed: { certain: call.kind === "setAlarm" || call.kind === "clearAlarm" } };
      }
      if (call.kind === "batch") this.#remember(call.writes);
    }
    return { failed: undefined, settled: after.length === 0 ? undefined : this.#follow(after, [...after.keys()]) };
  }

  /** One after another: what became of one is found out by asking for the newest. */
  #commit(commits: Commits, calls: readonly DriverCall[], after: readonly DriverCall[]): Promise<PortWritten> {
    const written = this.#committed.then(() => this.#commitNext(commits, calls, after));
    this.#committed = written.then(
      () => {},
      () => {},
    );
    return written;
  }

  async #commitNext(
    commits: Commits,
    calls: readonly DriverCall[],
    after: readonly DriverCall[],
  ): Promise<PortWritten> {
    const { changes, later } = wholeChanges(calls, after);
    for (const whole of changes) {
      const change = this.#keepsAlarm ? { ...whole, alarm: undefined } : whole;
      try {
        await this.#note(commits.commit(change));
      } catch (error) {
        const known = error instanceof NotCommitted ? error : new NotCommitted(error, false);
        this.error = known.thrown;
        return { failed: { certain: known.isCertain } };
      }
      this.#remember(change.puts);
      for (const id of change.consumed) this.#complete(id, Promise.resolve());
    }
    return { failed: undefined, settled: after.length === 0 ? undefined : this.#follow(after, later) };
  }

  /** Writes one row, apart from changes. Rejects as the driver does. */
  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.#beside([{ kind: "batch", writes: [{ key, value }] }], []);
  }

  /** Takes one row away, apart from changes. */
  async remove(key: Uint8Array): Promise<void> {
    await this.#beside([], [{ kind: "delete", key }]);
  }

  async #beside(calls: readonly DriverCall[], after: readonly DriverCall[]): Promise<void> {
    const { failed, ...written } = await this.write(calls, after);
    if (failed !== undefined) throw this.error;
    if ("settled" in written) await written.settled;
  }

  /** Makes the calls at these places, every one. Resolves to the places of those that failed. */
  #follow(calls: readonly DriverCall[], places: readonly number[]): Promise<number[]> {
    const done = this.#each(calls, places);
    this.#after = done.then(() => {});
    return done;
  }

  async #each(calls: readonly DriverCall[], places: readonly number[]): Promise<number[]> {
    const failed: number[] = [];
    for (const place of places) {
      try {
        await this.#note(this.#call(calls[place] as DriverCall));
      } catch {
        failed.push(place);
      }
    }
    return failed;
  }

  /** Resolves when the host knows that a message is completed. Tells it again if it could not be told. */
  async completed(id: string, response: unknown): Promise<void> {
    await this.#after;
    const told = this.#completions.get(id);
    this.#completions.delete(id);
    if (told === undefined) return this.#driver.messageDriver.completeMessage(id, response);
    await told;
  }

  #complete(id: string, told: Promise<unknown>): void {
    this.#completions.set(id, told);
    for (const oldest of this.#completions.keys()) {
      if (this.#completions.size <= MOST_COMPLETIONS) return;
      this.#completions.delete(oldest);
    }
  }

  /** When no call is under way. */
  idle(): Promise<void> {
    return idle(this.#driver);
  }

  /** When the calls after the newest commit have been made. */
  settled(): Promise<void> {
    return this.#after;
  }

  /** A call that later runs wait for: it may write. */
  #note<T>(answer: T | PromiseLike<T>): Promise<T> {
    const call = Promise.resolve(answer);
    return this.#opened(call, noteCall(this.#driver, this.epoch, call));
  }

  /** Not every driver answers with a promise. */
  #asked<T>(answer: T | PromiseLike<T>): Promise<T> {
    return this.#opened(Promise.resolve(answer), undefined);
  }

  #opened<T>(call: Promise<T>, noted: (() => void) | undefined): Promise<T> {
    this.#open.add(call);
    const over = () => {
      this.#open.delete(call);
      noted?.();
    };
    call.then(over, over);
    if (this.#onHang !== undefined) this.#time(call);
    return call;
  }

  #time(call: Promise<unknown>): void {
    const stop = afterHang(() => this.#onHang?.(new DriverHangError()));
    call.then(stop, stop);
  }

  #call(call: DriverCall): unknown {
    const driver = this.#driver;
    if (this.#keepsAlarm && (call.kind === "setAlarm" || call.kind === "clearAlarm")) return undefined;
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
        this.#complete(id, told);
        return told;
      }
    }
  }
}

function pack(list: readonly KVEntry[], rows: PackedRows): void {
  for (const { key, value } of list) rows.put(key, value);
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === undefined || other === undefined ? one === other : compareKeys(one, other) === 0;
}
