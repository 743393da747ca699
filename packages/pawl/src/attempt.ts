/**
 * One attempt: of a step, an action, or the failure hook. Owns its draft, its vars and what it wants to send, from the start of
 * the body to the verdict.
 */
import { createHash } from "node:crypto";
import { refuseUnknown } from "./actor.ts";
import { type Audience, type Broadcaster, Broadcasts } from "./broadcasts.ts";
import { AttemptConnections, CLOSE_HOOK, type HeldConnections, isConnection } from "./connections.ts";
import type { Limits } from "./loaded/types.ts";
import { type Logger, withFields } from "./log.ts";
import * as say from "./messages.ts";
import { badArgument, noState, notStorable, runEnded, shown, stale } from "./messages.ts";
import type { Peers } from "./peers.ts";
import type { Pump } from "./pump.ts";
import { AttemptRef } from "./ref.ts";
import { KEEP_MS } from "./runtime/call.ts";
import { checkedArgs, type MessageKind, type Schema } from "./schema.ts";
import { type Carrier, type Receiver, type SendOptions, Sends } from "./sends.ts";
import { AttemptVars, type Draft, type DraftListener, type Mirror, OVERTAKEN } from "./state/index.ts";
import { RAW_STATE } from "./symbols.ts";
import { carried } from "./telemetry/carried.ts";
import type { AttemptKind, AttemptTrace, Begun, RunTrace, Telemetry } from "./telemetry/telemetry.ts";
import type { Actor, AttemptContext, Types } from "./types.ts";
import { encode, ValueError } from "./values/index.ts";
import {
  type CellWrites,
  encodeTouched,
  type HostRow,
  NOTHING_WRITTEN,
  STATE,
  type Verdict,
  type Writes,
} from "./wire.ts";

/** What an attempt needs of its actor. */
export interface AttemptOwner {
  readonly type: string;
  readonly key: string;
  /** `type/key`, for messages. */
  readonly name: string;
  /** What the engine knows the actor by. */
  readonly handle: number;
  readonly pump: Pump;
  /** None: the actor has no state. */
  readonly mirror: Mirror | undefined;
  readonly vars: unknown;
  readonly log: Logger;
  readonly messages: ReadonlyMap<string, MessageKind>;
  /** None: it tells nobody anything. */
  readonly events?: ReadonlyMap<string, Schema>;
  /** Whether its workflow has ended, so that nobody would take a message. */
  readonly hasEnded: boolean;
  /** Whether messages of this name have a handler, workflow or not. */
  handles?(message: unknown): boolean;
  readonly limits: Limits;
  /** None: it knows of no other actors. */
  readonly peers: Peers | undefined;
  /** None: nobody can connect to it. */
  readonly connections?: HeldConnections;
  /** None: nobody wants to know of traces and metrics. */
  readonly telemetry?: Telemetry | undefined;
  /** Of its run, while that is loaded. */
  readonly runTrace?: RunTrace | undefined;
}

/** Where an attempt stands: while it runs, its context works; a sealed one waits for its verdict. */
type Phase = "running" | "sealed" | "succeeded" | "failed";

/** The engine numbers the attempts of handlers from here on. */
const UNDOES = 2 ** 31;

const RESOLVED = Promise.resolve();

/** What is kept when only the second half of an attempt, `apply`, has to run again. */
interface FirstHalf {
  readonly sends: number;
  readonly callbacks: number;
  readonly broadcasts: number;
}

export class Attempt {
  readonly owner: AttemptOwner;
  /** What the engine knows it by. */
  readonly number: number;
  readonly context: AttemptContext<Types>;
  readonly #keyOf: () => string | undefined;
  #key: string | undefined;
  /** Called once it has succeeded or failed. */
  whenOver: (() => void) | undefined;
  #phase: Phase = "running";
  #draft: Draft | undefined;
  #vars: AttemptVars | undefined;
  /** Of further cells, by name. */
  #drafts: Map<string, Draft> | undefined;
  #rows: HostRow[] | undefined;
  #sends: Sends | undefined;
  #afterCommit: (() => void)[] | undefined;
  #broadcasts: Broadcasts | undefined;
  #connections: AttemptConnections | undefined;
  /** The name of the step that it is an attempt at. */
  step: string | undefined;
  /** The connection that it was called through. */
  caller: string | undefined;
  /** The name of the action, message or schedule that it is an attempt at. */
  what: string | undefined;
  #trace: AttemptTrace | undefined;
  /** How often each action of other actors has been called. */
  #calls: Map<string, number> | undefined;
  #controller: AbortController | undefined;
  #abortReason: unknown;
  /** Whether it has been told that it cannot commit what it does: whatever its body ends with, it runs again. */
  #isDoomed = false;
  #willCheck = false;
  /** Whether other attempts had committed between its first look at the state and the end of its body. */
  #wasBehind = false;
  #firstHalf: FirstHalf | undefined;
  readonly #readOnly: string | undefined;

