/** What users see of a runtime, and what only tests set. */
import type { AnyDefinition } from "../actor.ts";
import type { Duration } from "../duration.ts";
import type { EntryRecord, MessageRecord } from "../inspection.ts";
import type { Limits } from "../loaded.ts";
import type { Logger } from "../log.ts";
import type { Closed } from "../peers.ts";
import type {
  Actor,
  Asks,
  BodyIn,
  Calls,
  EventMeta,
  Given,
  Names,
  OutOf,
  OutputOf,
  ReplyOf,
  TypesOf,
} from "../types.ts";
import type { Events } from "./events.ts";
import type { RunState, Status } from "./status.ts";

/** What a runtime is made of. */
export interface RuntimeOptions<A extends readonly Actor[] = readonly Actor[]> {
  /** The definitions that it knows. One of each name. */
  actors: A;
  /** `sqlite:PATH`, which threads of one process may share, `postgres://...`, which several processes may, or `memory:`, or `memory:NAME`, which survives the runtime within its process. */
  store: string;
  /** Default: `"default"`. */
  namespace?: string;
  /**
   * Names the code, such as a commit; at most 512 bytes. A run that it does not match is parked under this name. Where processes
   * share a store, one whose code has another name takes up what this one has parked.
   */
  codeVersion?: string;
  /** Default: the console. */
  logger?: Logger;
  /**
   * After how long with nothing to do an actor leaves memory: only its alarm and its messages stay, on disk, until one of them,
   * or a call, wakes it. When memory is short, it goes at once. Default: 30 s.
   */
  idleAfter?: Duration;
  /** How long `close` lets running bodies go on. Default: 15 s. */
  grace?: Duration;
  /**
   * On a shared store: how long this process may be stuck before it is taken for dead, and others go on with its actors.
   * Default: 60 s.
   */
  stallLimit?: Duration;
  /** Sizes above which values are refused. */
  limits?: Partial<Limits>;
  /** How long, and how much, is kept of what is over. */
  retention?: Partial<Retention>;
}

/**
 * How long, and how much, is kept of what is over. What is beyond a bound of changes goes when an actor's changes are put together,
 * not at once.
 */
export interface Retention {
  /**
   * How long an actor stays whose workflow has completed, failed or been cancelled, after whatever wrote to it last: then it is
   * destroyed, unless a client is connected. Default: for good.
   */
  readonly ended: Duration;
  /** How long calls to a destroyed actor are refused: then nothing is known of it, and its key is as good as new. Default: 30 days. */
  readonly destroyed: Duration;
  /** After how many of its newest changes the state of an actor can be told. Default: 1,000. */
  readonly deltas: number;
  /** Of how many bytes of them, if that is less. Default: 64 MiB. */
  readonly deltaBytes: number;
  /** How long callers' keys are remembered. Default: a day. */
  readonly keys: Duration;
}

/** How long somebody waits. */
export interface WaitOptions {
  /** How long to wait for an answer. Default: 30 s for calls, for ever for results. */
  timeout?: Duration;
  /** Gives up the wait, not what is waited for. */
  signal?: AbortSignal;
}

/** How a call is made. */
export interface CallOptions extends WaitOptions {
  /**
   * Text of 1 to 512 bytes that names the call: another one under it is the same call, does nothing, and gets the same reply.
   * Remembered for `retention.keys`, for each action and message by itself.
   */
  idempotencyKey?: string;
}

/** What makes an actor reachable. `get` does no IO and creates nothing. */
export interface Client<A extends readonly Actor[]> {
  /** One actor, by definition or type, and key. Nothing is asked of the store. */
  get<D extends A[number]>(actor: D, key: string): Handle<D>;
  get<N extends A[number]["name"]>(name: N, key: string): Handle<Extract<A[number], { name: N }>>;
}

