/** What a workflow of an embedding host, and each callback in it, is given (engine behaviour 1.4). */
import { CallersContext } from "../callers-context.ts";
import { attributed } from "../failure.ts";
import { badArgument } from "../messages.ts";
import { EPHEMERAL, UNDO } from "../wire.ts";
import {
  type CaughtFailure,
  type ForkOperation,
  type LoopOperation,
  NOTHING,
  type Settler,
  type StepOperation,
} from "../workflow/operation.ts";
import type { RunOwner } from "../workflow/run.ts";
import { ScopeContext } from "../workflow/scope-context.ts";
import {
  amount,
  type Branch,
  branchesByName,
  branchesInOrder,
  caughtKinds,
  checkHandler,
  configOf,
  MOST_VERSION,
} from "./checked-operation.ts";
import {
  DEFAULT_LOOP_HISTORY_PRUNE_INTERVAL,
  DEFAULT_MAX_RETRIES,
  DEFAULT_RETRY_BACKOFF_BASE,
  DEFAULT_RETRY_BACKOFF_MAX,
  DEFAULT_STEP_TIMEOUT,
} from "./constants.ts";
import { EvictedError, RollbackCheckpointError, RollbackError } from "./errors.ts";
import { extractErrorInfo } from "./extract-error.ts";
import { withRounds } from "./location.ts";
import { completable, holdsUncompleted } from "./queue-message.ts";
import { infoOf } from "./recorded-error.ts";
import type {
  BranchConfig,
  EntryKindType,
  LoopConfig,
  StepConfig,
  TryBlockCatchKind,
  TryBlockConfig,
  TryBlockFailure,
  TryStepCatchKind,
  TryStepConfig,
  TryStepFailure,
  WorkflowContextInterface,
  WorkflowQueue,
  WorkflowQueueMessage,
  WorkflowQueueNextBatchOptions,
  WorkflowQueueNextOptions,
} from "./types.ts";
import { encodeValue } from "./values.ts";

type Callback = (ctx: unknown) => unknown;

/** What a context needs of its run. */
export interface EngineRun {
  readonly workflowId: string;
  readonly isEvicted: () => boolean;
  readonly completed: (id: string, response: unknown) => Promise<void>;
}

/** Contexts under which a checkpoint was reached. */
const checkpoints = new WeakSet<ScopeContext>();
/** How many messages each context has sent. */
const sends = new WeakMap<ScopeContext, Map<string, number>>();
/** Messages whose completion is durable. */
const recorded = new WeakMap<ScopeContext, Set<string>>();

/** The `ctx` of a workflow; see `WorkflowContextInterface`. Made by `runWorkflow` only: exported so that it can be named. */
export class EngineContext {
  readonly #context: ScopeContext;
  readonly #run: EngineRun;

  constructor(context: ScopeContext, run: EngineRun) {
    if (!(context instanceof ScopeContext)) throw badArgument(NOT_MADE);
    this.#context = context;
    this.#run = run;
    if (context.around !== undefined && checkpoints.has(context.around)) checkpoints.add(context);
  }

  /** The names on the way to a context, as locations are shown; empty for the workflow itself. */
  static pathOf({ run, scope }: ScopeContext): string {
    const { pump, handle } = run.owner;
    return withRounds(pump.engine.scopePath(handle, scope) ?? "");
  }

  /** As in `WorkflowContextInterface`. */
  get workflowId(): string {
    return this.#run.workflowId;
  }

  /** As in `WorkflowContextInterface`. */
  get abortSignal(): AbortSignal {
    return this.#context.abortSignal;
  }

  /** As in `WorkflowContextInterface`. */
  isEvicted(): boolean {
    return this.#run.isEvicted();
  }

