/**
 * One loaded actor: joins what callers ask for, what its run does, and what the engine says.
 *
 * Owns the mirror of its state, its vars, and the calls that wait for an answer. One law: an answer leaves when the engine says
 * that what it rests on is durable, and not before.
 */
import { type AnyDefinition, checkPolicy, type Policy } from "./actor.ts";
import { encodeGiven } from "./attempt.ts";
import { eventsOf } from "./broadcasts.ts";
import { CallersContext } from "./callers-context.ts";
import { deferred } from "./deferred.ts";
import { diverged, nameOf, type Whereabouts } from "./diverged.ts";
import { PawlError, placeless } from "./errors.ts";
import { type FailureRecord, toFailure, toRecord } from "./failure.ts";
import { type EntryRecord, type Inspection, readInspection } from "./inspection.ts";
import { Calls } from "./loaded/calls.ts";
import { Connections } from "./loaded/connections.ts";
import { mirrorAt, NO_VIEW, stateHead } from "./loaded/first-state.ts";
import { GuardedAttempts } from "./loaded/guarded.ts";
import { type ReplayFrom, replay, stateAt } from "./loaded/past.ts";
import { Presence } from "./loaded/presence.ts";
import { Receipts } from "./loaded/receipts.ts";
import { Reports } from "./loaded/reports.ts";
import type { Limits, LoadedOptions } from "./loaded/types.ts";
import { ofOutcome, Waiters } from "./loaded/waiters.ts";
import type { Logger } from "./log.ts";
import * as say from "./messages.ts";
import type { Peers } from "./peers.ts";
import type { Pump, PumpedActor } from "./pump.ts";
import { type ActionCall, type ActorCall, type Asked, type CallKey, ownedElsewhere } from "./runtime/call.ts";
import { planned, type Schedule, schedulesOf } from "./schedules/schedule.ts";
import type { MessageKind, Schema } from "./schema.ts";
import { messagesOf } from "./sends.ts";
import type { Mirror } from "./state/index.ts";
import { carried, traceOf } from "./telemetry/carried.ts";
import type { RunTrace, Telemetry } from "./telemetry/telemetry.ts";
import type { Types, WorkflowContext } from "./types.ts";
import { decode } from "./values/index.ts";
import type {
  AnswerRecord,
  CreateRecord,
  DivergenceRecord,
  EventRecord,
  Facts,
  Halt,
  Misuse,
  PastRecord,
  ReceiveRecord,
  Refusal,
  ResolvedValue,
  RunOutcome,
  StoreProblem,
  Terminal,
  TickRecord,
  Told,
  Verdict,
  WorkflowCall,
} from "./wire.ts";
import { STATE } from "./wire.ts";
import { PawlDialect } from "./workflow/pawl-dialect.ts";
import { Run, type RunOwner } from "./workflow/run.ts";

