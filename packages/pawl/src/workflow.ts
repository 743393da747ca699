/**
 * A run of a workflow's function: contexts in, callbacks out. The engine decides; this file only calls user code and settles
 * its promises.
 *
 * Owns the resolvers of pending operations, and nobody else does: an operation of a run that has been dropped never settles.
 */
import { type AnyDefinition, checkPolicy, isShortText, POLICY_MEMBERS, type Policy, refuseUnknown } from "./actor.ts";
import { Attempt, type AttemptOwner, callUser, encodeGiven } from "./attempt.ts";
import { CallersContext } from "./callers-context.ts";
import { milliseconds, pointInTime } from "./duration.ts";
import { PawlError } from "./errors.ts";
import { type FailureRecord, toError, toFailure, toRecord } from "./failure.ts";
import * as say from "./messages.ts";
import type { Pump } from "./pump.ts";
import type { AttemptContext, LoopNext, StepOptions, Tried, Types, WorkflowContext } from "./types.ts";
import { decode, encode, isImmutable, ValueError } from "./values/index.ts";
import type { ResolvedValue, Terminal, Verdict } from "./wire.ts";

/** What a loop's callback returns. */
export const Loop: {
  continue(): LoopNext<void, never>;
  continue<L>(state: L): LoopNext<L, never>;
  break(): LoopNext<never, void>;
  break<R>(value: R): LoopNext<never, R>;
} = {
  continue: <L>(state?: L) => ({ continue: true, state: state as L }) as LoopNext<L, never>,
  break: <R>(value?: R) => ({ break: true, value: value as R }) as LoopNext<never, R>,
};

/** What a run needs of its actor. */
export interface RunOwner extends AttemptOwner {
  readonly handle: number;
  readonly pump: Pump;
  readonly definition: AnyDefinition;
  /** The policy of steps that have none of their own. */
  readonly policy: Policy;
  nextOp(): number;
}

type Body = (c: AttemptContext<Types>) => unknown;

/** A value on its way to the engine and back: what user code gave is never what it gets. */
type Kept = { readonly value: unknown } | { readonly bytes: Uint8Array };

const NOTHING: Kept = { value: undefined };

interface Settler {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly context: Context;
}

interface StepOperation extends Settler {
  readonly kind: "step";
  readonly name: string;
  readonly body: Body;
  readonly tried: boolean;
  readonly callersContext: CallersContext;
  attempt: Attempt | undefined;
  kept: Kept;
}

interface WaitOperation extends Settler {
  readonly kind: "sleep" | "message";
}

interface LoopOperation extends Settler {
  readonly kind: "loop";
  readonly name: string;
  readonly body: (ctx: WorkflowContext<Types>, state: unknown) => unknown;
  readonly callersContext: CallersContext;
  readonly stateless: boolean;
  kept: Kept;
  thrown: unknown;
}

type Operation = StepOperation | WaitOperation | LoopOperation;

export class Run {
  readonly owner: RunOwner;
  readonly #operations = new Map<number, Operation>();
  readonly #attempts = new Set<Attempt>();
  #controller: AbortController | undefined;
  #dropped = false;
  #draining = false;

  constructor(owner: RunOwner) {
    this.owner = owner;
  }

