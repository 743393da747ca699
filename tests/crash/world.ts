/**
 * A world for one program: a store, a clock, a driver, and a process that may die at any batch and is started again.
 *
 * The driver is outside of the process: it remembers what it has been told, plays its scenario again from the start after
 * each death, and repeats a call whose answer it never got only after it has looked whether the call has happened.
 */
import { inspect } from "node:util";
import { PawlError } from "../../packages/pawl/src/errors.ts";
import type { Inspection } from "../../packages/pawl/src/inspection.ts";
import { createRuntimeWith, type Handle, internals, type LocalRuntime } from "../../packages/pawl/src/runtime.ts";
import type { Actor } from "../../packages/pawl/src/types.ts";
import { type Dump, dump } from "./dump.ts";
import { Watch } from "./watch.ts";

/** What a playing of a scenario came to. */
export interface Played {
  /** How many batches each life gave to the store. */
  readonly batches: readonly number[];
  /** How many of the faults struck. */
  readonly struck: number;
}

/** How a batch is lost. The first two kill the process; the runtime recovers from the others by itself. */
export const DEATHS = ["lose_before", "lose_after"] as const;
export const MISHAPS = ["unknown_written", "unknown_not_written", "refuse"] as const;
export interface Fault {
  readonly kind: (typeof DEATHS)[number] | (typeof MISHAPS)[number];
  /** The number of the batch, from 1, counted anew in each life. */
  readonly at: number;
}

/** An actor, and what is done to it from outside. */
export interface Program {
  readonly name: string;
  /** Whether one thing happens after another: nothing else runs while a batch is written. */
  readonly sequential?: boolean;
  readonly make: (watch: Watch) => Play;
}

export interface Play {
  /** The actor's definition; later versions of its code follow. */
  readonly versions: readonly [Actor, ...Actor[]];
  readonly scenario: (t: Driver) => Promise<void>;
}

/** What a scenario can do. */
export interface Driver {
  readonly watch: Watch;
  /** Of the code that is deployed. */
  readonly version: number;
  /** Makes the actor. */
  create(input?: unknown): Promise<void>;
  /**
   * Makes a call until it is answered, across deaths. One that the runtime says has not happened is made again; one whose
   * answer died with the process only if `happened` says that it has not. Without `happened`, repeating it must do no harm.
   */
  once(name: string, call: () => Promise<unknown>, happened?: () => Promise<boolean>): Promise<void>;
  /** Sends a message whose body holds a text `mark` that nothing else holds. */
  send(name: string, body: { readonly mark: string } & Record<string, unknown>): Promise<void>;
  /** Waits until nothing happens any more at this time, in milliseconds from the start; earlier times are past already. */
  at(ms: number): Promise<void>;
  /** Waits for the workflow to end, well or badly; the clock jumps from deadline to deadline. */
  end(): Promise<void>;
  /** Ends the process in order, and starts one with a later version of the code; versions count from 0. */
  deploy(version: number): Promise<void>;
  /** The actor in the process that is alive now. */
  handle<D extends Actor>(actor: D): Handle<D>;
  /** Whether a text occurs anywhere in what is recorded of the actor. */
  records(text: string): Promise<boolean>;
}

const KEY = "one";
const START = Date.UTC(2000, 0, 1);
/** So often nothing must have happened in a row before the world is at rest. */
const RESTS = 4;
const MAX_LIVES = 20;

/** Ends the playing of a scenario whose process is gone: dead, or replaced by one with other code. */
class Gone extends Error {}

export class World {
  readonly watch: Watch = new Watch();
  readonly #play: Play;
  readonly #store: string;
  readonly #answered = new Set<string>();
  readonly #begun = new Set<string>();
  #now = START;
  #version = 0;

  constructor(program: Program, store: string) {
    this.#play = program.make(this.watch);
    this.#store = store;
  }

