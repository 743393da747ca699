/** The runtime: actors on a store, in this process. */
import { type AnyDefinition, definitionOf, isShortText, refuseUnknown } from "./actor.ts";
import { encodeGiven } from "./attempt.ts";
import { type Duration, milliseconds } from "./duration.ts";
import { PawlError } from "./errors.ts";
import type { EntryRecord, Inspection, MessageRecord } from "./inspection.ts";
import { type Asked, type Limits, LoadedActor, randomKey } from "./loaded.ts";
import { consoleLogger, type Logger } from "./log.ts";
import * as say from "./messages.ts";
import type { EngineOptions } from "./native/binding.d.ts";
import { Pump, type PumpListener } from "./pump.ts";
import { checked, messageKind } from "./schema.ts";
import type { Actor, Asks, BodyIn, Calls, Given, Names, OutputOf, ReplyOf, TypesOf } from "./types.ts";

export interface RuntimeOptions<A extends readonly Actor[] = readonly Actor[]> {
  actors: A;
  /** `sqlite:PATH`, or `memory:`, or `memory:NAME`, which survives the runtime within its process. */
  store: string;
  /** Default: `"default"`. */
  namespace?: string;
  /** Names the code, for the record of a run that it does not match. */
  codeVersion?: string;
  /** Default: the console. */
  logger?: Logger;
  /** How long `close` lets running bodies go on. Default: 15 s. */
  grace?: Duration;
  limits?: Partial<Limits>;
}

export interface CallOptions {
  /** How long to wait for an answer. Default: 30 s for calls, for ever for results. */
  timeout?: Duration;
  signal?: AbortSignal;
}

/** What makes an actor reachable. `get` does no IO and creates nothing. */
export interface Client<A extends readonly Actor[]> {
  get<D extends A[number]>(actor: D, key: string): Handle<D>;
  get<N extends A[number]["name"]>(name: N, key: string): Handle<Extract<A[number], { name: N }>>;
}

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
  readonly admin: Admin;
}

/** What operators do. Actors are named by type and key. */
export interface Admin {
  /** What is recorded of an actor, as of the newest queued change. */
  show(type: string, key: string): Promise<Shown>;
  /** Tries again what has ended a workflow, the undo handler that it is stuck at, or the code that did not match. */
  retry(type: string, key: string): Promise<void>;
  cancel(type: string, key: string): Promise<void>;
  /** Goes back to before a step, and on from there. State, earlier waits, versions and messages stay; so do idempotency keys. */
  replay(type: string, key: string, from: { entry: string }): Promise<void>;
}

export interface Shown {
  readonly type: string;
  readonly key: string;
  readonly history: readonly EntryRecord[];
  readonly actorState: unknown;
  readonly inbox: readonly MessageRecord[];
}

/** One actor, from outside. */
export interface Handle<D extends Actor> {
  readonly type: string;
  readonly key: string;
  /** Each call is a transaction; its reply leaves when all that it changed is durable. */
  readonly actions: Calls<D>;
  /** The same actor, with other options for its calls. */
  with(options: CallOptions): Handle<D>;
  /** Resolves when the message is durable. */
  send<K extends Names<TypesOf<D>["messages"]>>(name: K, body: BodyIn<TypesOf<D>["messages"][K]>): Promise<void>;
  /** Sends a message that is answered, and waits for the answer: 30 s, unless `timeout` says otherwise. */
  ask<K extends Asks<D>>(
    name: K,
    body: BodyIn<TypesOf<D>["messages"][K]>,
    options?: CallOptions,
  ): Promise<ReplyOf<TypesOf<D>["messages"][K]>>;
  /**
   * Ends the workflow between two commits: no user code sees an exception, and no `finally` runs; what steps did is undone by
   * their `rollback` handlers, unless `compensate` is false. Resolves when that it has been cancelled is durable.
   */
  cancel(options?: { compensate?: boolean; reason?: string }): Promise<void>;
  /** The workflow's output. Rejects with `workflow_failed` if it has failed, with `history_diverged` while it is parked. */
  result(options?: CallOptions): Promise<OutputOf<D>>;
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
  /** How long to try for the lock of a store that is in use, in milliseconds. */
  readonly lockPatience?: number;
  readonly fault?: { readonly kind: string; readonly at: number };
}

