/** The types behind `actor()`: one bag for everything that contexts depend on, and what can be derived from it. */
import type { Duration, Time } from "./duration.ts";
import type { Failure } from "./failure.ts";
import type { Logger } from "./log.ts";
import type { Schedule } from "./schedules/types.ts";
import type { Schema } from "./schema.ts";
import type { RAW_STATE } from "./symbols.ts";

/** What an actor's contexts depend on. Never on its actions or output, so that helpers in other files can be typed. */
export interface Types {
  /** What the workflow and the first state are given. */
  input: unknown;
  /** What a creator gives. */
  given: unknown;
  /** Its state. */
  state: unknown;
  /** What is made at each load. */
  vars: unknown;
  /** Its messages, by name. */
  messages: object;
  /** Its events, by name. */
  events: object;
  /** What whoever connects to it gives. */
  dialled: unknown;
  /** What its connections are given of that. */
  params: unknown;
  /** The state of a connection. */
  connection: unknown;
}

/** A {@link Types} of its parts: what `actor()` infers. */
export interface Bag<I, G, S, V, M, E = {}, P = void, D = P, CS = NoConnectionState> extends Types {
  /** What the workflow and the first state are given. */
  input: I;
  /** What a creator gives. */
  given: G;
  /** Its state. */
  state: S;
  /** What is made at each load. */
  vars: V;
  /** Its messages, by name. */
  messages: M & object;
  /** Its events, by name. */
  events: E & object;
  /** What whoever connects to it gives. */
  dialled: D;
  /** What its connections are given of that. */
  params: P;
  /** The state of a connection. */
  connection: CS;
}

/** The state of connections that declare none. */
export interface NoConnectionState {
  /** What the compiler shows where such a state is used. There is no value. */
  readonly "connections of this actor declare no state: give `connection` a `state` member": never;
}

/** The state of an actor that declares none. */
export interface NoState {
  /** What the compiler shows where such a state is used. There is no value. */
  readonly "this actor declares no state: give actor() a `state` member, before `actions` and `workflow`": never;
}

/** The key of an {@link Actor}'s types: it exists for the compiler alone. */
export declare const TYPES: unique symbol;

/** An actor's definition, as `actor()` returns it. */
export interface Actor<out N extends string = string, out T extends Types = Types, out A = unknown, out O = unknown> {
  /** The type under which actors of this definition are stored. */
  readonly name: N;
  /** For the compiler only: what `TypesOf`, `Calls` and `OutputOf` read. There is no value. */
  readonly [TYPES]: {
    /** The types of what it declares. */
    bag: T;
    /** Its `actions`, as they are written. */
    actions: A;
    /** What its workflow returns. */
    output: O;
  };
}

/** The names of messages, events or actions. */
export type Names<X> = keyof X & string;
/** An actor's types. */
export type TypesOf<D extends Actor> = D[typeof TYPES]["bag"];
/** What an actor's workflow returns. */
export type OutputOf<D extends Actor> = D[typeof TYPES]["output"];
/** A message that is answered: what `ask()` makes. */
export interface Ask<In = unknown, Out = unknown, R = unknown> {
  /** What is asked. */
  readonly body: Schema<In, Out>;
  /** What it is answered with. */
  readonly reply: Schema<unknown, R>;
}

/** What a sender gives as a message's body. */
export type BodyIn<X> = X extends Ask<infer I, infer _A, infer _B> ? I : InOf<X>;
/** What a receiver is given of it. */
export type BodyOut<X> = X extends Ask<infer _A, infer O, infer _B> ? O : OutOf<X>;
/** What a message is answered with. */
export type ReplyOf<X> = X extends Ask<infer _A, infer _B, infer R> ? R : void;
/** The messages of an actor that are answered. */
export type Asks<D extends Actor, M = TypesOf<D>["messages"]> = {
  [K in keyof M]: M[K] extends Ask ? K : never;
}[keyof M] &
  Names<TypesOf<D>["messages"]>;

