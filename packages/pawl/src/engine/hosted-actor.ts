/**
 * An embedding host's actor: its cells on a driver, transactions on them, and the workflow that runs beside. Everything that an
 * attempt does to cells, of a transaction or of a step, is part of one change.
 */
import type { AttemptOwner } from "../attempt.ts";
import { type Deferred, deferred } from "../deferred.ts";
import { PawlError } from "../errors.ts";
import type { Limits } from "../loaded/types.ts";
import { silentLogger } from "../log.ts";
import type { Pump, PumpedActor } from "../pump.ts";
import type { Mirror } from "../state/index.ts";
import type { ActorSink, EmbeddedRecord, Facts, InputWriter, StoreProblem } from "../wire.ts";
import { ActorCells, type FirstValue } from "./actor-cells.ts";
import { HOSTED_LIMITS } from "./constants.ts";
import type { DriverPort } from "./driver-port.ts";
import type { EmbeddedRun } from "./embedded-run.ts";
import { engineAttempt } from "./engine-attempt.ts";
import { HistoryView } from "./history-view.ts";
import type { Host } from "./host.ts";
import { lostError, storeError } from "./store-error.ts";
import { Transactions } from "./transactions.ts";
import type { EngineAttempt, EngineDriver, WorkflowHistorySnapshot } from "./types.ts";

const CREATION = 1;
/** Opened only to be told something. */
export const CONTROLLED: EmbeddedRecord = {
  frontier: false,
  patience: 0,
  controlled: true,
  asks: false,
};

/** Writes what the engine is told, as the call of this number. */
export type Telling = (input: InputWriter, handle: number, call: number) => void;
const open = new WeakMap<EngineDriver, HostedActor>();

/** The actor that is open on a driver. */
export function actorOn(driver: EngineDriver): HostedActor | undefined {
  return open.get(driver);
}

export class HostedActor implements AttemptOwner {
  readonly type: string = "actor";
  readonly key: string;
  readonly name: string;
  readonly handle: number;
  readonly pump: Pump;
  readonly port: DriverPort;
  /** The state that Pawl's own actors have is none of a host's: it has cells. */
  readonly mirror: undefined = undefined;
  readonly vars: undefined = undefined;
  readonly log: AttemptOwner["log"] = silentLogger;
  readonly messages: AttemptOwner["messages"] = new Map();
  readonly hasEnded: boolean = false;
  readonly peers: undefined = undefined;
  readonly limits: Limits = HOSTED_LIMITS;
  readonly #host: Host;
  readonly #driver: EngineDriver;
  readonly #cells: ActorCells;
  readonly #transactions: Transactions = new Transactions(this);
  readonly #told = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  #nextCall = CREATION + 1;
  #facts: Facts | undefined;
  #run: EmbeddedRun | undefined;
  #closed = false;
  /** Whether its rows could not be read when they were read last. */
  #failed = false;
  #opened: Deferred<void> = opening();

  constructor(host: Host, driver: EngineDriver, port: DriverPort, id: string, cells: Record<string, FirstValue>) {
    this.#host = host;
    this.#driver = driver;
    this.pump = host.pump;
    this.port = port;
    this.key = id;
    const { handle, name } = host.open(id, port, () => this.#run?.notify());
    this.handle = handle;
    this.name = name;
    this.#cells = new ActorCells(this, cells);
    const sink = this.#sink();
    const pumped = new Proxy(sink, {
      // What is the run's goes to the run that is there, if one is.
      get: (own, member) => Reflect.get(own, member) ?? this.#ofRun(member as keyof ActorSink),
    });
    host.pump.add(handle, pumped as PumpedActor);
  }

  /** Reads the driver. Resolves when the cells are there. */
  async open(): Promise<void> {
    if (actorOn(this.#driver) !== undefined)
      throw new Error(`an actor is open on the driver of "${this.key}" already: close it first`);
    open.set(this.#driver, this);
    try {
      await this.port.quiet();
      this.#read();
      await this.#opened.promise;
    } catch (error) {
      await this.#forget();
      throw error;
    }
  }

  #read(): void {
    this.#failed = false;
    this.pump.input.open(this.handle, this.name);
    this.pump.schedule();
  }

  /** When the rows have been read; tries again if they could not be. */
  #ready(): Promise<void> {
    if (this.#failed) {
      this.#opened = opening();
      this.#read();
    }
    return this.#opened.promise;
  }

  /** Somebody else has written: everything is read anew, and the run that is attached begins anew from there. */
  reload(): void {
    const why = `the rows of the actor "${this.key}" were written by somebody else, and are read anew: call again`;
    this.#fail(new PawlError("store_unavailable", why, { retryable: true }));
    this.#opened = opening();
    this.pump.input.close(this.handle);
    this.#read();
    const run = this.#run;
    this.#opened.promise.then(
      () => this.#facts !== undefined && this.#run === run && run?.opened(this.#facts),
      () => {},
    );
  }

  /** Whether attempts on that driver are this actor's. */
  isOpenOn(driver: EngineDriver): boolean {
    return !this.#closed && open.get(driver) === this;
  }

  hasCell(name: string): boolean {
    return this.#cells.has(name);
  }

  cellNames(): Iterable<string> {
    return this.#cells.names();
  }

  cellMirror(name: string): Mirror {
    return this.#cells.mirror(name);
  }

  addCell(name: string, initial: () => unknown): void {
    this.#cells.add(name, initial);
  }

  /** Gives cells the values that they have in the history of another engine. */
  async adopt(values: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#ready();
    this.#cells.adopt(values);
    await this.#settled();
  }

  /** Resolves when what was written is durable. */
  #settled(): Promise<void> {
    return this.transact(() => undefined).then(() => {});
  }

