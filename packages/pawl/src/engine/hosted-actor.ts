/**
 * An embedding host's actor: its cells on a driver, transactions on them, and the workflow that runs beside. Everything that an
 * attempt does to cells, of a transaction or of a step, is part of one change.
 */
import { Attempt, type AttemptOwner, callUser } from "../attempt.ts";
import { toRecord } from "../failure.ts";
import { silentLogger } from "../log.ts";
import * as say from "../messages.ts";
import type { Pump, PumpedActor } from "../pump.ts";
import { Mirror, raw } from "../state/index.ts";
import { nodeOf } from "../state/place.ts";
import { ByteWriter } from "../values/index.ts";
import type { ActorSink, Facts, InputWriter, StoreProblem, Verdict } from "../wire.ts";
import type { DriverPort } from "./driver-port.ts";
import type { EmbeddedRun } from "./embedded-run.ts";
import { engineAttempt } from "./engine-attempt.ts";
import type { Host } from "./host.ts";
import { lostError, storeError } from "./store-error.ts";
import type { EngineAttempt } from "./types.ts";
import { decodeValue, encodeValue } from "./values.ts";

const CREATION = 1;
const NO_VIEW = new Uint8Array(0);

/** Another engine has written since the cells were: they may not fit what it did. */
export class StateBehindHistoryError extends Error {
  constructor(workflowId: string) {
    super(
      `The cells of "${workflowId}" are older than its history: another engine has written to it. Call adopt(values) with what the cells are now.`,
    );
    this.name = "StateBehindHistoryError";
  }
}

interface Transaction {
  attempt: Attempt | undefined;
  readonly run: (attempt: Attempt) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly idempotencyKey: string;
  result: { readonly value: unknown } | { readonly error: unknown } | undefined;
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
  readonly limits: AttemptOwner["limits"] = { valueBytes: 2 ** 30, messageBytes: 2 ** 30 };
  readonly #host: Host;
  readonly #initial: Map<string, () => unknown>;
  readonly #mirrors = new Map<string, Mirror>();
  readonly #transactions = new Map<number, Transaction>();
  readonly #told = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  #nextCall = CREATION + 1;
  #facts: Facts | undefined;
  #run: EmbeddedRun | undefined;
  #behind = false;
  #closed = false;
  #opened: Deferred = deferred();

  constructor(host: Host, port: DriverPort, workflowId: string, cells: Readonly<Record<string, FirstValue>>) {
    this.#host = host;
    this.pump = host.pump;
    this.port = port;
    this.key = workflowId;
    this.#initial = new Map(Object.entries(cells).map(([name, { initial }]) => [name, initial]));
    const { handle, name } = host.open(workflowId, port, () => this.#run?.notify());
    this.handle = handle;
    this.name = name;
    const sink = this.#sink();
    const pumped = new Proxy(sink, {
      // What is the run's goes to the run that is there, if one is.
      get: (own, member) => Reflect.get(own, member) ?? this.#ofRun(member as keyof ActorSink),
    });
    host.pump.add(handle, pumped as PumpedActor);
  }

  /** Reads the driver. Resolves when the cells are there. */
  async open(): Promise<void> {
    try {
      await this.port.quiet();
      this.pump.input.open(this.handle, this.name);
      this.pump.schedule();
      await this.#opened.promise;
    } catch (error) {
      await this.#forget();
      throw error;
    }
  }

  hasCell(name: string): boolean {
    return this.#initial.has(name);
  }

  cellNames(): Iterable<string> {
    return this.#initial.keys();
  }

  /** The mirror of a cell. Throws for one that was not declared, and while the cells are older than the history. */
  cellMirror(name: string): Mirror {
    if (this.#behind) throw new StateBehindHistoryError(this.key);
    const known = this.#mirrors.get(name);
    if (known !== undefined) return known;
    const head = this.pump.engine.cellHead(this.handle, name);
    if (head === null)
      throw new Error(`the actor "${this.key}" has no cell "${name}": it has ${[...this.#initial.keys()].join(", ")}`);
    const made = this.#mirrorAt(name, head);
    this.#mirrors.set(name, made);
    return made;
  }

  #mirrorAt(cell: string, head: number): Mirror {
    const { engine } = this.pump;
    const source = {
      read: () => engine.readCell(this.handle, cell, NO_VIEW),
      readAt: (pin: number, delta: Uint8Array | undefined) => engine.readCell(this.handle, cell, viewOf(pin, delta)),
    };
    return new Mirror(source, head, {
      stale: (what, why) => (why === "ended" ? say.stale(what, this.key) : say.detached(what, this.key)),
      refused: (error) => say.notStorable(`something was put into a cell of ${this.key}`, error, undefined),
      maxValueBytes: this.limits.valueBytes,
    });
  }

  /** Declares a further cell. */
  addCell(name: string, initial: () => unknown): void {
    this.#initial.set(name, initial);
    this.#write([[name, initial]], false);
  }

  /** Gives cells the values that they have in the history of another engine. */
  async adopt(values: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#opened.promise;
    this.#mirrors.clear();
    this.#write(
      Object.entries(values).map(([name, value]) => [name, () => value]),
      true,
    );
    this.#behind = false;
    await this.#settled();
  }

