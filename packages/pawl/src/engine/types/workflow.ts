/** What workflow code and its host see of a run. Durations and intervals are milliseconds, times epoch milliseconds. */

import type { Logger } from "../../log.ts";
import type { Raw } from "../../symbols.ts";
import type { EntryKindType, WorkflowError, WorkflowHistorySnapshot, WorkflowState } from "./history.ts";

export interface WorkflowQueueNextOptions {
  /** Queues to receive from; none means any. */
  names?: readonly string[];
  /** Absent: wait without end. */
  timeout?: number;
  /** Each message must be completed by the receiver. */
  completable?: boolean;
}
export interface WorkflowQueueNextBatchOptions extends WorkflowQueueNextOptions {
  /** The most messages to receive; default 1. */
  count?: number;
}
export interface WorkflowQueueMessage<TBody = unknown> {
  id: string | bigint;
  name: string;
  body: TBody;
  createdAt: number;
  complete?(response?: unknown): Promise<void>;
}
export interface WorkflowQueue {
  /** `name` names the wait, not a queue. */
  next<TBody = unknown>(name: string, opts?: WorkflowQueueNextOptions): Promise<WorkflowQueueMessage<TBody>>;
  nextBatch<TBody = unknown>(
    name: string,
    opts?: WorkflowQueueNextBatchOptions,
  ): Promise<Array<WorkflowQueueMessage<TBody>>>;
  send(name: string, body: unknown): Promise<void>;
}

export interface WorkflowStepErrorEvent {
  workflowId: string;
  stepName: string;
  /** From 1. */
  attempt: number;
  maxRetries: number;
  remainingRetries: number;
  willRetry: boolean;
  retryDelay?: number;
  retryAt?: number;
  error: WorkflowError;
}
export interface WorkflowRollbackErrorEvent {
  workflowId: string;
  stepName: string;
  error: WorkflowError;
}
export interface WorkflowRunErrorEvent {
  workflowId: string;
  error: WorkflowError;
}
export type WorkflowErrorEvent =
  | { step: WorkflowStepErrorEvent }
  | { rollback: WorkflowRollbackErrorEvent }
  | { workflow: WorkflowRunErrorEvent };
export type WorkflowErrorHandler = (event: WorkflowErrorEvent) => void | Promise<void>;

export interface RollbackContextInterface {
  readonly workflowId: string;
  readonly abortSignal: AbortSignal;
  isEvicted(): boolean;
}

/** What the bodies of steps are given: nothing, unless the host makes something of their attempts (`context`). */
export type StepArguments<C> = unknown extends C ? [] : [context: C];
/** What handlers that undo steps are given. */
export type UndoContext<C> = unknown extends C ? RollbackContextInterface : C;

/** `C`: what the host's `context` makes of an attempt. */
export interface StepConfig<T, C = unknown> {
  name: string;
  run: (...context: StepArguments<C>) => Promise<T>;
  rollback?: (ctx: UndoContext<C>, output: T) => Promise<void>;
  /** The result is written with the next flush of anything, not at once. */
  ephemeral?: boolean;
  maxRetries?: number;
  retryBackoffBase?: number;
  retryBackoffMax?: number;
  /** 0 or less: none. */
  timeout?: number;
  /** A timeout is a failure like any other, rather than the end. Default false. */
  retryOnTimeout?: boolean;
}

export type TryStepCatchKind = "critical" | "timeout" | "exhausted" | "rollback";
export interface TryStepConfig<T, C = unknown> extends StepConfig<T, C> {
  catch?: readonly TryStepCatchKind[];
}
export interface TryStepFailure {
  kind: TryStepCatchKind;
  stepName: string;
  attempts: number;
  error: WorkflowError;
}
export type TryStepResult<T> = { ok: true; value: T } | { ok: false; failure: TryStepFailure };

export type TryBlockCatchKind = "step" | "join" | "race" | "rollback";
export interface TryBlockConfig<T, C = unknown> {
  name: string;
  run: (ctx: WorkflowContextInterface<C>) => Promise<T>;
  catch?: readonly TryBlockCatchKind[];
}
export interface TryBlockFailure {
  source: "step" | "join" | "race" | "block";
  name: string;
  error: WorkflowError;
  step?: TryStepFailure;
}
export type TryBlockResult<T> = { ok: true; value: T } | { ok: false; failure: TryBlockFailure };

export type LoopResult<S, T> = { continue: true; state: S } | { break: true; value: T };
/** A loop without state may return nothing, which goes on. */
export type LoopIterationResult<S, T> = Promise<LoopResult<S, T> | (S extends undefined ? undefined : never)>;
export interface LoopConfig<S, T, C = unknown> {
  name: string;
  state?: S;
  run: (ctx: WorkflowContextInterface<C>, state: S) => LoopIterationResult<S, T>;
  historyPruneInterval?: number;
  /** Past iterations that pruning keeps; default: the interval. */
  historySize?: number;
  /** @deprecated Use historyPruneInterval. */
  commitInterval?: number;
  /** @deprecated Use historyPruneInterval. */
  historyEvery?: number;
  /** @deprecated Use historySize. */
  historyKeep?: number;
}

export interface BranchConfig<T, C = unknown> {
  run: (ctx: WorkflowContextInterface<C>) => Promise<T>;
}
export type BranchOutput<T> = T extends { run: (...given: never[]) => Promise<infer O> } ? O : never;