/** Actors on a store, in this process. */
export interface Runtime<A extends readonly Actor[] = readonly Actor[]> extends Client<A>, AsyncDisposable {
  /** Makes an actor; resolves when it is durable. One that exists is kept as it is, unless `ifExists` is `"throw"`. */
  create<D extends A[number]>(
    actor: D,
    key: string,
    ...input: Given<D, { ifExists?: "keep" | "throw" }>
  ): Promise<Handle<D>>;
  /** Opens the store and resumes every actor that has work. A runtime that was started keeps the process alive until `close`. */
  start(): Promise<void>;
  /** Lets running bodies end, writes what is queued, releases the store. */
  close(options?: { grace?: Duration }): Promise<void>;
  /** What operators do. */
  readonly admin: Admin;
}

/** What operators do. Actors are named by type and key. */
export interface Admin {
  /** The actors of the store, in order of type and key, whether they are in memory or not. */
  list(filter?: ListFilter): AsyncIterable<Status>;
  /** What is recorded of an actor; of one that does not exist, nothing. It is not loaded for that. */
  show(type: string, key: string): Promise<Shown>;
  /** Tries again what has ended a workflow, the undo handler that it is stuck at, or the code that did not match. */
  retry(type: string, key: string): Promise<void>;
  /**
   * Lets go of what is quarantined of an actor, for it has taken its process down with it, and forgets every suspicion of it.
   * Rejects with `bad_argument` if there is none.
   */
  release(type: string, key: string): Promise<void>;
  /** As `handle.cancel()`: ends the workflow between two commits, and undoes what it did. */
  cancel(type: string, key: string): Promise<void>;
  /**
   * Goes back to before a step (in a loop: to before the loop), and on from there. Resolves to what is taken away. Earlier
   * waits, versions and messages stay; so do idempotency keys.
   */
  replay(type: string, key: string, from: ReplayOptions): Promise<readonly EntryRecord[]>;
  /**
   * A plain copy of the state after the change in which an entry committed, in the shape that it had then; `undefined` without
   * state. Rejects with `state_unavailable` when `retention` has let go of it.
   */
  stateAt(type: string, key: string, entry: string): Promise<unknown>;
  /** Copies all that is durable into a new SQLite file, while the store is in use. */
  backup(file: string): Promise<void>;
  /**
   * Copies all that is durable at one moment into another store, which is made if there is none: from and to SQLite, PostgreSQL
   * and `memory:NAME`, in any direction, while this one is in use. The copy has the store's id, and new epochs. Rejects with
   * `store_not_empty` if there is anything in it, with `store_in_use` if somebody has it; then nothing was copied. Calls that
   * other processes are waiting for are not copied.
   */
  copyTo(store: string): Promise<{ readonly actors: number }>;
}

/** Where a replay goes back to, and what becomes of the state. */
export interface ReplayOptions {
  /** The id of a step, as `show` lists it. */
  readonly entry: string;
  /**
   * Default: `"keep"`. `"rewind"` takes the state back to what it was before the first of the steps that are taken away wrote
   * it; rejects with `state_moved` if anything else has written it since, with `state_unavailable` if `retention` has let go of
   * it.
   */
  readonly state?: "keep" | "rewind";
  /** Take the state back with what others have written. Default: false. */
  readonly force?: boolean;
  /** Only say what would be taken away, or why it cannot be. Default: false. */
  readonly dryRun?: boolean;
}

/** Which actors are listed: those that are all of it. */
export interface ListFilter {
  /** Of that type alone. */
  readonly type?: string;
  /** What the key begins with. */
  readonly prefix?: string;
  /** How far their workflow has come. */
  readonly state?: RunState;
  /** The name of a message, timer or step. */
  readonly waitingFor?: string;
  /** Nothing has happened for so long, although the workflow has not ended. */
  readonly stuckFor?: Duration;
  /** How many at most. */
  readonly limit?: number;
  /** Those behind this one, as `type/key`. */
  readonly after?: string;
}

/** All that is recorded of an actor. */
export interface Shown extends Status {
  /** The entries of its workflow. */
  readonly history: readonly EntryRecord[];
  /** A plain copy of its state. */
  readonly actorState: unknown;
  /** Messages that it has not taken. */
  readonly inbox: readonly MessageRecord[];
}