  /** Resolves when what was written is durable. */
  #settled(): Promise<void> {
    return this.transact(() => undefined).then(() => {});
  }

  #write(cells: Iterable<readonly [string, () => unknown]>, replace: boolean): void {
    for (const [name, value] of cells) {
      if (!replace && this.pump.engine.cellHead(this.handle, name) !== null) continue;
      this.pump.input.cell(this.handle, name, encodeValue(value()), replace);
    }
    this.pump.schedule();
  }

  /** Plain copies of all cells. */
  values(): Record<string, unknown> {
    const plain = (name: string) => decodeValue(this.pump.engine.readCell(this.handle, name, NO_VIEW));
    return Object.fromEntries([...this.#initial.keys()].map((name) => [name, plain(name)]));
  }

  /** A number for what the engine is asked; unlike all others of this actor, its runs' included. */
  nextCall(): number {
    return this.#nextCall++;
  }

  /** Tells the engine something of the workflow, which is not running. Resolves when that is durable. */
  async tell(write: (input: InputWriter, handle: number, call: number) => void): Promise<void> {
    await this.#opened.promise;
    const { input } = this.pump;
    try {
      await new Promise<void>((resolve, reject) => {
        const call = this.nextCall();
        this.#told.set(call, { resolve, reject });
        input.start(this.handle, false, 0, { frontier: false, patience: 0, controlled: true });
        write(input, this.handle, call);
        this.pump.schedule();
      });
    } finally {
      input.evict(this.handle);
      this.pump.schedule();
    }
    await this.port.settled();
  }

  /** Runs `run` as a transaction of its own; resolves to what it returned when that is durable. */
  async transact<R>(run: (attempt: EngineAttempt<Record<string, unknown>>) => R | Promise<R>): Promise<R> {
    if (this.#closed) throw new Error(`the actor "${this.key}" is closed`);
    await this.#opened.promise;
    return new Promise<R>((resolve, reject) => {
      const call = this.nextCall();
      const transaction: Transaction = {
        run: (attempt) => run(engineAttempt(attempt, this)),
        resolve: resolve as (value: unknown) => void,
        reject,
        idempotencyKey: crypto.randomUUID().replaceAll("-", ""),
        attempt: undefined,
        result: undefined,
      };
      this.#transactions.set(call, transaction);
      this.#attempt(call, transaction);
    });
  }

  #attempt(call: number, transaction: Transaction): void {
    const attempt = new Attempt(this, 1, () => transaction.idempotencyKey);
    transaction.attempt = attempt;
    const returned = (value: unknown) => {
      if (!attempt.isRunning) return;
      try {
        // A proxy of a cell is of no use after the attempt.
        transaction.result = { value: nodeOf(value) === undefined ? value : raw(value) };
        const writes = attempt.seal(() => this.pump.settling(this.handle));
        this.pump.input.acted(this.handle, call, writes);
        this.pump.schedule();
      } catch (error) {
        threw(error);
      }
    };
    const threw = (error: unknown) => {
      if (!attempt.isRunning) return;
      const { pin } = attempt;
      attempt.fail(undefined);
      transaction.result = { error };
      this.pump.input.actionThrew(this.handle, call, toRecord(error), pin);
      this.pump.schedule();
    };
    callUser(() => transaction.run(attempt), returned, threw);
  }

  /** The workflow that runs beside: it hears of everything that is a run's. */
  async attach(run: EmbeddedRun): Promise<void> {
    if (this.#run !== undefined)
      throw new Error(`the workflow of the actor "${this.key}" is running already: wait for its result, or evict it`);
    this.#run = run;
    await this.#opened.promise;
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
      oldestPin: () => {
        const pins = [...this.#mirrors.values()].map((mirror) => mirror.oldestPin());
        const open = pins.filter((pin) => pin !== undefined);
        return open.length === 0 ? undefined : Math.min(...open);
      },
      opened: (facts) => this.#begin(facts),
      reopened: (facts) => this.#begin(facts),
      openFailed: (problem) => this.#opened.reject(this.port.error ?? storeError(problem, this.name, this.key)),
      lost: (problem) => this.#lost(problem),
      actionVerdict: (call, verdict) => this.#verdict(call, verdict),
      reply: (call) => this.#reply(call),
      refuse: (call, reason, why) => this.#refuse(call, why === "" ? reason : why),
    };
  }

  #begin(facts: Facts): void {
    this.#mirrors.clear();
    this.#behind = this.pump.engine.isBehind(this.name);
    if (!facts.exists)
      this.pump.input.create(this.handle, CREATION, {
        workflow: true,
        input: undefined,
        state: undefined,
        version: 1,
        hosted: true,
      });
    this.#facts = { ...facts, exists: true };
    this.#write(this.#initial, false);
    // The first values are queued in the turn that follows.
    queueMicrotask(() => this.#opened.resolve());
  }

  #lost(problem: StoreProblem): void {
    const error = lostError(problem, this.port.error, this.name, this.key);
    this.#opened = deferred();
    this.#fail(error);
    this.#run?.lost(problem);
  }

  #fail(error: unknown): void {
    for (const transaction of this.#transactions.values()) {
      transaction.attempt?.fail(error);
      transaction.reject(error);
    }
    this.#transactions.clear();
    for (const told of this.#told.values()) told.reject(error);
    this.#told.clear();
  }

  #verdict(call: number, verdict: Verdict): void {
    const transaction = this.#transactions.get(call);
    if (transaction?.attempt?.verdict(verdict) !== true) return;
    // Another attempt came between: again, on what is there now.
    queueMicrotask(() => {
      if (this.#transactions.has(call)) this.#attempt(call, transaction);
    });
  }

  #reply(call: number): void {
    this.#told.get(call)?.resolve();
    if (this.#told.delete(call)) return;
    const transaction = this.#transactions.get(call);
    if (transaction === undefined) return this.#run?.reply(call);
    this.#transactions.delete(call);
    transaction.attempt?.committed();
    const { result } = transaction;
    if (result !== undefined && "error" in result) transaction.reject(result.error);
    else transaction.resolve(result?.value);
  }

  #refuse(call: number, why: string): void {
    this.#told.get(call)?.reject(new Error(why));
    if (this.#told.delete(call)) return;
    const transaction = this.#transactions.get(call);
    if (transaction === undefined) return this.#run?.refuse(call, "nothing", why);
    this.#transactions.delete(call);
    const error = new Error(`a transaction of the actor "${this.key}" was refused: ${why}`);
    transaction.attempt?.fail(error);
    transaction.reject(error);
  }
}

interface FirstValue {
  readonly initial: () => unknown;
}

function ignored(): undefined {
  return undefined;
}

function viewOf(pin: number, delta: Uint8Array | undefined): Uint8Array {
  const view = new ByteWriter();
  view.varint(pin);
  view.u8(delta === undefined ? 0 : 1);
  if (delta !== undefined) {
    view.varint(delta.length);
    view.bytes(delta);
  }
  return view.copy();
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function deferred(): Deferred {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
