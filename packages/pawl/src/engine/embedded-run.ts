/**
 * One run of a workflow on an embedding host's driver: joins what the engine says, what the workflow's code does, and what its
 * host is told. It ends once: with a result, or with an error.
 */
import type { AnyDefinition, Policy } from "../actor.ts";
import type { Attempt } from "../attempt.ts";
import type { FailureRecord } from "../failure.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Pump, PumpedActor } from "../pump.ts";
import type {
  DivergenceRecord,
  EventRecord,
  Facts,
  Halt,
  Misuse,
  Refusal,
  ResolvedValue,
  RunOutcome,
  StoreProblem,
  Terminal,
  Told,
  Verdict,
  WorkflowCall,
} from "../wire.ts";
import { NOTHING_WRITTEN } from "../wire.ts";
import type { Dialect } from "../workflow/dialect.ts";
import { Run, type RunOwner } from "../workflow/run.ts";
import { divergedError } from "./diverged-error.ts";
import { DriverPort } from "./driver-port.ts";
import { engineAttempt } from "./engine-attempt.ts";
import { EngineDialect } from "./engine-dialect.ts";
import { errorEvent } from "./error-event.ts";
import { EntryInProgressError, EvictedError } from "./errors.ts";
import { HistoryView } from "./history-view.ts";
import { engineHost } from "./host.ts";
import type { HostedActor } from "./hosted-actor.ts";
import { inputKey, outputKey, stateKey } from "./keys.ts";
import { decodeState } from "./load.ts";
import { Pauses } from "./pauses.ts";
import { inRow } from "./record-error.ts";
import { rebuild } from "./recorded-error.ts";
import { lostError, storeError } from "./store-error.ts";
import type { EngineDriver, RunWorkflowOptions, WorkflowFunction, WorkflowResult, WorkflowState } from "./types.ts";
import { decodeValue, encodeValue } from "./values.ts";

const POLICY: Policy = { maxRetries: 3, backoffBase: 100, backoffMax: 30_000, timeout: 30_000, retryOnTimeout: false };
const NO_DEFINITION = {} as AnyDefinition;
const CREATION = 1;

export interface EmbeddedOptions {
  /** The host's actor that the workflow belongs to; none: the run opens one of its own. */
  readonly actor: HostedActor | undefined;
  readonly workflowId: string;
  readonly fn: WorkflowFunction;
  readonly input: unknown;
  readonly driver: EngineDriver;
  readonly options: RunWorkflowOptions;
}

export class EmbeddedRun implements PumpedActor, RunOwner {
  readonly pump: Pump;
  readonly handle: number;
  readonly name: string;
  readonly type: string = "workflow";
  readonly key: string;
  readonly definition: AnyDefinition = NO_DEFINITION;
  readonly policy: Policy = POLICY;
  readonly dialect: Dialect;
  readonly mirror: undefined = undefined;
  readonly vars: undefined = undefined;
  readonly messages: RunOwner["messages"] = new Map();
  readonly hasEnded: boolean = false;
  readonly peers: undefined = undefined;
  readonly limits: RunOwner["limits"] = { valueBytes: 2 ** 30, messageBytes: 2 ** 30 };
  readonly log: Logger;
  /** How the run ends. */
  readonly result: Promise<WorkflowResult>;
  readonly #actor: HostedActor | undefined;
  readonly #driver: EngineDriver;
  readonly #port: DriverPort;
  readonly #fn: WorkflowFunction;
  readonly #input: unknown;
  readonly #options: RunWorkflowOptions;
  readonly #history: HistoryView;
  readonly #warned = new Set<string>();
  #settle!: { readonly resolve: (result: WorkflowResult) => void; readonly reject: (error: unknown) => void };
  /** When the run has been opened, or is over. */
  readonly #ready: Promise<void>;
  #isReady!: () => void;
  #over = false;
  #evicted = false;
  #started = false;
  #run: Run | undefined;
  #nextOp = 1;
  /** What the workflow's function threw in this run. */
  #thrown: unknown;
  /** What a handler that undoes a step threw. */
  #undoFailed: unknown;
  #waiter: AbortController | undefined;
  readonly #calls = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  #nextCall = CREATION + 1;