export type { Limits, LoadedOptions } from "./loaded/types.ts";

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
  readonly events: ReadonlyMap<string, Schema>;
  readonly schedules: ReadonlyMap<string, Schedule>;
  readonly dialect: PawlDialect;
  readonly peers: Peers;
  readonly telemetry: Telemetry | undefined;
  runTrace: RunTrace | undefined;
  mirror: Mirror | undefined;
  vars: unknown;
  readonly #options: LoadedOptions;
  readonly #calls: Calls;
  readonly connections: Connections;
  readonly #reports: Reports;
  readonly #receipts: Receipts;
  readonly #waiters: Waiters;
  #nextOp = 1;
  #run: Run | undefined;
  #facts: Facts | undefined;
  #opened = deferred<void>();
  readonly #presence: Presence;
  readonly guarded: GuardedAttempts | undefined;
  #creating: Promise<void> | undefined;
  /** Whether it was made here, and its workflow has not begun. */
  #isNew = false;
  #outcome: RunOutcome | undefined;
  #parked: PawlError | undefined;
  #problem: StoreProblem | undefined;

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
    this.messages = messagesOf(definition);
    this.events = eventsOf(definition);
    this.schedules = schedulesOf(definition);
    this.peers = options.peers;
    this.telemetry = options.telemetry;
    this.dialect = new PawlDialect(options.limits.valueBytes);
    this.#opened.promise.catch(ignored);
    pump.add(handle, this);
    pump.input.open(handle, this.name);
    pump.schedule();
    this.#presence = new Presence(pump.now());
    this.guarded = options.guard?.isOn === true ? new GuardedAttempts(this, options.guard) : undefined;
    this.#calls = new Calls(this);
    this.connections = new Connections(this, this.#calls, options.peers.switchboard);
    this.#reports = new Reports(this);
    this.#receipts = new Receipts(this);
    this.#waiters = new Waiters(this);
  }

  nextOp(): number {
    return this.#nextOp++;
  }

  get hasEnded(): boolean {
    return this.#outcome !== undefined;
  }

  handles(message: unknown): boolean {
    return typeof message === "string" && Object.hasOwn(this.definition.receive ?? {}, message);
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
    await this.#make(this.#recordOf(input));
  }

  /** The actor as it is to be made: its first state is code. */
  #recordOf(input: Uint8Array | undefined): CreateRecord {
    const { definition } = this;
    // By value, as everywhere: what the actor sees is what is stored.
    const stored = input === undefined ? undefined : decode(input);
    const state =
      definition.state === undefined
        ? undefined
        : encodeGiven(
            definition.state(stored, { key: this.key }),
            `\`state\` of ${this.name} returned a value`,
            this.limits.valueBytes,
          );
    const workflow = definition.workflow !== undefined;
    return { workflow, input: workflow ? this.#traced(input) : input, state, version: definition.version ?? 1 };
  }

  /** The input, with the trace that the run is part of wherever it goes on. */
  #traced(input: Uint8Array | undefined): Uint8Array | undefined {
    if (this.telemetry === undefined || traceOf(input) !== undefined) return input;
    const making = this.telemetry.making(this.type, this.key);
    return making === undefined ? input : carried(input, making);
  }

  async #make(record: CreateRecord): Promise<void> {
    this.#isNew = true;
    await this.#calls.submit((call) => {
      this.#tellSchedules();
      this.pump.input.create(this.handle, call, record);
    });
    // If it had to be read back to know that it is there, it has begun already.
    if (this.#facts?.exists === true) return this.load().then(ignored);
    const written = this.pump.engine.cellHead(this.handle, STATE) ?? undefined;
    const seq = written ?? (this.#facts?.seq ?? 0) + 1;
    const head = written === undefined ? undefined : { version: record.version, head: written };
    const facts = { exists: true, destroyed: false, hasRun: record.workflow, outcome: undefined, state: head, seq };
    try {
      await this.#begin(facts);
    } catch (error) {
      throw this.#giveUp(error);
    }
  }

  /** Does what is asked of it. */
  async call(call: ActorCall): Promise<unknown> {
    switch (call.kind) {
      case "action":
        return this.act(call);
      case "send":
        return void (await this.send(call.name, call.body, call.delay, call.key));
      case "ask":
        return this.ask(call.name, call.body, call.asked, call.key);
      case "cancel":
        return this.cancel(call.compensate, call.reason);
      case "destroy":
        return this.destroy();
      case "result":
        return this.result();
      case "create":
        return this.create(call.input, call.ifExists);
      case "exist":
        return this.exist();
      case "answer":
        return this.#answerTo(call.messageId, call.name);
      case "retry":
        return this.retry();
      case "replay":
        return this.replay(call.from);
      case "state_at":
        return this.stateAt(call.entry);
      case "inspect":
        return this.inspect();
      case "connect":
        return this.connect(call.id, call.process, call.params);
      case "disconnect":
        return this.disconnect(call.id);
    }
  }

  /** Calls an action: a transaction whose reply leaves when all that it did is durable. */
  async act({ name, args, key, connection, trace, isPart }: Omit<ActionCall, "kind">): Promise<unknown> {
    const callersContext = new CallersContext();
    await this.exist();
    this.#mustBeConnected(connection);
    return this.#calls.act({ name, args, key, callersContext, called: undefined, connection, trace, isPart });
  }

  #mustBeConnected(connection: string | undefined): void {
    if (connection !== undefined && this.connections.find(connection)?.isListed !== true)
      throw say.connectionClosed(this.name);
  }

  /** Connects a client of some process; resolves when that is durable. */
  async connect(id: string, process: string, params: Uint8Array): Promise<void> {
    await this.exist();
    await this.connections.open(id, process, decode(params));
  }

  /** Ends a connection, if it is there. */
  async disconnect(id: string): Promise<void> {
    const { exists } = await this.load();
    if (exists) await this.connections.close(id);
  }

  /**
   * The same as the call `id` of another process: its reply is recorded with what the action changes. Resolves to why it threw,
   * if it did: then nothing is recorded.
   */
  async actFor(called: string, { name, args, key, connection, trace }: ActionCall): Promise<FailureRecord | undefined> {
    const callersContext = new CallersContext();
    await this.exist();
    this.#mustBeConnected(connection);
    const acted = this.#calls.act({ name, args, key, callersContext, called, connection, trace, isPart: undefined });
    return (await acted) as FailureRecord | undefined;
  }

  /** Sends a message as the call `id` of another process: its id is recorded as the reply. */
  async sendFor(id: string, name: string, body: Uint8Array, delay: number): Promise<void> {
    await this.exist();
    await this.#calls.submit((call) => this.pump.input.sendFor(this.handle, call, id, name, body, delay));
  }

  /** Sends a message; resolves to its id when it is durable. */
  async send(name: string, body: Uint8Array, delay: number, key: CallKey | undefined): Promise<string> {
    await this.exist();
    const { input } = this.pump;
    const keep = key && { key: `message ${name} ${key.text}`, ms: key.keep, always: true };
    return (await this.#calls.submit((call) => input.send(this.handle, call, name, body, delay, keep))) as string;
  }

  /**
   * Sends a message and waits for its answer. `asked` is told the message's id; whoever has that waits for the answer to the
   * message that is there, and sends none.
   */
  async ask(name: string, body: Uint8Array, asked: Asked, key: CallKey | undefined): Promise<unknown> {
    asked.messageId ??= await this.send(name, body, 0, key);
    return this.#answerTo(asked.messageId, name);
  }

  /** `name`: of the message, where it is known; otherwise nobody is thought to answer it but the workflow. */
  async #answerTo(messageId: string, name?: string): Promise<unknown> {
    await this.load();
    const answer = this.#waiters.answer(messageId, !this.handles(name));
    if (this.#outcome !== undefined) this.#waiters.failAskersOfRun(() => say.runEnded(this.name));
    return answer;
  }

  /** Ends the actor: nothing of it stays but that it was. Does nothing if there is none. */
  async destroy(): Promise<void> {
    const { exists } = await this.load();
    if (!exists) await this.#creating;
    if (this.#facts?.exists !== true) return;
    await this.#calls.submit((call) => this.pump.input.destroy(this.handle, call));
  }

  /** Ends the run between two commits; resolves when that is durable. */
  async cancel(compensate: boolean, reason: string | undefined): Promise<void> {
    await this.exist();
    this.#run?.askFirst();
    await this.#calls.submit((call) => this.pump.input.cancel(this.handle, call, compensate, reason));
  }

  /** Tries again what ended the run, the handler that it is stuck at, or the code that did not match. */
  async retry(): Promise<void> {
    await this.exist();
    await this.#calls.submit((call) => this.pump.input.retry(this.handle, call));
  }

  /** Goes back to before the entry of this id. Resolves to what that has taken away. */
  async replay(from: ReplayFrom): Promise<readonly EntryRecord[]> {
    await this.exist();
    if (!from.dryRun) this.#run?.askFirst();
    const { history } = await this.inspect();
    const taken = new Set(await replay(this, this.#calls, from));
    return history.filter(({ id }) => taken.has(id));
  }

  /** A plain copy of the state after the change in which the entry of this id committed. */
  async stateAt(entryId: string): Promise<unknown> {
    const { exists } = await this.load();
    if (!exists) throw say.actorNotFound(this.name);
    return stateAt(this, this.#calls, entryId);
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
    if (this.#outcome !== undefined) return ofOutcome(this.name, this.#outcome);
    if (this.#parked !== undefined) throw this.#parked;
    return this.#waiters.result();
  }
  /** What is recorded of it. */
  async inspect(): Promise<Inspection> {
    const { exists } = await this.load();
    const { engine } = this.pump;
    const state = engine.readCell(this.handle, STATE, NO_VIEW);
    return {
      exists,
      state: state.length === 0 ? undefined : decode(state),
      ...readInspection(engine.inspect(this.handle)),
    };
  }

  /** Loads the actor; makes it, if its type needs no input. Throws `actor_not_found` otherwise. */
  async exist(): Promise<void> {
    const { exists } = await this.load();
    if (exists) return;
    if (this.#creating !== undefined) return this.#creating;
    if (this.#facts?.destroyed === true) throw say.actorDestroyed(this.name);
    if (this.definition.input !== undefined) throw say.actorNotFound(this.name);
    return this.create(undefined, "keep");
  }

  /**
   * Loads the actor, which has work: one that a message waits for is made, if its type needs no input. The work of one that is over
   * is to go.
   */
  async wake(): Promise<void> {
    const { exists } = await this.load();
    const isGone = this.#facts?.destroyed === true;
    const isAwaited = this.pump.engine.waiting(this.name) > 0;
    if (!exists && !isGone && isAwaited && this.definition.input === undefined) return this.exist();
    const isOver = isGone || (this.#outcome !== undefined && this.schedules.size === 0);
    if (isOver && this.idleSince !== undefined) this.retire();
  }

  /** No new operation starts; what runs may end. */
  drain(): void {
    this.#run?.drain();
  }

  /** Somebody is about to ask something of it. */
  touch(): void {
    this.#presence.want(this.pump.now());
  }

  /** Since when it has had nothing to do, as far as is known here; none while it has. */
  get idleSince(): number | undefined {
    const parts = [this.#calls, this.#reports, this.#receipts, this.#waiters];
    if (parts.some((part) => part.isAtWork) || this.#creating !== undefined || this.oldestPin() !== undefined)
      return undefined;
    return this.#presence.idleSince;
  }

  /** Asks the engine to forget it, if it has nothing to do there either. What is asked of it meanwhile waits. */
  retire(): void {
    this.#presence.leave();
    this.#opened = deferred();
    this.#opened.promise.catch(ignored);
    this.pump.input.retire(this.handle);
    this.pump.schedule();
  }

  retired(gone: boolean): void {
    if (!gone) {
      this.#presence.stay();
      return this.#opened.resolve();
    }
    this.telemetry?.evicted(this.type);
    const why = `${this.name} has nothing to do and was put to sleep`;
    const asleep = placeless(() => new PawlError("cancelled", why));
    if (this.#presence.isWanted) {
      this.#stopRun(asleep);
      this.pump.input.open(this.handle, this.name);
      return this.pump.schedule();
    }
    this.drop(asleep);
    this.#options.forget();
  }

  /** Writes down what the run waits for, so that the actor can be dropped. */
  suspend(): void {
    this.pump.input.suspend(this.handle);
    this.pump.schedule();
  }

  /** Drops everything: attempts are dead, calls fail, the run is forgotten. */
  drop(error: PawlError): void {
    this.#stopRun(error);
    this.#calls.failAll(error);
    this.#waiters.failResults(error);
    this.#waiters.failAskers(error);
    this.#opened.reject(error);
    this.pump.remove(this.handle);
  }

  oldestPin(): number | undefined {
    const [own, connected] = [this.mirror?.oldestPin(), this.connections.oldestPin()];
    return own === undefined || connected === undefined ? (own ?? connected) : Math.min(own, connected);
  }

  // What the engine says.

  opened(facts: Facts): void {
    const opened = this.#opened;
    const arrived = () => {
      // What it began with may have been lost meanwhile: then it is there when it has been read back.
      if (this.#opened !== opened) return;
      this.#presence.arrive(this.pump.turnedAt);
      opened.resolve();
    };
    this.#begin(facts).then(arrived, (error: unknown) => this.#giveUp(error));
  }

  openFailed(problem: StoreProblem): void {
    const error = say.ofStore(problem);
    this.#giveUp(problem.code === "actor_owned" ? ownedElsewhere(error) : error);
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
      { actor: this.name, code: problem.code, because: problem.message },
      "a write failed: the actor is being read back from the store",
    );
    this.#problem = problem;
    this.#presence.leave();
    const before = this.#opened;
    this.#opened = deferred();
    // Who waited for it already goes on waiting.
    this.#opened.promise.then(before.resolve, before.reject);
    const error = say.lost(this.name, problem);
    this.#stopRun(error);
    // A definite no is one for everything that came after it, too; otherwise what is stored says which calls have happened.
    if (problem.unknown) this.#calls.failUnsubmitted(error);
    else this.#calls.failAll(error);
  }

  /** Why a write failed, while the actor is being read back. */
  get trouble(): string | undefined {
    return this.#problem?.message;
  }

  reopened(facts: Facts): void {
    this.#calls.failAll(say.lost(this.name, this.#problem));
    this.#problem = undefined;
    this.opened(facts);
  }

  #stopRun(reason: unknown): void {
    this.guarded?.forget();
    this.runTrace?.end("suspended");
    this.#run?.drop(reason);
    this.#run = undefined;
    this.#reports.stop(reason);
    this.#receipts.stop(reason);
  }

  /** The actor is there, or is not: gets what its code needs, and sets its run going. */
  async #begin(facts: Facts): Promise<void> {
    this.#facts = facts;
    if (!facts.exists) return this.#start();
    const head = stateHead(this, facts);
    this.mirror = head === undefined ? undefined : mirrorAt(this, head);
    this.#outcome = facts.outcome;
    this.vars = this.definition.vars?.({ key: this.key, log: this.log });
    if (facts.outcome !== undefined) this.#waiters.tellResult(facts.outcome);
    this.#waiters.answerAskers();
    this.#start();
    this.connections.begin();
  }

  /** From now on the engine may call code. */
  #start(): void {
    const { handle, policy, definition, messages } = this;
    const { input } = this.pump;
    const reports = definition.onError !== undefined;
    const names = Object.keys(definition.receive ?? {});
    const answered = names.filter((name) => messages.get(name)?.reply !== undefined);
    if (names.length > 0 || this.schedules.size > 0) input.receives(handle, { names, answered, policy, reports });
    this.#tellSchedules();
    input.start(handle, reports, this.#options.codeVersion, this.guarded !== undefined);
    this.pump.schedule();
  }

  #tellSchedules(): void {
    const { pump, handle, schedules } = this;
    if (schedules.size > 0) pump.input.schedules(handle, planned(schedules, pump.now()));
  }

  runWorkflow(call: WorkflowCall): void {
    const { workflow } = this.definition;
    if (workflow === undefined) return;
    this.#unpark();
    this.dialect.sites.clear();
    this.#outcome = undefined;
    // A rebuild finds handlers again: those of the run that is known stay.
    if (!call.rebuild || this.#run === undefined) {
      this.#run?.drop(undefined);
      this.guarded?.forget();
      this.#run = new Run(this, !this.#isNew);
      // A guarded body begins when its mark is written, which the engine asks for.
      if (this.guarded !== undefined) this.#run.askFirst();
    }
    const input = call.input === undefined ? undefined : decode(call.input);
    this.runTrace?.end("restarted");
    this.runTrace = this.telemetry?.run(this, traceOf(call.input), this.#isNew);
    this.#isNew = false;
    this.#run.start(call, (ctx) => workflow(ctx as WorkflowContext<Types>, input));
  }

  execute(op: number, attempt: number): void {
    this.#presence.act(this.pump.turnedAt);
    const run = this.#run;
    const step = this.guarded && run?.step(op);
    if (step === undefined) return void run?.execute(op, attempt);
    const around = this.pump.engine.scopePath(this.handle, step.context.scope) ?? "";
    const path = around === "" ? step.name : `${around}/${step.name}`;
    this.guarded?.body("step", path, op, attempt, () => run?.execute(op, attempt));
  }

  undo(op: number, attempt: number, attempted: boolean, output: ResolvedValue): void {
    const run = this.#run;
    const step = this.guarded && run?.undoneStep(op);
    const call = () => run?.undo(op, attempt, attempted, output);
    if (step === undefined) return void call();
    this.guarded?.body("undo", step, op, attempt, call);
  }

  stop(error: PawlError): void {
    this.#parked = error;
    this.log.error({ actor: this.name, code: error.code }, error.message);
    this.#waiters.failResults(error);
  }

  goOn(): void {
    this.#parked = undefined;
  }

  abort(op: number, attempt: number, timeout: number | undefined): void {
    this.#run?.abort(op, attempt, timeout);
  }

  iterate(op: number, scope: number, state: ResolvedValue, replaying: boolean, ahead: number): void {
    this.#run?.iterate(op, scope, state, replaying, ahead);
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
    this.#presence.act(this.pump.turnedAt);
    this.#run?.resolve(op, value, told);
  }

  ahead(scope: number, steps: Uint8Array, replaying: boolean): void {
    this.#run?.ahead(scope, steps, replaying);
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
    this.#calls.told(id, messageId);
  }

  past(id: number, past: PastRecord): void {
    this.#calls.told(id, past);
  }

  pastFailed(id: number, problem: StoreProblem): void {
    this.#calls.fail(id, say.ofStore(problem));
  }

  answered(messageId: string, answer: AnswerRecord): void {
    this.#waiters.answered(messageId, answer);
  }

  receive(message: ReceiveRecord): void {
    this.#receipts.receive(message);
  }

  tick(tick: TickRecord): void {
    this.#presence.act(this.pump.turnedAt);
    this.#receipts.tick(tick);
  }

  receiptVerdict(receipt: number, attempt: number, verdict: Verdict): void {
    this.#receipts.verdict(receipt, attempt, verdict);
  }

  abortReceipt(receipt: number, attempt: number, timeout: number): void {
    this.#receipts.abort(receipt, attempt, timeout);
  }

  received(receipt: number): void {
    this.#receipts.received(receipt);
  }

  ordered(input: Uint8Array | undefined): void {
    // Whoever is making it already makes it for the other actor, too.
    if (this.#creating !== undefined) return;
    let record: CreateRecord;
    try {
      record = { ...this.#recordOf(input), ordered: true };
    } catch (error) {
      this.log.error({ actor: this.name, err: error }, "an actor that another one has ordered could not be made");
      this.pump.input.notOrdered(this.handle, toRecord(error));
      return this.pump.schedule();
    }
    this.#creating = this.#make(record).finally(() => {
      this.#creating = undefined;
    });
    this.#creating.catch(ignored);
  }

  destroyed(): void {
    const error = say.actorDestroyed(this.name);
    this.connections.destroyed();
    this.#stopRun(error);
    this.#calls.failAll(error);
    this.#waiters.failResults(error);
    this.#waiters.failAskers(error);
    this.mirror = undefined;
    this.vars = undefined;
    this.#outcome = undefined;
    this.#parked = undefined;
    const seq = this.#facts?.seq ?? 0;
    this.#facts = { exists: false, destroyed: true, hasRun: false, outcome: undefined, state: undefined, seq };
    this.#start();
  }

  durable(op: number): void {
    this.#run?.durable(op);
  }

  stepVerdict(op: number, attempt: number, verdict: Verdict): void {
    this.#run?.verdict(op, attempt, verdict);
  }
  actionVerdict(id: number, verdict: Verdict): void {
    this.#calls.actionVerdict(id, verdict);
  }

  reply(id: number): void {
    this.#calls.reply(id);
  }

  refuse(id: number, reason: Refusal, why: string): void {
    this.#calls.refuse(id, reason, why);
  }

  report(id: number, event: EventRecord): void {
    this.#reports.report(id, event);
  }

  reportVerdict(id: number, verdict: Verdict): void {
    this.#reports.verdict(id, verdict);
  }

  reported(id: number): void {
    this.#reports.reported(id);
  }

  runEnded(outcome: RunOutcome): void {
    this.runTrace?.end(outcome.kind);
    this.#unpark();
    this.#outcome = outcome;
    const how = outcome.kind === "cancelled" ? "was cancelled" : "has ended";
    this.#run?.drop(placeless(() => new PawlError("cancelled", `the run of ${this.name} ${how}`)));
    this.#run = undefined;
    if (outcome.kind === "failed" && !this.#waiters.wantsResult)
      this.log.error({ actor: this.name, error: toFailure(outcome.failure) }, "the workflow has failed");
    this.#waiters.failAskersOfRun(() => say.runEnded(this.name));
    this.#waiters.tellResult(outcome);
  }
  parked(divergence: DivergenceRecord): void {
    this.runTrace?.end("parked");
    const error = diverged(this.name, divergence, this.#whereabouts(divergence));
    this.#run?.drop(error);
    this.#run = undefined;
    this.#parked = error;
    this.#options.parked.add(this.key);
    this.log.error({ actor: this.name, code: error.code }, error.message);
    this.#waiters.failResults(error);
    // Code of another version, in another process, may match: this one does not keep the actor from it.
    if (this.#options.isShared) this.#presence.rest();
  }

  #whereabouts({ mismatch }: DivergenceRecord): Whereabouts {
    const { parked, file } = this.#options;
    const culprit = mismatch.kind === "new" || mismatch.kind === "other" ? mismatch.code : undefined;
    const site = culprit === undefined ? undefined : this.dialect.sites.of(culprit.kind, nameOf(culprit));
    return { site, others: parked.has(this.key) ? parked.size - 1 : parked.size, file };
  }

  #unpark(): void {
    this.#parked = undefined;
    this.#options.parked.delete(this.key);
  }

  misuse(op: number | undefined, misuse: Misuse, name: string): void {
    this.#run?.misuse(op, this.#misuse(misuse, name));
  }

  #misuse(misuse: Misuse, name: string): PawlError {
    switch (misuse) {
      case "duplicate_name":
        return say.duplicateName(this.name, "entry", name, undefined);
      case "too_many_operations":
        return say.tooManyOperations(this.name, this.limits.pendingOperations);
      case "not_completable":
        return say.notCompletable(this.name, name);
      default:
        return say.entryPending(this.name, { kind: "step", name });
    }
  }
}

function ignored(): void {}
