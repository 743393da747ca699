/**
 * One run of a workflow on an embedding host's driver: joins what the engine says, what the workflow's code does, and what its
 * host is told. It ends once: with a result, or with an error.
 */
import type { AnyDefinition, Policy } from "../actor.ts";
import type { Attempt } from "../attempt.ts";
import type { FailureRecord } from "../failure.ts";
import type { Limits } from "../loaded/types.ts";
import { type Logger, silentLogger } from "../log.ts";
import { GuardedBodies, type GuardedRun } from "../poison/guarded-bodies.ts";
import type { Pump, PumpedActor } from "../pump.ts";
import type {
  DivergenceRecord,
  EventRecord,
  Facts,
  Halt,
  Refusal,
  ResolvedValue,
  RunOutcome,
  StoreProblem,
  Terminal,
  Told,
  WorkflowCall,
} from "../wire.ts";
import { NOTHING_WRITTEN } from "../wire.ts";
import type { Dialect } from "../workflow/dialect.ts";
import { Run, type RunOwner } from "../workflow/run.ts";
import { HOSTED_LIMITS } from "./constants.ts";
import { divergedError } from "./diverged-error.ts";
import { DriverPort } from "./driver-port.ts";
import { engineAttempt } from "./engine-attempt.ts";
import { EngineContext } from "./engine-context.ts";
import { EngineDialect } from "./engine-dialect.ts";
import { errorEvent } from "./error-event.ts";
import { EvictedError } from "./errors.ts";
import { HistoryView } from "./history-view.ts";
import { engineHost } from "./host.ts";
import type { HostedActor } from "./hosted-actor.ts";
import { inputKey, outputKey, stateKey } from "./keys.ts";
import { LiveWait } from "./live-wait.ts";
import { decodeInput, decodeOutput, decodeState, inItsRow } from "./load.ts";
import { Pauses } from "./pauses.ts";
import { PoisonGuard } from "./poison-guard.ts";
import { inRow, isPlaced } from "./record-error.ts";
import { rebuild } from "./recorded-error.ts";
import { RunSink } from "./run-sink.ts";
import { lostError, storeError } from "./store-error.ts";
import type { EngineDriver, RunWorkflowOptions, WorkflowFunction, WorkflowResult } from "./types.ts";
import { DriverHangError, type RunUnderWay } from "./under-way.ts";
import { encodeValue } from "./values.ts";

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

export class EmbeddedRun extends RunSink implements PumpedActor, RunOwner, RunUnderWay {
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
  readonly limits: Limits = HOSTED_LIMITS;
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
  /** What the run has ended with, if it has failed. */
  #error: unknown;
  #evicted = false;
  #started = false;
  #nextOp = 1;
  /** What the workflow's function threw in this run. */
  #thrown: unknown;
  readonly #wait: LiveWait;
  readonly #guard: PoisonGuard | undefined;
  readonly #bodies: GuardedBodies | undefined;
  /** The newest that a body was given. */
  #newest: Attempt | undefined;
  /** Calls of the hook for errors: the run's result is given when they have ended. */
  readonly #hooks = new Set<Promise<void>>();
  readonly #calls = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  #nextCall = CREATION + 1;