export interface WorkflowContextInterface<C = unknown> {
  readonly workflowId: string;
  readonly abortSignal: AbortSignal;
  readonly queue: WorkflowQueue;
  step<T>(name: string, run: (...context: StepArguments<C>) => Promise<T>): Promise<T>;
  step<T>(config: StepConfig<T, C>): Promise<T>;
  tryStep<T>(name: string, run: (...context: StepArguments<C>) => Promise<T>): Promise<TryStepResult<T>>;
  tryStep<T>(config: TryStepConfig<T, C>): Promise<TryStepResult<T>>;
  try<T>(name: string, run: (ctx: WorkflowContextInterface<C>) => Promise<T>): Promise<TryBlockResult<T>>;
  try<T>(config: TryBlockConfig<T, C>): Promise<TryBlockResult<T>>;
  loop<T>(name: string, run: (ctx: WorkflowContextInterface<C>) => LoopIterationResult<undefined, T>): Promise<T>;
  loop<S, T>(config: LoopConfig<S, T, C>): Promise<T>;
  sleep(name: string, durationMs: number): Promise<void>;
  sleepUntil(name: string, timestampMs: number): Promise<void>;
  rollbackCheckpoint(name: string): Promise<void>;
  join<T extends Record<string, BranchConfig<unknown, C>>>(
    name: string,
    branches: T,
  ): Promise<{ [K in keyof T]: BranchOutput<T[K]> }>;
  race<T>(
    name: string,
    branches: Array<{ name: string; run: (ctx: WorkflowContextInterface<C>) => Promise<T> }>,
  ): Promise<{ winner: string; value: T }>;
  removed(name: string, originalType: EntryKindType): Promise<void>;
  getVersion(name: string, latest: number): Promise<number>;
  isEvicted(): boolean;
}

export type WorkflowFunction<TInput = unknown, TOutput = unknown, C = unknown> = (
  ctx: WorkflowContextInterface<C>,
  input: TInput,
) => Promise<TOutput>;
export type WorkflowRunMode = "yield" | "live";
/** First values of cells, by name. */
export type Cells = Record<string, { initial: () => unknown }>;
export type StateOf<C extends Cells> = { [K in keyof C]: ReturnType<C[K]["initial"]> };
/** A cell that was declared after the actor was opened. */
export interface Cell<T> {
  readonly name: string;
  readonly initial: () => T;
}

/** An actor of the host's: its cells, and transactions on them. */
export interface EngineActor<S> {
  /** Declares a further cell. */
  cell<T>(name: string, options: { initial: () => T }): Promise<Cell<T>>;
  /** Gives cells their values, after another engine has written to the history; resolves when they are durable. */
  adopt(cells: Partial<S>): Promise<void>;
  /** Plain copies of all cells: what to hand to another engine. */
  export(): Promise<S>;
  /** Runs `run` on what `context` makes of the attempt; all or nothing of it becomes durable, in one batch, before this resolves. */
  transaction<C, R>(context: (attempt: EngineAttempt<S>) => C, run: (c: C) => R | Promise<R>): Promise<R>;
  close(): Promise<void>;
}

/** A cell in the hands of an attempt. */
export interface OpenCell<T> extends Raw<T> {
  value: T;
}

/** One attempt: of a transaction, a step, or a handler that undoes one. */
export interface EngineAttempt<S> {
  /** Proxies of the cells: writes go through, and are undone if the attempt fails. */
  readonly cells: S;
  /** A plain, detached copy of a cell, with this attempt's writes. */
  raw<K extends keyof S & string>(cell: K): S[K];
  /** A cell that was declared after the actor was opened. */
  open<T>(cell: Cell<T>): OpenCell<T>;
  /** A row of the host's own, written in the same batch. Its key must be none of the engine's. */
  write(hostRow: { key: Uint8Array; value: Uint8Array }): void;
  /** Runs `fn` once the attempt's batch is durable; at most once, in memory only. */
  afterCommit(fn: () => void): void;
  readonly abortSignal: AbortSignal;
  /** 32 hex digits, the same for every attempt of this step or transaction. */
  readonly idempotencyKey: string;
}

export interface RunWorkflowOptions<S = Record<string, unknown>, C = unknown> {
  /** The actor that the workflow belongs to: its steps read and write the actor's cells. */
  actor?: EngineActor<S>;
  /** What bodies of steps, and handlers that undo them, are given. */
  context?: (attempt: EngineAttempt<S>) => C;
  mode?: WorkflowRunMode;
  logger?: Logger;
  onHistoryUpdated?: (history: WorkflowHistorySnapshot) => void;
  onError?: WorkflowErrorHandler;
  /**
   * Of whoever owns the rows, for a driver with `commit`, which refuses the changes of earlier ones. Default 0; a run with an `actor`
   * has the actor's.
   */
  epoch?: bigint;
  /** Whether new code is refused at the end of its scope (the default), or at its first new entry. */
  divergence?: "scope" | "frontier";
  /**
   * Whether each attempt is marked before its body begins, with a write of its own, so that a step which takes its process down is
   * found, run alone, and in the end quarantined. Default: false.
   */
  poisonGuard?: boolean;
}
/** How a run ended. */
export interface WorkflowResult<TOutput = unknown> {
  state: WorkflowState;
  output?: TOutput;
  sleepUntil?: number;
  waitingForMessages?: string[];
}
/** A started run. */
export interface WorkflowHandle<TOutput = unknown> {
  readonly workflowId: string;
  readonly result: Promise<WorkflowResult<TOutput>>;
  message(name: string, data: unknown): Promise<void>;
  wake(): Promise<void>;
  recover(): Promise<void>;
  evict(): void;
  cancel(): Promise<void>;
  getOutput(): Promise<TOutput | undefined>;
  getState(): Promise<WorkflowState>;
}