  /** Plain copies of all cells. */
  values(): Record<string, unknown> {
    return this.#cells.values();
  }

  /** A number for what the engine is asked; unlike all others of this actor, its runs' included. */
  nextCall(): number {
    return this.#nextCall++;
  }

  /**
   * Lets `check` look at the history, and tells the engine what `write` writes, whether the workflow is running or not. Resolves to the
   * history as it is then, once that is durable; rejects with why it was refused.
   */
  async tell(check: (history: WorkflowHistorySnapshot) => void, write: Telling): Promise<WorkflowHistorySnapshot> {
    await this.#ready();
    const { input } = this.pump;
    const history = new HistoryView(() => this.pump.engine.history(this.handle));
    check(history.snapshot());
    const isRunning = this.#run !== undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const call = this.nextCall();
        this.#told.set(call, { resolve, reject });
        if (!isRunning) input.start(this.handle, false, "", false, CONTROLLED);
        write(input, this.handle, call);
        this.pump.schedule();
      });
      const after = history.snapshot();
      history.keep();
      await this.port.settled();
      return after;
    } finally {
      if (!isRunning && this.#run === undefined) input.evict(this.handle);
      this.pump.schedule();
    }
  }

  /** Runs `run` as a transaction of its own; resolves to what it returned when that is durable. */
  async transact<R>(run: (attempt: EngineAttempt<Record<string, unknown>>) => R | Promise<R>): Promise<R> {
    if (this.#closed) throw new Error(`the actor "${this.key}" is closed`);
    await this.#ready();
    return (await this.#transactions.run(this.nextCall(), (attempt) => run(engineAttempt(attempt, this)))) as R;
  }

  /** The workflow that runs beside: it hears of everything that is a run's. */
  async attach(run: EmbeddedRun): Promise<void> {
    if (this.#run !== undefined)
      throw new Error(`the workflow of the actor "${this.key}" is running already: wait for its result, or evict it`);
    this.#run = run;
    await this.#ready();
    if (this.#facts !== undefined) run.opened(this.#facts);
  }

  detach(run: EmbeddedRun): void {
    if (this.#run === run) this.#run = undefined;
  }

  /** Evicts the workflow, waits for its steps that are at work and for what was written, and forgets the driver. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#opened.promise.then(() => this.#settled()).catch(() => {});
    this.#closed = true;
    const run = this.#run;
    run?.evict();
    await run?.result.catch(() => {});
    this.#fail(new Error(`the actor "${this.key}" is closed`));
    await this.#forget();
  }

  async #forget(): Promise<void> {
    if (open.get(this.#driver) === this) open.delete(this.#driver);
    this.pump.remove(this.handle);
    this.pump.input.close(this.handle);
    this.pump.schedule();
    await this.port.settled();
    this.#host.forget(this.name);
  }

  #ofRun(member: keyof ActorSink): unknown {
    const run = this.#run;
    const value = run === undefined ? undefined : Reflect.get(run, member);
    return typeof value === "function" ? value.bind(run) : ignored;
  }

  #sink(): Partial<PumpedActor> {
    return {
      oldestPin: () => this.#cells.oldestPin(),
      opened: (facts) => this.#begin(facts),
      reopened: (facts) => this.#begin(facts),
      openFailed: (problem) => this.#openFailed(problem),
      lost: (problem) => this.#lost(problem),
      actionVerdict: (call, verdict) => this.#transactions.verdict(call, verdict),
      reply: (call) => this.#reply(call),
      refuse: (call, reason, why) => this.#refuse(call, why === "" ? reason : why),
    };
  }

  #begin(facts: Facts): void {
    try {
      this.#cells.begin(() => facts.exists || this.#create());
    } catch (error) {
      this.#opened.reject(error);
      this.#fail(error);
      return;
    }
    this.#facts = { ...facts, exists: true };
    // The first values are queued in the turn that follows.
    queueMicrotask(() => this.#opened.resolve());
  }

  #create(): void {
    const born = { workflow: true, input: undefined, state: undefined, version: 1, hosted: true };
    this.pump.input.create(this.handle, CREATION, born);
  }

  #openFailed(problem: StoreProblem): void {
    this.#failed = true;
    this.#opened.reject(this.port.error ?? storeError(problem, this.name, this.key));
    this.#run?.openFailed(problem);
  }

  #lost(problem: StoreProblem): void {
    const error = lostError(problem, this.port.error, this.name, this.key);
    this.#opened = opening();
    this.#fail(error);
    this.#run?.lost(problem);
  }

  #fail(error: unknown): void {
    this.#transactions.failAll(error);
    for (const told of this.#told.values()) told.reject(error);
    this.#told.clear();
  }

  #reply(call: number): void {
    this.#told.get(call)?.resolve();
    if (!this.#told.delete(call) && !this.#transactions.durable(call)) this.#run?.reply(call);
  }

  #refuse(call: number, why: string): void {
    this.#told.get(call)?.reject(new Error(why));
    if (!this.#told.delete(call) && !this.#transactions.refused(call, why)) this.#run?.refuse(call, "nothing", why);
  }
}

function ignored(): undefined {
  return undefined;
}

/** One that may reject before anybody looks. */
function opening(): Deferred<void> {
  const opening = deferred<void>();
  opening.promise.catch(ignored);
  return opening;
}
