/** The runtime: actors on a store, in this process. */
import { type AnyDefinition, definitionOf, isShortText, refuseUnknown } from "./actor.ts";
import { encodeGiven } from "./attempt.ts";
import type { EventRecord, Source } from "./broadcasts.ts";
import type { HeldConnection } from "./connections.ts";
import { type Duration, milliseconds } from "./duration.ts";
import { PawlError } from "./errors.ts";
import { type Inspection, readSeen } from "./inspection.ts";
import { type Limits, LoadedActor } from "./loaded.ts";
import { consoleLogger, type Logger } from "./log.ts";
import * as say from "./messages.ts";
import type { EngineOptions } from "./native/binding.d.ts";
import type { Closed, Peers } from "./peers.ts";
import { Guard } from "./poison/guard.ts";
import type { Ledger, Notes } from "./poison/ledger.ts";
import { labelOf } from "./poison/names.ts";
import { bootOf, bootOfOpening, SharedLedger } from "./poison/shared-ledger.ts";
import { Pump, type PumpListener } from "./pump.ts";
import { adminIn, copied } from "./runtime/admin.ts";
import { type ActorCall, boundedBy, CALL_TIMEOUT_MS, isOwnedElsewhere, KEEP_MS } from "./runtime/call.ts";
import type { Client } from "./runtime/clients.ts";
import { Elsewhere, type ElsewhereHost } from "./runtime/elsewhere.ts";
import { Events } from "./runtime/events.ts";
import { Exchange, type ExchangeHost } from "./runtime/exchange.ts";
import { type HandleHost, handleIn } from "./runtime/handle.ts";
import { type Opening, opening } from "./runtime/opening.ts";
import { checkLimits, checkOptions, lifetimesOf } from "./runtime/options.ts";
import { watchForStalls } from "./runtime/stall-watch.ts";
import { isMemoryShort, Sweeper } from "./runtime/sweeper.ts";
import type { Admin, CallOptions, Handle, Hooks, Runtime, RuntimeOptions } from "./runtime/types.ts";
import { rollOut } from "./schedules/rollout.ts";
import { checked } from "./schema.ts";
import { carrying } from "./telemetry/calls.ts";
import { Telemetry } from "./telemetry/telemetry.ts";
import type { Actor } from "./types.ts";
import type { Looked, RowRecord } from "./wire.ts";

export type { Closed } from "./peers.ts";
export type { RunState, Status, Wait } from "./runtime/status.ts";
export type {
  Admin,
  CallOptions,
  Client,
  Connected,
  Handle,
  Hooks,
  ListFilter,
  ReplayOptions,
  Retention,
  Runtime,
  RuntimeOptions,
  Shown,
  WaitOptions,
} from "./runtime/types.ts";

/** An actor that has work and cannot be loaded is tried again after a second, then after twice as long each time, up to an hour. */
const RELOAD_MS = 1_000;
const RELOAD_MAX_MS = 3_600_000;
const GRACE_MS = 15_000;
const IDLE_MS = 30_000;
const STALL_MS = 60_000;
/** The number of a thread that shares a file: the epoch of its opening, and below that its own. */
const EPOCH = 2 ** 20;
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

export class LocalRuntime implements PumpListener, HandleHost, ElsewhereHost, ExchangeHost, Peers {
  readonly #definitions = new Map<string, Defined>();
  readonly #options: RuntimeOptions;
  readonly #hooks: Hooks;
  readonly limits: Limits;
  readonly keepKeys: number;
  readonly events: Events;
  readonly log: Logger;
  readonly #elsewhere: Elsewhere = new Elsewhere(this);
  readonly switchboard: Exchange = new Exchange(this);
  /** None: nothing was registered with OpenTelemetry when the runtime was made. */
  readonly #telemetry: Telemetry | undefined = Telemetry.registered();
  #unobserve: (() => void) | undefined;
  readonly #loaded = new Map<string, LoadedActor>();
  readonly #strangers = new Set<string>();
  /** Actors that are being resumed, until they are loaded. */
  readonly #resumed = new Set<string>();
  readonly #sweeper: Sweeper | undefined;
  #stopWatching: (() => void) | undefined;
  #pump: Pump | undefined;
  #opening: Opening | undefined;
  #guard: Guard | undefined;
  /** How many actors are loaded whose attempts are not marked before they begin. */
  #unmarked = 0;
  #resuming: Opening | undefined;
  #nextHandle = 1;
  #holdsProcess = false;
  #closing: Promise<void> | undefined;
  /** Whether not even attempts that are running may call actors any more. */
  #hasClosed = false;