  /** As in `WorkflowContextInterface`. */
  readonly queue: WorkflowQueue = {
    next: async <T>(name: string, options?: WorkflowQueueNextOptions) => {
      const read = (messages: unknown): unknown => {
        const [first] = messages as WorkflowQueueMessage[];
        if (first !== undefined) return first;
        throw new Error(
          `queue.next("${name}") timed out before receiving a message. Use queue.nextBatch(...) for optional/time-limited reads.`,
        );
      };
      return (await this.#receive(name, { ...options, count: 1 }, read)) as WorkflowQueueMessage<T>;
    },
    nextBatch: async <T>(name: string, options?: WorkflowQueueNextBatchOptions) =>
      (await this.#receive(name, options ?? {}, undefined)) as WorkflowQueueMessage<T>[],
    send: (name, body) => this.#send(name, body),
  };

  /** As in `WorkflowContextInterface`. */
  step(first: string | StepConfig<unknown>, run?: () => Promise<unknown>): Promise<unknown> {
    return this.#step(configOf("Step", first, run), undefined);
  }

  /** As in `WorkflowContextInterface`. */
  tryStep(first: string | TryStepConfig<unknown>, run?: () => Promise<unknown>): Promise<unknown> {
    const config = configOf<TryStepConfig<unknown>>("Step", first, run);
    return this.#step(config, caughtKinds(config.name, config.catch, STEP_FAILURES));
  }

  /** As in `WorkflowContextInterface`. */
  try(first: string | TryBlockConfig<unknown>, run?: WorkflowCallback): Promise<unknown> {
    const config = configOf<TryBlockConfig<unknown>>("Try", first, run);
    const kinds = caughtKinds(config.name, config.catch, BLOCK_FAILURES);
    return this.#enter("try", config.name, (name) =>
      this.#context.run.begin(
        (settler) => ({
          resolve: settler.resolve,
          reject: settler.reject,
          kind: "try",
          name,
          body: config.run as Callback,
          context: this.#context,
          callersContext: new CallersContext(),
          caught: (error) => caughtByBlock(name, error, kinds),
          wrap: (value) => ({ ok: true, value }),
          value: undefined,
          thrown: undefined,
        }),
        (op) => this.#input.tryBlock(this.#owner.handle, this.#context.scope, op, name),
      ),
    );
  }

