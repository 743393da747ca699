/** What workflow code and its host see of a run. Durations and intervals are milliseconds, times epoch milliseconds. */

import type { Logger } from "../../log.ts";
import type { Raw } from "../../symbols.ts";
import type { EntryKindType, WorkflowError, WorkflowHistorySnapshot, WorkflowState } from "./history.ts";

/** How to wait for a message. */
export interface WorkflowQueueNextOptions {
  /** Queues to receive from; none means any. */
  names?: readonly string[];
  /** Absent: wait without end. */
  timeout?: number;
  /** Each message must be completed by the receiver. */
  completable?: boolean;
}
/** How to wait for several messages. */
export interface WorkflowQueueNextBatchOptions extends WorkflowQueueNextOptions {
  /** The most messages to receive; default 1. */
  count?: number;
}
/** A message that a workflow has taken. */
export interface WorkflowQueueMessage<TBody = unknown> {
  /** Of the message in the host's queue. */
  id: string | bigint;
  /** The queue that it was sent to. */
  name: string;
  /** What was sent. */
  body: TBody;
  /** When it was sent. */
  createdAt: number;
  /** Answers its sender. Only of messages received with `completable`; once. */
  complete?(response?: unknown): Promise<void>;
}
/** Messages to and from the workflow. */
export interface WorkflowQueue {
  /** `name` names the wait, not a queue. */
  next<TBody = unknown>(name: string, opts?: WorkflowQueueNextOptions): Promise<WorkflowQueueMessage<TBody>>;
  /** Up to `count` messages: those that are there, or the first to come; none once `timeout` has passed. */
  nextBatch<TBody = unknown>(
    name: string,
    opts?: WorkflowQueueNextBatchOptions,
  ): Promise<Array<WorkflowQueueMessage<TBody>>>;
  /** Puts a message into a queue of this workflow. Recorded, so that a replay does not send it again. */
  send(name: string, body: unknown): Promise<void>;
}

/** A failed attempt at a step. */
export interface WorkflowStepErrorEvent {
  /** The workflow of the step. */
  workflowId: string;
  /** The step's own name. */
  stepName: string;
  /** From 1. */
  attempt: number;
  /** As the step says, or its default. */
  maxRetries: number;
  /** Attempts that are left. */
  remainingRetries: number;
  /** Whether there will be another attempt. */
  willRetry: boolean;
  /** How long until then. */
  retryDelay?: number;
  /** When that will be. */
  retryAt?: number;
  /** What the body threw. */
  error: WorkflowError;
}
/** A failed handler that undoes a step. */
export interface WorkflowRollbackErrorEvent {
  /** The workflow of the step. */
  workflowId: string;
  /** The step that is being undone. */
  stepName: string;
  /** What the handler threw. */
  error: WorkflowError;
}
/** A workflow that has failed. */
export interface WorkflowRunErrorEvent {
  /** Which. */
  workflowId: string;
  /** What ended it. */
  error: WorkflowError;
}
/** What `onError` hears of: exactly one of the three. */
export type WorkflowErrorEvent =
  | {
      /** An attempt at a step has failed. */
      step: WorkflowStepErrorEvent;
    }
  | {
      /** A handler that undoes a step has failed. */
      rollback: WorkflowRollbackErrorEvent;
    }
  | {
      /** The workflow has failed. */
      workflow: WorkflowRunErrorEvent;
    };
/** Called for each failure once it is stored. What it throws is logged, and changes nothing. */
export type WorkflowErrorHandler = (event: WorkflowErrorEvent) => void | Promise<void>;

/** What a handler that undoes a step is given, unless the host has a `context`. */
export interface RollbackContextInterface {
  /** The workflow of the step. */
  readonly workflowId: string;
  /** Aborted when the run is evicted or cancelled. */
  readonly abortSignal: AbortSignal;
  /** Whether the run has been evicted. */
  isEvicted(): boolean;
}

/** What the bodies of steps are given: nothing, unless the host makes something of their attempts (`context`). */
export type StepArguments<C> = unknown extends C ? [] : [context: C];
/** What handlers that undo steps are given. */
export type UndoContext<C> = unknown extends C ? RollbackContextInterface : C;

/** `C`: what the host's `context` makes of an attempt. */
export interface StepConfig<T, C = unknown> {
  /** Unique in its scope. */
  name: string;
  /** The body. Its result is recorded. */
  run: (...context: StepArguments<C>) => Promise<T>;
  /** Undoes the step after it has committed. Needs a checkpoint before it. */
  rollback?: (ctx: UndoContext<C>, output: T) => Promise<void>;
  /** The result is written with the next flush of anything, not at once. */
  ephemeral?: boolean;
  /** Attempts after the first one. Default 3. */
  maxRetries?: number;
  /** The first wait, which doubles. Default 100. */
  retryBackoffBase?: number;
  /** The longest wait. Default 30,000. */
  retryBackoffMax?: number;
  /** 0 or less: none. */
  timeout?: number;
  /** A timeout is a failure like any other, rather than the end. Default false. */
  retryOnTimeout?: boolean;
}