  constructor(options: RuntimeOptions, hooks: Hooks) {
    checkOptions(options);
    this.#options = options;
    this.#hooks = hooks;
    this.limits = checkLimits(options.limits ?? {});
    const { keys } = options.retention ?? {};
    this.keepKeys = keys === undefined ? KEEP_MS : milliseconds(keys, "retention.keys");
    this.events = hooks.events ?? new Events();
    this.log = options.logger ?? consoleLogger;
    // A clock that is moved by hand moves to what waits for it: nobody asked for this.
    if (options.idleAfter !== undefined || hooks.after === undefined)
      this.#sweeper = new Sweeper({
        idleAfter: milliseconds(options.idleAfter ?? IDLE_MS, "idleAfter"),
        actors: () => this.#loaded.values(),
        now: hooks.now ?? Date.now,
        after: (ms, run) => this.after(ms, run),
        isPressed: hooks.isPressed ?? isMemoryShort,
      });
    for (const actor of options.actors) {
      const own = definitionOf(actor);
      const definition = hooks.define?.(actor.name, own) ?? own;
      if (this.#definitions.has(actor.name))
        throw say.badArgument(
          `two actors of one runtime are called "${actor.name}".\n  expected  each name once: it is stored with the actor's data`,
        );
      this.#definitions.set(actor.name, { actor, definition, parked: new Set() });
    }
  }

  /** For tests: the actors in memory, by `type/key`, in the order in which they were loaded. */
  names(): string[] {
    return [...this.#loaded.keys()];
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
    const { type, definition } = this.find(actor, key);
    refuseUnknown(options, ["ifExists"], "create");
    const { ifExists = "keep" } = options;
    if (ifExists !== "keep" && ifExists !== "throw")
      throw say.badArgument(`ifExists is ${JSON.stringify(ifExists)}.\n  expected  "keep" or "throw"`);
    const encoded = await this.#input(`${type}/${key}`, definition, input);
    await this.working(() => this.call(type, key, { kind: "create", input: encoded, ifExists }));
  }

  /** The input as it is stored. Taken at the call, as every value is: what the caller does with it afterwards changes nothing. */
  #input(
    name: string,
    definition: AnyDefinition,
    input: unknown,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const encoded = (value: unknown) =>
      value === undefined ? undefined : encodeGiven(value, `the input of ${name} is a value`, this.limits.valueBytes);
    if (definition.input !== undefined) return checked(definition.input, input, `the input of ${name}`, encoded);
    if (input === undefined) return undefined;
    throw say.badArgument(`${name} was given an input, but its type declares none.
  found     an input
  expected  nothing, or a type with \`input\`: actor("${name.slice(0, name.indexOf("/"))}", { input: type<T>(), ... })`);
  }

  /** The same, for what cannot wait for a schema. */
  inputOf(name: string, definition: AnyDefinition, input: unknown): Uint8Array | undefined {
    const encoded = this.#input(name, definition, input);
    if (!(encoded instanceof Promise)) return encoded;
    encoded.catch(() => {});
    throw say.badArgument(`${name} is to be made by a commit, but the schema of its input takes its time.
  found     a schema that validates asynchronously
  expected  one that answers at once`);
  }

  handle(actor: Actor | string, key: string, options: CallOptions): Handle<Actor> {
    return handleIn(this, actor, key, options);
  }

  admin(): Admin {
    return adminIn(this);
  }

  /** An actor as it is recorded; loads it, but makes none. For tests, and for what will show actors to people. */
  async inspect(actor: Actor | string, key: string): Promise<Inspection> {
    const { type } = this.find(actor, key);
    return this.working(() => this.call(type, key, { kind: "inspect" })) as Promise<Inspection>;
  }

  get store(): string {
    return this.#options.store;
  }

  now(): number {
    return this.#pump?.now() ?? Date.now();
  }

  async listed(after: string | undefined, limit: number): Promise<readonly RowRecord[]> {
    const found = await this.#look((pump, ticket) => pump.input.list(ticket, after, limit));
    return found.kind === "listed" ? found.rows : [];
  }

  async seen(name: string): Promise<Inspection> {
    const stored = readSeen(await this.#look((pump, ticket) => pump.input.see(ticket, name)));
    const loaded = this.#loaded.get(name);
    if (loaded === undefined) return stored;
    try {
      // What is in memory may be ahead of what is stored.
      return { ...(await this.working(() => loaded.inspect())), stored: stored.stored };
    } catch (error) {
      if (isOwnedElsewhere(error)) return stored;
      throw error;
    }
  }

  copyTo(store: string): Promise<{ actors: number }> {
    return this.working(() => copied(this.#pump?.engine.copyTo(this.#options.store, store)));
  }

  #look(write: (pump: Pump, ticket: number) => void): Promise<Looked> {
    return this.working(async () => {
      const pump = this.#pump;
      if (pump === undefined) throw say.runtimeClosed();
      return pump.look((ticket) => write(pump, ticket));
    });
  }

  async close(options: { grace?: Duration } = {}): Promise<void> {
    refuseUnknown(options, ["grace"], "close");
    this.#closing ??= this.#close(milliseconds(options.grace ?? this.#options.grace ?? GRACE_MS, "grace"));
    return this.#closing;
  }

  /** Ends as a killed process would. For tests. */
  crash(): void {
    this.#guard?.abandon();
    this.#closing ??= Promise.resolve();
    this.#sweeper?.stop();
    this.#stopWatching?.();
    this.#hasClosed = true;
    const error = say.runtimeClosed();
    this.#elsewhere.fail(error);
    this.switchboard.shut();
    for (const loaded of this.#loaded.values()) loaded.drop(error);
    this.#pump?.close("abandon");
  }

  async #close(grace: number): Promise<void> {
    this.#unobserve?.();
    this.#sweeper?.stop();
    this.#stopWatching?.();
    const pump = this.#pump;
    if (pump === undefined) {
      this.#hasClosed = true;
      return;
    }
    await this.#opening?.promise.catch(() => {});
    await Promise.race([this.switchboard.endAll("client", { disconnect: true }), elapsed(grace)]);
    for (const loaded of this.#loaded.values()) loaded.drain();
    await Promise.race([pump.idle(), elapsed(grace)]);
    this.#hasClosed = true;
    this.switchboard.shut();
    for (const loaded of this.#loaded.values()) loaded.suspend();
    await pump.drained();
    const error = say.runtimeClosed();
    this.#elsewhere.fail(error);
    for (const loaded of this.#loaded.values()) loaded.drop(error);
    this.#loaded.clear();
    await this.#guard
      ?.close()
      .catch((err: unknown) => this.log.error({ err }, "that the process ends well was not noted"));
    pump.close("close");
  }

  find(actor: Actor | string, key: string): { type: string; definition: AnyDefinition } {
    const type = typeof actor === "string" ? actor : actor?.name;
    const found = this.#definitions.get(type);
    if (found === undefined || (typeof actor !== "string" && found.actor !== actor)) {
      if (typeof actor !== "string") definitionOf(actor);
      throw say.unknownActor(type, [...this.#definitions.keys()]);
    }
    if (typeof key !== "string" || key === "" || !isShortText(key))
      throw say.badArgument(
        `an actor's key cannot be stored.\n  found     ${JSON.stringify(key)}\n  expected  text of 1 to 512 bytes, without lone surrogates`,
      );
    return { type, definition: found.definition };
  }

  /** What attempts ask of other actors: the attempt itself keeps the process alive, also while the runtime is being closed. */
  callFrom(type: string, key: string, call: ActorCall, what: string, signal: AbortSignal): Promise<unknown> {
    return boundedBy(
      () => this.call(type, key, call),
      what,
      CALL_TIMEOUT_MS,
      signal,
      (ms, run) => this.after(ms, run),
      () => this.troubleOf(`${type}/${key}`),
    );
  }

  troubleOf(name: string): string | undefined {
    return this.#loaded.get(name)?.trouble;
  }

  /** Asks something of an actor, wherever it is. Every call of every actor goes through here. */
  call(type: string, key: string, call: ActorCall): Promise<unknown> {
    const telemetry = this.#telemetry;
    if (telemetry === undefined) return this.#elsewhere.call(type, key, call);
    if (call.kind === "send" || call.kind === "ask") telemetry.sent(type, this.messagesWaiting(`${type}/${key}`));
    return this.#elsewhere.call(type, key, carrying(telemetry, call));
  }

  called(name: string, id: string, body: Uint8Array): void {
    if (this.#definitions.has(name.slice(0, name.indexOf("/")))) this.#elsewhere.called(name, id, body);
  }

  replied(...reply: Parameters<Elsewhere["replied"]>): void {
    this.#elsewhere.replied(...reply);
  }

  outcome(...outcome: Parameters<Elsewhere["outcome"]>): void {
    this.#elsewhere.outcome(...outcome);
  }

  listened(name: string, listens: boolean): void {
    this.switchboard.listened(name, listens);
  }

  event(...event: Parameters<Exchange["heard"]>): void {
    this.switchboard.heard(...event);
  }

  emit(name: string, record: EventRecord, source: Source | undefined): void {
    this.switchboard.emit(name, record, source);
  }

  dial(id: string, name: string): Client {
    return this.switchboard.dial(id, name);
  }

  endClient(id: string, why: Closed): Promise<void> {
    return this.working(() => this.switchboard.endClient(id, why));
  }

  listen(...listener: Parameters<Exchange["listen"]>): () => void {
    return this.switchboard.listen(...listener);
  }

  connectionsElsewhere(name: string): Iterable<HeldConnection> {
    return this.#loaded.get(name)?.connections.elsewhere() ?? [];
  }

  died(processes: readonly string[]): void {
    this.#guard?.died(processes);
    for (const loaded of this.#loaded.values()) for (const process of processes) loaded.connections.died(process);
  }

  lapsed(): void {
    this.#guard?.lapsed();
    this.switchboard.lapsed();
  }

  messagesWaiting(name: string): number {
    return this.#pump?.engine.waiting(name) ?? 0;
  }

  async actor(type: string, key: string): Promise<LoadedActor> {
    if (this.#hasClosed) throw say.runtimeClosed();
    if (this.#opening === undefined || !this.#opening.done) await this.#open();
    if (this.#guard?.looking !== undefined) await this.#guard.looking;
    if (this.#hasClosed) throw say.runtimeClosed();
    return this.#load(type, key);
  }

  #load(type: string, key: string): LoadedActor {
    const name = `${type}/${key}`;
    const known = this.#loaded.get(name);
    if (known !== undefined) {
      known.touch();
      return known;
    }
    const { definition, parked } = this.#definitions.get(type) as Defined;
    const loaded = new LoadedActor({
      pump: this.#pump as Pump,
      definition,
      type,
      key,
      handle: this.#nextHandle++,
      log: this.log,
      limits: this.limits,
      codeVersion: this.#options.codeVersion ?? "",
      isShared: this.#options.store.startsWith("postgres"),
      peers: this,
      telemetry: this.#telemetry,
      parked,
      file: fileOf(this.#options.store),
      guard: this.#guard,
      forget: () => {
        if (this.#loaded.get(name) !== loaded) return;
        this.#loaded.delete(name);
        if (loaded.guarded === undefined) this.#unmarked -= 1;
      },
    });
    if (loaded.guarded === undefined) this.#unmarked += 1;
    this.#loaded.set(name, loaded);
    this.#sweeper?.note();
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
        this.#unobserve = this.#telemetry?.observe(() => this.#pump?.counted);
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
    const { store, namespace = "default", codeVersion, stallLimit, retention = {} } = this.#options;
    const { deltas, deltaBytes } = retention;
    const { lockPatience, seed, fault } = this.#hooks;
    const { inboxMessages, pendingOperations, stateBytes } = this.limits;
    return {
      url: store,
      namespace,
      inboxMessages,
      pendingOperations,
      stateBytes,
      ...lifetimesOf(retention),
      ...(lockPatience === undefined ? {} : { lockPatience }),
      ...(stallLimit === undefined ? {} : { stallLimit: milliseconds(stallLimit, "stallLimit") }),
      ...(codeVersion === undefined ? {} : { codeVersion }),
      ...(deltas === undefined ? {} : { deltas }),
      ...(deltaBytes === undefined ? {} : { deltaBytes }),
      ...(seed === undefined ? {} : { seed }),
      ...(fault === undefined ? {} : { fault: fault.kind, faultAt: fault.at }),
    };
  }

  ready(): void {
    const opening = this.#opening;
    if (opening?.done !== false || this.#guard !== undefined) return;
    if (!this.#guards) return this.#opened();
    const guard = new Guard({
      ledger: this.#ledger(),
      log: this.log,
      now: () => this.now(),
      after: (ms, run) => this.after(ms, run),
      released: (actor) => this.#loaded.get(actor)?.guarded?.released(),
      quarantined: (actor) => {
        const error = this.held(actor);
        if (error !== undefined) this.#elsewhere.held(actor, error);
      },
    });
    this.#guard = guard;
    guard.open().then(
      () => this.#opening === opening && this.#opened(),
      (error: unknown) => opening.reject(error),
    );
  }

  /** Whether the store outlives the process. */
  get #guards(): boolean {
    return this.#hooks.guards ?? !this.#options.store.startsWith("memory:");
  }

  #ledger(): Ledger {
    const { store, namespace = "default" } = this.#options;
    const [notes, now] = [this.#notes(), () => this.now()];
    const number = this.#pump?.engine.process() ?? 0;
    const hasLeases = store.startsWith("postgres");
    // A process has a file for itself, for as long as one of its threads has it open: that is one epoch.
    const boot = hasLeases ? bootOf() : bootOfOpening(Math.floor(number / EPOCH));
    const hasUnmarked = () => this.#unmarked > 0;
    return new SharedLedger({ notes, namespace, now, process: `${number}`, boot, hasLeases, hasUnmarked });
  }

  #notes(): Notes {
    return {
      read: async (prefix) => {
        const found = await this.#pump?.look((ticket) => this.#pump?.input.notes(ticket, prefix));
        return found?.kind === "notes" ? found.notes : new Map();
      },
      write: async (rows) => {
        for (;;) {
          try {
            return void (await this.#pump?.look((ticket) => this.#pump?.input.note(ticket, rows)));
          } catch (error) {
            if (this.#closing !== undefined || this.#opening?.done !== true) throw error;
            // A store that has failed reopens itself.
            await new Promise<void>((resolve) => void this.after(RELOAD_MS, resolve));
          }
        }
      },
    };
  }

  async release(type: string, key: string): Promise<boolean> {
    this.find(type, key);
    return this.working(async () => {
      const name = `${type}/${key}`;
      const was = (await this.#guard?.release(name)) ?? false;
      this.#loaded.get(name)?.guarded?.released();
      return was;
    });
  }

  held(name: string): PawlError | undefined {
    const held = this.#guard?.holds(name);
    return held === undefined ? undefined : say.quarantined(labelOf(held), name);
  }

  suspectsOf(name: string): ReadonlyMap<string, number> {
    return this.#guard?.suspectsOf(name) ?? new Map();
  }

  #opened(): void {
    this.#opening?.resolve();
    this.#watchForStalls();
    this.#pump?.release("wait");
    this.switchboard.opened();
    this.#pump?.input.resume();
    this.#pump?.schedule();
  }

  /** A store with a lease has others who take over when the event loop is stuck. */
  #watchForStalls(): void {
    const { store, stallLimit } = this.#options;
    if (!store.startsWith("postgres") || this.#pump?.isRealTime !== true) return;
    const limit = stallLimit === undefined ? STALL_MS : milliseconds(stallLimit, "stallLimit");
    const atWork = () => [...this.#loaded.values()].filter((it) => it.idleSince === undefined).map(({ name }) => name);
    this.#stopWatching = watchForStalls({ limit, atWork, log: this.log });
  }

  storeFailed(problem: Parameters<PumpListener["storeFailed"]>[0]): void {
    const failed = this.#opening;
    const pump = this.#pump;
    this.#opening = undefined;
    this.#resuming = undefined;
    this.#pump = undefined;
    this.#guard?.abandon();
    this.#guard = undefined;
    // A later use tries again, from the start.
    queueMicrotask(() => pump?.close("close"));
    failed?.reject(say.ofStore(problem));
  }

  wake(name: string): void {
    if (this.#closing !== undefined) return;
    const slash = name.indexOf("/");
    const type = name.slice(0, slash);
    if (this.#definitions.has(type)) {
      if (this.#resumed.has(name)) return;
      const resume = () => this.#resume(type, name.slice(slash + 1), RELOAD_MS);
      const looking = this.#guard?.looking;
      if (looking === undefined) return resume();
      this.#resumed.add(name);
      void looking.then(resume);
    } else if (!this.#strangers.has(type)) {
      this.#strangers.add(type);
      this.log.warn({ type }, `actors of type "${type}" have work, but this runtime does not know the type`);
    }
  }

  /** Loads an actor that has work. One that cannot be loaded is due again at once: it must not be tried again at once. */
  #resume(type: string, key: string, backoff: number): void {
    if (this.#closing !== undefined) return;
    const name = `${type}/${key}`;
    this.#resumed.add(name);
    const again = () => this.#resume(type, key, Math.min(backoff * 2, RELOAD_MAX_MS));
    this.#load(type, key)
      .wake()
      .then(
        () => this.#resumed.delete(name),
        (error: unknown) => {
          if (this.#closing !== undefined) return;
          // Another process was quicker: it is that one's now, and woken again if that one dies.
          if (error instanceof PawlError && error.code === "actor_owned") return void this.#resumed.delete(name);
          this.log.error(
            { actor: name, err: error },
            "an actor that has work could not be loaded; it is tried again later",
          );
          this.after(backoff, again);
        },
      );
  }

  after(ms: number, run: () => void): () => void {
    return (this.#hooks.after ?? afterRealTime)(ms, run);
  }

  turned(): void {
    this.#hooks.turned?.();
  }

  resumed(): void {
    this.#resuming?.resolve();
    this.#rollOut().catch((err: unknown) => {
      if (this.#closing === undefined)
        this.log.error({ err }, "schedules that have changed could not be planned for all actors; the next start does");
    });
  }

  async #rollOut(): Promise<void> {
    const { namespace = "default" } = this.#options;
    const { read, write } = this.#notes();
    const count = await rollOut({
      namespace,
      definitions: new Map([...this.#definitions].map(([type, { definition }]) => [type, definition])),
      notes: (prefix) => this.working(() => read(prefix)),
      note: (name, body) => this.working(() => write([[name, body]])),
      names: async (after, limit) => (await this.listed(after, limit)).map(({ name }) => name),
      load: async (type, key) => {
        try {
          await this.working(() => this.#load(type, key).wake());
        } catch (error) {
          // It is planned by whoever has it, or when it comes here.
          if (!(error instanceof PawlError && error.code === "actor_owned")) throw error;
        }
      },
    });
    if (count > 0) this.log.info({ actors: count }, "schedules have changed, and are planned anew");
  }

  resumeFailed(problem: Parameters<PumpListener["storeFailed"]>[0]): void {
    this.#resuming?.reject(say.ofStore(problem));
  }

  defect(error: unknown): void {
    this.log.error({ err: error }, "pawl: something went wrong that must not happen; please report it");
  }

  /** A call that is under way keeps the process alive, and `close` waits for it. */
  working<R>(run: () => Promise<R>): Promise<R> {
    return this.#held("work", run);
  }

  /** Someone who waits for a result keeps the process alive; `close` does not wait for it. */
  waiting<R>(run: () => Promise<R>): Promise<R> {
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

/** A type of actors. */
interface Defined {
  readonly actor: Actor;
  readonly definition: AnyDefinition;
  /** The keys of those of which it is known that their runs are parked. */
  readonly parked: Set<string>;
}

/** The file of a store, if it has one. */
function fileOf(store: string): string | undefined {
  return store.startsWith("sqlite:") ? store.slice("sqlite:".length) : undefined;
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