  get abortSignal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** Calls the workflow's function. */
  start(scope: number, input: unknown): void {
    const { workflow } = this.owner.definition;
    if (workflow === undefined) return;
    const context = new Context(this, scope);
    const { pump, handle } = this.owner;
    const ended = (write: () => void) => {
      if (this.#dropped) return;
      context.close();
      write();
      pump.schedule();
    };
    const threw = (error: unknown) => ended(() => pump.input.workflowThrew(handle, scope, toRecord(error)));
    const returned = (output: unknown) => {
      if (context.pending !== undefined) return threw(say.entryPending(this.owner.name, context.pending));
      const encoded = this.#encode(output, `the workflow of ${this.owner.name} returned something`);
      if ("error" in encoded) threw(encoded.error);
      else ended(() => pump.input.returned(handle, scope, encoded.bytes));
    };
    callUser(() => workflow(context as unknown as WorkflowContext<Types>, input), returned, threw);
  }

  /** No new operation starts; the attempts that run may end and commit. */
  drain(): void {
    this.#draining = true;
    this.#controller?.abort(new PawlError("cancelled", `${this.owner.name} is being evicted`));
  }

  /** Forgets everything: operations never settle, attempts are dead. */
  drop(reason: unknown): void {
    this.#dropped = true;
    this.#operations.clear();
    for (const attempt of this.#attempts) this.#end(attempt, reason);
    this.#controller?.abort(reason);
  }

  /** Starts an operation: `write` tells the engine. */
  begin(operation: (settler: Omit<Settler, "context">) => Operation, write: (op: number) => void): Promise<unknown> {
    if (this.#draining || this.#dropped) return new Promise(() => {});
    const op = this.owner.nextOp();
    const promise = new Promise<unknown>((resolve, reject) => this.#operations.set(op, operation({ resolve, reject })));
    write(op);
    this.owner.pump.schedule();
    return promise;
  }

  execute(op: number, number: number): void {
    const operation = this.#operations.get(op);
    if (operation?.kind !== "step") return;
    const attempt = new Attempt(this.owner, number, () => this.#keyOf(op));
    operation.attempt = attempt;
    this.#attempts.add(attempt);
    this.owner.pump.hold("work");
    callUser(
      () => operation.callersContext.run(() => operation.body(attempt.context)),
      (output) => this.#stepDone(op, operation, attempt, output),
      (error) => this.#stepThrew(op, attempt, error),
    );
  }

  #keyOf(op: number): string | undefined {
    return this.#dropped ? undefined : (this.owner.pump.engine.stepKey(this.owner.handle, op) ?? undefined);
  }

  #stepDone(op: number, operation: StepOperation, attempt: Attempt, output: unknown): void {
    if (!attempt.isRunning) return;
    const { pump, handle, name } = this.owner;
    const encoded = this.#encode(output, `step "${operation.name}" of ${name} returned something`);
    if ("error" in encoded) return this.#stepThrew(op, attempt, encoded.error, "critical");
    try {
      const writes = attempt.seal(() => pump.settling(handle));
      operation.kept = encoded.kept;
      pump.input.settled(handle, op, attempt.number, encoded.bytes, writes);
      pump.schedule();
    } catch (error) {
      this.#stepThrew(op, attempt, error, "critical");
    }
  }

  /** `kind` is given where trying again would repeat the body's effects only to fail again. */
  #stepThrew(op: number, attempt: Attempt, error: unknown, kind?: "critical"): void {
    if (!attempt.isRunning) return;
    this.#end(attempt, undefined);
    const failure = toRecord(error, kind);
    this.#logFailure(op, attempt.number, `${failure.name}: ${failure.message}`);
    this.owner.pump.input.failed(this.owner.handle, op, attempt.number, failure);
    this.owner.pump.schedule();
  }

  #logFailure(op: number, attempt: number, failure: string): void {
    const operation = this.#operations.get(op);
    const step = operation?.kind === "step" ? operation.name : undefined;
    this.owner.log.warn({ actor: this.owner.name, step, attempt, failure }, "an attempt of a step failed");
  }

  verdict(op: number, number: number, verdict: Verdict): void {
    const operation = this.#operations.get(op);
    const attempt = operation?.kind === "step" ? operation.attempt : undefined;
    if (attempt === undefined || attempt.number !== number) return;
    const again = attempt.verdict(verdict);
    if (again || verdict.kind === "stale") this.#end(attempt, undefined);
  }

  /** The engine gave the attempt up. */
  abort(op: number, number: number, timeout: number | undefined): void {
    const operation = this.#operations.get(op);
    const attempt = operation?.kind === "step" ? operation.attempt : undefined;
    if (attempt === undefined || attempt.number !== number) return;
    const { name } = operation as StepOperation;
    const reason =
      timeout === undefined
        ? new PawlError(
            "cancelled",
            `step "${name}" of ${this.owner.name} was cancelled: its scope has ended without it`,
          )
        : new PawlError(
            "step_timeout",
            `attempt ${number} of step "${name}" of ${this.owner.name} has taken longer than ${timeout} ms`,
          );
    this.#logFailure(op, number, reason.message);
    this.#end(attempt, reason);
    if (timeout === undefined) this.#operations.delete(op);
  }

  #end(attempt: Attempt, reason: unknown): void {
    attempt.fail(reason);
    if (this.#attempts.delete(attempt)) this.owner.pump.release("work");
  }

  iterate(op: number, scope: number, state: ResolvedValue): void {
    const operation = this.#operations.get(op);
    if (operation?.kind !== "loop") return;
    const context = new Context(this, scope);
    const { pump, handle } = this.owner;
    const ended = (write: () => void) => {
      if (this.#dropped) return;
      context.close();
      write();
      pump.schedule();
    };
    const threw = (error: unknown) => {
      operation.thrown = error;
      ended(() => pump.input.iterationThrew(handle, scope));
    };
    const returned = (next: unknown) => {
      if (context.pending !== undefined) return threw(say.entryPending(this.owner.name, context.pending));
      const read = readNext(next, operation, this.owner.name);
      if ("error" in read) return threw(read.error);
      const encoded = this.#encode(
        read.value,
        `loop "${operation.name}" of ${this.owner.name} ${read.ends ? "ends" : "goes on"} with something`,
      );
      if ("error" in encoded) return threw(encoded.error);
      operation.kept = encoded.kept;
      ended(() =>
        read.ends ? pump.input.broke(handle, scope, encoded.bytes) : pump.input.continued(handle, scope, encoded.bytes),
      );
    };
    const value = this.#read(state, operation.kept);
    callUser(
      () => operation.callersContext.run(() => operation.body(context as unknown as WorkflowContext<Types>, value)),
      returned,
      threw,
    );
  }

  resolve(op: number, value: ResolvedValue): void {
    const operation = this.#take(op);
    if (operation === undefined) return;
    if (operation.kind === "step") this.#settled(operation);
    const result = this.#read(value, operation.kind === "step" || operation.kind === "loop" ? operation.kept : NOTHING);
    operation.resolve(operation.kind === "step" && operation.tried ? { ok: true, value: result } : result);
  }

  reject(op: number, terminal: Terminal, attempts: number, failure: FailureRecord): void {
    const operation = this.#take(op);
    if (operation?.kind !== "step") return;
    this.#settled(operation);
    if (!operation.tried)
      return operation.reject(stepError(operation.name, terminal, attempts, failure, this.owner.name));
    const tried: Tried<unknown> = {
      ok: false,
      failure: { kind: terminal, name: operation.name, attempts, error: toFailure(failure) },
    };
    operation.resolve(tried);
  }

  /** The loop ends with what its callback threw. */
  rethrow(op: number): void {
    const operation = this.#take(op);
    if (operation?.kind === "loop") operation.reject(operation.thrown);
  }

  misuse(op: number | undefined, error: PawlError): void {
    if (op !== undefined) this.#take(op)?.reject(error);
  }

  /** The step's outcome is durable. */
  #settled(operation: StepOperation): void {
    const { attempt } = operation;
    if (attempt === undefined) return;
    if (this.#attempts.delete(attempt)) this.owner.pump.release("work");
    attempt.committed();
  }

  #take(op: number): Operation | undefined {
    const operation = this.#operations.get(op);
    this.#operations.delete(op);
    operation?.context.done();
    return operation;
  }