/** An event that leaves at once, also from attempts that fail: what `live()` makes. */
export interface Live<In = unknown, Out = In> extends Schema<In, Out> {
  /** Marks the event. */
  readonly live: true;
}

/** What goes with an event. */
export interface EventMeta {
  /** Counts the actor's events in this process, whoever listens: one that is missing was lost. */
  readonly seq: number;
  /** When it left, in milliseconds since the epoch. */
  readonly at: number;
  /** Of a live event: the step, if it was one, and the attempt, from 1. */
  readonly step?: string;
  /** Of a `live` event: the attempt that said it, from 1. */
  readonly attempt?: number;
}

/** What a caller gives where a schema is declared. */
export type InOf<X> = X extends Schema<infer I, infer _> ? I : never;
/** What a schema lets in. */
export type OutOf<X> = X extends Schema<infer _, infer O> ? O : never;
/** An actor's actions, as they are called. */
export type Calls<D extends Actor, A = D[typeof TYPES]["actions"]> = {
  readonly [K in keyof A]: A[K] extends (c: never, ...args: infer P) => infer R
    ? (...args: P) => Promise<Awaited<R>>
    : never;
};
/** The arguments that make an actor. */
export type Given<D extends Actor, X = never> = [TypesOf<D>["given"]] extends [void]
  ? [input?: undefined, options?: X]
  : [input: TypesOf<D>["given"], options?: X];

/** A step's policy. `pawl` tries 10 times again, waits from 200 ms to 30 s between, and gives a body 5 minutes. */
export interface StepPolicy {
  /** Attempts after the first one. Default: 10. */
  maxRetries?: number;
  /** The wait before attempt n + 1 is `min(retryBackoffMax, retryBackoffBase * 2^n)` from the start of attempt n. Default: 100 ms. */
  retryBackoffBase?: Duration;
  /** Default: 30 s. */
  retryBackoffMax?: Duration;
  /** How long the body may take; 0: as long as it likes. Default: 5 min. */
  timeout?: Duration;
  /** Whether a timeout is tried again like any failure, or is for ever. Default: true. */
  retryOnTimeout?: boolean;
}

/** A step, and how it is tried. */
export interface StepOptions<T extends Types, R> extends StepPolicy {
  /** Unique in its scope. */
  name: string;
  /** The body. */
  run: (c: AttemptContext<T>) => R | Promise<R>;
  /** Whether its result may be used before it is durable: it becomes so with the next entry. Default: false. */
  ephemeral?: boolean;
  /**
   * Whether its attempts run alone: what other attempts of the actor want to commit waits until this one has ended. Only for
   * what is short; actions that have waited 10 s fail with `actor_busy`. Default: false.
   */
  exclusive?: boolean;
  /**
   * Writes what `run` returned into the state: synchronous, in the order of commits, on the newest state. `run` may then only
   * read state, and is never repeated because of other attempts. What it throws is a failure of the attempt.
   */
  apply?: (c: AttemptContext<T>, output: R) => void;
  /** Undoes the step, once it has committed, if the workflow fails, is cancelled or calls `ctx.rollback`. Newest first. */
  rollback?: (c: RollbackContext<T>, output: R) => unknown;
  /** Undoes the step if it was tried and never committed: its effect is unknown. */
  rollbackAttempted?: (c: RollbackContext<T>) => unknown;
}

/** What a handler that undoes a step is given. */
export interface RollbackContext<T extends Types> extends AttemptContext<T> {
  /** The key of the step that is undone. `idempotencyKey` is the handler's own. */
  readonly stepIdempotencyKey: string;
}

/** A failure, as `onError` hears of it. */
export interface ErrorEvent {
  /** What has failed. */
  kind: "step" | "receive" | "schedule" | "rollback" | "workflow";
  /** The step's, message's or schedule's name; for the workflow, the actor's type. */
  name: string;
  /** From 1. */
  attempt: number;
  /** Whether there will be another attempt. */
  willRetry: boolean;
  /** Milliseconds since the epoch. */
  retryAt?: number;
  /** What was thrown. */
  error: Failure;
}

