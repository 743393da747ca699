/**
 * What is under way on a driver object, calls and runs: a later run on it waits for them, so that it does not read beside what is
 * being written, and runs no body beside another.
 */
import { brand, PawlError } from "../errors.ts";
import type { EngineDriver } from "./types.ts";

/** How long anybody waits for a call or a run of somebody else on the same driver. */
const HANG_MS = 30_000;

/** `driver_hang`: a call of the driver, or an earlier run on it, has not settled for too long. */
export class DriverHangError extends PawlError {
  static override readonly brand: symbol = Symbol.for("pawl.engine.DriverHangError");

  constructor() {
    const found = `a call of this driver, or an earlier run on it, has not settled for ${HANG_MS} ms`;
    super("driver_hang", `${found}: await its result, evict it, or see why the driver hangs`, { retryable: true });
  }
}
brand(DriverHangError.prototype, DriverHangError.brand);

/** A run, as others on the same driver see it. */
export interface RunUnderWay {
  readonly result: Promise<unknown>;
  /** Whether it waits in memory for a time or a message, and looks again at what is stored before it goes on. */
  readonly isWaiting: boolean;
  /** Ends it as cancelled, if it is not over. Resolves to whether it was not, when that is durable. */
  cancel(): Promise<boolean>;
  /** Lets it look at what is stored, if it waits. */
  look(): void;
}

interface Noted {
  readonly settled: Promise<unknown>;
  readonly epoch: bigint;
  /** None: it is a call. */
  readonly run: RunUnderWay | undefined;
}

const underWay = new WeakMap<EngineDriver, Set<Noted>>();

/** Keeps a run until it settles. */
export function note(driver: EngineDriver, epoch: bigint, run: RunUnderWay): void {
  const over = keep(driver, { settled: run.result, epoch, run });
  run.result.then(over, over);
}

/** Keeps a call until what is returned is called: when it has settled. */
export function noteCall(driver: EngineDriver, epoch: bigint, call: Promise<unknown>): () => void {
  return keep(driver, { settled: call, epoch, run: undefined });
}

function keep(driver: EngineDriver, noted: Noted): () => void {
  let notes = underWay.get(driver);
  if (notes === undefined) {
    notes = new Set();
    underWay.set(driver, notes);
  }
  const kept = notes.add(noted);
  return () => void kept.delete(noted);
}

/** The runs that are under way on a driver. */
export function runsOn(driver: EngineDriver): RunUnderWay[] {
  return [...(underWay.get(driver) ?? [])].flatMap(({ run }) => run ?? []);
}

/**
 * Waits for everything that is under way on a driver, but for what `overlooks` says; what an owner of an earlier epoch has asked for
 * is refused by a driver that knows epochs, so that nobody need wait for it. Rejects with `DriverHangError` after 30 s.
 */
export async function quiet(
  driver: EngineDriver,
  epoch: bigint,
  overlooks: (run: RunUnderWay) => boolean = () => false,
): Promise<void> {
  const isFenced = (noted: Noted) => driver.commit !== undefined && noted.epoch < epoch;
  const counts = (noted: Noted) => !isFenced(noted) && !(noted.run !== undefined && overlooks(noted.run));
  const earlier = [...(underWay.get(driver) ?? [])].filter(counts);
  if (earlier.length > 0) await bounded(Promise.allSettled(earlier.map(({ settled }) => settled)));
}

/** When no call is under way. */
export async function idle(driver: EngineDriver): Promise<void> {
  const calls = () => [...(underWay.get(driver) ?? [])].filter(({ run }) => run === undefined);
  for (let open = calls(); open.length > 0; open = calls())
    await Promise.allSettled(open.map(({ settled }) => settled));
}

/** Rejects with `DriverHangError` if `promise` does not settle within 30 s. */
export async function bounded<T>(promise: PromiseLike<T> | T): Promise<T> {
  let stop = () => {};
  const late = new Promise<never>((_, reject) => {
    stop = afterHang(() => reject(new DriverHangError()));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop();
  }
}

/** Calls `tell` after 30 s, unless what it returns is called before. Keeps no process. */
export function afterHang(tell: () => void): () => void {
  const timer = setTimeout(tell, HANG_MS);
  return () => clearTimeout(timer);
}
