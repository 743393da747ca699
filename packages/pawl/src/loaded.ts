/**
 * One loaded actor: joins what callers ask for, what its run does, and what the engine says.
 *
 * Owns the mirror of its state, its vars, and the calls that wait for an answer. One law: an answer leaves when the engine says
 * that what it rests on is durable, and not before.
 */
import { type AnyDefinition, checkPolicy, type Policy } from "./actor.ts";
import { Attempt, callUser, encodeGiven } from "./attempt.ts";
import { CallersContext } from "./callers-context.ts";
import { PawlError } from "./errors.ts";
import { type FailureRecord, toError, toFailure, toRecord } from "./failure.ts";
import { type Inspection, readInspection } from "./inspection.ts";
import type { Logger } from "./log.ts";
import * as say from "./messages.ts";
import type { Pump, PumpedActor } from "./pump.ts";
import { type MessageKind, messageKind } from "./schema.ts";
import { Mirror } from "./state/index.ts";
import type { ActionContext, AttemptContext, ErrorEvent, Types, WorkflowContext } from "./types.ts";
import { ByteWriter, decode } from "./values/index.ts";
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
} from "./wire.ts";
import { STATE } from "./wire.ts";
import type { Dialect } from "./workflow/dialect.ts";
import { PawlDialect } from "./workflow/pawl-dialect.ts";
import { Run, type RunOwner } from "./workflow/run.ts";

export interface Limits {
  /** One value: an output, an input, an argument, a value put into state. Default: 16 MiB. */
  readonly valueBytes: number;
  /** A message. Default: 1 MiB. */
  readonly messageBytes: number;
}

/** What a loaded actor needs of its runtime. */
export interface LoadedOptions {
  readonly pump: Pump;
  readonly definition: AnyDefinition;
  readonly type: string;
  readonly key: string;
  readonly handle: number;
  readonly log: Logger;
  readonly limits: Limits;
  readonly codeVersion: number;
  /** Called when the actor cannot be used any more and a later call has to load it anew. */
  readonly forget: () => void;
}

/** Something that a caller waits for. */
interface Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** An action, with what is needed to run it again. */
  readonly action?: Action;
  /** What resolves it, or why it rejects, once it may. */
  answer: { readonly bytes: Uint8Array | undefined } | { readonly failure: FailureRecord } | undefined;
  /** Whether the engine has it. */
  submitted: boolean;
}

interface Action {
  readonly name: string;
  readonly args: Uint8Array;
  readonly idempotencyKey: string;
  readonly callersContext: CallersContext;
  attempt: Attempt | undefined;
}

/** A message that was asked: nobody, until it is durable. */
export interface Asked {
  messageId?: string;
}

interface Report {
  readonly event: EventRecord;
  /** Drawn by chance: a failure is reported once, and never again after a crash. */
  readonly idempotencyKey: string;
  attempt: Attempt | undefined;
}

const NO_VIEW = new Uint8Array(0);

export class LoadedActor implements PumpedActor, RunOwner {
  readonly pump: Pump;
  readonly definition: AnyDefinition;
  readonly type: string;
  readonly key: string;
  readonly name: string;
  readonly handle: number;
  readonly log: Logger;
  readonly limits: Limits;
  readonly policy: Policy;
  readonly messages: ReadonlyMap<string, MessageKind>;
  readonly dialect: Dialect;
  mirror: Mirror | undefined;
  vars: unknown;
  readonly #options: LoadedOptions;
  readonly #calls = new Map<number, Call>();
  readonly #reports = new Map<number, Report>();
  #nextCall = 1;
  #nextOp = 1;
  #run: Run | undefined;
  #facts: Facts | undefined;
  #opened = deferred<void>();
  #creating: Promise<void> | undefined;
  #outcome: RunOutcome | undefined;
  #parked: PawlError | undefined;
  #problem: StoreProblem | undefined;
  /** Whoever waits for the answer to a message, by its id. */
  readonly #askers = new Map<string, Pick<Call, "resolve" | "reject">>();
  readonly #results = new Set<{ resolve: (value: unknown) => void; reject: (error: unknown) => void }>();

