/** Pawl's own workflows: its contexts, errors and values. */

import { isShortText } from "../actor.ts";
import type { Attempt } from "../attempt.ts";
import { milliseconds } from "../duration.ts";
import { PawlError, RetryAfterError, withoutFrames } from "../errors.ts";
import { type FailureRecord, partOf, toBranchRecord, toError, toFailure, toRecord } from "../failure.ts";
import * as say from "../messages.ts";
import type { Failed } from "../types.ts";
import { decode, encode, isImmutable, ValueError } from "../values/index.ts";
import type { Terminal } from "../wire.ts";
import { CallSites, suspect } from "./call-sites.ts";
import type { Branches, Dialect } from "./dialect.ts";
import type { ForkOperation, Kept, Operation } from "./operation.ts";
import { PawlContext } from "./pawl-context.ts";
import type { PendingEntry, ScopeContext } from "./scope-context.ts";

export class PawlDialect implements Dialect {
  readonly sites: CallSites = new CallSites();
  readonly #maxBytes: number;

  /** `maxBytes`: the size of one encoded value at most. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  facade(context: ScopeContext): unknown {
    return new PawlContext(context);
  }

  called(kind: Operation["kind"], name: string): void {
    this.sites.note(kind, name);
  }

  attempt(attempt: Attempt): unknown {
    return attempt.context;
  }

  undoing(attempt: Attempt): unknown {
    return attempt.context;
  }

  forkResult(operation: ForkOperation, branches: Branches): unknown {
    switch (operation.rule) {
      case "join":
        return joined(operation, branches);
      case "race":
        return raced(operation, branches);
      case "map":
        return mapped(operation, branches);
      case "mapSettled":
        return settled(operation, branches);
    }
  }

  stepError(step: string, terminal: Terminal, attempts: number, failure: FailureRecord, actor: string): Error {
    if (isLimitOfHandlers(failure)) return say.compensationLimit(actor, step, failure.message);
    const error = toError(failure);
    if (terminal === "critical" || terminal === "rollback") return error;
    const data = { step, attempts, error: toFailure(failure) };
    if (terminal === "timeout")
      return withoutFrames(
        new PawlError(
          "step_timeout",
          `step "${step}" of ${actor} has timed out, and is not tried again: ${failure.message}`,
          { data },
        ),
      );
    const times = `${attempts} ${attempts === 1 ? "time" : "times"}`;
    const message = `step "${step}" of ${actor} has failed ${times}, and is not tried again: ${failure.message}`;
    return withoutFrames(new PawlError("step_exhausted", message, { cause: error, data }));
  }

  callError(kind: "child" | "ask", to: string, failure: FailureRecord, actor: string): Error {
    const error = toError(failure);
    return kind === "ask"
      ? error
      : withoutFrames(say.childFailed(to, actor, failure.message, { child: to, error: toFailure(failure) }, error));
  }

  toRecord(error: unknown, kind?: "critical"): FailureRecord {
    return toRecord(error, kind);
  }

  toBranchRecord(error: unknown): FailureRecord {
    return toBranchRecord(error);
  }

  /** A time that cannot be one, or cannot be read, is no reason to fail otherwise: the policy's stands. */
  retryAt(error: unknown, now: number): number | undefined {
    try {
      if (!(error instanceof RetryAfterError)) return undefined;
      const { after } = error;
      if (after instanceof Date) return Number.isNaN(after.getTime()) ? undefined : after.getTime();
      return now + milliseconds(after, "the wait that a RetryAfterError asks for");
    } catch {
      return undefined;
    }
  }