/** The failures of a step that `tryStep` can return rather than throw. */
export type TryStepCatchKind = "critical" | "timeout" | "exhausted" | "rollback";
/** A step whose failure is a result. */
export interface TryStepConfig<T, C = unknown> extends StepConfig<T, C> {
  /** Which failures. Default: `critical`, `timeout` and `exhausted`. */
  catch?: readonly TryStepCatchKind[];
}
/** How a step has failed. */
export interface TryStepFailure {
  /** Why it is not tried again. */
  kind: TryStepCatchKind;
  /** The step's own name. */
  stepName: string;
  /** How many there were. */
  attempts: number;
  /** What the last of them threw. */
  error: WorkflowError;
}
/** What `tryStep` resolves to. */
export type TryStepResult<T> =
  | {
      ok: true;
      /** What the step returned. */
      value: T;
    }
  | {
      ok: false;
      /** Why it is not tried again. */
      failure: TryStepFailure;
    };

/** The failures in a block that `try` can return rather than throw. */
export type TryBlockCatchKind = "step" | "join" | "race" | "rollback";
/** A scope whose failure is a result. */
export interface TryBlockConfig<T, C = unknown> {
  /** Unique in its scope. */
  name: string;
  /** The block, on a context of its own. */
  run: (ctx: WorkflowContextInterface<C>) => Promise<T>;
  /** Which failures. Default: `step`, `join` and `race`. */
  catch?: readonly TryBlockCatchKind[];
}
/** How a block has failed. */
export interface TryBlockFailure {
  /** What failed in it; `block`: a `RollbackError` of its own code. */
  source: "step" | "join" | "race" | "block";
  /** Of the step, join or race that failed, or of the block. */
  name: string;
  /** What it failed with. */
  error: WorkflowError;
  /** More, if it was a step. */
  step?: TryStepFailure;
}
/** What `try` resolves to. */
export type TryBlockResult<T> =
  | {
      ok: true;
      /** What the block returned. */
      value: T;
    }
  | {
      ok: false;
      /** What of it has failed. */
      failure: TryBlockFailure;
    };

/** How a loop goes on: with the next iteration's state, or not, with a value. */
export type LoopResult<S, T> =
  | {
      continue: true;
      /** What the next iteration is given. */
      state: S;
    }
  | {
      break: true;
      /** What the loop resolves to. */
      value: T;
    };
/** A loop without state may return nothing, which goes on. */
export type LoopIterationResult<S, T> = Promise<LoopResult<S, T> | (S extends undefined ? undefined : never)>;
/** A loop of which past iterations leave the history. */
export interface LoopConfig<S, T, C = unknown> {
  /** Unique in its scope. */
  name: string;
  /** What the first iteration is called with. */
  state?: S;
  /** One iteration, on a context of its own. */
  run: (ctx: WorkflowContextInterface<C>, state: S) => LoopIterationResult<S, T>;
  /** Iterations between prunes. Default 20. */
  historyPruneInterval?: number;
  /** Past iterations that pruning keeps; default: the interval. */
  historySize?: number;
  /**
   * An old name of `historyPruneInterval`.
   *
   * @deprecated Use historyPruneInterval.
   */
  commitInterval?: number;
  /**
   * An old name of `historyPruneInterval`.
   *
   * @deprecated Use historyPruneInterval.
   */
  historyEvery?: number;
  /**
   * An old name of `historySize`.
   *
   * @deprecated Use historySize.
   */
  historyKeep?: number;
}

/** One branch of a join. */
export interface BranchConfig<T, C = unknown> {
  /** The branch, on a context of its own. */
  run: (ctx: WorkflowContextInterface<C>) => Promise<T>;
}
/** What a branch resolves to. */
export type BranchOutput<T> = T extends { run: (...given: never[]) => Promise<infer O> } ? O : never;