const OPTIONS: ReadonlySet<string> = new Set("actors store namespace codeVersion logger grace limits".split(" "));
const LIMITS: Limits = { valueBytes: 16 << 20, messageBytes: 1 << 20 };
/** What stores take: a change of 256 MiB, a message of 1 MiB. */
const MOST: Limits = { valueBytes: 256 << 20, messageBytes: 1 << 20 };
const LEVELS = ["debug", "info", "warn", "error"] as const;
const CALL_TIMEOUT_MS = 30_000;
/** An actor that has work and cannot be loaded is tried again after a second, then after twice as long each time, up to an hour. */
const RELOAD_MS = 1_000;
const RELOAD_MAX_MS = 3_600_000;
const GRACE_MS = 15_000;
/** For `Runtime`s made here: what tests can see of them. */
export const internals: unique symbol = Symbol("pawl.internals");

/**
 * Makes a runtime. It opens nothing before its first use or `start()`.
 *
 * @throws PawlError `bad_argument` for an unknown option, a store URL of another form, or two actors of one name.
 */
export function createRuntime<const A extends readonly Actor[]>(options: RuntimeOptions<A>): Runtime<A> {
  return createRuntimeWith(options, {});
}

/** The same, for tests. */
export function createRuntimeWith<const A extends readonly Actor[]>(
  options: RuntimeOptions<A>,
  hooks: Hooks,
): Runtime<A> & { readonly [internals]: LocalRuntime } {
  const local = new LocalRuntime(options as unknown as RuntimeOptions, hooks);
  const runtime = {
    get: (actor: Actor | string, key: string) => local.handle(actor, key, {}),
    create: async (actor: Actor, key: string, input?: unknown, create?: { ifExists?: "keep" | "throw" }) => {
      await local.create(actor, key, input, create);
      return local.handle(actor, key, {});
    },
    start: () => local.start(),
    close: (close?: { grace?: Duration }) => local.close(close),
    [Symbol.asyncDispose]: () => local.close(),
    admin: local.admin(),
    [internals]: local,
  };
  return runtime as unknown as Runtime<A> & { readonly [internals]: LocalRuntime };
}

export class LocalRuntime implements PumpListener {
  readonly #definitions = new Map<string, { readonly actor: Actor; readonly definition: AnyDefinition }>();
  readonly #options: RuntimeOptions;
  readonly #hooks: Hooks;
  readonly #limits: Limits;
  readonly #log: Logger;
  readonly #codeVersion: number;
  readonly #loaded = new Map<string, LoadedActor>();
  readonly #strangers = new Set<string>();
  /** Actors that are being resumed, until they are loaded. */
  readonly #resumed = new Set<string>();
  #pump: Pump | undefined;
  #opening: Opening | undefined;
  #resuming: Opening | undefined;
  #nextHandle = 1;
  #holdsProcess = false;
  #closing: Promise<void> | undefined;