  /** As in `WorkflowContextInterface`. */
  loop(first: string | LoopConfig<unknown, unknown>, run?: LoopOperation["body"]): Promise<unknown> {
    const config = configOf("Loop", first as LoopConfig<unknown, unknown>, run);
    return this.#enter("loop", config.name, (name) => {
      const { state } = config;
      const every =
        config.historyPruneInterval ??
        config.commitInterval ??
        config.historyEvery ??
        DEFAULT_LOOP_HISTORY_PRUNE_INTERVAL;
      const keep = config.historySize ?? config.historyKeep ?? every;
      const encoded = state === undefined ? undefined : encodeValue(state);
      return this.#context.run.begin(
        (settler) => ({
          resolve: settler.resolve,
          reject: settler.reject,
          kind: "loop",
          name,
          body: config.run as LoopOperation["body"],
          context: this.#context,
          callersContext: new CallersContext(),
          stateless: state === undefined,
          ahead: 0,
          kept: NOTHING,
          thrown: undefined,
        }),
        (op) =>
          this.#input.loop(this.#owner.handle, this.#context.scope, op, {
            name,
            state: encoded,
            keep: interval(keep),
            every: interval(every),
          }),
      );
    });
  }

  /** As in `WorkflowContextInterface`. */
  sleep(name: string, durationMs: number): Promise<unknown> {
    return this.#wait(name, (op) => {
      const ms = finite(durationMs, `sleep("${name}")`, "milliseconds");
      this.#input.sleepFor(this.#owner.handle, this.#context.scope, op, name, ms);
    });
  }

  /** As in `WorkflowContextInterface`. */
  sleepUntil(name: string, timestampMs: number): Promise<unknown> {
    return this.#wait(name, (op) => {
      const at = finite(timestampMs, `sleepUntil("${name}")`, "milliseconds since 1970");
      this.#input.sleepUntil(this.#owner.handle, this.#context.scope, op, name, at);
    });
  }

  /** As in `WorkflowContextInterface`. */
  rollbackCheckpoint(name: string): Promise<unknown> {
    const done = this.#mark("rollback", name, (op) =>
      this.#input.checkpoint(this.#owner.handle, this.#context.scope, op, name),
    );
    checkpoints.add(this.#context);
    return done;
  }

  /** As in `WorkflowContextInterface`. */
  join(name: string, branches: Readonly<Record<string, BranchConfig<unknown>>>): Promise<unknown> {
    return this.#fork("join", name, branchesByName(name, branches));
  }

  /** As in `WorkflowContextInterface`. */
  race(name: string, branches: readonly Branch[]): Promise<unknown> {
    return this.#fork("race", name, branchesInOrder(name, branches));
  }

  /** As in `WorkflowContextInterface`. */
  removed(name: string, originalType: EntryKindType): Promise<unknown> {
    return this.#mark("removed", name, (op) =>
      this.#input.removed(this.#owner.handle, this.#context.scope, op, name, originalType),
    );
  }

  /** As in `WorkflowContextInterface`. */
  getVersion(name: string, latest: number): Promise<unknown> {
    if (!Number.isInteger(latest) || latest < 1)
      return Promise.reject(new Error(`getVersion("${name}", ${latest}): latest must be an integer >= 1`));
    if (latest > MOST_VERSION)
      return Promise.reject(new Error(`getVersion("${name}", ${latest}): latest must be at most ${MOST_VERSION}`));
    return this.#mark("version_check", name, (op) =>
      this.#input.version(this.#owner.handle, this.#context.scope, op, name, latest),
    );
  }

  get #owner(): RunOwner {
    return this.#context.run.owner;
  }

  get #input(): RunOwner["pump"]["input"] {
    return this.#owner.pump.input;
  }

  /** Every operation that the code has begun counts; one of an evicted run never settles. */
  #enter(
    kind: Parameters<ScopeContext["enter"]>[0],
    name: string,
    begin: Parameters<ScopeContext["enter"]>[2],
    rows?: readonly string[],
  ): Promise<unknown> {
    return this.#context.enter(kind, name, begin, rows);
  }

  #mark(
    kind: "rollback" | "removed" | "version_check" | "message",
    name: string,
    write: (op: number) => void,
  ): Promise<unknown> {
    return this.#enter(kind, name, () =>
      this.#context.run.begin(
        (settler) => ({
          resolve: settler.resolve,
          reject: settler.reject,
          kind,
          context: this.#context,
          read: undefined,
        }),
        write,
      ),
    );
  }

  #wait(name: string, write: (op: number) => void): Promise<unknown> {
    const operation = (settler: Omit<Settler, "context">) =>
      ({
        resolve: settler.resolve,
        reject: settler.reject,
        kind: "sleep",
        context: this.#context,
        read: undefined,
      }) as const;
    return this.#enter("sleep", name, () => this.#context.run.begin(operation, write));
  }

  #step(config: StepConfig<unknown>, kinds: readonly TryStepCatchKind[] | undefined): Promise<unknown> {
    const { rollback, ephemeral = false } = config;
    if (rollback !== undefined && !checkpoints.has(this.#context)) return Promise.reject(new RollbackCheckpointError());
    if (rollback !== undefined) checkHandler(config.name, rollback);
    return this.#enter("step", config.name, (name) => {
      const maxRetries = amount(config.maxRetries, DEFAULT_MAX_RETRIES, name, "maxRetries");
      const timeout = amount(config.timeout, DEFAULT_STEP_TIMEOUT, name, "timeout");
      const policy = {
        maxRetries: interval(maxRetries),
        backoffBase: amount(config.retryBackoffBase, DEFAULT_RETRY_BACKOFF_BASE, name, "retryBackoffBase"),
        backoffMax: amount(config.retryBackoffMax, DEFAULT_RETRY_BACKOFF_MAX, name, "retryBackoffMax"),
        timeout: Math.max(timeout, 0),
        retryOnTimeout: config.retryOnTimeout ?? false,
      };
      const committed = rollback as ((c: unknown, output: unknown) => unknown) | undefined;
      const traits = (ephemeral ? EPHEMERAL : 0) | (rollback === undefined ? 0 : UNDO);
      const wrap = kinds === undefined ? undefined : succeeded;
      const answered = traits === 0 ? this.#context.answered(name, wrap) : undefined;
      if (answered !== undefined) return answered;
      const begun = this.#context.run.prepare();
      if (begun.op === 0) return begun;
      const operation: StepOperation = {
        resolve: begun.resolve,
        reject: begun.reject,
        kind: "step",
        apply: undefined,
        name,
        body: config.run as (c: unknown) => unknown,
        handlers: committed === undefined ? undefined : { committed, attempted: undefined },
        caught: kinds === undefined ? undefined : (failure) => caughtStep(failure, kinds),
        wrap,
        callersContext: new CallersContext(),
        maxRetries,
        retriesTimeouts: policy.retryOnTimeout,
        ephemeral,
        context: this.#context,
        untold: undefined,
        attempt: undefined,
        kept: NOTHING,
      };
      return this.#context.run.addStep(begun, operation, policy, traits);
    });
  }

  #fork(rule: "join" | "race", name: string, branches: readonly Branch[]): Promise<unknown> {
    const names = branches.map((branch) => branch.name);
    const body: ForkOperation["body"] = (ctx, index) => branches[index]?.run(ctx as WorkflowContextInterface);
    return this.#enter(rule, name, () =>
      this.#context.run.begin(
        (settler) => ({
          resolve: settler.resolve,
          reject: settler.reject,
          kind: rule,
          rule,
          name,
          branches: names,
          body,
          context: this.#context,
          callersContext: new CallersContext(),
          kept: new Map(),
        }),
        (op) =>
          this.#input.fork(this.#owner.handle, this.#context.scope, op, {
            name,
            rule,
            concurrency: Math.max(names.length, 1),
            count: names.length,
            branches: names,
          }),
      ),
    );
  }

  async #receive(
    name: string,
    options: WorkflowQueueNextBatchOptions,
    read: ((messages: unknown) => unknown) | undefined,
  ): Promise<unknown> {
    if (this.#context.pending === undefined && holdsUncompleted(this.#context))
      throw new Error(
        "Previous completable queue message is not completed. Call `message.complete(...)` before receiving the next message.",
      );
    const { names = [], completable: mustComplete = false } = options;
    const timeout =
      options.timeout === undefined ? undefined : finite(options.timeout, `queue wait "${name}"`, "milliseconds");
    const count = Math.max(1, interval(options.count ?? 1));
    const withCompletion = (messages: unknown): unknown => {
      const list = messages as WorkflowQueueMessage[];
      const complete = (id: string, response: unknown) => this.#complete(id, response);
      const opened = mustComplete ? list.map((message) => completable(message, this.#context, complete)) : list;
      return read === undefined ? opened : read(opened);
    };
    const wait = { name, names: [...new Set(names)], timeout, count, completable: mustComplete };
    return this.#enter(
      "message",
      name,
      () =>
        this.#context.run.begin(
          (settler) => ({
            resolve: settler.resolve,
            reject: settler.reject,
            kind: "message",
            context: this.#context,
            read: withCompletion,
          }),
          (op) => this.#input.next(this.#owner.handle, this.#context.scope, op, wait),
        ),
      WAIT_ROWS,
    );
  }

  /** Durable first, then the host is told; if that fails, whoever completes the message again has it told again. */
  async #complete(id: string, response: unknown): Promise<void> {
    if (recorded.get(this.#context)?.has(id) !== true) await this.#record(id, response);
    await this.#run.completed(id, response);
  }

  async #record(id: string, response: unknown): Promise<void> {
    const reply = response === undefined ? undefined : encodeValue(response);
    const { promise } = this.#context.run.begin(
      (settler) => ({
        resolve: settler.resolve,
        reject: settler.reject,
        kind: "complete",
        context: undefined,
        read: undefined,
      }),
      (op) => this.#input.complete(this.#owner.handle, op, id, reply),
    );
    await this.#context.beside(promise);
    recorded.set(this.#context, (recorded.get(this.#context) ?? new Set()).add(id));
  }

  /** Recorded with the message: a replay sends it no more. */
  async #send(name: string, body: unknown): Promise<void> {
    const counts = sends.get(this.#context) ?? new Map<string, number>();
    sends.set(this.#context, counts);
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    const entry = `send:${name}:${count}`;
    const encoded = encodeValue(body);
    await this.#mark("message", entry, (op) =>
      this.#input.post(this.#owner.handle, this.#context.scope, op, entry, encoded),
    );
  }
}

