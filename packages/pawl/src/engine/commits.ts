/**
 * Drivers with `commit`: what the engine asks for as single calls is given to them as whole changes, each under an id by which an
 * outcome that nobody knows is found out.
 */
import { brand, PawlError } from "../errors.ts";
import type { DriverCall } from "../wire.ts";
import { generateId } from "./storage.ts";
import type { Change, EngineDriver, Message } from "./types.ts";
import { decodeValue } from "./values.ts";

/** A change that has no id yet. */
export type Whole = Omit<Change, "id" | "epoch">;

/** `fenced`: what a driver's `commit` rejects with for an epoch that is older than the one it knows. It has written nothing. */
export class FencedError extends PawlError {
  static override readonly brand: symbol = Symbol.for("pawl.engine.FencedError");

  constructor(found: bigint, expected: bigint) {
    super(
      "fenced",
      `a change was refused: its owner has been succeeded by another.
  found     epoch ${found}
  expected  epoch ${expected}
  do        stop this run; whoever has the newer epoch goes on`,
      { data: { found, expected } },
    );
  }
}
brand(FencedError.prototype, FencedError.brand);

/** A change that was not committed, or of which that is not known. */
export class NotCommitted extends Error {
  readonly thrown: unknown;
  readonly isCertain: boolean;

  constructor(thrown: unknown, isCertain: boolean) {
    super("a change was not committed");
    this.thrown = thrown;
    this.isCertain = isCertain;
  }
}

/**
 * The changes that calls are: one for each batch, the last with everything that is to follow. `later` are the places in `after` of what
 * no change has room for: answers to messages.
 */
export function wholeChanges(
  calls: readonly DriverCall[],
  after: readonly DriverCall[],
): { readonly changes: readonly Whole[]; readonly later: readonly number[] } {
  const puts = calls.flatMap((call) => {
    if (call.kind === "set") return [[{ key: call.key, value: call.value }]];
    return call.kind === "batch" ? [call.writes] : [];
  });
  const [last = [], ...before] = puts.reverse();
  const alone = (rows: Change["puts"]): Whole => ({
    puts: rows,
    deletes: [],
    consumed: [],
    sent: [],
    alarm: undefined,
  });
  const isLater = (call: DriverCall) => call.kind === "completeMessage" && call.response !== undefined;
  const asked = [...calls, ...after.filter((call) => !isLater(call))];
  return {
    changes: [
      ...before.reverse().map(alone),
      {
        puts: last,
        deletes: asked.flatMap(deletionOf),
        consumed: asked.flatMap((call) => (call.kind === "completeMessage" ? [call.id] : [])),
        sent: asked.flatMap(messageOf),
        alarm: asked.reduce(alarmAfter, undefined),
      },
    ],
    later: [...after.keys()].filter((place) => isLater(after[place] as DriverCall)),
  };
}

function deletionOf(call: DriverCall): { start: Uint8Array; end: Uint8Array }[] {
  switch (call.kind) {
    case "delete":
      return [{ start: call.key, end: Uint8Array.of(...call.key, 0) }];
    case "deletePrefix":
      return [{ start: call.prefix, end: endOf(call.prefix) }];
    case "deleteRange":
      return [{ start: call.start, end: call.end }];
    default:
      return [];
  }
}

/** The first key after all that begin with `prefix`. No key of the engine's begins with a byte of 255. */
function endOf(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (prefix[length - 1] === 0xff) length -= 1;
  const end = prefix.slice(0, length);
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}

function messageOf(call: DriverCall): Message[] {
  if (call.kind !== "addMessage") return [];
  return [{ id: call.id, name: call.name, data: decodeValue(call.body), sentAt: call.sentAt }];
}

function alarmAfter(alarm: Change["alarm"], call: DriverCall): Change["alarm"] {
  if (call.kind === "setAlarm") return call.at;
  return call.kind === "clearAlarm" ? null : alarm;
}

/** Commits one change after another. */
export class Commits {
  readonly #driver: EngineDriver;
  readonly #epoch: bigint;
  /** The id of the newest change that is known to be durable; undefined: not known. */
  #newest: string | null | undefined;

  constructor(driver: EngineDriver, epoch: bigint) {
    this.#driver = driver;
    this.#epoch = epoch;
  }

  /** Resolves when the change is durable, whatever the driver has said of it. Rejects with `NotCommitted`. */
  async commit(change: Whole): Promise<void> {
    const id = generateId();
    try {
      await this.#driver.commit?.({ id, epoch: this.#epoch, ...change });
    } catch (error) {
      if (codeOf(error) === "fenced") throw new NotCommitted(error, true);
      await this.#findOut(id, error);
    }
    this.#newest = id;
  }

  /** Nobody knows whether change `id` was written, after `error`: the driver knows what the newest one is. */
  async #findOut(id: string, error: unknown): Promise<void> {
    const before = this.#newest;
    const found = await this.#lastCommit();
    this.#newest = found;
    if (found !== id) throw new NotCommitted(error, found !== undefined && found === before);
  }

  /** Undefined: that cannot be found out either. */
  async #lastCommit(): Promise<string | null | undefined> {
    try {
      return await this.#driver.lastCommit?.();
    } catch {
      return undefined;
    }
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
}