  constructor(options: LoadedOptions) {
    const { pump, definition, type, key, handle } = options;
    this.#options = options;
    this.pump = pump;
    this.definition = definition;
    this.type = type;
    this.key = key;
    this.name = `${type}/${key}`;
    this.handle = handle;
    this.log = options.log;
    this.limits = options.limits;
    this.policy = checkPolicy(definition.steps ?? {}, `\`steps\` of actor "${type}"`);
    const kinds = Object.entries(definition.messages ?? {}).map(([name, declared]) => [name, messageKind(declared)]);
    this.messages = new Map(kinds as [string, MessageKind][]);
    this.dialect = new PawlDialect(options.limits.valueBytes);
    this.#opened.promise.catch(ignored);
    pump.add(handle, this);
    pump.input.open(handle, this.name);
    pump.schedule();
  }

  nextOp(): number {
    return this.#nextOp++;
  }

  get hasEnded(): boolean {
    return this.#outcome !== undefined;
  }

  /** Resolves when the actor is loaded and, if it exists, at work. */
  async load(): Promise<{ exists: boolean }> {
    await this.#opened.promise;
    return { exists: this.#facts?.exists === true };
  }

  /** Makes the actor durable. Does nothing if it exists, unless that is an error. */
  async create(input: Uint8Array | undefined, ifExists: "keep" | "throw"): Promise<void> {
    const { exists } = await this.load();
    if (exists || this.#creating !== undefined) {
      if (ifExists === "throw") throw say.actorExists(this.name);
      return this.#creating;
    }
    this.#creating = this.#create(input);
    try {
      await this.#creating;
    } finally {
      this.#creating = undefined;
    }
  }

  async #create(input: Uint8Array | undefined): Promise<void> {
    const { definition } = this;
    // By value, as everywhere: what the actor sees is what is stored.
    const stored = input === undefined ? undefined : decode(input);
    const state =
      definition.state === undefined
        ? undefined
        : this.#encode(definition.state(stored, { key: this.key }), `\`state\` of ${this.name} returned a value`);
    const record = { workflow: definition.workflow !== undefined, input, state, version: definition.version ?? 1 };
    await this.#submit((call) => this.pump.input.create(this.handle, call, record));
    // If it had to be read back to know that it is there, it has begun already.
    if (this.#facts?.exists === true) return this.load().then(ignored);
    const seq = (this.#facts?.seq ?? 0) + 1;
    const head = state === undefined ? undefined : { version: record.version, head: seq };
    try {
      await this.#begin({ exists: true, hasRun: record.workflow, outcome: undefined, state: head, seq });
    } catch (error) {
      throw this.#giveUp(error);
    }
  }

  /** Calls an action: a transaction whose reply leaves when all that it did is durable. */
  async act(name: string, args: Uint8Array, idempotencyKey: string): Promise<unknown> {
    const callersContext = new CallersContext();
    await this.exist();
    const action: Action = { name, args, idempotencyKey, callersContext, attempt: undefined };
    return new Promise((resolve, reject) => {
      const id = this.#nextCall++;
      const call: Call = { resolve, reject, action, answer: undefined, submitted: false };
      this.#calls.set(id, call);
      this.#runAction(id, call, action);
    });
  }

  #runAction(id: number, call: Call, action: Action): void {
    const attempt = new Attempt(this, 1, () => action.idempotencyKey);
    action.attempt = attempt;
    const run = this.definition.actions?.[action.name] as unknown as (
      c: ActionContext<Types>,
      ...args: unknown[]
    ) => unknown;
    const args = decode(action.args) as unknown[];
    const returned = (output: unknown): void => {
      if (!attempt.isRunning) return;
      try {
        call.answer = {
          bytes:
            output === undefined
              ? undefined
              : this.#encode(output, `action "${action.name}" of ${this.name} returned something`),
        };
        const writes = attempt.seal(() => this.pump.settling(this.handle));
        call.submitted = true;
        this.pump.input.acted(this.handle, id, writes);
        this.pump.schedule();
      } catch (error) {
        threw(error);
      }
    };
    const threw = (error: unknown): void => {
      if (!attempt.isRunning) return;
      const { pin } = attempt;
      attempt.fail(undefined);
      const failure = toRecord(error);
      call.answer = { failure };
      call.submitted = true;
      this.pump.input.actionThrew(this.handle, id, failure, pin);
      this.pump.schedule();
    };
    callUser(() => action.callersContext.run(() => run(attempt.context, ...args)), returned, threw);
  }

  /** Sends a message; resolves to its id when it is durable. */
  async send(name: string, body: Uint8Array): Promise<string> {
    await this.exist();
    return (await this.#submit((call) => this.pump.input.send(this.handle, call, { name, body }))) as string;
  }

  /**
   * Sends a message and waits for its answer. `asked` is told the message's id; whoever has that waits for the answer to the
   * message that is there, and sends none.
   */
  async ask(name: string, body: Uint8Array, asked: Asked): Promise<unknown> {
    asked.messageId ??= await this.send(name, body);
    const { messageId } = asked;
    await this.load();
    return new Promise((resolve, reject) => {
      this.#askers.set(messageId, { resolve, reject });
      this.#answerAskers();
      if (this.#outcome !== undefined) this.#failAskers(say.runEnded(this.name));
    });
  }

  /** Answers whoever asked what has been answered in the meantime. */
  #answerAskers(): void {
    for (const messageId of [...this.#askers.keys()]) {
      const answer = this.pump.engine.answer(this.handle, messageId);
      if (answer.length > 0) this.answered(messageId, answer[0] === 0 ? undefined : answer.subarray(1));
    }
  }

  #failAskers(error: PawlError): void {
    for (const asker of this.#askers.values()) asker.reject(error);
    this.#askers.clear();
  }

  /** Ends the run between two commits; resolves when that is durable. */
  async cancel(compensate: boolean, reason: string | undefined): Promise<void> {
    await this.exist();
    await this.#submit((call) => this.pump.input.cancel(this.handle, call, compensate, reason));
  }

  /** Tries again what ended the run, the handler that it is stuck at, or the code that did not match. */
  async retry(): Promise<void> {
    await this.exist();
    await this.#submit((call) => this.pump.input.retry(this.handle, call));
  }

  /** Goes back to before the entry of this id; none: to the start. */
  async replay(entryId: string | undefined): Promise<void> {
    await this.exist();
    await this.#submit((call) => this.pump.input.replay(this.handle, call, entryId));
  }

  /** The output of the run, once it has ended. */
  async result(): Promise<unknown> {
    await this.exist();
    if (this.definition.workflow === undefined)
      throw say.badArgument(
        `${this.name} has no workflow, and so no result.\n  do        give actor("${this.type}", ...) a \`workflow\` member`,
      );
    if (this.#facts?.hasRun === false)
      throw say.badArgument(`${this.name} was created when its type had no workflow, and so has no result.
  found     an actor without a run
  expected  one that was created by code that has a \`workflow\` member
  do        give such actors another type, or do their work in actions`);
    if (this.#outcome !== undefined) return this.#ofOutcome(this.#outcome);
    if (this.#parked !== undefined) throw this.#parked;
    return new Promise((resolve, reject) => this.#results.add({ resolve, reject }));
  }

  #ofOutcome(outcome: RunOutcome): unknown {
    if (outcome.kind === "completed") return outcome.output === undefined ? undefined : decode(outcome.output);
    if (outcome.kind === "cancelled")
      throw new PawlError(
        "cancelled",
        `the workflow of ${this.name} was cancelled${outcome.reason === undefined ? "" : `: ${outcome.reason}`}`,
        { data: { reason: outcome.reason } },
      );
    const { failure } = outcome;
    throw new PawlError("workflow_failed", `the workflow of ${this.name} has failed: ${failure.message}`, {
      cause: toError(failure),
      data: { error: toFailure(failure) },
    });
  }

  /** What is recorded of it. */
  async inspect(): Promise<Inspection> {
    const { exists } = await this.load();
    const { engine } = this.pump;
    const state = engine.readCell(this.handle, STATE, NO_VIEW);
    return {
      exists,
      state: state.length === 0 ? undefined : decode(state),
      outcome: this.#outcome,
      ...readInspection(engine.inspect(this.handle)),
    };
  }

  /** Loads the actor; makes it, if its type needs no input. Throws `actor_not_found` otherwise. */
  async exist(): Promise<void> {
    const { exists } = await this.load();
    if (exists) return;
    if (this.#creating !== undefined) return this.#creating;
    if (this.definition.input !== undefined) throw say.actorNotFound(this.name);
    return this.create(undefined, "keep");
  }

  /** No new operation starts; what runs may end. */
  drain(): void {
    this.#run?.drain();
  }

  /** Writes down what the run waits for, so that the actor can be dropped. */
  suspend(): void {
    this.pump.input.suspend(this.handle);
    this.pump.schedule();
  }

  /** Drops everything: attempts are dead, calls fail, the run is forgotten. */
  drop(error: PawlError): void {
    this.#stopRun(error);
    for (const [id] of [...this.#calls]) this.#fail(id, error);
    for (const waiter of this.#results) waiter.reject(error);
    this.#results.clear();
    this.#failAskers(error);
    this.#opened.reject(error);
    this.pump.remove(this.handle);
  }

  oldestPin(): number | undefined {
    return this.mirror?.oldestPin();
  }

  // What the engine says.

  opened(facts: Facts): void {
    this.#begin(facts).then(this.#opened.resolve, (error: unknown) => this.#giveUp(error));
  }

  openFailed(problem: StoreProblem): void {
    this.#giveUp(say.ofStore(problem));
  }

  #giveUp(error: unknown): PawlError {
    const reason =
      error instanceof PawlError
        ? error
        : new PawlError("poisoned", `${this.name} could not be loaded: ${String(error)}`, { cause: error });
    this.pump.input.close(this.handle);
    this.pump.schedule();
    this.drop(reason);
    this.#options.forget();
    return reason;
  }

  lost(problem: StoreProblem): void {
    this.log.warn(
      { actor: this.name, code: problem.code },
      "a write failed: the actor is being read back from the store",
    );
    this.#problem = problem;
    this.#opened = deferred();
    this.#opened.promise.catch(ignored);
    const error = say.lost(this.name, problem);
    this.#stopRun(error);
    for (const [id, call] of [...this.#calls]) {
      call.action?.attempt?.fail(error);
      if (!call.submitted) this.#fail(id, error);
    }
  }

  reopened(facts: Facts): void {
    for (const [id] of [...this.#calls]) this.#fail(id, say.lost(this.name, this.#problem));
    this.opened(facts);
  }

  #stopRun(reason: unknown): void {
    this.#run?.drop(reason);
    this.#run = undefined;
    for (const [id, report] of [...this.#reports]) {
      report.attempt?.fail(reason);
      this.#endReport(id);
    }
  }

  /** The actor is there, or is not: gets what its code needs, and sets its run going. */
  async #begin(facts: Facts): Promise<void> {
    this.#facts = facts;
    if (!facts.exists) return;
    const head = this.#stateHead(facts);
    this.mirror = head === undefined ? undefined : this.#mirrorAt(head);
    this.#outcome = facts.outcome;
    this.vars = this.definition.vars?.({ key: this.key, log: this.log });
    if (facts.outcome !== undefined) this.#tellResult(facts.outcome);
    this.#answerAskers();
    this.pump.input.start(this.handle, this.definition.onError !== undefined, this.#options.codeVersion);
    this.pump.schedule();
  }

  /** The newest change of the state, once it is of this code's version; none without state. */
  #stateHead(facts: Facts): number | undefined {
    const { definition } = this;
    const version = definition.version ?? 1;
    const stored = facts.state;
    if (stored === undefined)
      return definition.state === undefined
        ? undefined
        : this.#replaceState(facts, this.#firstState(definition), version);
    if (stored.version > version) throw say.stateVersion(this.name, stored.version, version);
    if (stored.version === version || definition.migrate === undefined) return stored.head;
    return this.#replaceState(facts, this.#migrated(definition.migrate, stored.version, version), version);
  }

  /** Writes the state anew, as the first change since the actor was loaded; returns that change's number. */
  #replaceState(facts: Facts, state: unknown, version: number): number {
    this.pump.input.migrate(
      this.handle,
      this.#encode(state, `\`migrate\` or \`state\` of ${this.name} returned a value`),
      version,
    );
    return facts.seq + 1;
  }

  #migrated(migrate: (old: unknown, from: number) => unknown, from: number, to: number): unknown {
    const old = decode(this.pump.engine.readCell(this.handle, STATE, NO_VIEW));
    try {
      return migrate(old, from);
    } catch (error) {
      const because = error instanceof Error ? error.message : String(error);
      const message = `\`migrate\` of ${this.name} threw, from version ${from} to ${to}: ${because}. The actor is as it was.`;
      throw new PawlError("migration_failed", message, { cause: error });
    }
  }

  /** The state of an actor that was made when its type had none. */
  #firstState(definition: AnyDefinition): unknown {
    if (definition.input === undefined) return definition.state?.(undefined, { key: this.key });
    throw new PawlError(
      "migration_failed",
      `${this.name} was created when its type had no state, and its first state depends on its input.
  do        take \`input\` out of \`state\`, or give such actors another type`,
    );
  }

  #mirrorAt(head: number): Mirror {
    const { engine } = this.pump;
    const source = {
      read: () => engine.readCell(this.handle, STATE, NO_VIEW),
      readAt: (pin: number, delta: Uint8Array | undefined) => engine.readCell(this.handle, STATE, viewOf(pin, delta)),
    };
    return new Mirror(source, head, {
      stale: (what, why) =>
        why === "ended" ? say.stale(`c.${what}`, this.name) : say.detached(`c.${what}`, this.name),
      refused: (error) => say.notStorable(`something was put into the state of ${this.name}`, error, undefined),
      maxValueBytes: this.limits.valueBytes,
    });
  }

  runWorkflow(call: WorkflowCall): void {
    const { workflow } = this.definition;
    if (workflow === undefined) return;
    this.#parked = undefined;
    this.#outcome = undefined;
    // A rebuild finds handlers again: those of the run that is known stay.
    if (!call.rebuild || this.#run === undefined) {
      this.#run?.drop(undefined);
      this.#run = new Run(this);
    }
    const input = call.input === undefined ? undefined : decode(call.input);
    this.#run.start(call, (ctx) => workflow(ctx as WorkflowContext<Types>, input));
  }

  execute(op: number, attempt: number): void {
    this.#run?.execute(op, attempt);
  }

  undo(op: number, attempt: number, attempted: boolean, output: ResolvedValue): void {
    this.#run?.undo(op, attempt, attempted, output);
  }

  abort(op: number, attempt: number, timeout: number | undefined): void {
    this.#run?.abort(op, attempt, timeout);
  }

  iterate(op: number, scope: number, state: ResolvedValue, replaying: boolean): void {
    this.#run?.iterate(op, scope, state, replaying);
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
    const why = { rolling_back: "is undone", cancelled: "was cancelled", restarted: "begins anew" }[reason];
    const error = new PawlError("cancelled", `the run of ${this.name} ${why}`);
    if (reason !== "restarted") return this.#run?.halt(error);
    this.#run?.drop(error);
    this.#run = undefined;
    this.#outcome = undefined;
  }

  resolve(op: number, value: ResolvedValue, told: Told): void {
    this.#run?.resolve(op, value, told);
  }

  reject(op: number, terminal: Terminal, attempts: number, failure: FailureRecord, told: Told): void {
    this.#run?.reject(op, terminal, attempts, failure, told);
  }

  rethrow(op: number): void {
    this.#run?.rethrow(op);
  }

  /** Runs of an embedding host alone are told, and asked. */
  suspended(): void {}
  due(): void {}
  want(): void {}

  sent(id: number, messageId: string): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    call.resolve(messageId);
  }

  answered(messageId: string, reply: Uint8Array | undefined): void {
    const asker = this.#askers.get(messageId);
    this.#askers.delete(messageId);
    asker?.resolve(reply === undefined ? undefined : decode(reply));
  }

  durable(op: number): void {
    this.#run?.durable(op);
  }

  stepVerdict(op: number, attempt: number, verdict: Verdict): void {
    this.#run?.verdict(op, attempt, verdict);
  }

  actionVerdict(id: number, verdict: Verdict): void {
    const call = this.#calls.get(id);
    const action = call?.action;
    if (call === undefined || action?.attempt === undefined) return;
    if (!action.attempt.verdict(verdict)) return;
    // Another attempt came between: run it again, on fresh state, under the same key.
    call.submitted = false;
    call.answer = undefined;
    queueMicrotask(() => {
      if (this.#calls.has(id)) this.#runAction(id, call, action);
    });
  }

  reply(id: number): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    call.action?.attempt?.committed();
    const { answer } = call;
    if (answer === undefined) call.resolve(undefined);
    else if ("failure" in answer) call.reject(toError(answer.failure));
    else call.resolve(answer.bytes === undefined ? undefined : decode(answer.bytes));
  }

  refuse(id: number, reason: Refusal, why: string): void {
    this.#fail(id, say.refused(this.name, reason, why));
  }

  #fail(id: number, error: PawlError): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    call.action?.attempt?.fail(error);
    call.reject(error);
  }

  report(id: number, event: EventRecord): void {
    const report: Report = { event, idempotencyKey: randomKey(), attempt: undefined };
    this.#reports.set(id, report);
    this.pump.hold("work");
    this.#runReport(id, report);
  }

  reportVerdict(id: number, verdict: Verdict): void {
    const report = this.#reports.get(id);
    if (report?.attempt === undefined) return;
    if (report.attempt.verdict(verdict)) queueMicrotask(() => this.#runReport(id, report));
    else if (verdict.kind === "stale") this.#endReport(id);
  }

  reported(id: number): void {
    this.#reports.get(id)?.attempt?.committed();
    this.#endReport(id);
  }

  #endReport(id: number): void {
    if (this.#reports.delete(id)) this.pump.release("work");
  }

  #runReport(id: number, report: Report): void {
    const { onError } = this.definition;
    if (onError === undefined || this.#reports.get(id) !== report) return;
    const attempt = new Attempt(this, 1, () => report.idempotencyKey);
    report.attempt = attempt;
    const returned = (): void => {
      if (!attempt.isRunning) return;
      try {
        const writes = attempt.seal(() => this.pump.settling(this.handle));
        this.pump.input.reported(this.handle, id, writes);
        this.pump.schedule();
      } catch (error) {
        threw(error);
      }
    };
    const threw = (error: unknown): void => {
      if (!attempt.isRunning) return;
      attempt.fail(undefined);
      this.#endReport(id);
      this.log.error({ actor: this.name, err: error }, "onError threw; what it wrote is dropped");
      this.pump.input.reportThrew(this.handle, id, toRecord(error));
      this.pump.schedule();
    };
    callUser(() => onError(attempt.context as AttemptContext<Types>, this.#errorEvent(report.event)), returned, threw);
  }

  #errorEvent(event: EventRecord): ErrorEvent {
    const { part, step, attempt, retryAt, failure } = event;
    return {
      kind: part,
      name: step ?? this.type,
      attempt,
      willRetry: retryAt !== undefined,
      ...(retryAt === undefined ? {} : { retryAt }),
      error: toFailure(failure),
    };
  }

  runEnded(outcome: RunOutcome): void {
    this.#outcome = outcome;
    const how = outcome.kind === "cancelled" ? "was cancelled" : "has ended";
    this.#run?.drop(new PawlError("cancelled", `the run of ${this.name} ${how}`));
    this.#run = undefined;
    if (outcome.kind === "failed" && this.#results.size === 0)
      this.log.error({ actor: this.name, error: toFailure(outcome.failure) }, "the workflow has failed");
    this.#failAskers(say.runEnded(this.name));
    this.#tellResult(outcome);
  }

  #tellResult(outcome: RunOutcome): void {
    for (const waiter of this.#results) {
      try {
        waiter.resolve(this.#ofOutcome(outcome));
      } catch (error) {
        waiter.reject(error);
      }
    }
    this.#results.clear();
  }

  parked(divergence: DivergenceRecord): void {
    const error = say.diverged(this.name, divergence);
    this.#run?.drop(error);
    this.#run = undefined;
    this.#parked = error;
    this.log.error({ actor: this.name, code: error.code }, error.message);
    for (const waiter of this.#results) waiter.reject(error);
    this.#results.clear();
  }

  misuse(op: number | undefined, misuse: Misuse, name: string): void {
    this.#run?.misuse(op, this.#misuse(misuse, name));
  }

  #misuse(misuse: Misuse, name: string): PawlError {
    switch (misuse) {
      case "duplicate_name":
        return say.duplicateName(this.name, "entry", name);
      case "too_many_operations":
        return say.tooManyOperations(this.name);
      case "not_completable":
        return say.notCompletable(this.name, name);
      default:
        return say.entryPending(this.name, { kind: "step", name });
    }
  }

  /** Asks the engine for something whose answer is that it is durable. */
  #submit(write: (call: number) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#nextCall++;
      this.#calls.set(id, { resolve, reject, answer: undefined, submitted: true });
      write(id);
      this.pump.schedule();
    });
  }

  #encode(value: unknown, what: string): Uint8Array {
    return encodeGiven(value, what, this.limits.valueBytes);
  }
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

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

function ignored(): void {}

/** 32 hex digits. */
export function randomKey(): string {
  return crypto.randomUUID().replaceAll("-", "");
}