/** What `tryStep`, `try` and `mapSettled` give. */
export type Tried<R> =
  | {
      ok: true;
      /** What it returned. */
      value: R;
    }
  | {
      ok: false;
      /** What has failed for good, and with what. */
      failure: Failed;
    };

/** Whose failure it was. `error`: of code that is part of no entry. */
export interface Failed {
  /** What has failed, or why a step is not tried again. */
  kind: "critical" | "timeout" | "exhausted" | "rollback" | "join" | "race" | "map" | "child" | "ask" | "error";
  /** The step's, join's, race's, map's, child's or ask's name. */
  name: string;
  /** Of a step; 0 for what has none. */
  attempts: number;
  /** What it failed with. */
  error: Failure;
}

/** One attempt: of a step, an action, or the failure hook. All that it does commits together, or none of it. */
export interface AttemptContext<T extends Types> {
  /** The actor's type. */
  readonly type: string;
  /** The actor's key. */
  readonly key: string;
  /** From 1. */
  readonly attempt: number;
  /** Aborted when the attempt is given up: timed out, or its actor is evicted. */
  readonly abortSignal: AbortSignal;
  /** Names the actor, the entry and the attempt in each line. */
  readonly log: Logger;
  /** 32 hex digits, the same for every attempt of this step or call: pass it to the outside, so that an effect happens once. */
  readonly idempotencyKey: string;
  /** The actor's state; writes go through, and become part of the attempt's commit. Touch it after the last `await`. */
  state: T["state"];
  /** In memory only. What a failed attempt wrote to plain parts is undone. */
  readonly vars: T["vars"];
  /** This actor's own inbox. */
  readonly queue: Sender<T>;
  /** Another actor: what is sent there leaves with the attempt's commit, and arrives once, in order. It need not exist yet. */
  get<D extends Actor>(actor: D, key: string): Ref<D>;
  /**
   * Tells everybody who listens to this actor. Leaves when the attempt's commit is durable, and never if it fails; events that
   * are declared `live` leave at once.
   */
  broadcast<K extends Names<T["events"]>>(
    event: K,
    payload: InOf<T["events"][K]>,
    options?: { except?: Connection<T> | undefined },
  ): void;
  /** Who is connected to this actor now. Who comes or goes meanwhile makes no attempt run again. */
  readonly connections: Iterable<Connection<T>>;
  /** A plain, detached copy of the state with this attempt's writes; `undefined` for an actor without state. */
  [RAW_STATE](): T["state"] extends NoState ? undefined : T["state"];
  /** Makes another actor with the attempt's commit; one that exists is kept as it is. */
  create<D extends Actor>(actor: D, key: string, ...input: Given<D>): Ref<D>;
  /** Ends this actor with the attempt's commit: nothing of it stays but that it was. */
  destroy(): void;
  /** Runs `fn` once the attempt's commit is durable; at most once, in memory only. */
  afterCommit(fn: () => void): void;
}

/** Messages that leave with the commit. */
export interface Sender<T extends Types> {
  /** `delay`: how long the receiver does not see it. Throws `inbox_full` when there are 10,000 that nobody has taken. */
  send<K extends Names<T["messages"]>>(name: K, body: BodyIn<T["messages"][K]>, options?: { delay?: Duration }): void;
}

/** Another actor, as an attempt sees it. */
export interface Ref<D extends Actor> extends Sender<TypesOf<D>> {
  /** The actor's type. */
  readonly type: string;
  /** The actor's key. */
  readonly key: string;
  /**
   * Its actions: not part of the attempt, but called at once, each a transaction of its own. The same call of a later attempt at
   * this step gets the same reply and does nothing again. Of the own actor: `self_call`.
   */
  readonly actions: Calls<D>;
  /** Cancels its workflow, with the attempt's commit. What has ended stays as it is. */
  cancel(): void;
}