  #read(value: ResolvedValue, kept: Kept): unknown {
    switch (value.kind) {
      case "kept":
        return "bytes" in kept ? decode(kept.bytes) : kept.value;
      case "nothing":
        return undefined;
      case "encoded":
        return decode(value.bytes);
      case "message":
        return readMessage(value.bytes);
    }
  }

  /** Encodes what a callback returned; `undefined` is no bytes. */
  #encode(value: unknown, what: string): { bytes: Uint8Array | undefined; kept: Kept } | { error: unknown } {
    if (value === undefined) return { bytes: undefined, kept: NOTHING };
    try {
      const bytes = encode(value, { maxBytes: this.owner.limits.valueBytes });
      return { bytes, kept: isImmutable(value) ? { value } : { bytes } };
    } catch (error) {
      // What is thrown otherwise is thrown by the value itself: a part of a state whose attempt is over.
      return { error: error instanceof ValueError ? say.notStorable(what, error, SETTLED) : error };
    }
  }
}

const SETTLED = "the body had finished; what it did outside has happened. It is not run again.";

function readMessage(bytes: Uint8Array): unknown {
  const { id, name, body, createdAt } = decode(bytes) as { id: string; name: string; body: unknown; createdAt: number };
  return { id, name, body, sentAt: createdAt };
}

function readNext(
  next: unknown,
  loop: LoopOperation,
  actor: string,
): { value: unknown; ends: boolean } | { error: PawlError } {
  if ((next === undefined || next === null) && loop.stateless) return { value: undefined, ends: false };
  if (typeof next === "object" && next !== null) {
    if ((next as { break?: unknown }).break === true) return { value: (next as { value?: unknown }).value, ends: true };
    if ((next as { continue?: unknown }).continue === true)
      return { value: (next as { state?: unknown }).state, ends: false };
  }
  return {
    error: new PawlError(
      "bad_argument",
      `a round of loop "${loop.name}" of ${actor} did not say how to go on.
  found     ${next === undefined ? "undefined" : typeof next}
  expected  Loop.continue(state) or Loop.break(value)${loop.stateless ? ", or nothing" : ""}`,
    ),
  };
}