  encode(value: unknown, what: () => string, effect: string): { readonly bytes: Uint8Array; readonly kept: Kept } {
    try {
      const bytes = encode(value, { maxBytes: this.#maxBytes });
      return { bytes, kept: isImmutable(value) ? { value } : { bytes } };
    } catch (error) {
      // What is thrown otherwise is thrown by the value itself: a part of a state whose attempt is over.
      throw error instanceof ValueError ? say.notStorable(what(), error, effect) : error;
    }
  }

  decode(bytes: Uint8Array): unknown {
    return decode(bytes);
  }

  message(bytes: Uint8Array, context: ScopeContext | undefined): unknown {
    const { id, name, body, createdAt, completed } = decode(bytes) as MessageRecord;
    const message = { id, name, body, sentAt: createdAt };
    const reply = context?.run.owner.messages.get(name)?.reply;
    if (context === undefined || reply === undefined) return message;
    let recorded = completed === true;
    const isRecorded = () => {
      const was = recorded;
      recorded = false;
      return was;
    };
    return { ...message, complete: (answer: unknown) => context.run.complete(id, name, reply, answer, isRecorded) };
  }

  isName(text: string): boolean {
    return text !== "" && isShortText(text);
  }

  branchCancelled(actor: string): Error {
    return new PawlError("cancelled", `a branch of ${actor} was cancelled: the others have decided without it`);
  }

  entryInProgress(
    actor: string,
    kind: Operation["kind"],
    name: string,
    pending: PendingEntry,
    context: ScopeContext,
  ): Error {
    suspect(actor);
    return say.entryInProgress(actor, kind, name, pending, context.startedAs(pending.name)?.site);
  }

  entryPending(actor: string, pending: PendingEntry): Error {
    return say.entryPending(actor, pending);
  }

  wrongContext(actor: string, kind: string, name: string, around: Operation["kind"], inside: string): Error {
    return say.wrongContext(actor, kind, name, around, inside);
  }

  duplicateName(actor: string, kind: string, name: string, context: ScopeContext): Error {
    suspect(actor);
    return say.duplicateName(actor, kind, name, context.startedAs(name));
  }

  badNext(loop: string, found: unknown, stateless: boolean, actor: string): Error {
    return new PawlError(
      "bad_argument",
      `a round of loop "${loop}" of ${actor} did not say how to go on.
  found     ${found === undefined ? "undefined" : typeof found}
  expected  Loop.continue(state) or Loop.break(value)${stateless ? ", or nothing" : ""}`,
    );
  }
}

/** The engine's own failure of a step that may not be undone any more. */
function isLimitOfHandlers({ kind, name, stack }: FailureRecord): boolean {
  return kind === "critical" && name === "CompensationLimitError" && stack === undefined;
}

interface MessageRecord {
  readonly id: string;
  readonly name: string;
  readonly body: unknown;
  readonly createdAt: number;
  readonly completed?: boolean;
}

function byName(operation: ForkOperation, values: ReadonlyMap<number, unknown>): Record<string, unknown> {
  const named: Record<string, unknown> = {};
  for (const [index, value] of values)
    Object.defineProperty(named, operation.branches[index] ?? index, {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  return named;
}

function joined(operation: ForkOperation, { values, failures }: Branches): unknown {
  if (failures.size === 0) return byName(operation, values);
  const data = { values: byName(operation, values), errors: byName(operation, plain(failures)) };
  throw forkFailed("join_failed", operation, failures, data);
}

function raced(operation: ForkOperation, { winner, values, failures }: Branches): unknown {
  if (winner !== undefined) return { winner: operation.branches[winner], value: values.get(winner) };
  throw forkFailed("race_failed", operation, failures, { errors: byName(operation, plain(failures)) });
}

function mapped(operation: ForkOperation, { values, failures }: Branches): unknown {
  const list = Array.from({ length: operation.branches.length }, (_, index) => values.get(index));
  if (failures.size === 0) return list;
  throw forkFailed("map_failed", operation, failures, { values: list, errors: byName(operation, plain(failures)) });
}

function settled(operation: ForkOperation, { values, failures }: Branches): unknown {
  return operation.branches.map((_, index) => {
    const failure = failures.get(index);
    return failure === undefined ? { ok: true, value: values.get(index) } : { ok: false, failure: failed(failure) };
  });
}

/** A branch's failure as `mapSettled` gives it. */
function failed(failure: FailureRecord): Failed {
  const part = partOf(failure) ?? { kind: "error", name: failure.name, attempts: 0 };
  return { kind: part.kind, name: part.name, attempts: part.attempts, error: toFailure(failure) };
}

function plain(failures: ReadonlyMap<number, FailureRecord>): Map<number, unknown> {
  return new Map([...failures].map(([index, failure]) => [index, toFailure(failure)]));
}

function forkFailed(
  code: string,
  operation: ForkOperation,
  failures: ReadonlyMap<number, FailureRecord>,
  data: object,
): PawlError {
  const names = [...failures.keys()].map((index) => operation.branches[index] ?? String(index));
  const shown = names.slice(0, 10).join(", ") + (names.length > 10 ? `, and ${names.length - 10} more` : "");
  const [first] = failures.values();
  const because = first === undefined ? "" : `: ${first.message}`;
  const cause = first === undefined ? {} : { cause: toError(first) };
  return withoutFrames(
    new PawlError(code, `${operation.kind} "${operation.name}" has failed in ${shown}${because}`, { data, ...cause }),
  );
}