  constructor({ actor, workflowId, fn, input, driver, options }: EmbeddedOptions) {
    const host = engineHost();
    this.#actor = actor;
    this.pump = host.pump;
    this.key = workflowId;
    this.#driver = driver;
    this.#fn = fn;
    this.#input = input;
    this.#options = options;
    this.log = options.logger ?? silentLogger;
    this.#port = actor?.port ?? new DriverPort(driver, workflowId);
    const { handle, name } = actor ?? host.open(workflowId, this.#port, () => this.notify());
    this.handle = handle;
    this.name = name;
    this.#history = new HistoryView(() => this.pump.engine.history(handle));
    this.dialect = new EngineDialect({
      workflowId,
      attempt: (attempt) => this.#given(attempt),
      isEvicted: () => this.#evicted,
      completed: (id, response) => this.#port.completed(id, response),
      flattened: (what, path, found) => this.#flattened(what, path, found),
    });
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    this.pump.hold("wait");
    this.#begin().catch((error: unknown) => this.#fail(error));
  }

  async #begin(): Promise<void> {
    if (this.#actor !== undefined) return this.#actor.attach(this);
    this.pump.add(this.handle, this);
    await this.#port.quiet();
    this.pump.input.open(this.handle, this.name);
    this.pump.schedule();
  }

  /** What the body of a step is given: what the host makes of its attempt, if it does. */
  #given(attempt: Attempt): unknown {
    const { context } = this.#options;
    return context === undefined ? undefined : context(engineAttempt(attempt, this.#actor));
  }

  get isOver(): boolean {
    return this.#over;
  }

  nextOp(): number {
    return this.#nextOp++;
  }

  oldestPin(): undefined {
    return undefined;
  }

  #flattened(what: string, path: string, found: string): void {
    if (this.#warned.has(what)) return;
    this.#warned.add(what);
    this.log.warn({ workflow: this.key, path, found }, `${what} that does not come back as it went in`);
  }

  /** Ends the run without a trace: what has been committed stays. */
  evict(): void {
    if (this.#evicted || this.#over) return;
    this.#evicted = true;
    this.#port.leaves(this.result);
    this.#waiter?.abort(new EvictedError());
    const run = this.#run;
    if (run === undefined) return;
    if (run.isHalted) {
      // A handler that undoes a step is abandoned: a later run runs it again, unless it is done by now.
      run.drop(new EvictedError());
      void this.#drained().then(() => this.#finish({ state: "rolling_back" }));
      return;
    }
    run.evict(new EvictedError());
    void this.#endEvicted();
  }

  /** Attempts that run may end and commit, and code that needs nothing more may complete. */
  async #endEvicted(): Promise<void> {
    const run = this.#run;
    const pauses = new Pauses();
    do {
      await pauses.next();
      await pauses.next();
    } while (!this.#over && run?.isBusy === true);
    await this.#drained();
    if (this.#over) return;
    const state = await this.#storedState();
    try {
      const row = state === "completed" ? await this.#driver.get(outputKey()) : null;
      if (this.#over) return;
      const output = row === null ? undefined : inRow(outputKey(), () => decodeValue(row));
      this.#finish({ state, ...(output === undefined ? {} : { output }) });
    } catch (error) {
      this.#fail(error);
    }
  }

  async #drained(): Promise<void> {
    await this.#port.idle();
  }

  async #storedState(): Promise<WorkflowState> {
    const stored = await this.#driver.get(stateKey()).catch(() => null);
    return stored === null ? "running" : decodeState(stored);
  }

  /** Cancels the run, if it is not over; resolves to whether it was not, when that is durable. Rejects as the driver did. */
  async cancel(): Promise<boolean> {
    await this.#ready;
    if (this.#over) return false;
    let error: unknown;
    await this.#ask((call) => this.pump.input.cancel(this.handle, call, false, undefined)).catch(() => {
      error = this.#port.error;
    });
    if (error !== undefined) throw error;
    await this.#port.settled();
    return true;
  }

  #ask(write: (call: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = this.#actor?.nextCall() ?? this.#nextCall++;
      this.#calls.set(call, { resolve, reject });
      write(call);
      this.pump.schedule();
    });
  }

  // What the engine says.

  opened(facts: Facts): void {
    queueMicrotask(this.#isReady);
    const { outcome } = facts;
    if (outcome?.kind === "cancelled") return this.#fail(new EvictedError());
    try {
      if (!facts.exists || this.#actor !== undefined) this.#create();
      const { mode = "yield", onError } = this.#options;
      const patience = mode === "live" ? 0 : Math.max(0, this.#driver.workerPollInterval);
      this.pump.input.start(this.handle, onError !== undefined, 0, {
        frontier: this.#options.divergence === "frontier",
        patience,
        controlled: false,
      });
      this.pump.schedule();
    } catch (error) {
      this.#fail(error);
    }
  }

  #create(): void {
    const input = this.#input === undefined ? undefined : encodeValue(this.#input);
    this.pump.input.create(this.handle, CREATION, {
      workflow: true,
      input,
      state: undefined,
      version: 1,
      hosted: true,
    });
  }

  openFailed(problem: StoreProblem): void {
    this.#fail(this.#port.error ?? storeError(problem, this.name, this.key));
  }

  /** A write failed: what is stored decides, for whoever runs the workflow again. */
  lost(problem: StoreProblem): void {
    this.#fail(lostError(problem, this.#port.error, this.name, this.key));
  }

  reopened(): void {}

  runWorkflow(call: WorkflowCall): void {
    this.#reading(() => this.#callWorkflow(call));
  }

  /** What cannot be decoded of the rows ends the run, which has written nothing on account of it. */
  #reading(use: () => void): void {
    try {
      use();
    } catch (error) {
      this.#fail(error);
    }
  }

  #callWorkflow(call: WorkflowCall): void {
    if (!call.rebuild || this.#run === undefined) {
      this.#run?.drop(undefined);
      this.#run = new Run(this);
    }
    const stored = call.input;
    const input = stored === undefined ? undefined : inRow(inputKey(), () => decodeValue(stored));
    this.notify();
    const run = this.#run;
    const fn = async (ctx: unknown) => {
      try {
        return await this.#fn(ctx as Parameters<WorkflowFunction>[0], input);
      } catch (error) {
        if (!call.rebuild) this.#thrown = error;
        throw error;
      }
    };
    run.start(call, fn);
    if (this.#evicted && !this.#started) {
      run.evict(new EvictedError());
      void this.#endEvicted();
    }
    this.#started = true;
  }

  execute(op: number, attempt: number): void {
    this.#run?.execute(op, attempt);
  }

  undo(op: number, attempt: number, attempted: boolean, output: ResolvedValue): void {
    this.#reading(() => this.#run?.undo(op, attempt, attempted, output));
  }

  abort(op: number, attempt: number, timeout: number | undefined): void {
    this.#run?.abort(op, attempt, timeout);
  }

  iterate(op: number, scope: number, state: ResolvedValue, replaying: boolean): void {
    this.#reading(() => this.#run?.iterate(op, scope, state, replaying));
  }

  branch(op: number, scope: number, index: number, replaying: boolean): void {
    this.#run?.branch(op, scope, index, replaying);
  }

  enter(op: number, scope: number, replaying: boolean): void {
    this.#run?.enter(op, scope, replaying);
  }

  cancelled(scope: number): void {
    this.#run?.cancelled(scope);
  }

  halted(reason: Halt): void {
    if (reason === "rolling_back") this.#run?.halt(new EvictedError());
    else this.#run?.drop(new EvictedError());
  }

  resolve(op: number, value: ResolvedValue, told: Told): void {
    this.#reading(() => this.#run?.resolve(op, value, told));
  }

  reject(op: number, terminal: Terminal, attempts: number, failure: FailureRecord, told: Told): void {
    const undoes = this.#run?.undoneStep(op) !== undefined;
    this.#reading(() => this.#run?.reject(op, terminal, attempts, failure, told));
    // A handler that has failed is tried again by the next run.
    if (undoes) this.#fail(this.#undoFailed ?? rebuild(failure));
  }

  rethrow(op: number): void {
    this.#run?.rethrow(op);
  }

  stepVerdict(op: number, attempt: number, verdict: Verdict): void {
    this.#run?.verdict(op, attempt, verdict);
  }

  actionVerdict(): void {}
  reportVerdict(): void {}
  reported(): void {}
  sent(): void {}
  answered(): void {}

  reply(call: number): void {
    this.#calls.get(call)?.resolve();
    this.#calls.delete(call);
  }

  refuse(call: number, _reason: Refusal, why: string): void {
    this.#calls.get(call)?.reject(new Error(why));
    this.#calls.delete(call);
  }

  report(id: number, event: EventRecord): void {
    const told = this.#over ? undefined : errorEvent(this.key, event, this.#run?.step(id)?.maxRetries, this.#thrown);
    void this.#report(id, told);
  }

  async #report(id: number, event: ReturnType<typeof errorEvent>): Promise<void> {
    try {
      if (event !== undefined) await this.#options.onError?.(event);
    } catch (error) {
      this.log.warn({ workflow: this.key, err: error }, "workflow error hook failed");
    }
    if (this.#over) return;
    this.pump.input.reported(this.handle, id, NOTHING_WRITTEN);
    this.pump.schedule();
  }

  want(op: number, names: readonly string[], count: number): void {
    void this.#poll(op, names, count);
  }

  async #poll(op: number, names: readonly string[], count: number): Promise<void> {
    try {
      const messages = await this.#port.received(names, count);
      if (this.#over) return;
      const encoded = messages.map(({ id, name, data, sentAt }) => ({ id, name, body: encodeValue(data), sentAt }));
      this.pump.input.polled(this.handle, op, encoded);
      this.pump.schedule();
    } catch (error) {
      this.#fail(error);
    }
  }

  suspended(alarm: number | undefined, names: readonly string[] | undefined): void {
    if (this.#over || this.#evicted) return;
    if (this.#options.mode === "live") {
      if (names !== undefined) void this.#waitForMessages(names);
      return;
    }
    this.#finish({
      state: "sleeping",
      ...(alarm === undefined ? {} : { sleepUntil: alarm }),
      ...(names === undefined ? {} : { waitingForMessages: [...names] }),
    });
  }

  /** In live mode: until a message comes that someone waits for, or the run goes on without. */
  async #waitForMessages(names: readonly string[]): Promise<void> {
    this.#waiter?.abort(new EvictedError());
    const waiter = new AbortController();
    this.#waiter = waiter;
    try {
      await this.#driver.waitForMessages([...names], waiter.signal);
    } catch (error) {
      if (!waiter.signal.aborted) this.#fail(error);
      return;
    }
    if (waiter.signal.aborted || this.#over) return;
    await this.#poll(0, names, MOST_MESSAGES);
    if (!this.#over) this.pump.schedule();
  }

  runEnded(outcome: RunOutcome): void {
    this.#reading(() => this.#endAs(outcome));
  }

  #endAs(outcome: RunOutcome): void {
    this.#run?.drop(undefined);
    if (outcome.kind === "completed") {
      const stored = outcome.output;
      const output = stored === undefined ? undefined : inRow(outputKey(), () => decodeValue(stored));
      return this.#finish({ state: "completed", ...(output === undefined ? {} : { output }) });
    }
    if (outcome.kind === "cancelled") return this.#fail(new EvictedError());
    this.#fail(this.#thrown ?? rebuild(outcome.failure));
  }

  parked(divergence: DivergenceRecord): void {
    this.#run?.drop(undefined);
    this.#fail(divergedError(divergence));
  }

  durable(op: number): void {
    this.#run?.durable(op);
  }

  misuse(op: number | undefined, _misuse: Misuse, _name: string): void {
    this.#run?.misuse(op, new EntryInProgressError());
  }

  /** The history has changed, or has been read. */
  notify(): void {
    const { onHistoryUpdated } = this.#options;
    if (onHistoryUpdated === undefined || this.#over) return;
    try {
      onHistoryUpdated(this.#history.snapshot());
    } catch (error) {
      this.log.warn({ workflow: this.key, err: error }, "a listener to the history threw");
    }
  }

  #finish(result: WorkflowResult): void {
    this.#end(() => this.#settle.resolve(result));
  }

  #fail(error: unknown): void {
    this.#end(() => this.#settle.reject(error));
  }

  #end(settle: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#isReady();
    this.#waiter?.abort(new EvictedError());
    this.#history.keep();
    this.#run?.drop(undefined);
    for (const call of this.#calls.values()) call.reject(new EvictedError());
    this.#leave();
    void this.#port.settled().then(() => {
      if (this.#actor === undefined) engineHost().forget(this.name);
      this.pump.release("wait");
      settle();
    });
  }

  #leave(): void {
    if (this.#actor === undefined) {
      this.pump.remove(this.handle);
      this.pump.input.close(this.handle);
    } else {
      this.#actor.detach(this);
      this.pump.input.evict(this.handle);
    }
    this.pump.schedule();
  }
}

/** As many messages as are at hand at once. */
const MOST_MESSAGES = 1_000;