function stepError(step: string, terminal: Terminal, attempts: number, failure: FailureRecord, actor: string): Error {
  const error = toError(failure);
  if (terminal === "critical" || terminal === "rollback") return error;
  const data = { step, attempts, error: toFailure(failure) };
  if (terminal === "timeout")
    return new PawlError(
      "step_timeout",
      `step "${step}" of ${actor} has timed out, and is not tried again: ${failure.message}`,
      { data },
    );
  return new PawlError(
    "step_exhausted",
    `step "${step}" of ${actor} has failed ${attempts} ${attempts === 1 ? "time" : "times"}, and is not tried again: ${failure.message}`,
    {
      cause: error,
      data,
    },
  );
}

/** What a workflow's function, or a loop's callback, is given. */
class Context {
  readonly #run: Run;
  readonly #scope: number;
  readonly #used = new Set<string>();
  #pending: { kind: Operation["kind"]; name: string } | undefined;
  #closed = false;

  constructor(run: Run, scope: number) {
    this.#run = run;
    this.#scope = scope;
  }

  get type(): string {
    return this.#run.owner.type;
  }

  get key(): string {
    return this.#run.owner.key;
  }

  get abortSignal(): AbortSignal {
    return this.#run.abortSignal;
  }

  get state(): never {
    throw say.notInWorkflow("state");
  }

  get vars(): never {
    throw say.notInWorkflow("vars");
  }

  step(first: string | StepOptions<Types, unknown>, body?: Body): Promise<unknown> {
    return this.#step(first, body, false);
  }

  tryStep(first: string | StepOptions<Types, unknown>, body?: Body): Promise<unknown> {
    return this.#step(first, body, true);
  }

