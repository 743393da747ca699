/** Workflows of an embedding host: contexts, errors and values of the engine that this one stands in for. */
import type { Attempt } from "../attempt.ts";
import { type FailureKind, type FailureRecord, toBranchRecord, toRecord } from "../failure.ts";
import { isImmutable } from "../values/index.ts";
import type { Terminal } from "../wire.ts";
import type { Branches, Dialect, StepFailure } from "../workflow/dialect.ts";
import type { ForkOperation, Kept } from "../workflow/operation.ts";
import type { ScopeContext } from "../workflow/scope-context.ts";
import { EngineContext } from "./engine-context.ts";
import {
  CancelledError,
  CriticalError,
  EntryInProgressError,
  HistoryDivergedError,
  JoinError,
  RaceError,
  RollbackCheckpointError,
  RollbackError,
  StepExhaustedError,
} from "./errors.ts";
import { openMessage } from "./queue-message.ts";
import { rebuild, textOf } from "./recorded-error.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** What a run of an embedding host adds. */
export interface EngineDialectOptions {
  readonly workflowId: string;
  /** What bodies of steps, and handlers that undo them, are given. */
  readonly attempt: (attempt: Attempt) => unknown;
  readonly isEvicted: () => boolean;
  /** Resolves when the host has been told that a message is completed; tells it again if that had failed. */
  readonly completed: (id: string, response: unknown) => Promise<void>;
  /** An error that left a branch and is to leave the workflow. */
  readonly escaped: (error: unknown) => void;
  /** A value that does not come back as it went in. */
  readonly flattened: (what: string, path: string, found: string) => void;
}

export class EngineDialect implements Dialect {
  readonly #options: EngineDialectOptions;

  constructor(options: EngineDialectOptions) {
    this.#options = options;
  }

  facade(context: ScopeContext): unknown {
    return new EngineContext(context, this.#options);
  }

  attempt(attempt: Attempt): unknown {
    return this.#options.attempt(attempt);
  }

  undoing(attempt: Attempt): unknown {
    const given = this.#options.attempt(attempt);
    if (given !== undefined) return given;
    const { workflowId, isEvicted } = this.#options;
    return {
      workflowId,
      get abortSignal() {
        return attempt.abortSignal;
      },
      isEvicted,
    };
  }

  forkResult(operation: ForkOperation, { winner, values, failures }: Branches): unknown {
    if (operation.rule === "race") {
      if (winner !== undefined) return { winner: operation.branches[winner], value: values.get(winner) };
      const errors = [...failures].map(([index, failure]) => ({
        name: operation.branches[index] ?? "",
        error: textOf(failure),
      }));
      throw new RaceError("All branches failed", errors);
    }
    const named = (of: Iterable<[number, unknown]>) =>
      Object.fromEntries([...of].map(([index, value]) => [operation.branches[index] ?? "", value]));
    if (failures.size === 0) return named(values);
    const errors = [...failures].map(([index, failure]): [number, Error] => [index, rebuild(failure)]);
    throw new JoinError(named(errors) as Record<string, Error>);
  }

  stepError(
    step: string,
    terminal: Terminal,
    _attempts: number,
    failure: FailureRecord,
    _actor: string,
    { retriesTimeouts, thrown }: StepFailure,
  ): Error {
    if (terminal === "timeout" && !retriesTimeouts) return new CriticalError(failure.message);
    if (terminal === "exhausted" || terminal === "timeout") return new StepExhaustedError(step, textOf(failure));
    return thrown instanceof Error ? thrown : rebuild(failure);
  }

  toRecord(error: unknown, kind?: "critical"): FailureRecord {
    return toRecord(error, kind ?? kindOf(error));
  }

  toBranchRecord(error: unknown): FailureRecord {
    return toBranchRecord(error, this.toRecord(error));
  }

  /** Misuse and divergence end the run, and no branch is recorded as failed for them (engine behaviour 4.5.3). */
  escapes(error: unknown): boolean {
    const isControl = [HistoryDivergedError, EntryInProgressError, RollbackCheckpointError].some(
      (control) => error instanceof control,
    );
    if (isControl) this.#options.escaped(error);
    return isControl;
  }

  retryAt(): undefined {
    return undefined;
  }

  encode(value: unknown, what: () => string): { readonly bytes: Uint8Array; readonly kept: Kept } {
    const bytes = encodeValue(value, (path, found) => this.#options.flattened(what(), path, found));
    return { bytes, kept: isImmutable(value) ? { value } : { bytes } };
  }

  decode(bytes: Uint8Array): unknown {
    return decodeValue(bytes);
  }

  message(bytes: Uint8Array): unknown {
    return openMessage(bytes);
  }

  isName(): boolean {
    return true;
  }

  branchCancelled(): Error {
    return new CancelledError();
  }

  entryInProgress(): Error {
    return new EntryInProgressError();
  }

  entryPending(): Error {
    return new EntryInProgressError();
  }

  wrongContext(): Error {
    return new EntryInProgressError();
  }

  duplicateName(_actor: string, _kind: string, name: string, context: ScopeContext): Error {
    const place = EngineContext.pathOf(context);
    return new HistoryDivergedError(
      `Duplicate entry name "${name}" at location "${place}". Each step/loop/sleep/queue.next/join/race must have a unique name within its scope.`,
    );
  }

  badNext(loop: string, found: unknown): Error {
    const said = found === undefined || found === null ? "undefined" : typeof found;
    return new Error(
      `Loop "${loop}" returned ${said} for a stateful iteration. Return Loop.continue(state) or Loop.break(value).`,
    );
  }
}

function kindOf(error: unknown): FailureKind {
  if (error instanceof RollbackError) return "rollback";
  return error instanceof CriticalError ? "critical" : "error";
}