  constructor({ actor, workflowId, fn, input, driver, options }: EmbeddedOptions) {
    super();
    const host = engineHost();
    this.#actor = actor;
    this.pump = host.pump;
    this.key = workflowId;
    this.#driver = driver;
    this.#fn = fn;
    this.#input = input;
    this.#options = options;
    this.log = options.logger ?? silentLogger;
    this.#port = actor?.port ?? new DriverPort(driver, workflowId, { epoch: options.epoch });
    this.#wait = new LiveWait(driver, {
      isCurrent: () => this.#isCurrent(),
      take: (names) => this.#poll(0, names, MOST_MESSAGES),
      fail: (error) => this.fail(error),
    });
    this.#guard = options.poisonGuard === true ? new PoisonGuard(this.#port, workflowId) : undefined;
    this.#bodies = this.#guard && new GuardedBodies(this.#guard, this.#asGuarded());
    const { handle, name } = actor ?? host.open(workflowId, this.#port, () => this.notify());
    this.handle = handle;
    this.name = name;
    this.#history = new HistoryView(() => this.pump.engine.history(handle));
    this.dialect = new EngineDialect({
      workflowId,
      attempt: (attempt) => this.#given(attempt),
      isEvicted: () => this.#evicted,
      completed: (id, response) => this.#port.completed(id, response),
      escaped: (error) => {
        this.#thrown = error;
      },
      flattened: (what, path, found) => this.#flattened(what, path, found),
    });
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    this.pump.hold("wait");
    this.#begin().catch((error: unknown) => this.fail(error));
  }

  async #begin(): Promise<void> {
    const earlier = this.#port.quiet();
    this.#port.begins(this);
    await earlier;
    await this.#guard?.open();
    if (this.#actor !== undefined) return this.#actor.attach(this);
    this.pump.add(this.handle, this);
    this.#open();
  }

  #open(): void {
    this.pump.input.open(this.handle, this.name);
    this.pump.schedule();
  }

  /** What the body of a step is given: what the host makes of its attempt, if it does. */
  #given(attempt: Attempt): unknown {
    const { context } = this.#options;
    this.#newest = attempt;
    return context === undefined ? undefined : context(engineAttempt(attempt, this.#actor));
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Whether it waits in memory, and looks again at what is stored before it goes on. */
  get isWaiting(): boolean {
    return this.#wait.isOn;
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
    this.#port.watch((error) => this.fail(error));
    this.#wait.stop();
    const run = this.run;
    if (run === undefined) return;
    if (run.isHalted) {
      // A handler that undoes a step is abandoned: a later run runs it again, unless it is done by now.
      run.drop(new EvictedError());
      void this.#port.idle().then(() => this.#finish({ state: "rolling_back" }));
      return;
    }
    run.evict(new EvictedError());
    void this.#endEvicted();
  }

  /** Attempts that run may end and commit, and code that needs nothing more may complete. */
  async #endEvicted(): Promise<void> {
    const run = this.run;
    const pauses = new Pauses();
    do {
      await pauses.next();
      await pauses.next();
    } while (!this.#over && run?.isBusy === true);
    await this.#port.idle();
    if (this.#over) return;
    try {
      this.#finish(await this.#stored());
    } catch (error) {
      this.fail(error);
    }
  }

  /** How the run stands, as it is stored. Nothing is if it was evicted before anything of it was written. */
  async #stored(): Promise<WorkflowResult> {
    const stored = await this.#port.row(stateKey());
    const state = stored === undefined ? "running" : inRow(stateKey(), () => decodeState(stored));
    const row = state === "completed" ? await this.#port.row(outputKey()) : undefined;
    const output = row === undefined ? undefined : inRow(outputKey(), () => decodeOutput(row));
    return { state, ...(output === undefined ? {} : { output }) };
  }

  /** Cancels the run, if it is not over; resolves to whether it was not, when that is durable. Rejects as the driver did. */
  async cancel(): Promise<boolean> {
    this.#port.watch((error) => this.fail(error));
    await this.#ready;
    if (this.#error instanceof DriverHangError) throw this.#error;
    if (this.#over) return false;
    this.run?.askFirst();
    const asked = this.#ask((call) => this.pump.input.cancel(this.handle, call, false, undefined));
    const isTold = await asked.then(
      () => true,
      () => false,
    );
    if (this.#port.error !== undefined) throw this.#port.error;
    // It was about to end, and has.
    if (!isTold) await this.result.catch(() => {});
    await this.#port.settled();
    return isTold;
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
    if (outcome?.kind === "cancelled") return this.fail(new EvictedError());
    try {
      if (!facts.exists || this.#actor !== undefined) this.#create();
      this.#start();
    } catch (error) {
      this.fail(error);
    }
  }

  #start(): void {
    const { mode = "yield", onError } = this.#options;
    const patience = mode === "live" ? 0 : Math.max(0, this.#driver.workerPollInterval);
    this.pump.input.start(this.handle, onError !== undefined, "", this.#guard !== undefined, {
      frontier: this.#options.divergence === "frontier",
      patience,
      controlled: false,
      asks: mode === "live",
    });
    this.pump.schedule();
  }

  /** Somebody has gone back to a step: on from there. */
  override halted(reason: Halt): void {
    super.halted(reason);
    if (reason !== "restarted") return;
    this.#wait.stop();
    this.#start();
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
    this.fail(this.#port.error ?? storeError(problem, this.name, this.key));
  }

  /** A write failed: what is stored decides, for whoever runs the workflow again. */
  lost(problem: StoreProblem): void {
    this.fail(lostError(problem, this.#port.error, this.name, this.key));
  }

  reopened(): void {}
  retired(): void {}

  runWorkflow(call: WorkflowCall): void {
    this.reading(() => this.#callWorkflow(call));
  }

  #callWorkflow(call: WorkflowCall): void {
    if (!call.rebuild || this.run === undefined) {
      this.run?.drop(undefined);
      this.run = new Run(this);
      // A guarded body begins when its mark is written, which the engine asks for.
      if (this.#guard !== undefined) this.run.askFirst();
    }
    const stored = call.input;
    const input = stored === undefined ? undefined : inRow(inputKey(), () => decodeInput(stored));
    this.notify();
    const run = this.run;
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

  override resolve(op: number, value: ResolvedValue, told: Told): void {
    this.#wait.wentOn();
    super.resolve(op, value, told);
  }

  override reject(op: number, terminal: Terminal, attempts: number, failure: FailureRecord, told: Told): void {
    const undoes = this.run?.undoneStep(op) !== undefined;
    super.reject(op, terminal, attempts, failure, told);
    // A handler that has failed is tried again by the next run.
    if (undoes) this.fail(rebuild(failure));
  }

  reply(call: number): void {
    this.#calls.get(call)?.resolve();
    this.#calls.delete(call);
  }

  refuse(call: number, _reason: Refusal, why: string): void {
    this.#calls.get(call)?.reject(new Error(why));
    this.#calls.delete(call);
  }

  override execute(op: number, attempt: number): void {
    const step = this.run?.step(op);
    if (this.#bodies === undefined || step === undefined) return super.execute(op, attempt);
    const around = step.context === undefined ? "" : EngineContext.pathOf(step.context);
    const name = around === "" ? step.name : `${around}/${step.name}`;
    void this.#bodies.begin(name, op, attempt, () => this.#attemptOf(() => super.execute(op, attempt)));
  }

  override undo(op: number, attempt: number, attempted: boolean, output: ResolvedValue): void {
    const step = this.run?.undoneStep(op);
    const call = () => super.undo(op, attempt, attempted, output);
    if (this.#bodies === undefined || step === undefined) return call();
    void this.#bodies.begin(`undo of ${step}`, op, attempt, () => this.#attemptOf(call));
  }

  /** The attempt that the body gets which `call` calls. */
  #attemptOf(call: () => void): Attempt | undefined {
    this.#newest = undefined;
    call();
    return this.#newest;
  }

  #asGuarded(): GuardedRun {
    return {
      isOver: () => this.#over || this.#evicted,
      begins: (op, attempt) => {
        this.pump.input.begun(this.handle, op, attempt);
        this.pump.schedule();
      },
      fail: (error) => this.fail(error),
    };
  }

  report(id: number, event: EventRecord): void {
    const told = this.#over ? undefined : errorEvent(this.key, event, this.run?.step(id)?.maxRetries, this.#thrown);
    const heard = this.#report(id, told);
    this.#hooks.add(heard);
    void heard.then(() => this.#hooks.delete(heard));
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
      this.fail(error);
    }
  }

  suspended(alarm: number | undefined, names: readonly string[] | undefined): void {
    if (this.#over || this.#evicted) return;
    if (this.#options.mode === "live") return void this.#wait.begin(names);
    this.#finish({
      state: "sleeping",
      ...(alarm === undefined ? {} : { sleepUntil: alarm }),
      ...(names === undefined ? {} : { waitingForMessages: [...names] }),
    });
  }

  look(): void {
    if (this.isWaiting) this.due();
  }

  due(): void {
    this.#goOn().catch((error: unknown) => this.fail(error));
  }

  async #goOn(): Promise<void> {
    if (!(await this.#isCurrent())) return;
    this.#wait.stop();
    this.pump.input.goOn(this.handle);
    this.pump.schedule();
  }

  /** Whether what is stored is what this run has stored. If somebody else has written, the run is begun anew from there. */
  async #isCurrent(): Promise<boolean> {
    // What is being written just now is this run's own, or its actor's.
    await this.#port.idle();
    const isCurrent = await this.#port.isCurrent();
    if (this.#over || this.#evicted) return false;
    if (!isCurrent) this.#reload();
    return isCurrent;
  }

  #reload(): void {
    this.#wait.stop();
    this.run?.drop(undefined);
    this.run = undefined;
    if (this.#actor !== undefined) return this.#actor.reload();
    this.pump.input.close(this.handle);
    this.#open();
  }

  runEnded(outcome: RunOutcome): void {
    this.reading(() => this.#endAs(outcome));
  }

  #endAs(outcome: RunOutcome): void {
    this.run?.drop(undefined);
    if (outcome.kind === "completed") {
      const stored = outcome.output;
      const output = stored === undefined ? undefined : inRow(outputKey(), () => decodeOutput(stored));
      return this.#finish({ state: "completed", ...(output === undefined ? {} : { output }) });
    }
    if (outcome.kind === "cancelled") return this.fail(new EvictedError());
    this.fail(this.#thrown ?? rebuild(outcome.failure));
  }

  parked(divergence: DivergenceRecord): void {
    this.run?.drop(undefined);
    this.fail(divergedError(divergence));
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

  protected override fail(error: unknown): void {
    this.#error = error;
    this.#end(() => {
      if (isPlaced(error)) this.#settle.reject(error);
      else void inItsRow(error, this.#driver).then(this.#settle.reject);
    });
  }

  #end(settle: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#isReady();
    this.#wait.stop();
    this.#history.keep();
    this.run?.drop(undefined);
    for (const call of this.#calls.values()) call.reject(new EvictedError());
    this.#leave();
    // A driver that has failed is not waited for.
    const closed = this.#guard?.close().catch(() => {});
    const left = Promise.all([this.#port.settled(), this.#error === undefined && closed, ...this.#hooks]);
    void left.then(() => {
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