  loop(first: string | LoopArguments, body?: LoopOperation["body"]): Promise<unknown> {
    const given = typeof first === "object" && first !== null ? first : undefined;
    return this.#enter("loop", given === undefined ? first : given.name, (named) => {
      const options: LoopArguments = given ?? { name: named, run: body };
      const { name, run, state, keep = 20 } = known(options, LOOP_OPTIONS, "loop");
      if (typeof run !== "function") throw say.noFunction(`loop "${name}"`, run);
      if (!Number.isInteger(keep) || keep < 1)
        throw say.badArgument(
          `keep of loop "${name}" is not a count.\n  found     ${keep}\n  expected  an integer from 1`,
        );
      const { owner } = this.#run;
      const encoded =
        state === undefined
          ? undefined
          : encodeGiven(state, `loop "${name}" of ${owner.name} starts with something`, owner.limits.valueBytes);
      return this.#run.begin(
        (settler) => ({
          ...settler,
          kind: "loop",
          name,
          body: run,
          context: this,
          callersContext: new CallersContext(),
          stateless: given === undefined || !("state" in given),
          kept: NOTHING,
          thrown: undefined,
        }),
        (op) => owner.pump.input.loop(owner.handle, this.#scope, op, name, encoded, keep),
      );
    });
  }

  sleep(name: string, duration: number): Promise<unknown> {
    return this.#enter("sleep", name, () => {
      const ms = milliseconds(duration, `the duration of sleep "${name}"`);
      return this.#wait("sleep", (op) => this.#input.sleepFor(this.#run.owner.handle, this.#scope, op, name, ms));
    });
  }

  sleepUntil(name: string, time: number | Date): Promise<unknown> {
    return this.#enter("sleep", name, () => {
      const at = pointInTime(time, `the time of sleep "${name}"`, this.#run.owner.pump.now());
      return this.#wait("sleep", (op) => this.#input.sleepUntil(this.#run.owner.handle, this.#scope, op, name, at));
    });
  }

  readonly queue: { next(name: string, options?: NextArguments): Promise<unknown> } = {
    next: (name, options) => this.#next(name, options),
  };

  #next(name: string, options: NextArguments = {}): Promise<unknown> {
    const begin = () => {
      const { names = [name], timeout } = known(options, NEXT_OPTIONS, `queue.next("${name}")`);
      const { messages, type, handle } = this.#run.owner;
      if (!Array.isArray(names) || names.length === 0)
        throw say.badArgument(`queue.next("${name}") waits for no message.
  found     ${Array.isArray(names) ? "an empty list" : say.shown(names)}
  expected  a list of at least one of ${[...messages.keys()].join(", ")} in \`names\``);
      for (const wanted of names)
        if (!messages.has(wanted)) throw say.unknownMember("message", String(wanted), type, [...messages.keys()]);
      const ms = timeout === undefined ? undefined : milliseconds(timeout, `the timeout of queue.next("${name}")`);
      return this.#wait("message", (op) => this.#input.next(handle, this.#scope, op, name, names, ms));
    };
    return this.#enter("message", name, begin, WAIT_ROWS);
  }

  /** Not a public member: what is pending, for whoever ends this scope. */
  get pending(): { kind: Operation["kind"]; name: string } | undefined {
    return this.#pending;
  }

  done(): void {
    this.#pending = undefined;
  }

  close(): void {
    this.#closed = true;
  }

  get #input(): Pump["input"] {
    return this.#run.owner.pump.input;
  }

  #step(first: string | StepOptions<Types, unknown>, body: Body | undefined, tried: boolean): Promise<unknown> {
    const options = typeof first === "object" && first !== null ? first : undefined;
    return this.#enter("step", options === undefined ? first : options.name, (name) => {
      const run = options === undefined ? body : known(options, STEP_OPTIONS, `step "${name}"`).run;
      if (typeof run !== "function") throw say.noFunction(`step "${name}"`, run);
      const { owner } = this.#run;
      const policy =
        options === undefined ? owner.policy : checkPolicy(options, `step "${name}"`, owner.definition.steps);
      const callersContext = new CallersContext();
      return this.#run.begin(
        ({ resolve, reject }) => ({
          resolve,
          reject,
          kind: "step",
          name,
          body: run as Body,
          tried,
          callersContext,
          context: this,
          attempt: undefined,
          kept: NOTHING,
        }),
        (op) => owner.pump.input.step(owner.handle, this.#scope, op, name, policy),
      );
    });
  }

  #wait(kind: WaitOperation["kind"], write: (op: number) => void): Promise<unknown> {
    return this.#run.begin((settler) => ({ ...settler, kind, context: this }), write);
  }

  /**
   * Checks that an entry may start here and now. What is wrong rejects, so that a missing `await` ends no process. `rows` end
   * the names of what the history keeps beside the entry: nothing else may have those.
   */
  #enter(
    kind: Operation["kind"],
    name: unknown,
    begin: (name: string) => Promise<unknown>,
    rows: readonly string[] = [],
  ): Promise<unknown> {
    try {
      if (typeof name !== "string" || name === "" || !isShortText(name)) throw say.noName(kind, name);
      const { name: actor } = this.#run.owner;
      const pending = this.#pending;
      if (pending?.kind === "loop") throw say.wrongContext(actor, kind, name, pending.name);
      if (pending !== undefined) throw say.entryInProgress(actor, kind, name, pending);
      if (this.#closed) throw say.stale(`ctx, for ${kind} "${name}",`, actor);
      if (this.#used.has(name)) throw say.duplicateName(actor, kind, name);
      for (const row of rows) if (this.#used.has(name + row)) throw say.duplicateName(actor, kind, name + row);
      const promise = begin(name);
      this.#used.add(name);
      for (const row of rows) this.#used.add(name + row);
      this.#pending = { kind, name };
      promise.catch(ignored);
      return promise;
    } catch (error) {
      const refused = Promise.reject(error);
      refused.catch(ignored);
      return refused;
    }
  }
}

/** A rejection that nobody awaits fails the run where it matters; it need not end the process. */
function ignored(): void {}

interface LoopArguments {
  readonly name: string;
  readonly state?: unknown;
  readonly keep?: number;
  readonly run: LoopOperation["body"] | undefined;
}

interface NextArguments {
  readonly names?: readonly string[];
  readonly timeout?: number;
}

const LOOP_OPTIONS = ["name", "state", "keep", "run"];
const NEXT_OPTIONS = ["names", "timeout"];
/** A wait's rows (engine behaviour 4.4.7): the message, whether there was one, and the deadline. */
const WAIT_ROWS = [":0", ":count", ":deadline"];
const STEP_OPTIONS = ["name", "run", ...POLICY_MEMBERS];

/** The options, if there is none that is not known. */
function known<T extends object>(options: T, names: readonly string[], what: string): T {
  refuseUnknown(options, names, what);
  return options;
}