/** A message that a workflow has taken. */
export type Message<T extends Types, K extends keyof T["messages"]> = {
  [N in K]: {
    readonly id: string;
    readonly name: N;
    readonly body: BodyOut<T["messages"][N]>;
    readonly sentAt: number;
  } & (T["messages"][N] extends Ask ? { complete(reply: ReplyOf<T["messages"][N]>): Promise<void> } : unknown);
}[K];

type TimedOut<W> = W extends { timeout: Duration } ? undefined : never;

/** How a loop goes on: with the next round's state, or not, with a value. */
export type LoopNext<L, R> =
  | {
      readonly continue: true;
      /** What the next round is given. */
      readonly state: L;
    }
  | {
      readonly break: true;
      /** What the loop resolves to. */
      readonly value: R;
    };

/** The branches of a join or a race, by name. */
export type Branches<T extends Types> = Record<string, (ctx: WorkflowContext<T>) => Promise<unknown>>;
/** What `map` and `mapSettled` run for an item, on a context of its own. */
export type Each<T extends Types, X, R> = (ctx: WorkflowContext<T>, item: X, index: number) => Promise<R>;
/** What `removed` can name. */
export type EntryKind =
  | "step"
  | "loop"
  | "sleep"
  | "message"
  | "join"
  | "race"
  | "map"
  | "try"
  | "child"
  | "ask"
  | "rollback"
  | "version_check";

/** A message that another actor is asked. */
export interface Question<D extends Actor, K extends Asks<D>> {
  /** The type of whom is asked. */
  actor: D;
  /** The key of whom is asked. */
  key: string;
  /** One that is answered. */
  message: K;
  /** What is asked. */
  body: BodyIn<TypesOf<D>["messages"][K]>;
  /** How long to wait for the answer. Default: for ever. */
  timeout?: Duration;
}

/**
 * The workflow's context: named entries, one at a time. It has no state and no effects of its own: those belong to steps. Every
 * callback is given a context of its own.
 */