  constructor(options: RuntimeOptions, hooks: Hooks) {
    checkOptions(options);
    this.#options = options;
    this.#hooks = hooks;
    this.#limits = checkLimits(options.limits ?? {});
    this.#log = options.logger ?? consoleLogger;
    this.#codeVersion = hashOf(options.codeVersion ?? "");
    for (const actor of options.actors) {
      const own = definitionOf(actor);
      const definition = hooks.define?.(actor.name, own) ?? own;
      if (this.#definitions.has(actor.name))
        throw say.badArgument(
          `two actors of one runtime are called "${actor.name}".\n  expected  each name once: it is stored with the actor's data`,
        );
      this.#definitions.set(actor.name, { actor, definition });
    }
  }

  /** For tests: the engine behind it, once it is open. */
  get pump(): Pump | undefined {
    return this.#pump;
  }

  /** Opens the store and resumes every actor that has work, without keeping the process alive for them. */
  async open(): Promise<void> {
    await this.#open();
    await this.#resuming?.promise;
  }

  async start(): Promise<void> {
    await this.#open();
    if (!this.#holdsProcess && this.#closing === undefined) {
      this.#holdsProcess = true;
      this.#pump?.hold("wait");
    }
    await this.#resuming?.promise;
  }

  async create(
    actor: Actor,
    key: string,
    input: unknown,
    options: { ifExists?: "keep" | "throw" } = {},
  ): Promise<void> {
    const { type, definition } = this.#find(actor, key);
    refuseUnknown(options, ["ifExists"], "create");
    const { ifExists = "keep" } = options;
    if (ifExists !== "keep" && ifExists !== "throw")
      throw say.badArgument(`ifExists is ${JSON.stringify(ifExists)}.\n  expected  "keep" or "throw"`);
    const encoded = await this.#input(`${type}/${key}`, definition, input);
    await this.#working(async () => (await this.#actor(type, key)).create(encoded, ifExists));
  }

  /** The input as it is stored. Taken at the call, as every value is: what the caller does with it afterwards changes nothing. */
  #input(
    name: string,
    definition: AnyDefinition,
    input: unknown,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const encoded = (value: unknown) =>
      value === undefined ? undefined : encodeGiven(value, `the input of ${name} is a value`, this.#limits.valueBytes);
    if (definition.input !== undefined) return checked(definition.input, input, `the input of ${name}`, encoded);
    if (input === undefined) return undefined;
    throw say.badArgument(`${name} was given an input, but its type declares none.
  found     an input
  expected  nothing, or a type with \`input\`: actor("${name.slice(0, name.indexOf("/"))}", { input: type<T>(), ... })`);
  }

  handle(actor: Actor | string, key: string, options: CallOptions): Handle<Actor> {
    const { type, definition } = this.#find(actor, key);
    const timeout = options.timeout === undefined ? undefined : milliseconds(options.timeout, "the timeout of a call");
    const bounded = <R>(what: string, call: () => Promise<R>, ms: number | undefined, own?: CallOptions) =>
      boundedBy(call, `${what} of ${type}/${key}`, ms, own?.signal ?? options.signal, (ms, run) =>
        this.#after(ms, run),
      );
    const { actions = {}, messages = {} } = definition;
    const act = async (name: string, args: unknown[]) => {
      if (!Object.hasOwn(actions, name)) throw say.unknownMember("action", name, type, Object.keys(actions));
      const encoded = encodeGiven(
        args,
        `action "${name}" of ${type}/${key} was given arguments`,
        this.#limits.valueBytes,
      );
      const call = () => this.#working(async () => (await this.#actor(type, key)).act(name, encoded, randomKey()));
      return bounded(`action "${name}"`, call, timeout ?? CALL_TIMEOUT_MS);
    };
    const encodeBody = (name: string, body: unknown): Uint8Array | Promise<Uint8Array> => {
      const schema = Object.hasOwn(messages, name) ? messageKind(messages[name])?.body : undefined;
      if (schema === undefined) throw say.unknownMember("message", String(name), type, Object.keys(messages));
      const what = `message "${name}" to ${type}/${key}`;
      const encode = (value: unknown) => encodeGiven(value, `${what} has a body`, this.#limits.messageBytes);
      return checked(schema, body, what, encode);
    };
    const send = async (name: string, body: unknown, own: object = {}): Promise<void> => {
      refuseUnknown(own, [], "send");
      const encoded = await encodeBody(name, body);
      const call = () => this.#working(async () => (await this.#actor(type, key)).send(name, encoded));
      await bounded(`message "${name}"`, call, timeout ?? CALL_TIMEOUT_MS);
    };
    const ask = async (name: string, body: unknown, own: CallOptions = {}, asked: Asked = {}): Promise<unknown> => {
      refuseUnknown(own, CALL_OPTIONS, "ask");
      if (Object.hasOwn(messages, name) && messageKind(messages[name])?.reply === undefined)
        throw say.badArgument(`message "${name}" of "${type}" is not answered.
  found     a message without a reply
  expected  one that is declared so:  messages: { ${name}: ask(body, reply) }; or send it: handle.send("${name}", ...)`);
      const encoded = await encodeBody(name, body);
      const ms = own.timeout === undefined ? timeout : milliseconds(own.timeout, "the timeout of ask()");
      const call = () => this.#working(async () => (await this.#actor(type, key)).ask(name, encoded, asked));
      return bounded(`message "${name}"`, call, ms ?? CALL_TIMEOUT_MS, own);
    };
    const cancel = async (own: { compensate?: boolean; reason?: string } = {}): Promise<void> => {
      refuseUnknown(own, ["compensate", "reason"], "cancel");
      const { compensate = true, reason } = own;
      if (typeof compensate !== "boolean" || (reason !== undefined && typeof reason !== "string"))
        throw say.badArgument(`cancel() was given options of the wrong kind.
  found     compensate: ${say.shown(compensate)}, reason: ${say.shown(reason)}
  expected  true or false, and text`);
      const call = () => this.#working(async () => (await this.#actor(type, key)).cancel(compensate, reason));
      await bounded("cancel()", call, timeout ?? CALL_TIMEOUT_MS);
    };
    const result = async (own: CallOptions = {}) => {
      refuseUnknown(own, CALL_OPTIONS, "result");
      const ms = own.timeout === undefined ? timeout : milliseconds(own.timeout, "the timeout of result()");
      return bounded("the result", () => this.#waiting(async () => (await this.#actor(type, key)).result()), ms, own);
    };
    return {
      type,
      key,
      actions: actionsProxy(act),
      with: (next: CallOptions) => {
        refuseUnknown(next, CALL_OPTIONS, "with");
        return this.handle(actor, key, { ...options, ...next });
      },
      send,
      ask,
      cancel,
      result,
    } as unknown as Handle<Actor>;
  }

  admin(): Admin {
    const loaded = async <R>(type: string, key: string, use: (actor: LoadedActor) => Promise<R>): Promise<R> => {
      this.#find(type, key);
      return this.#working(async () => use(await this.#actor(type, key)));
    };
    return {
      show: async (type, key) => {
        const { history, state, inbox } = await loaded(type, key, (actor) => actor.inspect());
        return { type, key, history, actorState: state, inbox };
      },
      retry: (type, key) => loaded(type, key, (actor) => actor.retry()),
      cancel: (type, key) => loaded(type, key, (actor) => actor.cancel(true, undefined)),
      replay: async (type, key, from) => {
        refuseUnknown(from ?? {}, ["entry"], "replay");
        if (typeof from?.entry !== "string")
          throw say.badArgument(
            `replay() was not told where from.
  found     ${say.shown(from?.entry)}
  expected  { entry: the id of a step, as admin.show() lists it }`,
          );
        await loaded(type, key, (actor) => actor.replay(from.entry));
      },
    };
  }

  /** An actor as it is recorded; loads it, but makes none. For tests, and for what will show actors to people. */
  async inspect(actor: Actor | string, key: string): Promise<Inspection> {
    const { type } = this.#find(actor, key);
    return this.#working(async () => (await this.#actor(type, key)).inspect());
  }

  async close(options: { grace?: Duration } = {}): Promise<void> {
    refuseUnknown(options, ["grace"], "close");
    this.#closing ??= this.#close(milliseconds(options.grace ?? this.#options.grace ?? GRACE_MS, "grace"));
    return this.#closing;
  }

  /** Ends as a killed process would. For tests. */
  crash(): void {
    this.#closing ??= Promise.resolve();
    const error = say.runtimeClosed();
    for (const loaded of this.#loaded.values()) loaded.drop(error);
    this.#pump?.close("abandon");
  }

  async #close(grace: number): Promise<void> {
    const pump = this.#pump;
    if (pump === undefined) return;
    await this.#opening?.promise.catch(() => {});
    for (const loaded of this.#loaded.values()) loaded.drain();
    await Promise.race([pump.idle(), elapsed(grace)]);
    for (const loaded of this.#loaded.values()) loaded.suspend();
    await pump.drained();
    const error = say.runtimeClosed();
    for (const loaded of this.#loaded.values()) loaded.drop(error);
    this.#loaded.clear();
    pump.close("close");
  }

  #find(actor: Actor | string, key: string): { type: string; definition: AnyDefinition } {
    const type = typeof actor === "string" ? actor : actor?.name;
    const found = this.#definitions.get(type);
    if (found === undefined || (typeof actor !== "string" && found.actor !== actor)) {
      if (typeof actor !== "string") definitionOf(actor);
      throw new PawlError(
        "unknown_actor",
        `this runtime has no actor ${JSON.stringify(type)}.
  found     ${JSON.stringify(type)}
  expected  ${[...this.#definitions.keys()].join(", ") || "none: `actors` is empty"}
  do        add it: createRuntime({ actors: [...], ... })`,
      );
    }
    if (typeof key !== "string" || key === "" || !isShortText(key))
      throw say.badArgument(
        `an actor's key cannot be stored.\n  found     ${JSON.stringify(key)}\n  expected  text of 1 to 512 bytes, without lone surrogates`,
      );
    return { type, definition: found.definition };
  }

  async #actor(type: string, key: string): Promise<LoadedActor> {
    if (this.#closing !== undefined) throw say.runtimeClosed();
    if (this.#opening === undefined || !this.#opening.done) await this.#open();
    if (this.#closing !== undefined) throw say.runtimeClosed();
    return this.#load(type, key);
  }

  #load(type: string, key: string): LoadedActor {
    const name = `${type}/${key}`;
    const known = this.#loaded.get(name);
    if (known !== undefined) return known;
    const { definition } = this.#definitions.get(type) as { definition: AnyDefinition };
    const loaded = new LoadedActor({
      pump: this.#pump as Pump,
      definition,
      type,
      key,
      handle: this.#nextHandle++,
      log: this.#log,
      limits: this.#limits,
      codeVersion: this.#codeVersion,
      forget: () => {
        if (this.#loaded.get(name) === loaded) this.#loaded.delete(name);
      },
    });
    this.#loaded.set(name, loaded);
    return loaded;
  }

  #open(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(say.runtimeClosed());
    if (this.#opening === undefined) {
      this.#opening = opening();
      this.#resuming = opening();
      try {
        const { now = Date.now, after } = this.#hooks;
        this.#pump = new Pump(this.#engineOptions(), this, { now, wakes: after === undefined });
        this.#pump.hold("wait");
      } catch (error) {
        const reason =
          error instanceof Error && error.message.includes("store") ? say.badArgument(error.message) : error;
        const failed = this.#opening;
        this.#opening = undefined;
        failed.reject(reason);
        return failed.promise;
      }
    }
    return this.#opening.promise;
  }

  #engineOptions(): EngineOptions {
    const { store, namespace = "default" } = this.#options;
    const { lockPatience, seed, fault } = this.#hooks;
    return {
      url: store,
      namespace,
      ...(lockPatience === undefined ? {} : { lockPatience }),
      ...(seed === undefined ? {} : { seed }),
      ...(fault === undefined ? {} : { fault: fault.kind, faultAt: fault.at }),
    };
  }

  ready(): void {
    if (this.#opening?.done !== false) return;
    this.#opening.resolve();
    this.#pump?.release("wait");
    this.#pump?.input.resume();
    this.#pump?.schedule();
  }

  storeFailed(problem: Parameters<PumpListener["storeFailed"]>[0]): void {
    const failed = this.#opening;
    const pump = this.#pump;
    this.#opening = undefined;
    this.#resuming = undefined;
    this.#pump = undefined;
    // A later use tries again, from the start.
    queueMicrotask(() => pump?.close("close"));
    failed?.reject(say.ofStore(problem));
  }

  wake(name: string): void {
    if (this.#closing !== undefined) return;
    const slash = name.indexOf("/");
    const type = name.slice(0, slash);
    if (this.#definitions.has(type)) {
      if (!this.#resumed.has(name)) this.#resume(type, name.slice(slash + 1), RELOAD_MS);
    } else if (!this.#strangers.has(type)) {
      this.#strangers.add(type);
      this.#log.warn({ type }, `actors of type "${type}" have work, but this runtime does not know the type`);
    }
  }

  /** Loads an actor that has work. One that cannot be loaded is due again at once: it must not be tried again at once. */
  #resume(type: string, key: string, backoff: number): void {
    if (this.#closing !== undefined) return;
    const name = `${type}/${key}`;
    this.#resumed.add(name);
    const again = () => this.#resume(type, key, Math.min(backoff * 2, RELOAD_MAX_MS));
    this.#load(type, key)
      .load()
      .then(
        () => this.#resumed.delete(name),
        (error: unknown) => {
          if (this.#closing !== undefined) return;
          this.#log.error(
            { actor: name, err: error },
            "an actor that has work could not be loaded; it is tried again later",
          );
          this.#after(backoff, again);
        },
      );
  }

  #after(ms: number, run: () => void): () => void {
    return (this.#hooks.after ?? afterRealTime)(ms, run);
  }

  turned(): void {
    this.#hooks.turned?.();
  }

  resumed(): void {
    this.#resuming?.resolve();
  }

  resumeFailed(problem: Parameters<PumpListener["storeFailed"]>[0]): void {
    this.#resuming?.reject(say.ofStore(problem));
  }

  defect(error: unknown): void {
    this.#log.error({ err: error }, "pawl: something went wrong that must not happen; please report it");
  }

  /** A call that is under way keeps the process alive, and `close` waits for it. */
  #working<R>(run: () => Promise<R>): Promise<R> {
    return this.#held("work", run);
  }

  /** Someone who waits for a result keeps the process alive; `close` does not wait for it. */
  #waiting<R>(run: () => Promise<R>): Promise<R> {
    return this.#held("wait", run);
  }

  async #held<R>(why: "work" | "wait", run: () => Promise<R>): Promise<R> {
    await this.#open();
    const pump = this.#pump;
    pump?.hold(why);
    try {
      return await run();
    } finally {
      pump?.release(why);
    }
  }
}

interface Opening {
  readonly promise: Promise<void>;
  done: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

function opening(): Opening {
  let yes!: () => void;
  let no!: (error: unknown) => void;
  const promise = new Promise<void>((resolve, reject) => {
    yes = resolve;
    no = reject;
  });
  promise.catch(() => {});
  const opening: Opening = {
    promise,
    done: false,
    resolve: () => {
      opening.done = true;
      yes();
    },
    reject: (error) => {
      opening.done = true;
      no(error);
    },
  };
  return opening;
}

function actionsProxy(act: (name: string, args: unknown[]) => Promise<unknown>): object {
  const calls = new Map<string, (...args: unknown[]) => Promise<unknown>>();
  return new Proxy(Object.create(null), {
    get: (_, name) => {
      // A promise looks for `then`: a handle's actions are none.
      if (typeof name !== "string" || name === "then") return undefined;
      let call = calls.get(name);
      if (call === undefined) {
        call = (...args) => act(name, args);
        calls.set(name, call);
      }
      return call;
    },
  });
}

/** Rejects when the time is up or the signal fires; the call itself goes on. Does not call if the signal has fired already. */
function boundedBy<R>(
  call: () => Promise<R>,
  what: string,
  ms: number | undefined,
  signal: AbortSignal | undefined,
  after: NonNullable<Hooks["after"]>,
): Promise<R> {
  if (signal?.aborted === true) return Promise.reject(signal.reason);
  if (ms === undefined && signal === undefined) return call();
  return new Promise((resolve, reject) => {
    const timeUp = () => end(() => reject(callTimeout(what, ms ?? 0)));
    const callOff = ms === undefined ? undefined : after(ms, timeUp);
    const aborted = () => end(() => reject(signal?.reason));
    const end = (settle: () => void) => {
      callOff?.();
      signal?.removeEventListener("abort", aborted);
      settle();
    };
    signal?.addEventListener("abort", aborted);
    call().then(
      (value) => end(() => resolve(value)),
      (error: unknown) => end(() => reject(error)),
    );
  });
}

function callTimeout(what: string, ms: number): PawlError {
  return new PawlError(
    "call_timeout",
    `${what} has not been answered within ${ms} ms. It may still happen.\n  do        look at the actor before calling again, or wait longer: handle.with({ timeout: "5m" })`,
    {
      retryable: true,
      outcome: "unknown",
    },
  );
}

function afterRealTime(ms: number, run: () => void): () => void {
  // What waits for a call keeps the process alive, and nothing else need.
  const timer = setTimeout(run, Math.min(ms, 0x7fff_ffff)).unref();
  return () => clearTimeout(timer);
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.min(ms, 0x7fff_ffff)).unref();
  });
}

const CALL_OPTIONS = ["timeout", "signal"];

function checkOptions(options: RuntimeOptions): void {
  if (typeof options !== "object" || options === null)
    throw say.badArgument(
      'createRuntime() was given no options.\n  expected  { actors: [...], store: "sqlite:./app.db" }',
    );
  refuseUnknown(options, [...OPTIONS], "createRuntime");
  if (!Array.isArray(options.actors))
    throw say.badArgument("createRuntime() was given no actors.\n  expected  actors: [...], what actor() returned");
  const { store, namespace = "default" } = options;
  if (typeof store !== "string" || !/^(sqlite:.+|memory:)/s.test(store)) {
    throw say.badArgument(`createRuntime() was given a store that it does not know.
  found     ${typeof store === "string" ? JSON.stringify(store) : typeof store}
  expected  "sqlite:./app.db", or "memory:"`);
  }
  if (options.grace !== undefined) milliseconds(options.grace, "grace");
  checkLogAndVersion(options);
  if (typeof namespace !== "string" || namespace === "" || !isShortText(namespace))
    throw say.badArgument(
      `the namespace cannot be stored.\n  found     ${JSON.stringify(namespace)}\n  expected  text of 1 to 512 bytes`,
    );
}

function checkLogAndVersion({ codeVersion, logger }: RuntimeOptions): void {
  if (codeVersion !== undefined && typeof codeVersion !== "string") {
    throw say.badArgument(`codeVersion is no text.
  found     ${String(codeVersion)}
  expected  text that names the code, such as a commit`);
  }
  const missing = LEVELS.find((level) => logger !== undefined && typeof logger?.[level] !== "function");
  if (missing !== undefined) {
    throw say.badArgument(`the logger cannot log.
  found     no function \`${missing}\`
  expected  ${LEVELS.join(", ")}: (fields: object, message: string) => void`);
  }
}

function checkLimits(limits: Partial<Limits>): Limits {
  refuseUnknown(limits, Object.keys(LIMITS), "limits");
  for (const [limit, value] of Object.entries(limits)) {
    const most = MOST[limit as keyof Limits];
    if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most) continue;
    throw say.badArgument(`the limit ${limit} cannot be kept.
  found     ${String(value)}
  expected  a number of bytes from 1 to ${most}`);
  }
  return { ...LIMITS, ...limits };
}

/** A number of 53 bits that names a text (FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv>, folded). */
function hashOf(text: string): number {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffff_ffff_ffff_ffffn;
  return Number(hash & 0x1f_ffff_ffff_ffffn);
}