/** One actor, from outside. */
export interface Handle<D extends Actor> {
  /** The actor's type. */
  readonly type: string;
  /** The actor's key. */
  readonly key: string;
  /** Each call is a transaction; its reply leaves when all that it changed is durable. */
  readonly actions: Calls<D>;
  /** The same actor, with other options for its calls. */
  with(options: CallOptions): Handle<D>;
  /** Resolves when the message is durable. With `delay`, the actor gets it no earlier than that. */
  send<K extends Names<TypesOf<D>["messages"]>>(
    name: K,
    body: BodyIn<TypesOf<D>["messages"][K]>,
    options?: { delay?: Duration; idempotencyKey?: string },
  ): Promise<void>;
  /** Sends a message that is answered, and waits for the answer: 30 s, unless `timeout` says otherwise. */
  ask<K extends Asks<D>>(
    name: K,
    body: BodyIn<TypesOf<D>["messages"][K]>,
    options?: CallOptions,
  ): Promise<ReplyOf<TypesOf<D>["messages"][K]>>;
  /**
   * Calls `listener` with what the actor broadcasts under this name from now on, each time with a copy of its own; events that
   * were on their way when this process died, or leave in another one, it does not hear; those that leave in another thread of this
   * process it does. Returns what ends that.
   */
  on<K extends Names<TypesOf<D>["events"]>>(
    event: K,
    listener: (payload: OutOf<TypesOf<D>["events"][K]>, meta: EventMeta) => void,
  ): () => void;
  /**
   * Connects to the actor: resolves when `connection.open` has committed, and rejects with what that threw. Calls of the handle
   * that it gives come through the connection, and `on` hears what the actor tells it alone, too. It lives until either side
   * closes it, the actor is destroyed, or the process that called this is gone; not until the actor sleeps, moves or is restarted.
   */
  connect(
    ...params: [TypesOf<D>["dialled"]] extends [void] ? [] : [params: TypesOf<D>["dialled"]]
  ): Promise<Connected<D>>;
  /**
   * Ends the workflow between two commits: no user code sees an exception, and no `finally` runs; what steps did is undone by
   * their `rollback` handlers, unless `compensate` is false. Resolves when that it has been cancelled is durable.
   */
  cancel(options?: { compensate?: boolean; reason?: string }): Promise<void>;
  /**
   * Ends the actor: its state, history and messages are gone, and calls are refused with `actor_destroyed`, until it is made anew
   * with `create`. Resolves when that is durable.
   */
  destroy(): Promise<void>;
  /** The workflow's output. Rejects with `workflow_failed` if it has failed, with `history_diverged` while it is parked. */
  result(options?: WaitOptions): Promise<OutputOf<D>>;
}

/** One actor, through a connection. */
export interface Connected<D extends Actor> extends Handle<D>, AsyncDisposable {
  /** 32 hex digits: the `id` of the connection, as the actor sees it. */
  readonly connectionId: string;
  /** Resolves when the connection has ended, with why: by `close()`, by the actor, with it, or because a process was lost. */
  readonly closed: Promise<Closed>;
  /** Ends the connection. Nothing is heard after the call; resolves when `connection.close` has committed. */
  close(): Promise<void>;
}

/** What only tests set. */
export interface Hooks {
  readonly now?: () => number;
  /**
   * Calls `run` when `ms` have passed on the clock that `now` reads; returns what calls that off. Given, nothing else waits for
   * time: whoever moves that clock tells the pump by `schedule()`.
   */
  readonly after?: (ms: number, run: () => void) => () => void;
  /** What an actor is, in place of its own definition. */
  readonly define?: (type: string, definition: AnyDefinition) => AnyDefinition;
  /** Called after each turn of the pump. */
  readonly turned?: () => void;
  readonly seed?: number;
  /** Who listens, also after this process. */
  readonly events?: Events;
  /** Whether memory is short. */
  readonly isPressed?: () => boolean;
  /** How long to try for the lock of a store that is in use, in milliseconds. */
  readonly lockPatience?: number;
  /** Whether attempts are marked after an end that was no clean one. Default: where the store outlives the process. */
  readonly guards?: boolean;
  readonly fault?: { readonly kind: string; readonly at: number };
}