type WorkflowCallback = (ctx: WorkflowContextInterface) => Promise<unknown>;

const NOT_MADE =
  "a WorkflowContextImpl is made by runWorkflow() alone.\n  do        run the function with runWorkflow(id, fn, input, driver), and use the context that it is given";
const STEP_FAILURES: readonly TryStepCatchKind[] = ["critical", "timeout", "exhausted"];
const BLOCK_FAILURES: readonly TryBlockCatchKind[] = ["step", "join", "race"];

/** The rows of a wait (engine behaviour 4.1.3). */
const WAIT_ROWS = [":0", ":count", ":deadline"];

/** A count that fits a record. */
function interval(count: number): number {
  if (!(count > 0)) return 0;
  return Math.min(Math.floor(count), 0xffff_ffff);
}

/** Whole, and no longer than the times that a `Date` can have: it stays a number that is exact. */
function finite(value: number, what: string, unit: string): number {
  if (Number.isFinite(value)) return Math.min(Math.ceil(value), 8.64e15);
  throw new RangeError(`${what}: found ${value}, expected a finite number of ${unit}`);
}

function succeeded(value: unknown): unknown {
  return { ok: true, value };
}

function caughtStep(failure: CaughtFailure, kinds: readonly TryStepCatchKind[]): unknown {
  return kinds.includes(failure.kind) ? { ok: false, failure: stepFailure(failure) } : undefined;
}