  /** Plays the scenario to its end; `faults[i]` strikes in life i. */
  async play(faults: readonly (Fault | undefined)[] = []): Promise<Played> {
    const played = { batches: [] as number[], struck: 0 };
    for (let life = 0; life < MAX_LIVES; life++) {
      const lived = new Life(this, faults[life]);
      const ended = await lived.live();
      played.batches.push(lived.batches);
      if (lived.struck) played.struck += 1;
      if (ended) return played;
    }
    throw new Error(`the scenario has not ended after ${MAX_LIVES} lives`);
  }

  /** What is stored, read by a new process, which must find nothing to do. */
  async stored(): Promise<Dump> {
    const life = new Life(this, undefined);
    const inspection = await life.inspect();
    await life.close();
    if (life.batches > 0) throw new Error(`a finished actor was opened, and ${life.batches} batches were written`);
    return dump(inspection);
  }

  get scenario(): Play["scenario"] {
    return this.#play.scenario;
  }

  get now(): number {
    return this.#now;
  }

  get version(): number {
    return this.#version;
  }

  get actor(): Actor {
    return this.#play.versions[this.#version] ?? this.#play.versions[0];
  }

  /** Code stays deployed, whoever dies. */
  deploy(version: number): boolean {
    if (this.#version >= version) return false;
    this.#version = version;
    return true;
  }

  open(fault: Fault | undefined): LocalRuntime {
    const options = { actors: [this.actor], store: this.#store, logger: SILENT };
    // A fault at batch 0 never strikes: the batches are counted.
    return createRuntimeWith(options, { now: () => this.#now, seed: 1, fault: fault ?? { kind: "refuse", at: 0 } })[
      internals
    ];
  }

  passTo(time: number): void {
    this.#now = Math.max(this.#now, time);
  }

  /** Notes that a call is made. True if it was made before, and nobody knows what became of it. */
  begin(call: string): boolean {
    if (this.#begun.has(call)) return true;
    this.#begun.add(call);
    return false;
  }

  /** The runtime says so: it may be made again without a look. */
  hasNotHappened(call: string): void {
    this.#begun.delete(call);
  }

  answered(call: string): void {
    this.#answered.add(call);
  }

  isAnswered(call: string): boolean {
    return this.#answered.has(call);
  }
}

/** One process: from its start to its death, to the next deployment, or to the end of the scenario. */
class Life implements Driver {
  readonly #world: World;
  readonly #runtime: LocalRuntime;
  readonly #mayDie: boolean;
  #gone = false;
  #ended = false;

  constructor(world: World, fault: Fault | undefined) {
    this.#world = world;
    this.#runtime = world.open(fault);
    this.#mayDie = DEATHS.some((kind) => kind === fault?.kind);
  }

  get batches(): number {
    return this.#runtime.pump?.engine.batches ?? 0;
  }

  get struck(): boolean {
    return this.#runtime.pump?.engine.struck === true;
  }

  get watch(): Watch {
    return this.#world.watch;
  }

  get version(): number {
    return this.#world.version;
  }

  /** True if the scenario has ended; false if another process has to go on. */
  async live(): Promise<boolean> {
    const playing = this.#play().catch((error: unknown) => {
      if (this.#gone || error instanceof Gone) return;
      this.#die();
      throw error;
    });
    await Promise.race([playing, this.#untilStruck()]);
    if (!this.#ended) this.#die();
    await playing;
    return this.#ended;
  }

  async #play(): Promise<void> {
    await this.#runtime.start();
    await this.#world.scenario(this);
    await this.close();
    this.#mustLive();
    this.#ended = true;
  }

  #die(): void {
    this.#gone = true;
    this.#runtime.crash();
  }

  async #untilStruck(): Promise<void> {
    if (!this.#mayDie) return new Promise(() => {});
    while (!this.struck && !this.#gone && !this.#ended) await immediate();
  }

  #mustLive(): void {
    if (this.#gone || (this.#mayDie && this.struck)) throw new Gone();
  }

  async create(input?: unknown): Promise<void> {
    await this.once("create", () => this.#runtime.create(this.#world.actor, KEY, input));
  }

  async once(name: string, call: () => Promise<unknown>, happened?: () => Promise<boolean>): Promise<void> {
    while (!this.#world.isAnswered(name)) {
      const inDoubt = this.#world.begin(name) && happened !== undefined;
      if (inDoubt && (await this.#alive(happened))) return;
      await this.#alive(call).then(
        () => this.#world.answered(name),
        (error: unknown) => {
          this.#mustLive();
          if (!hasNotHappened(error)) throw error;
          this.#world.hasNotHappened(name);
        },
      );
      this.#mustLive();
    }
  }

  async #alive<R>(call: () => Promise<R>): Promise<R> {
    this.#mustLive();
    return call();
  }

  async send(name: string, body: { readonly mark: string } & Record<string, unknown>): Promise<void> {
    const send = () => (this.handle(this.#world.actor).send as Send)(name, body);
    await this.once(`send ${body.mark}`, send, () => this.records(body.mark));
  }

  async records(text: string): Promise<boolean> {
    return inspect(await this.inspect(), SHOWN_WHOLE).includes(text);
  }

  async at(ms: number): Promise<void> {
    await this.#rest();
    this.#passTo(START + ms);
    await this.#rest();
  }

  async end(): Promise<void> {
    let ended = false;
    const result = this.handle(this.#world.actor)
      .result()
      .catch((error: unknown) => {
        this.#mustLive();
        if (!(error instanceof PawlError && ENDINGS.has(error.code))) throw error;
      })
      .finally(() => {
        ended = true;
      });
    const jump = async () => {
      while (!ended) {
        await this.#rest();
        if (ended) return;
        const deadline = this.#deadline;
        if (Number.isNaN(deadline)) throw new Error("the workflow waits for something that never comes");
        this.#passTo(deadline);
      }
    };
    await Promise.all([result, jump()]);
  }

  async deploy(version: number): Promise<void> {
    if (!this.#world.deploy(version)) return;
    await this.close();
    this.#mustLive();
    this.#gone = true;
    throw new Gone();
  }

  handle<D extends Actor>(_actor: D): Handle<D> {
    return this.#runtime.handle(this.#world.actor, KEY, {}) as unknown as Handle<D>;
  }

  inspect(): Promise<Inspection> {
    return this.#runtime.inspect(this.#world.actor, KEY);
  }

  async close(): Promise<void> {
    await this.#rest();
    await this.#runtime.close();
  }

  #passTo(time: number): void {
    this.#world.passTo(time);
    this.#runtime.pump?.schedule();
  }

  /** Waits until nothing happens any more: no body runs on, and the store has nothing to do. */
  async #rest(): Promise<void> {
    const seen = () => `${this.batches} ${this.watch.progress} ${this.#deadline} ${this.#runtime.pump?.told}`;
    for (let still = 0, before = ""; still < RESTS; still = seen() === before ? still + 1 : 0) {
      this.#mustLive();
      before = seen();
      if (this.#deadline <= this.#world.now) this.#runtime.pump?.schedule();
      await this.#runtime.pump?.drained();
      await immediate();
    }
    this.#mustLive();
  }

  get #deadline(): number {
    return this.#runtime.pump?.deadline ?? Number.NaN;
  }
}

type Send = (name: string, body: unknown) => Promise<void>;

/** With what `result()` rejects when a run has ended. */
const ENDINGS: ReadonlySet<string> = new Set(["workflow_failed", "cancelled"]);
const SHOWN_WHOLE = { depth: null, maxArrayLength: null, maxStringLength: null } as const;
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

function hasNotHappened(error: unknown): boolean {
  return error instanceof PawlError && error.retryable && error.outcome === "no";
}

function immediate(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