/** What a workflow function is given: its entries, one at a time. `C`: what bodies of steps are given. */
export interface WorkflowContextInterface<C = unknown> {
  /** As `runWorkflow` was given it. */
  readonly workflowId: string;
  /** Aborted when the run is evicted or cancelled, or this branch has lost. */
  readonly abortSignal: AbortSignal;
  /** Messages to and from the workflow. */
  readonly queue: WorkflowQueue;
  /** Runs the body until it succeeds, and records the result. Rejects if it fails for good. */
  step<T>(name: string, run: (...context: StepArguments<C>) => Promise<T>): Promise<T>;
  step<T>(config: StepConfig<T, C>): Promise<T>;
  /** Like `step`, but a failure for good is a result. */
  tryStep<T>(name: string, run: (...context: StepArguments<C>) => Promise<T>): Promise<TryStepResult<T>>;
  tryStep<T>(config: TryStepConfig<T, C>): Promise<TryStepResult<T>>;
  /** Runs a block in a scope of its own; the failure of a step, join or race in it is a result. */
  try<T>(name: string, run: (ctx: WorkflowContextInterface<C>) => Promise<T>): Promise<TryBlockResult<T>>;
  try<T>(config: TryBlockConfig<T, C>): Promise<TryBlockResult<T>>;
  /** Iterates until `run` returns `Loop.break(value)`. */
  loop<T>(name: string, run: (ctx: WorkflowContextInterface<C>) => LoopIterationResult<undefined, T>): Promise<T>;
  loop<S, T>(config: LoopConfig<S, T, C>): Promise<T>;
  /** Waits, across restarts. */
  sleep(name: string, durationMs: number): Promise<void>;
  /** Waits until a time, across restarts. */
  sleepUntil(name: string, timestampMs: number): Promise<void>;
  /** From here on steps with `rollback` are undone if the workflow fails. */
  rollbackCheckpoint(name: string): Promise<void>;
  /** Runs all branches side by side, and waits for all of them. Rejects with `JoinError` if one has failed. */
  join<T extends Record<string, BranchConfig<unknown, C>>>(
    name: string,
    branches: T,
  ): Promise<{ [K in keyof T]: BranchOutput<T[K]> }>;
  /** Runs all branches side by side until one returns; the others are aborted. Rejects with `RaceError` if all have failed. */
  race<T>(
    name: string,
    branches: Array<{ name: string; run: (ctx: WorkflowContextInterface<C>) => Promise<T> }>,
  ): Promise<{ winner: string; value: T }>;
  /** Says that the code no longer has an entry that older runs have recorded. */
  removed(name: string, originalType: EntryKindType): Promise<void>;
  /** The version that this run follows from here on: `latest`, or 1 if it had come past here before. */
  getVersion(name: string, latest: number): Promise<number>;
  /** Whether the run has been evicted. */
  isEvicted(): boolean;
}

/** A workflow: called from the top by each run, and answered from the history as far as that goes. */
export type WorkflowFunction<TInput = unknown, TOutput = unknown, C = unknown> = (
  ctx: WorkflowContextInterface<C>,
  input: TInput,
) => Promise<TOutput>;
/** `yield`: a run ends when the workflow waits. `live`: it waits in memory. */
export type WorkflowRunMode = "yield" | "live";
/** First values of cells, by name. */
export type Cells = Record<string, { initial: () => unknown }>;
/** What cells hold, by name. */
export type StateOf<C extends Cells> = { [K in keyof C]: ReturnType<C[K]["initial"]> };
/** A cell that was declared after the actor was opened. */
export interface Cell<T> {
  /** Its name, under which it is stored. */
  readonly name: string;
  /** Its first value. */
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
  /** Evicts the run, waits for steps at work, and lets go of the driver. */
  close(): Promise<void>;
}

/** A cell in the hands of an attempt. */
export interface OpenCell<T> extends Raw<T> {
  /** A proxy, or the value itself if it is none that can be changed. Assigning replaces it. */
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
  /** Aborted when the attempt is given up: timed out, evicted, overtaken. */
  readonly abortSignal: AbortSignal;
  /** 32 hex digits, the same for every attempt of this step or transaction. */
  readonly idempotencyKey: string;
}

/** How a workflow is run. */
export interface RunWorkflowOptions<S = Record<string, unknown>, C = unknown> {
  /** The actor that the workflow belongs to: its steps read and write the actor's cells. */
  actor?: EngineActor<S>;
  /** What bodies of steps, and handlers that undo them, are given. */
  context?: (attempt: EngineAttempt<S>) => C;
  /** Default `yield`. */
  mode?: WorkflowRunMode;
  /** Default: none but for warnings. */
  logger?: Logger;
  /** Called after each write with a snapshot that is built when it is looked at. */
  onHistoryUpdated?: (history: WorkflowHistorySnapshot) => void;
  /** Hears of each failure once it is stored. */
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
  /** The workflow's, as stored. */
  state: WorkflowState;
  /** Of a completed workflow. */
  output?: TOutput;
  /** When to run it again. */
  sleepUntil?: number;
  /** Run it again when a message of one of these names has come; none in the list: any. */
  waitingForMessages?: string[];
}
/** A started run. */
export interface WorkflowHandle<TOutput = unknown> {
  /** As `runWorkflow` was given it. */
  readonly workflowId: string;
  /** How this run ended. Rejects with what ended the workflow, with what the driver threw, or with `HistoryDivergedError`. */
  readonly result: Promise<WorkflowResult<TOutput>>;
  /** Adds a message to the workflow's queue, and wakes the run. */
  message(name: string, data: unknown): Promise<void>;
  /** Sets the alarm to now; of a live run, looks for messages and due timers. */
  wake(): Promise<void>;
  /** Lets a failed workflow try again what had ended it. */
  recover(): Promise<void>;
  /** Lets bodies at work end and ends the run; `result` resolves with what is stored. */
  evict(): void;
  /** Ends the workflow as cancelled. Undoes nothing. Resolves when it is durable. */
  cancel(): Promise<void>;
  /** The stored output; `undefined` while there is none. */
  getOutput(): Promise<TOutput | undefined>;
  /** The stored state. */
  getState(): Promise<WorkflowState>;
}