export interface WorkflowContext<T extends Types> {
  /** The actor's type. */
  readonly type: string;
  /** The actor's key. */
  readonly key: string;
  /** Aborted when the actor is evicted, the run cancelled, or this branch has lost. */
  readonly abortSignal: AbortSignal;
  /** Silent on replay. */
  readonly log: Logger;
  /** The time of the newest fact, in milliseconds since the epoch: the same on replay. */
  now(): number;
  /** From 0 up to, but without, 1: the same on replay. */
  random(): number;
  /** The same on replay. */
  uuid(): string;
  /** Runs `run` until it succeeds, and records the result at most once. Rejects if it fails for good. */
  step<R>(name: string, run: (c: AttemptContext<T>) => R | Promise<R>): Promise<R>;
  step<R>(options: StepOptions<T, R>): Promise<R>;
  /** Like `step`, but a failure for good is a result. */
  tryStep<R>(name: string, run: (c: AttemptContext<T>) => R | Promise<R>): Promise<Tried<R>>;
  tryStep<R>(options: StepOptions<T, R>): Promise<Tried<R>>;
  /** Runs `run` in a scope of its own. The failure of a step, join, race or map in it is a result; any other error is thrown. */
  try<R>(name: string, run: (ctx: WorkflowContext<T>) => Promise<R>): Promise<Tried<R>>;
  /** Calls `run` again and again, each time in a scope of its own, until it returns `Loop.break(value)`. */
  loop<R = never>(name: string, run: (ctx: WorkflowContext<T>) => Promise<LoopNext<void, R> | void>): Promise<R>;
  loop<L, R = never>(options: LoopOptions<T, L, R>): Promise<R>;
  /**
   * Runs all branches side by side and waits for all. Rejects with `join_failed` if one has failed; `data` has the others' values.
   *
   * A branch that has ended is not run again, whoever replays the others: what it has for them, it must return. The same holds
   * for `race`, `map` and `mapSettled`, and for rounds of a loop.
   */
  join<B extends Branches<T>>(
    name: string,
    branches: B,
  ): Promise<{ -readonly [K in keyof B]: Awaited<ReturnType<B[K]>> }>;
  /** Runs all branches side by side until one returns; the others are cancelled. Rejects with `race_failed` if all fail. */
  race<B extends Branches<T>>(
    name: string,
    branches: B,
  ): Promise<{ [K in keyof B]: { winner: K; value: Awaited<ReturnType<B[K]>> } }[keyof B]>;
  /** Runs `run` for each item, 16 at once. The first failure stops it: `map_failed`, with the values so far in `data`. */
  map<X, R>(name: string, items: readonly X[], run: Each<T, X, R>, options?: { concurrency?: number }): Promise<R[]>;
  /** Runs `run` for each item, 16 at once. A failure is a result. */
  mapSettled<X, R>(
    name: string,
    items: readonly X[],
    run: Each<T, X, R>,
    options?: { concurrency?: number },
  ): Promise<Tried<R>[]>;
  /** Waits, across restarts. */
  sleep(name: string, duration: Duration): Promise<void>;
  /** Waits until a time, across restarts. */
  sleepUntil(name: string, time: Time): Promise<void>;
  /**
   * Makes another actor and waits for the output of its workflow. One that exists already is waited for as it is. Rejects with
   * `child_failed` if it fails or is cancelled. An actor that was made here is cancelled if this run is cancelled, or the branch
   * that waits for it loses.
   */
  child<D extends Actor>(name: string, actor: D, key: string, ...input: Given<D>): Promise<OutputOf<D>>;
  /** Sends another actor a message and waits for the answer. Rejects with `call_timeout`, or with what the other's handler threw. */
  ask<D extends Actor, K extends Asks<D>>(
    name: string,
    to: Question<D, K>,
  ): Promise<ReplyOf<TypesOf<D>["messages"][K]>>;
  /** Messages to this actor. */
  readonly queue: Queue<T>;
  /** `return ctx.rollback(output)`: undoes everything, newest first, and completes with `output`. Nothing runs after it. */
  rollback<R>(output: R): Promise<R>;
  /** The version of the code that this run follows from here on: `latest`, or 1 for a run that had come past here before. */
  getVersion(name: string, latest: number): Promise<number>;
  /** Says that the code no longer has an entry, so that runs which have it recorded go on. */
  removed(name: string, kind: EntryKind): Promise<void>;
}

/** A loop with state. */
export interface LoopOptions<T extends Types, L, R> {
  /** Unique in its scope. */
  name: string;
  /** What the first iteration is called with. */
  state: L;
  /** How many past iterations stay in the history. Default: 20. */
  keep?: number;
  /** One round, on a context of its own. */
  run: (ctx: WorkflowContext<T>, state: L) => Promise<LoopNext<L, R>>;
}

/** A workflow's inbox. */
export interface Queue<T extends Types> {
  /** The next message `name`, or `undefined` when `timeout` has passed. The wait is named after it. */
  next<K extends Names<T["messages"]>, const W extends { timeout?: Duration } = Record<never, never>>(
    name: K,
    options?: W & { names?: never },
  ): Promise<Message<T, K> | TimedOut<W>>;
  /** The next message of any of `names`; `name` labels the wait. */
  next<K extends Names<T["messages"]>, const W extends { timeout?: Duration }>(
    name: string,
    options: W & { names: readonly K[] },
  ): Promise<Message<T, K> | TimedOut<W>>;
  /**
   * Up to `count` messages of `names`: what is there, or the first to come; none when `timeout` has passed. `timeout: 0` takes
   * what is there and does not wait.
   */
  nextBatch<K extends Names<T["messages"]>>(
    name: string,
    options: { names: readonly K[]; count: number; timeout?: Duration },
  ): Promise<Message<T, K>[]>;
}

/** What an action is given. */
export interface ActionContext<T extends Types> extends AttemptContext<T> {
  /** Through which it was called; none: through a handle that is not connected. */
  readonly connection: Connection<T> | undefined;
}

