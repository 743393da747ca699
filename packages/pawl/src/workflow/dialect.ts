/** What differs between Pawl's own workflows and an embedding host's: contexts, errors, values. The engine is the same. */
import type { Attempt } from "../attempt.ts";
import type { FailureRecord } from "../failure.ts";
import type { Terminal } from "../wire.ts";
import type { ForkOperation, Kept, Operation } from "./operation.ts";
import type { PendingEntry, ScopeContext } from "./scope-context.ts";

/** What became of the branches of a fork: the values of those that returned, the failures of those that threw. */
export interface Branches {
  readonly winner: number | undefined;
  /** By place; absent for a branch that did not return. */
  readonly values: ReadonlyMap<number, unknown>;
  readonly failures: ReadonlyMap<number, FailureRecord>;
}

export interface StepFailure {
  /** Whether a timeout of the step is a failure like any other. */
  readonly retriesTimeouts: boolean;
  /** What the attempt threw, if it ran in this process. */
  readonly thrown?: unknown;
}

export interface Dialect {
  /** What user code is given in the place of a scope. */
  facade(context: ScopeContext): unknown;
  /** The code calls something of which the engine may find that it does not match the history. */
  called?(kind: Operation["kind"], name: string): void;
  /** What a step's body is given. */
  attempt(attempt: Attempt): unknown;
  /** What a handler that undoes a step is given. */
  undoing(attempt: Attempt): unknown;
  /** The result of a fork. Throws its failure. */
  forkResult(operation: ForkOperation, branches: Branches): unknown;
  /** The error of a step that has failed for good. */
  stepError(
    name: string,
    terminal: Terminal,
    attempts: number,
    failure: FailureRecord,
    actor: string,
    step: StepFailure,
  ): Error;
  /** The error of a child or an ask that has failed. */
  callError?(kind: "child" | "ask", to: string, failure: FailureRecord, actor: string): Error;
  /** Records what user code threw. */
  toRecord(error: unknown, kind?: "critical"): FailureRecord;
  toBranchRecord(error: unknown): FailureRecord;
  /** Whether an error that leaves a branch is none of the branch's: it leaves the workflow, and the branch has not settled. */
  escapes?(error: unknown): boolean;
  /** When a body that threw asks to be tried again, in milliseconds since the epoch. */
  retryAt(error: unknown, now: number): number | undefined;
  /** Encodes what user code returned. Throws what is to be thrown to it. */
  encode(
    value: unknown,
    what: () => string,
    effect: string,
  ): { readonly bytes: Uint8Array | undefined; readonly kept: Kept };
  decode(bytes: Uint8Array): unknown;
  /** A message that was taken, for user code. */
  message(bytes: Uint8Array, context: ScopeContext | undefined): unknown;
  /** Whether text can name an entry. */
  isName(text: string): boolean;
  /** Why a branch's operations reject once it has lost. */
  branchCancelled(actor: string): Error;
  entryInProgress(
    actor: string,
    kind: Operation["kind"],
    name: string,
    pending: PendingEntry,
    context: ScopeContext,
  ): Error;
  entryPending(actor: string, pending: PendingEntry): Error;
  wrongContext(actor: string, kind: string, name: string, around: Operation["kind"], inside: string): Error;
  duplicateName(actor: string, kind: string, name: string, context: ScopeContext): Error;
  badNext(loop: string, found: unknown, stateless: boolean, actor: string): Error;
}
