/**
 * A run of a workflow's function: contexts in, callbacks out. The engine decides; this file only calls user code and settles
 * its promises.
 *
 * Owns the resolvers of pending operations, and nobody else does: an operation of a run that has been dropped never settles.
 */
import type { AnyDefinition, Policy } from "../actor.ts";
import { Attempt, type AttemptOwner, callUser, encodeGiven, isThenable, noteRerun } from "../attempt.ts";
import type { CallersContext } from "../callers-context.ts";
import { PawlError, placeless } from "../errors.ts";
import { attribute, attributed, type FailureRecord, toError, toFailure } from "../failure.ts";
import * as say from "../messages.ts";
import { checked, type Schema } from "../schema.ts";
import { type Seam, seamOf } from "../seam.ts";
import { watched } from "../stall.ts";
import {
  EXCLUSIVE,
  type ResolvedValue,
  type StepPolicyRecord,
  type Terminal,
  type Told,
  UNDO_ATTEMPTED,
  type Verdict,
  type WorkflowCall,
} from "../wire.ts";
import { Ahead, type Answer } from "./ahead.ts";
import { Chance } from "./chance.ts";
import type { Dialect } from "./dialect.ts";
import { readNext } from "./loop.ts";
import {
  type CallOperation,
  type ForkOperation,
  type Handlers,
  type LoopOperation,
  NOTHING,
  type Operation,
  type Ran,
  type Settler,
  type StepOperation,
  type TryOperation,
  type WaitOperation,
} from "./operation.ts";
import { RunValues } from "./run-values.ts";
import { type Begun, ScopeContext } from "./scope-context.ts";

/** What a run needs of its actor. */
export interface RunOwner extends AttemptOwner {
  readonly definition: AnyDefinition;
  /** The policy of steps that have none of their own. */
  readonly policy: Policy;
  readonly dialect: Dialect;
  nextOp(): number;
}

/** An operation that is about to start. */
export interface Prepared extends Begun {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** An undo handler whose step has committed, or was tried. */
interface Undo {
  readonly name: string;
  readonly handlers: Handlers;
  readonly callersContext: CallersContext;
  attempt: Attempt | undefined;
}

/** What the engine has to be told of before the body begins: it may have to wait for its turn, or have to be undone once tried. */
const ASKS = EXCLUSIVE | UNDO_ATTEMPTED;
/** Rounds only begin by themselves while less than this waits to be told. */
const MOST_UNTOLD_BYTES = 64 * 1024;

export class Run {
  readonly owner: RunOwner;
  /** Of tests. */
  readonly seam: Seam | undefined;
  /**
   * Whether the code has not come to where it was when the run was left: up to the first entry that is not recorded, it has
   * been here before.
   */
  isComingBack: boolean;
  readonly #values: RunValues;
  readonly #operations = new Map<number, Operation>();
  readonly #contexts = new Map<number, ScopeContext>();
  readonly #undo = new Map<number, Undo>();
  readonly #attempts = new Set<Attempt>();
  /** Of ephemeral steps that have succeeded and are not durable yet, by the operation. */
  readonly #unwritten = new Map<number, Attempt>();
  /** What may be answered without asking; of one scope at most, for it is only handed out while a single callback runs. */
  #ahead: Ahead | undefined;
  #controller: AbortController | undefined;
  #abortReason: unknown;
  #now = 0;
  #rebuilding = false;
  /** Whether the function still counts: no operation starts or settles otherwise. */
  #halted = false;
  #dropped = false;
  /** What the workflow's function is taken to have thrown. */
  #throwOut: (error: unknown) => void = () => {};
  #draining = false;
  /** Whether the engine may have been asked to end it: nothing begins before it has been told. */
  #asksFirst = false;

  constructor(owner: RunOwner, isComingBack = false) {
    this.owner = owner;
    this.#values = new RunValues(owner);
    this.isComingBack = isComingBack;
    this.seam = seamOf(owner.definition);
  }

  get abortSignal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** Why it was aborted, if it was. */
  get abortReason(): unknown {
    return this.#abortReason;
  }

  /** The time of the newest fact, in milliseconds since the epoch: the same on every replay. */
  get now(): number {
    return this.#now;
  }

  /** Whether no operation may start any more. */
  get isOver(): boolean {
    return this.#halted || this.#dropped || this.#draining;
  }