/** What `connection.open` and `connection.close` are given. */
export interface ConnectionContext<T extends Types> extends ActionContext<T> {
  /** The one that is being opened or closed. */
  readonly connection: Connection<T>;
}

/** Somebody who is connected, as an attempt sees it. */
export interface Connection<T extends Types> {
  /** 32 hex digits. */
  readonly id: string;
  /** A copy of what `connect` was given, as the schema lets it in. */
  readonly params: T["params"];
  /** A cell beside the actor's state: writes are part of the attempt's commit, and gone with it if it fails. */
  state: T["connection"];
  /** A plain, detached copy of that, with this attempt's writes; `undefined` without state. */
  [RAW_STATE](): T["connection"] extends NoConnectionState ? undefined : T["connection"];
  /** Tells this one alone. Leaves as a broadcast does. */
  send<K extends Names<T["events"]>>(event: K, payload: InOf<T["events"][K]>): void;
  /** Ends it with the attempt's commit; `connection.close` runs after it. */
  close(): void;
}

/** How an actor deals with those who connect. */
export interface Connecting<P, D, CS, T extends Types> {
  /** What `connect` takes. */
  params?: Schema<D, P>;
  /** The first state of a connection. Without it, connections have none. */
  state?: (params: NoInfer<P>) => CS;
  /** A transaction at the beginning of each: nobody is connected before it has committed, or if it throws. */
  open?: (c: ConnectionContext<T>) => unknown;
  /** A transaction at the end of each that was open, once, whatever ended it; the connection's state goes with its commit. */
  close?: (c: ConnectionContext<T>) => unknown;
}

/** An actor's definition: members in this order, so that types flow. */
export interface Definition<I, G, S, V, M, E, P, D, CS, A, O, T extends Types> {
  /** What `create` takes; an actor that declares it must be created. */
  input?: Schema<G, I>;
  /** What can be sent to it, by name. */
  messages?: M & Record<string, Schema | Ask>;
  /** What it tells whoever listens, by name: schemas, or `live(schema)`. */
  events?: E & Record<string, Schema>;
  /** The version of the shape of its state. Default: 1. */
  version?: number;
  /** Brings state of an older version to this one; once, as a change of its own, when the actor is next loaded. */
  migrate?: (old: unknown, from: number) => NoInfer<S>;
  /** Its first state. An actor without it has none. */
  state?: (input: NoInfer<I>, c: { readonly key: string }) => S;
  /** Made at each load; in memory only; anything. */
  vars?: (c: { readonly key: string; readonly log: Logger }) => V;
  /** Those who connect to it: `handle.connect()`. */
  connection?: Connecting<P, D, CS, T>;
  /** Transactions with a reply. */
  actions?: A & Record<string, (c: ActionContext<T>, ...args: never[]) => unknown>;
  /**
   * Messages that are handled as they come, one after another, each in a transaction that takes it; those never reach
   * `queue.next`. A handler that fails is tried again as `steps` says; a message that it fails at for good is set aside. What it
   * returns answers a message that is asked.
   */
  receive?: {
    [K in keyof M]?: (c: ActionContext<T>, body: BodyOut<M[K]>) => ReplyOf<M[K]> | Promise<ReplyOf<M[K]>>;
  };
  /**
   * What it does by the clock, by name, from its making until it is destroyed: each time in a transaction that plans the next
   * one, so once, whatever happens to the process. One that fails is tried again as `steps` says, then left until it is next due.
   */
  schedules?: Record<string, Schedule<T>>;
  /** What it does by itself, durably. */
  workflow?: (ctx: WorkflowContext<T>, input: NoInfer<I>) => Promise<O>;
  /** Called when a failure is durable, at most once per failure; a transaction of its own. */
  onError?: (c: AttemptContext<T>, event: ErrorEvent) => unknown;
  /** Defaults for its steps, and what `receive` and `schedules` follow. */
  steps?: StepPolicy;
}