  /**
   * `keyOf` is asked at most once, and gives nothing once the attempt is over. `undoes`: of a handler that undoes a step.
   * `readOnly`: the name of a step whose `run` may not write state, because it has an `apply`.
   */
  constructor(owner: AttemptOwner, number: number, keyOf: () => string | undefined, undoes = false, readOnly?: string) {
    this.owner = owner;
    this.#readOnly = readOnly;
    this.number = number;
    this.#keyOf = keyOf;
    this.context = (undoes ? new UndoContext(this) : new Context(this)) as AttemptContext<Types>;
  }

  /** An attempt at undoing a step, of which `keyOf` gives the key. It has a key of its own. */
  static undoing(owner: AttemptOwner, number: number, keyOf: () => string | undefined): Attempt {
    return new Attempt(owner, number, keyOf, true);
  }

  /** From 1. */
  get count(): number {
    return this.number % UNDOES;
  }

  get isRunning(): boolean {
    return this.#phase === "running";
  }

  /** Never an empty or another key: whoever asks too late is told so. */
  get idempotencyKey(): string {
    this.#key ??= this.#keyOf();
    if (this.#key === undefined) throw stale("c.idempotencyKey", this.owner.name);
    return this.#key;
  }

  /** Made on first access: one costs 3 us. */
  get abortSignal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
      else this.#check();
    }
    return this.#controller.signal;
  }

  #listener(): DraftListener {
    const step = this.#firstHalf === undefined ? this.#readOnly : undefined;
    const readOnly = step === undefined ? undefined : () => say.writtenInRun(step, this.owner.name);
    return { overtaken: () => this.#noticed(), readOnly };
  }

  /** Another attempt has committed. Whoever listens to the signal is told if this one cannot commit any more. */
  #noticed(): void {
    if (this.#controller === undefined || this.#willCheck) return;
    this.#willCheck = true;
    // Not at once: other verdicts of the same turn come before any code of users.
    void RESOLVED.then(() => {
      this.#willCheck = false;
      this.#check();
    });
  }

  #check(): void {
    if (this.#phase !== "running" || this.#abortReason !== undefined) return;
    const place = this.#overtakenAt();
    if (place === undefined) return;
    this.#isDoomed = true;
    this.abort(say.overtaken(this.owner.name, place));
  }

  /** What another attempt has written that this one, which wrote something, has read or written. */
  #overtakenAt(): string | undefined {
    if (!this.#some((draft) => draft.wrote)) return undefined;
    if (this.#some((draft) => draft.isLost)) return say.TOO_MUCH;
    const { pump, handle } = this.owner;
    for (const [cell, draft] of this.#touched()) {
      const soFar = draft.soFar();
      const place = soFar && pump.engine.overtaken(handle, encodeTouched({ cell, ...soFar }));
      if (typeof place === "string") return place;
    }
    return undefined;
  }

  /** Whether it is known that what it did cannot be committed. It is settled, whatever its body ended with, and runs again. */
  get isDoomed(): boolean {
    return this.#isDoomed || this.#some((draft) => draft.isLost);
  }

  /** Whether it has to run again although its body had waited for something: what it did outside is done twice. */
  get hadAwaited(): boolean {
    return this.#wasBehind;
  }

  /**
   * `run` of a step with `apply` has ended well: what it saw stands at its pin, and `apply` begins on the newest state. Throws
   * if `run` has written state.
   */
  beginApply(step: string): void {
    if (this.#some((draft) => draft.hasWritten())) throw say.writtenInRun(step, this.owner.name);
    this.#forgetDrafts();
    this.#firstHalf = {
      sends: this.#sends?.list.length ?? 0,
      callbacks: this.#afterCommit?.length ?? 0,
      broadcasts: this.#broadcasts?.length ?? 0,
    };
    this.#vars?.save();
  }

  /** Another attempt came between: what `apply` did is taken back, and it runs again, alone without `run`. */
  #goBack({ sends, callbacks, broadcasts }: FirstHalf): void {
    this.#forgetDrafts();
    this.#sends?.takeBack(sends);
    this.#broadcasts?.takeBack(broadcasts);
    if (this.#afterCommit !== undefined) this.#afterCommit.length = callbacks;
    this.#vars?.goBack();
    this.#connections?.forget();
    this.#phase = "running";
  }

  #forgetDrafts(): void {
    this.#each((draft) => draft.drop());
    this.#draft = undefined;
    this.#drafts = undefined;
  }

  get draft(): Draft {
    this.mustRun("c.state");
    const { mirror } = this.owner;
    if (mirror === undefined) throw noState(this.owner.type);
    this.#draft ??= mirror.open(this.#listener());
    return this.#draft;
  }

  /** The draft of a further cell. */
  draftOf(cell: string, mirror: Mirror): Draft {
    this.mustRun(`cell ${cell}`);
    return this.cell(cell, mirror);
  }

  /** The same for one that belongs to a connection. */
  cell(cell: string, mirror: Mirror): Draft {
    this.mustRun("connection");
    this.#drafts ??= new Map();
    const known = this.#drafts.get(cell);
    if (known !== undefined) return known;
    const draft = mirror.open(this.#listener());
    this.#drafts.set(cell, draft);
    return draft;
  }

  /** Writes a row of an embedding host's own with the commit. */
  writeRow(row: HostRow): void {
    this.mustRun("write");
    this.#rows ??= [];
    this.#rows.push(row);
  }

  get vars(): unknown {
    if (this.#phase === "failed") throw stale("c.vars", this.owner.name);
    this.#vars ??= new AttemptVars(this.owner.vars, { stale: (what) => stale(`c.${what}`, this.owner.name) });
    return this.#vars.value;
  }

  raw(): unknown {
    return this.owner.mirror === undefined ? undefined : this.draft.raw();
  }

  /** Another actor. */
  ref(actor: Actor | string, key: string): AttemptRef {
    this.mustRun("c.get");
    const { peers } = this.owner;
    if (peers === undefined) throw badArgument("c.get is not there: this actor's host knows of no other actors.");
    const { type, definition } = peers.find(actor, key);
    return new AttemptRef(this, type, key, definition);
  }

  /** The body, in a span of its own. Steps are part of their run, other attempts of what is said to be `from`. */
  traced<R>(telemetry: Telemetry, kind: AttemptKind, name: string, run: () => R, from?: Begun["from"]): () => R {
    const { owner, count } = this;
    const { runTrace } = owner;
    const own = kind === "step" || kind === "undo" ? runTrace : undefined;
    const links = own === undefined ? {} : { links: own.takeLinks() };
    const begun = { owner, kind, name, count, from: own?.context ?? from, ...links };
    const { trace, run: traced } = telemetry.attempt(begun, run);
    this.#trace = trace;
    return traced;
  }

  /** Calls an action of another actor: at once, and not part of this attempt. */
  async call(to: Receiver, key: string, actions: object, name: string, args: unknown[]): Promise<unknown> {
    const { peers, name: self, limits } = this.owner;
    this.mustRun("c.get");
    if (to.isSelf) throw say.selfCall(self, name);
    if (!Object.hasOwn(actions, name)) throw say.unknownMember("action", name, to.type, Object.keys(actions));
    const what = `action "${name}" of ${to.name}`;
    const run = (actions as Readonly<Record<string, unknown>>)[name];
    const encoded = await checkedArgs(run, args, what, (given) =>
      encodeGiven(given, `${what} was given arguments`, limits.valueBytes),
    );
    const text = this.#keyOfCall(`${name} of ${to.name}`);
    const trace = this.#trace?.carried;
    const once = { text, keep: KEEP_MS, always: false };
    const call = { kind: "action", name, args: encoded, key: once, isPart: true, ...(trace && { trace }) } as const;
    const reply = await peers?.callFrom(to.type, key, call, what, this.abortSignal);
    // The attempt may have died meanwhile: its signal may have come too late for the call.
    this.mustRun("c.get");
    return reply;
  }

  /** The same for the nth call of this action in every attempt at this step, and another in those at undoing it. */
  #keyOfCall(callee: string): string {
    this.#calls ??= new Map();
    const count = (this.#calls.get(callee) ?? 0) + 1;
    this.#calls.set(callee, count);
    const hash = createHash("sha256")
      .update(this.idempotencyKey)
      .update(`#${this.number < UNDOES ? "call" : "undo"} ${count} ${callee}`);
    return hash.digest("hex").slice(0, 32);
  }

  /** Makes another actor with the commit. */
  create(actor: Actor, key: string, input: unknown): AttemptRef {
    const ref = this.ref(actor, key);
    const { definition } = this.owner.peers?.find(actor, key) ?? {};
    const name = `${ref.type}/${key}`;
    const encoded = definition && this.owner.peers?.inputOf(name, definition, input);
    if (name !== this.owner.name) this.#outbox().order(name, "create", encoded);
    return ref;
  }

  /** Cancels another actor's workflow with the commit. */
  cancel(to: Receiver): void {
    this.mustRun("c.get");
    if (to.isSelf) throw say.selfCancel(this.owner.name);
    this.#outbox().order(to.name, "cancel");
  }

  /** Ends the actor with the commit. */
  destroy(): void {
    this.mustRun("c.destroy");
    if (this.owner.peers === undefined) throw badArgument("c.destroy is not there: this actor's host ends its actors.");
    this.#outbox().order(undefined, "destroy");
  }

  #outbox(): Sends {
    const { owner } = this;
    this.#sends ??= new Sends(
      owner.limits,
      (name) => owner.peers?.messagesWaiting(name) ?? 0,
      this.#trace && this.#carrier(this.#trace),
    );
    return this.#sends;
  }

  #carrier(trace: AttemptTrace): Carrier {
    const { owner } = this;
    const { carried: text } = trace;
    return {
      carried: (body) => (text === undefined ? body : carried(body, text)),
      sent: (type, waiting) => owner.telemetry?.sent(type, waiting),
    };
  }

  send(to: Receiver, name: unknown, body: unknown, options: SendOptions): void {
    this.mustRun(to.isSelf ? "c.queue" : "c.get");
    const { owner } = this;
    if (to.isSelf && owner.hasEnded && owner.handles?.(name) !== true) throw runEnded(owner.name);
    this.#outbox().message(to, name, body, options);
  }

  /** Who is connected. */
  get connections(): AttemptConnections {
    this.mustRun("c.connections");
    const { connections } = this.owner;
    if (connections === undefined)
      throw badArgument("c.connections is not there: this actor's host knows of nobody who is connected.");
    this.#connections ??= new AttemptConnections(this, connections);
    return this.#connections;
  }

  /** The connection that ends with this attempt: it hears no broadcast of its own leaving. */
  get leaving(): string | undefined {
    return this.what === CLOSE_HOOK ? this.caller : undefined;
  }

  broadcast(event: unknown, payload: unknown, audience?: Audience): void {
    this.mustRun(audience?.to === undefined ? "c.broadcast" : "connection.send");
    const { events, peers } = this.owner;
    if (events === undefined || peers === undefined)
      throw badArgument("c.broadcast is not there: this actor's host knows of nobody who listens.");
    this.#broadcasts ??= new Broadcasts();
    this.#broadcasts.add(events, this.#broadcaster(peers), event, payload, audience);
  }

  #broadcaster(peers: Peers): Broadcaster {
    const { type, name, limits } = this.owner;
    const source = { step: this.step, attempt: this.count };
    return { type, name, maxBytes: limits.messageBytes, source, emit: (...event) => peers.emit(...event) };
  }

  afterCommit(fn: unknown): void {
    this.mustRun("c.afterCommit");
    if (typeof fn !== "function")
      throw badArgument(`c.afterCommit was given nothing to call.\n  found     ${shown(fn)}\n  expected  a function`);
    this.#afterCommit ??= [];
    this.#afterCommit.push(fn as () => void);
    // The callback runs when the step is over, and may want it.
    this.#key ??= this.#keyOf();
  }

  mustRun(what: string): void {
    if (this.#phase !== "running") throw stale(what, this.owner.name);
  }

  /** The newest change that the attempt has seen, if it has looked at state. */
  get pin(): number | undefined {
    const pins = [...this.#touched()].map(([, draft]) => draft.pin);
    return pins.length === 0 ? undefined : Math.max(...pins);
  }

  /** The body has ended well: what it did, for the settle call. Throws `ValueError` if a part of the state cannot be stored. */
  seal(queuedBefore: () => number): Writes {
    const cells: CellWrites[] = [];
    this.#wasBehind = this.#some((draft) => draft.behind);
    this.#trace?.sealed();
    if (this.isDoomed) {
      queuedBefore();
      this.#phase = "sealed";
      for (const [cell] of this.#touched()) return { cells: [{ cell, ...OVERTAKEN }], sends: [], rows: [] };
    }
    if (this.#draft !== undefined || this.#drafts !== undefined) {
      let before: number | undefined;
      for (const [cell, draft] of this.#touched()) {
        before ??= queuedBefore();
        cells.push({ cell, ...draft.seal(before) });
      }
    }
    this.#phase = "sealed";
    if (cells.length === 0 && this.#sends === undefined && this.#rows === undefined) return NOTHING_WRITTEN;
    return { cells, sends: this.#sends?.list ?? [], rows: this.#rows ?? [] };
  }

  /** The cells that the body has looked at. */
  *#touched(): Generator<[string, Draft]> {
    if (this.#draft?.touched === true) yield [STATE, this.#draft];
    for (const [cell, draft] of this.#drafts ?? []) if (draft.touched) yield [cell, draft];
  }

  #some(test: (draft: Draft) => boolean): boolean {
    if (this.#draft !== undefined && test(this.#draft)) return true;
    for (const draft of this.#drafts?.values() ?? []) if (test(draft)) return true;
    return false;
  }

  #each(use: (draft: Draft) => void): void {
    if (this.#draft !== undefined) use(this.#draft);
    this.#drafts?.forEach(use);
  }

  /** What became of it. True if it has to run again. */
  verdict(verdict: Verdict): boolean {
    switch (verdict.kind) {
      case "queued":
        // One that only looked is pinned to what it saw.
        this.#each((draft) => (draft.wrote ? draft.commit(verdict.seq) : draft.drop()));
        this.#succeed();
        return false;
      case "clean":
        this.#each((draft) => draft.drop());
        this.#succeed();
        return false;
      case "conflict":
        if (this.#firstHalf !== undefined) {
          this.#trace?.overtaken(false);
          this.#goBack(this.#firstHalf);
          return false;
        }
        this.#trace?.overtaken(true);
        this.fail(say.overtaken(this.owner.name, verdict.path));
        return true;
      case "stale":
        this.fail(undefined);
        return false;
    }
  }

  /** Whether it has done nothing but run: it has looked at no state, has written and sent nothing, and nobody follows it. */
  get isBare(): boolean {
    const looked = this.#draft ?? this.#drafts ?? this.#vars ?? this.#connections;
    const did = this.#rows ?? this.#sends ?? this.#broadcasts ?? this.#afterCommit;
    return looked === undefined && did === undefined && this.#trace === undefined && this.whenOver === undefined;
  }

  /** A bare one has ended well. */
  pass(): void {
    this.#phase = "succeeded";
  }

  #succeed(): void {
    this.#phase = "succeeded";
    this.#connections?.passed();
    this.whenOver?.();
    this.#vars?.succeed();
  }

  /** It came to nothing: its draft is dropped, its vars are put back, its context is dead. */
  fail(reason: unknown): void {
    if (this.#phase === "failed" || this.#phase === "succeeded") return;
    this.#phase = "failed";
    this.whenOver?.();
    this.#trace?.failed(reason);
    this.#each((draft) => draft.drop());
    this.#vars?.fail();
    this.#afterCommit = undefined;
    this.#broadcasts = undefined;
    this.#connections = undefined;
    if (reason !== undefined) this.abort(reason);
  }

  abort(reason: unknown): void {
    this.#abortReason ??= reason;
    this.#controller?.abort(reason);
  }

  /** Its commit is durable. */
  committed(): void {
    this.#trace?.committed();
    const { peers } = this.owner;
    if (peers !== undefined) this.#broadcasts?.leave(this.#broadcaster(peers));
    this.#connections?.committed();
    const callbacks = this.#afterCommit;
    this.#afterCommit = undefined;
    for (const callback of callbacks ?? []) {
      try {
        callback();
      } catch (error) {
        this.owner.log.error({ actor: this.owner.name, err: error }, "a callback of c.afterCommit threw");
      }
    }
  }
}

/** Warns of an attempt that runs again although its body had waited: what it did outside is done twice. */
export function noteRerun(attempt: Attempt, what: string, verdict: Verdict): void {
  if (!attempt.hadAwaited || verdict.kind !== "conflict") return;
  const { owner, count } = attempt;
  const fields = { actor: owner.name, attempt: count, place: verdict.path, alone: verdict.alone };
  owner.log.warn(fields, `${what} runs again: while it waited, another attempt changed what it had read or written`);
}

/** Calls user code, which may return a promise or a value, or throw. */
export function callUser(
  run: () => unknown,
  returned: (value: unknown) => void,
  threw: (error: unknown) => void,
): void {
  let result: unknown;
  let pending: boolean;
  try {
    result = run();
    // Inside: to look for `then` may call user code, too.
    pending = isThenable(result);
  } catch (error) {
    return threw(error);
  }
  if (pending) Promise.resolve(result).then(returned, threw);
  else returned(result);
}

export function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** Encodes what user code gives. Throws `value_not_storable` or `value_too_large`, with a message that begins with `what`. */
export function encodeGiven(value: unknown, what: string, maxBytes: number): Uint8Array {
  try {
    return encode(value, { maxBytes });
  } catch (error) {
    throw error instanceof ValueError ? notStorable(what, error, undefined) : error;
  }
}

interface Queue {
  send(name: unknown, body: unknown, options?: SendOptions): void;
}

/** What user code sees of an attempt. */
class Context {
  readonly #attempt: Attempt;
  #log: Logger | undefined;
  #queue: Queue | undefined;

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }

  get type(): string {
    return this.#attempt.owner.type;
  }

  get key(): string {
    return this.#attempt.owner.key;
  }

  get attempt(): number {
    return this.#attempt.count;
  }

  get abortSignal(): AbortSignal {
    return this.#attempt.abortSignal;
  }

  get log(): Logger {
    const { owner, count, step, what } = this.#attempt;
    const { name: actor, type, key } = owner;
    const entry = step ?? what;
    this.#log ??= withFields(owner.log, {
      actor,
      type,
      key,
      ...(entry === undefined ? {} : { entry }),
      attempt: count,
    });
    return this.#log;
  }

  get idempotencyKey(): string {
    return this.keyOfAttempt;
  }

  /** The key that the engine gave. */
  protected get keyOfAttempt(): string {
    return this.#attempt.idempotencyKey;
  }

  get state(): unknown {
    return this.#attempt.draft.value;
  }

  set state(next: unknown) {
    this.#attempt.draft.value = next;
  }

  get vars(): unknown {
    return this.#attempt.vars;
  }

  get queue(): Queue {
    const attempt = this.#attempt;
    const { type, name, messages } = attempt.owner;
    const self: Receiver = { type, name, messages, isSelf: true };
    this.#queue ??= { send: (name, body, options = {}) => attempt.send(self, name, body, options) };
    return this.#queue;
  }

  get(actor: Actor | string, key: string): AttemptRef {
    return this.#attempt.ref(actor, key);
  }

  create(actor: Actor, key: string, input?: unknown): AttemptRef {
    return this.#attempt.create(actor, key, input);
  }

  destroy(): void {
    this.#attempt.destroy();
  }

  [RAW_STATE](): unknown {
    return this.#attempt.raw();
  }

  broadcast(event: unknown, payload: unknown, options: { except?: unknown } = {}): void {
    refuseUnknown(options, ["except"], "c.broadcast");
    const { except } = options;
    if (except !== undefined && !isConnection(except))
      throw badArgument(`c.broadcast was given somebody to leave out.
  found     ${shown(except)}
  expected  a connection: c.connection, or one of c.connections`);
    const left = except?.id ?? this.#attempt.leaving;
    this.#attempt.broadcast(event, payload, left === undefined ? undefined : { except: left });
  }

  get connection(): unknown {
    const { caller } = this.#attempt;
    return caller === undefined ? undefined : this.#attempt.connections.view(caller);
  }

  get connections(): Iterable<unknown> {
    const { connections } = this.#attempt;
    return { [Symbol.iterator]: () => connections.views() };
  }

  afterCommit(fn: unknown): void {
    this.#attempt.afterCommit(fn);
  }
}

/** What a handler that undoes a step sees. */
class UndoContext extends Context {
  get stepIdempotencyKey(): string {
    return this.keyOfAttempt;
  }

  override get idempotencyKey(): string {
    return createHash("sha256").update(this.keyOfAttempt).update("#undo").digest("hex").slice(0, 32);
  }
}