function stepFailure({ kind, name, attempts, record }: CaughtFailure): TryStepFailure {
  return { kind, stepName: name, attempts, error: infoOf(record) };
}

/** What a try block makes of an error; nothing: it is thrown on. */
function caughtByBlock(block: string, error: unknown, kinds: readonly TryBlockCatchKind[]): unknown {
  const part = attributed(error)?.part;
  const failure = part === undefined ? ofBlock(block, error) : ofPart(part, error);
  if (failure === undefined || error instanceof EvictedError) return undefined;
  const isRollback = failure.source === "block" || failure.step?.kind === "rollback";
  const wanted = isRollback ? "rollback" : (failure.source as TryBlockCatchKind);
  return kinds.includes(wanted) ? { ok: false, failure } : undefined;
}

type Part = NonNullable<ReturnType<typeof attributed>>["part"];

function ofPart(part: Part, error: unknown): TryBlockFailure | undefined {
  const { kind, name, attempts, failure } = part;
  const info = extractErrorInfo(error);
  if (kind === "join" || kind === "race") return { source: kind, name, error: info };
  if (kind === "map" || kind === "child" || kind === "ask") return undefined;
  const own = failure === undefined ? info : infoOf(failure);
  return { source: "step", name, error: own, step: { kind, stepName: name, attempts, error: own } };
}

function ofBlock(block: string, error: unknown): TryBlockFailure | undefined {
  return error instanceof RollbackError ? { source: "block", name: block, error: extractErrorInfo(error) } : undefined;
}