  chance(scope: number): Chance {
    const seed = this.owner.pump.engine.scopeSeed(this.owner.handle, scope);
    return new Chance(seed ?? "0".repeat(32));
  }

  /** Calls the workflow's function. */
  start(call: WorkflowCall, run: (ctx: unknown) => unknown): void {
    this.#halted = false;
    this.#rebuilding = call.rebuild;
    this.#now = call.at;
    const { pump, handle, dialect, name } = this.owner;
    const context = this.#open(call.scope, undefined, false, call.replaying);
    const threw = (error: unknown) =>
      this.#ended(context, () =>
        pump.input.workflowThrew(handle, call.scope, dialect.toRecord(error), attributed(error)?.op),
      );
    this.#throwOut = threw;
    const returned = (output: unknown) => {
      if (context.pending !== undefined) return threw(dialect.entryPending(name, context.pending));
      const encoded = this.#values.encode(output, () => `the workflow of ${name} returned something`);
      if ("error" in encoded) threw(encoded.error);
      else this.#ended(context, () => pump.input.returned(handle, call.scope, encoded.bytes));
    };
    callUser(() => run(dialect.facade(context)), returned, threw);
  }

  #open(scope: number, around: ScopeContext | undefined, isBranch: boolean, replaying: boolean): ScopeContext {
    const context = new ScopeContext(this, scope, around, isBranch, replaying);
    this.#contexts.set(scope, context);
    return context;
  }

  /** A callback has ended: says so, unless nobody wants to know any more. */
  #ended(context: ScopeContext, write: () => void): void {
    if (!this.#leaves(context)) return;
    write();
    this.owner.pump.schedule();
  }

  /** A callback has ended. True: the engine must be told so. */
  #leaves(context: ScopeContext): boolean {
    if (this.#dropped || this.#halted || this.#contexts.get(context.scope) !== context) return false;
    this.#contexts.delete(context.scope);
    context.close();
    this.#tellTaken();
    return true;
  }

  /** Somebody is about to ask the engine to end it: from now on nothing begins unless the engine says so. */
  askFirst(): void {
    this.#asksFirst = true;
  }

  /** No new operation starts; the attempts that run may end and commit. */
  drain(): void {
    this.#draining = true;
    this.#abort(placeless(() => new PawlError("cancelled", `${this.owner.name} is being evicted`)));
  }

  /** No new operation starts, for a host's own reason. */
  evict(reason: unknown): void {
    this.#draining = true;
    this.#abort(reason);
  }

  /** Whether the function is over, and what it did is being undone. */
  get isHalted(): boolean {
    return this.#halted;
  }

  /** Whether an attempt is running, or a callback that waits for no operation. */
  get isBusy(): boolean {
    if (this.#attempts.size > 0) return true;
    if (this.#halted || this.#dropped) return false;
    return [...this.#contexts.values()].some((context) => !context.isWaiting);
  }

  /** The function is over: operations never settle. Handlers that undo steps are kept. */
  halt(reason: unknown): void {
    this.#halted = true;
    for (const [op, operation] of this.#operations) {
      this.#keepHandlers(op, operation);
      if (operation.kind === "step") this.#stop(operation, reason);
    }
    this.#operations.clear();
    this.#contexts.forEach((context) => {
      context.close();
    });
    this.#abort(reason);
    this.#contexts.clear();
  }

  /** Forgets everything: operations never settle, attempts are dead. */
  drop(reason: unknown): void {
    this.#dropped = true;
    this.#operations.clear();
    this.#undo.clear();
    for (const attempt of this.#attempts) this.#end(attempt, reason);
    this.#abort(reason);
    this.#contexts.clear();
  }

  #abort(reason: unknown): void {
    this.#abortReason ??= reason;
    this.#controller?.abort(reason);
    for (const context of this.#contexts.values()) context.abort(reason);
  }

  /** The step whose operation this is, while it is pending. */
  step(op: number): StepOperation | undefined {
    const operation = this.#operations.get(op);
    return operation?.kind === "step" ? operation : undefined;
  }

  /** The name of the step that a handler undoes. */
  undoneStep(op: number): string | undefined {
    return this.#undo.get(op)?.name;
  }

  /** Starts an operation: `write` tells the engine. */
  begin(operation: (settler: Omit<Settler, "context">) => Operation, write: (op: number) => void): Begun {
    const begun = this.prepare();
    if (this.isOver) return begun;
    this.add(begun.op, operation({ resolve: begun.resolve, reject: begun.reject }));
    this.#write(begun.op, () => write(begun.op));
    return begun;
  }

  /** Half a record would take every run of the thread down: of one that cannot be written, nothing is. */
  #write(op: number, write: () => void): void {
    const { out } = this.owner.pump.input;
    const start = out.length;
    try {
      write();
    } catch (error) {
      out.length = start;
      this.#operations.delete(op);
      throw error;
    }
  }

  /** The first half of `begin`, for what is frequent: an operation's number, and what settles it. 0: none starts any more. */
  prepare(): Prepared {
    let resolve: Prepared["resolve"] = nothing;
    let reject: Prepared["reject"] = nothing;
    const promise = new Promise<unknown>((settle, fail) => {
      resolve = settle;
      // A rejection that nobody awaits fails the run where it matters; it need not end the process. Said here, not for every
      // promise: hardly one is rejected, and to listen to each costs a third of a microsecond.
      reject = (error) => {
        promise.catch(nothing);
        fail(error);
      };
    });
    if (this.isOver) return { op: 0, promise, resolve, reject };
    this.#tellTaken();
    return { op: this.owner.nextOp(), promise, resolve, reject };
  }

  /** The engine has handed out what is recorded next in a scope. */
  ahead(scope: number, steps: Uint8Array, replaying: boolean): void {
    this.#ahead = new Ahead(scope, steps, replaying);
  }

  /** The outcome of a step without handlers, if it is at hand. What cannot be decoded is left to the engine to answer with. */
  answer(scope: number, name: string): Answer | undefined {
    const ahead = this.#ahead;
    if (ahead === undefined || ahead.scope !== scope || this.isOver) return undefined;
    try {
      return ahead.next(name, (bytes) => this.owner.dialect.decode(bytes));
    } catch {
      return undefined;
    }
  }

  /** Whether the function still counts. */
  get isLive(): boolean {
    return !this.#halted && !this.#dropped;
  }

  /** Says what was answered from what was at hand; the rest of it is not used. */
  #tellTaken(): void {
    const ahead = this.#ahead;
    if (ahead === undefined) return;
    this.#ahead = undefined;
    const { pump, handle } = this.owner;
    if (ahead.taken > 0) pump.input.took(handle, ahead.scope, ahead.taken);
  }

  /** The second half: the engine must be told of the operation now. */
  add(op: number, operation: Operation): void {
    this.#operations.set(op, operation);
    this.owner.pump.schedule();
  }

  /**
   * Answers a message that was taken. Resolves when the answer is durable. `isRecorded` says, once, that code comes past an
   * answer again that is durable already.
   */
  async complete(id: string, name: string, schema: Schema, answer: unknown, isRecorded: () => boolean): Promise<void> {
    const { pump, handle, limits } = this.owner;
    const what = `the answer to message "${name}" of ${this.owner.name}`;
    const encoded = (value: unknown) =>
      value === undefined ? undefined : encodeGiven(value, `${what} is a value`, limits.messageBytes);
    const reply = await checked(schema, answer, what, encoded);
    if (isRecorded()) return;
    const { promise } = this.begin(
      (settler) => ({
        resolve: settler.resolve,
        reject: settler.reject,
        kind: "complete",
        context: undefined,
        read: undefined,
      }),
      (op) => pump.input.complete(handle, op, id, reply),
    );
    await promise;
  }

  /** Starts a step. Its body may be called at once if it is certain that the engine would say so. */
  addStep(begun: Prepared, operation: StepOperation, policy: StepPolicyRecord, traits: number): Begun {
    const { name, context } = operation;
    const { pump, handle } = this.owner;
    this.#operations.set(begun.op, operation);
    const isCertain = (traits & ASKS) === 0 && this.#mayBegin && context.isNew(name);
    if (isCertain) begun.fresh = operation;
    if (isCertain) pump.scheduleAfterMicrotasks();
    else pump.schedule();
    const { out } = pump.input;
    const start = out.length;
    const began = isCertain ? pump.now() : undefined;
    try {
      pump.input.step(handle, context.scope, begun.op, name, policy, traits, began);
    } catch (error) {
      // As `#write` does it, without a function: this is what workflows do most.
      out.length = start;
      this.#operations.delete(begun.op);
      throw error;
    }
    if (began !== undefined && traits === 0 && pump.mayTellFirst)
      operation.untold = { crossings: pump.crossings, from: start, upTo: out.length, begun: began };
    return begun;
  }

  /** Whether something new may begin before the engine says so. */
  get #mayBegin(): boolean {
    return !this.#rebuilding && !this.#asksFirst && this.#operations.size < this.owner.limits.pendingOperations;
  }

  /** Calls the body of a step that has begun, in the call: its caller's async context is that of the moment. */
  beginAttempt(op: number, operation: StepOperation): void {
    const attempt = this.#attemptAt(op, operation, 1);
    const { telemetry, dialect } = this.owner;
    const own = () => operation.body(dialect.attempt(attempt));
    const run = telemetry === undefined ? own : attempt.traced(telemetry, "step", operation.name, own);
    callUser(
      () => watched(attempt, "step", operation.name, run),
      (output) => this.#stepDone(op, operation, attempt, output),
      (error) => this.#attemptThrew(op, operation.name, attempt, error),
    );
  }

  #attemptAt(op: number, operation: StepOperation, number: number): Attempt {
    operation.ran = undefined;
    const readOnly = operation.apply === undefined ? undefined : operation.name;
    const attempt = new Attempt(this.owner, number, () => this.#keyOfStep(op, operation), false, readOnly);
    attempt.step = operation.name;
    operation.attempt = attempt;
    this.#hold(attempt);
    return attempt;
  }

  /** Gives the attempt that has begun. */
  execute(op: number, number: number): Attempt | undefined {
    const operation = this.#operations.get(op);
    if (operation?.kind !== "step") return undefined;
    // Another attempt came between, and only `apply` runs again.
    if (operation.attempt?.number === number && operation.ran !== undefined && operation.attempt.isRunning) {
      this.#apply(op, operation, operation.attempt, operation.ran);
      return operation.attempt;
    }
    const attempt = this.#attemptAt(op, operation, number);
    const { telemetry, dialect } = this.owner;
    const { callersContext, body, name } = operation;
    const given = dialect.attempt(attempt);
    const run = () =>
      telemetry === undefined
        ? callersContext.call(body, operation, given)
        : callersContext.run(attempt.traced(telemetry, "step", name, () => operation.body(given)));
    callUser(
      () => watched(attempt, "step", name, run),
      (output) => this.#stepDone(op, operation, attempt, output),
      (error) => this.#attemptThrew(op, operation.name, attempt, error),
    );
    return attempt;
  }

  /** Runs the handler that undoes a step. */
  undo(op: number, number: number, attempted: boolean, output: ResolvedValue): Attempt | undefined {
    const undo = this.#undo.get(op);
    if (undo === undefined) return undefined;
    const result = attempted ? undefined : this.#values.read(output, NOTHING, undefined);
    const attempt = Attempt.undoing(this.owner, number, () => this.#keyOf(op));
    attempt.step = undo.name;
    undo.attempt = attempt;
    this.#hold(attempt);
    const given = this.owner.dialect.undoing(attempt);
    const { committed, attempted: ofAttempted } = undo.handlers;
    const own = () => (attempted ? ofAttempted?.(given) : committed?.(given, result));
    const { telemetry } = this.owner;
    const handler = telemetry === undefined ? own : attempt.traced(telemetry, "undo", undo.name, own);
    callUser(
      () => undo.callersContext.run(handler),
      () => this.#attemptDone(op, attempt, undefined, undo.name),
      (error) => this.#attemptThrew(op, undo.name, attempt, error),
    );
    return attempt;
  }

  #hold(attempt: Attempt): void {
    this.#attempts.add(attempt);
    this.owner.pump.hold("work");
  }

  /** By its place: the engine may not have been told of the operation yet. */
  #keyOfStep(op: number, { context, name }: StepOperation): string | undefined {
    if (this.#dropped || !this.#operations.has(op)) return undefined;
    return this.owner.pump.engine.stepKeyIn(this.owner.handle, context.scope, name) ?? undefined;
  }

  #keyOf(op: number): string | undefined {
    return this.#dropped ? undefined : (this.owner.pump.engine.stepKey(this.owner.handle, op) ?? undefined);
  }

  #stepDone(op: number, operation: StepOperation, attempt: Attempt, output: unknown): void {
    if (!attempt.isRunning) return;
    const encoded = this.#values.encode(
      output,
      () => `step "${operation.name}" of ${this.owner.name} returned something`,
    );
    if ("error" in encoded) return this.#attemptThrew(op, operation.name, attempt, encoded.error, "critical");
    operation.kept = encoded.kept;
    if (this.#mayTellFirst(operation, attempt)) return this.#tellFirst(op, operation, attempt, encoded.bytes);
    if (operation.apply === undefined || attempt.isDoomed)
      return this.#attemptDone(op, attempt, encoded.bytes, operation.name);
    try {
      attempt.beginApply(operation.name);
    } catch (error) {
      return this.#attemptThrew(op, operation.name, attempt, error, "critical");
    }
    operation.ran = encoded;
    this.#apply(op, operation, attempt, encoded);
  }

  /** Whether it is certain what becomes of a step, and nobody could tell that the engine hears of it later. */
  #mayTellFirst({ untold, apply }: StepOperation, attempt: Attempt): boolean {
    if (untold === undefined || apply !== undefined || this.isOver || this.#asksFirst) return false;
    const { pump } = this.owner;
    const isLast = pump.crossings === untold.crossings && pump.input.out.length === untold.upTo;
    return isLast && pump.mayTellFirst && attempt.isBare;
  }

  /** The record of the step becomes that of the whole of it, and the workflow goes on. */
  #tellFirst(op: number, operation: StepOperation, attempt: Attempt, output: Uint8Array | undefined): void {
    const { pump, handle } = this.owner;
    const { untold, context, name } = operation;
    if (untold === undefined) return;
    const ended = pump.endsAt();
    pump.input.out.length = untold.from;
    pump.input.stepped(handle, context.scope, op, name, { begun: untold.begun, ended, output });
    attempt.pass();
    pump.tellFirst(() => {
      if (this.#take(op) === undefined) return;
      this.heard(context, { at: ended, replaying: false });
      this.#release(attempt);
      const result = this.#values.unkept(operation.kept);
      operation.resolve(operation.wrap === undefined ? result : operation.wrap(result));
    });
  }

  /** The second half of a step that has one: writes what came of the first into the newest state. */
  #apply(op: number, operation: StepOperation, attempt: Attempt, ran: Ran): void {
    const { name, apply, callersContext } = operation;
    try {
      const returned = callersContext.run(() =>
        apply?.(this.owner.dialect.attempt(attempt), this.#values.unkept(ran.kept)),
      );
      if (isThenable(returned)) {
        Promise.resolve(returned).catch(nothing);
        return this.#attemptThrew(op, name, attempt, say.applyWaits(name, this.owner.name), "critical");
      }
    } catch (error) {
      return this.#attemptThrew(op, name, attempt, error);
    }
    this.#attemptDone(op, attempt, ran.bytes, name);
  }

  #attemptDone(op: number, attempt: Attempt, output: Uint8Array | undefined, step: string): void {
    if (!attempt.isRunning) return;
    const { pump, handle } = this.owner;
    try {
      const writes = attempt.seal(() => pump.settling(handle));
      pump.input.settled(handle, op, attempt.number, output, writes);
      pump.scheduleAfterMicrotasks();
    } catch (error) {
      this.#attemptThrew(op, step, attempt, error, "critical");
    }
  }

  /** `kind` is given where trying again would repeat the body's effects only to fail again. */
  #attemptThrew(op: number, step: string, attempt: Attempt, error: unknown, kind?: "critical"): void {
    if (!attempt.isRunning) return;
    // It was told that it has to run again: what it ends with is of no interest.
    if (attempt.isDoomed) return this.#attemptDone(op, attempt, undefined, step);
    this.#end(attempt, undefined);
    const operation = this.#operations.get(op);
    if (operation?.kind === "step") operation.thrown = error;
    const { dialect, pump, handle } = this.owner;
    const failure = dialect.toRecord(error, kind);
    this.#logFailure(step, attempt.count, `${failure.name}: ${failure.message}`);
    pump.input.failed(handle, op, attempt.number, failure, dialect.retryAt(error, pump.now()));
    pump.scheduleAfterMicrotasks();
  }

  #logFailure(step: string, attempt: number, failure: string): void {
    this.owner.log.warn({ actor: this.owner.name, step, attempt, failure }, "an attempt of a step failed");
  }

  #attemptOf(op: number, number: number): { readonly attempt: Attempt; readonly name: string } | undefined {
    const operation = this.#operations.get(op);
    const holder = operation?.kind === "step" ? operation : this.#undo.get(op);
    const attempt = holder?.attempt;
    return attempt?.number === number ? { attempt, name: holder?.name ?? "" } : undefined;
  }

  verdict(op: number, number: number, verdict: Verdict): void {
    const found = this.#attemptOf(op, number);
    if (found === undefined) return;
    const again = found.attempt.verdict(verdict);
    if (again) noteRerun(found.attempt, `step "${found.name}"`, verdict);
    if (again || verdict.kind === "stale") this.#end(found.attempt, undefined);
  }

  /** The engine gave the attempt up. */
  abort(op: number, number: number, timeout: number | undefined): void {
    const found = this.#attemptOf(op, number);
    if (found === undefined) return;
    const { attempt, name } = found;
    const step = `step "${name}" of ${this.owner.name}`;
    const reason =
      timeout === undefined
        ? new PawlError("cancelled", `${step} was cancelled: its scope has ended without it`)
        : new PawlError("step_timeout", `attempt ${attempt.count} of ${step} has taken longer than ${timeout} ms`);
    this.#logFailure(name, attempt.count, reason.message);
    this.#end(attempt, reason);
  }

  #end(attempt: Attempt, reason: unknown): void {
    attempt.fail(reason);
    this.#release(attempt);
  }

  iterate(op: number, scope: number, state: ResolvedValue, replaying: boolean, ahead: number): void {
    const operation = this.#operations.get(op);
    if (operation?.kind !== "loop") return;
    operation.ahead = ahead;
    this.#round(operation, scope, this.#values.read(state, operation.kept, undefined), replaying);
  }

  #round(operation: LoopOperation, scope: number, value: unknown, replaying: boolean): void {
    const context = this.#open(scope, operation.context, false, replaying);
    const { pump, handle, dialect } = this.owner;
    const threw = (error: unknown) => {
      operation.thrown = error;
      this.#ended(context, () => pump.input.iterationThrew(handle, scope));
    };
    const returned = (next: unknown) => this.#iterated(operation, context, next, threw);
    const body = () => operation.callersContext.call(operation.body, operation, dialect.facade(context), value);
    callUser(body, returned, threw);
  }

  #iterated(operation: LoopOperation, context: ScopeContext, next: unknown, threw: (error: unknown) => void): void {
    const { pump, handle, dialect, name } = this.owner;
    if (context.pending !== undefined) return threw(dialect.entryPending(name, context.pending));
    const read = readNext(next, operation.stateless);
    if (read === undefined) return threw(dialect.badNext(operation.name, next, operation.stateless, name));
    const { ends } = read;
    const encoded = this.#values.encode(
      read.value,
      () => `loop "${operation.name}" of ${name} ${ends ? "ends" : "goes on"} with something`,
    );
    if ("error" in encoded) return threw(encoded.error);
    // A rebuild looks at several rounds side by side: none of them says what the next begins with.
    if (!this.#rebuilding) operation.kept = encoded.kept;
    if (!this.#leaves(context)) return;
    if (!ends && this.#mayGoAhead(operation, context)) return this.#goAhead(operation, context, encoded.bytes);
    if (ends) pump.input.broke(handle, context.scope, encoded.bytes);
    else pump.input.continued(handle, context.scope, encoded.bytes);
    pump.schedule();
  }

  /** Begins the next round, and tells the engine so. */
  #goAhead(operation: LoopOperation, context: ScopeContext, state: Uint8Array | undefined): void {
    const { pump, handle } = this.owner;
    operation.ahead--;
    pump.noteTurn();
    pump.input.wentAhead(handle, context.scope, state);
    pump.scheduleAfterMicrotasks();
    this.#round(operation, context.scope + 1, this.#values.unkept(operation.kept), false);
  }

  /** Whether the next round may begin before the engine says so. */
  #mayGoAhead(operation: LoopOperation, context: ScopeContext): boolean {
    const isFree = operation.ahead > 0 && !context.replaying && !this.isOver && this.#mayBegin;
    return isFree && this.owner.pump.input.out.length < MOST_UNTOLD_BYTES;
  }

  branch(op: number, scope: number, index: number, replaying: boolean): void {
    const operation = this.#operations.get(op);
    if (!isFork(operation)) return;
    const context = this.#open(scope, operation.context, true, replaying);
    const { pump, handle, dialect, name } = this.owner;
    const threw = (error: unknown) => {
      if (dialect.escapes?.(error) === true) return this.#throwOut(error);
      this.#ended(context, () =>
        pump.input.branchThrew(handle, scope, dialect.toBranchRecord(error), attributed(error)?.op),
      );
    };
    const returned = (output: unknown) => {
      if (context.pending !== undefined) return threw(dialect.entryPending(name, context.pending));
      const branch = operation.branches[index] ?? String(index);
      const encoded = this.#values.encode(
        output,
        () => `branch "${branch}" of ${operation.kind} "${operation.name}" of ${name} returned something`,
      );
      if ("error" in encoded) return threw(encoded.error);
      operation.kept.set(index, encoded.kept);
      this.#ended(context, () => pump.input.branchReturned(handle, scope, encoded.bytes));
    };
    callUser(() => operation.callersContext.run(() => operation.body(dialect.facade(context), index)), returned, threw);
  }

  enter(op: number, scope: number, replaying: boolean): void {
    const operation = this.#operations.get(op);
    if (operation?.kind !== "try") return;
    const context = this.#open(scope, operation.context, false, replaying);
    const { pump, handle, dialect, name } = this.owner;
    const threw = (error: unknown) => {
      operation.thrown = error;
      this.#ended(context, () => pump.input.left(handle, scope, true));
    };
    const returned = (value: unknown) => {
      if (context.pending !== undefined) return threw(dialect.entryPending(name, context.pending));
      operation.value = value;
      this.#ended(context, () => pump.input.left(handle, scope, false));
    };
    callUser(() => operation.callersContext.run(() => operation.body(dialect.facade(context))), returned, threw);
  }

  /** A branch has lost: what is pending in this scope rejects, and so does whatever it starts. */
  cancelled(scope: number): void {
    const context = this.#contexts.get(scope);
    if (context === undefined) return;
    const reason = this.owner.dialect.branchCancelled(this.owner.name);
    const { pendingOp } = context;
    context.cancel(reason);
    this.#contexts.delete(scope);
    const operation = pendingOp === undefined ? undefined : this.#take(pendingOp);
    if (operation === undefined || pendingOp === undefined) return;
    this.#keepHandlers(pendingOp, operation);
    operation.reject(reason);
  }

  /** The step may have to be undone although the workflow hears nothing of it: it has committed already, or was tried. */
  #keepHandlers(op: number, operation: Operation): void {
    if (operation.kind !== "step" || operation.handlers === undefined) return;
    const { name, handlers, callersContext } = operation;
    this.#undo.set(op, { name, handlers, callersContext, attempt: undefined });
  }

  resolve(op: number, value: ResolvedValue, told: Told): void {
    const undo = this.#undo.get(op);
    if (undo?.attempt !== undefined) return this.#undone(op, undo);
    const operation = this.#take(op);
    if (operation === undefined) return;
    this.heard(operation.context, told);
    switch (operation.kind) {
      case "step":
        return this.#stepResolved(op, operation, value);
      case "join":
      case "race":
      case "map":
        return this.#forkResolved(op, operation, value);
      case "loop":
        return operation.resolve(this.#values.read(value, operation.kept, operation.context));
      case "try":
        return operation.resolve(operation.wrap(operation.value));
      case "child":
      case "ask":
        return operation.resolve(this.#values.read(value, NOTHING, operation.context));
      default: {
        return this.#waitResolved(operation, this.#values.read(value, NOTHING, operation.context));
      }
    }
  }

  #waitResolved(operation: WaitOperation, value: unknown): void {
    try {
      operation.resolve(operation.read === undefined ? value : operation.read(value));
    } catch (error) {
      operation.reject(error);
    }
  }

  /** A context's code hears of a fact. */
  heard(context: ScopeContext | undefined, told: Told): void {
    if (told.at > this.#now) this.#now = told.at;
    if (context !== undefined) context.replaying = told.replaying;
  }

  #stepResolved(op: number, operation: StepOperation, value: ResolvedValue): void {
    const { attempt, ephemeral, wrap } = operation;
    if (ephemeral && attempt !== undefined) {
      this.#release(attempt);
      this.#unwritten.set(op, attempt);
    } else this.#settled(attempt);
    if (operation.handlers?.committed !== undefined) this.#keepHandlers(op, operation);
    const result = this.#values.read(value, operation.kept, undefined);
    operation.resolve(wrap === undefined ? result : wrap(result));
  }

  /** What an ephemeral step did is durable. */
  durable(op: number): void {
    const attempt = this.#unwritten.get(op);
    this.#unwritten.delete(op);
    attempt?.committed();
  }

  #undone(op: number, undo: Undo): void {
    this.#settled(undo.attempt);
    this.#undo.delete(op);
  }

  reject(op: number, terminal: Terminal, attempts: number, failure: FailureRecord, told: Told): void {
    const undo = this.#undo.get(op);
    if (undo?.attempt !== undefined) {
      this.#settled(undo.attempt);
      undo.attempt = undefined;
      return;
    }
    const operation = this.#take(op);
    if (operation?.kind === "child" || operation?.kind === "ask") return this.#callFailed(op, operation, failure, told);
    if (operation?.kind !== "step") return;
    this.heard(operation.context, told);
    this.#settled(operation.attempt);
    if (operation.handlers?.attempted !== undefined) this.#keepHandlers(op, operation);
    const { name } = operation;
    const caught = operation.caught?.({ kind: terminal, name, attempts, error: toFailure(failure), record: failure });
    if (caught !== undefined) return operation.resolve(caught);
    const { dialect } = this.owner;
    const error = dialect.stepError(name, terminal, attempts, failure, this.owner.name, operation);
    operation.reject(attribute(error, { kind: terminal, name, attempts, failure }, op));
  }

  #callFailed(
    op: number,
    { kind, name, to, context, reject }: CallOperation,
    failure: FailureRecord,
    told: Told,
  ): void {
    this.heard(context, told);
    const error = this.owner.dialect.callError?.(kind, to, failure, this.owner.name) ?? toError(failure);
    reject(attribute(error, { kind, name, attempts: 0, failure }, op));
  }

  #forkResolved(op: number, operation: ForkOperation, value: ResolvedValue): void {
    if (value.kind !== "branches") return;
    // A branch that cannot be read is no failure of the fork: whoever told us of it is told so.
    const branches = this.#values.branches(value, operation.kept);
    try {
      operation.resolve(this.owner.dialect.forkResult(operation, branches));
    } catch (error) {
      const { kind, name } = operation;
      operation.reject(error instanceof Error ? attribute(error, { kind, name, attempts: 0 }, op) : error);
    }
  }

  /** The loop or try block ends with what its callback threw. */
  rethrow(op: number): void {
    const operation = this.#take(op);
    if (operation?.kind === "loop") return operation.reject(operation.thrown);
    if (operation?.kind === "try") this.#tried(operation);
  }

  #tried(operation: TryOperation): void {
    const caught = operation.caught(operation.thrown);
    if (caught === undefined) operation.reject(operation.thrown);
    else operation.resolve(caught);
  }

  misuse(op: number | undefined, error: Error): void {
    const operation = op === undefined ? undefined : this.#take(op);
    if (operation?.kind === "step") this.#stop(operation, error);
    operation?.reject(error);
  }

  /** A step of which nothing comes any more: what its attempt still does does not count. */
  #stop({ attempt }: StepOperation, reason: unknown): void {
    if (attempt?.isRunning === true) this.#end(attempt, reason);
  }

  /** The outcome of an attempt is durable. */
  #settled(attempt: Attempt | undefined): void {
    if (attempt === undefined) return;
    this.#release(attempt);
    attempt.committed();
  }

  #release(attempt: Attempt): void {
    if (this.#attempts.delete(attempt)) this.owner.pump.release("work");
  }

  #take(op: number): Operation | undefined {
    const operation = this.#operations.get(op);
    this.#operations.delete(op);
    operation?.context?.done();
    return operation;
  }
}

function nothing(): void {}

function isFork(operation: Operation | undefined): operation is ForkOperation {
  return operation?.kind === "join" || operation?.kind === "race" || operation?.kind === "map";
}
