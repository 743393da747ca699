/**
 * A store in memory, a clock, and the processes that have the store one after another.
 *
 * Owns time and death. One law: time moves only when nothing happens any more at the present one, and only on demand.
 */
import { PawlError } from "../errors.ts";
import { runtimeClosed } from "../messages.ts";
import { Events } from "../runtime/events.ts";
import { createRuntimeWith, type Hooks, internals, type LocalRuntime } from "../runtime.ts";
import { moment, realNow, turn, VirtualClock } from "./clock.ts";
import { keepingLogger, type LogLine } from "./log.ts";
import type { Settings } from "./options.ts";
import { Stage } from "./stage.ts";

type Fault = NonNullable<Hooks["fault"]>;

/** One process: from its start to its death. */
interface Life {
  readonly local: LocalRuntime;
  readonly fault: Fault | undefined;
  /** Rejects with `runtime_closed` when the process dies. */
  readonly death: Promise<never>;
  readonly die: () => void;
  opening: Promise<void> | undefined;
  isOpening: boolean;
  /** Whether its fault has struck. */
  isDying: boolean;
}

/** So often nothing must have happened in a row before the world is at rest. */
const RESTS = 4;
/** Turns of the event loop before a body is thought to wait for the real world. */
const SPINS = 20;

let worlds = 0;

export class World {
  readonly clock: VirtualClock;
  readonly stage: Stage;
  readonly logs: LogLine[] = [];
  readonly #settings: Settings;
  readonly #store: string;
  #life: Life;
  readonly #events = new Events();
  #lives = 0;
  /** Grows with everything that happens. */
  #progress = 0;
  #batchesOfTheDead = 0;
  #struck = false;
  #isStarted = false;
  #isClosed = false;

  /** Opens nothing yet. `fault` strikes the first process. */
  constructor(settings: Settings, fault?: Fault) {
    worlds += 1;
    this.#settings = settings;
    this.#store = `memory:pawl/testing-${worlds}`;
    this.clock = new VirtualClock(settings.now);
    this.stage = new Stage(settings);
    this.#life = this.#born(fault);
  }

  /** The process that is alive. */
  get local(): LocalRuntime {
    return this.#life.local;
  }

  /** How many batches all processes together have given to the store; they are counted if a fault was asked for. */
  get batches(): number {
    return this.#batchesOfTheDead + (this.local.pump?.engine.batches ?? 0);
  }

  /** Whether a batch that was to be lost has been lost. */
  get struck(): boolean {
    return this.#struck;
  }

  #born(fault: Fault | undefined): Life {
    const { actors, seed, logger } = this.#settings;
    // What is drawn in one life must not be drawn again in the next.
    const drawn = seed + this.#lives * 2 ** 32;
    this.#lives += 1;
    this.#progress += 1;
    const options = { actors, store: this.#store, logger: keepingLogger((line) => this.#hear(line), logger) };
    const local = createRuntimeWith(options, this.#hooks(drawn, fault))[internals];
    let die: () => void = () => {};
    const death = new Promise<never>((_, reject) => {
      die = () => reject(runtimeClosed());
    });
    death.catch(() => {});
    return { local, fault, death, die, opening: undefined, isOpening: false, isDying: false };
  }

  #hear(line: LogLine): void {
    this.logs.push(line);
    this.stage.hear(line);
  }

  #hooks(seed: number, fault: Fault | undefined): Hooks {
    return {
      now: () => this.clock.now,
      after: (ms, run) => this.clock.after(ms, run),
      define: (type, definition) => this.stage.define(type, definition),
      turned: () => this.#turned(),
      events: this.#events,
      seed,
      ...(fault === undefined ? {} : { fault }),
    };
  }

  #turned(): void {
    this.#progress += 1;
    const life = this.#life;
    const { fault, local } = life;
    if (life.isDying || fault === undefined || fault.at === 0 || local.pump?.engine.struck !== true) return;
    life.isDying = true;
    this.#struck = true;
    // What was durable before that batch was lost has been said: whoever hears of it does before the process is gone.
    void turn().then(() => {
      if (this.#life !== life) return;
      if (!this.#isClosed) void this.crash(undefined);
      // It dies while it is being closed, of what it writes down last.
      else life.local.crash();
    });
  }

  /** Opens the store, and resumes what has work. */
  open(): Promise<void> {
    const life = this.#life;
    if (this.#isClosed) return Promise.reject(runtimeClosed());
    if (life.opening === undefined) {
      life.isOpening = true;
      life.opening = (this.#isStarted ? life.local.start() : life.local.open()).finally(() => {
        life.isOpening = false;
      });
      life.opening.catch(() => {});
    }
    return Promise.race([life.opening, life.death]);
  }

  /** From now on every process is kept alive until `close`. */
  async start(): Promise<void> {
    this.#isStarted = true;
    await this.open();
    await this.local.start();
  }

  async close(grace: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const step of this.stage.unused())
      this.logs.push({
        level: "warn",
        fields: { step },
        message: `no run has come to step ${step}, which is replaced`,
      });
    if (grace === 0) this.local.pump?.overlook();
    await this.local.close({ grace });
    this.#life.die();
  }

  /** The process dies, and another one has the store; `fault` strikes that, or what was to strike the dead one. Resolves when it is open. */
  async crash(fault: Fault | undefined): Promise<void> {
    if (this.#isClosed) throw runtimeClosed();
    const dead = this.#life;
    const batches = dead.local.pump?.engine.batches ?? 0;
    this.#batchesOfTheDead += batches;
    this.clock.clear();
    this.stage.clear();
    this.#life = this.#born(fault ?? inherited(dead.fault, batches));
    dead.local.crash();
    dead.die();
    await this.open();
  }

  /**
   * Does something in the process that is alive. If the process dies meanwhile, it is done again in the next one: callers
   * are outside of the process, and try again.
   */
  async outliving<R>(act: (local: LocalRuntime) => Promise<R>): Promise<R> {
    for (;;) {
      const life = this.#life;
      try {
        this.open().catch(() => {});
        // In the same breath as the call, which takes its arguments as they are now.
        return await Promise.race([act(life.local), life.death]);
      } catch (error) {
        if (this.#isClosed || life === this.#life || !isRuntimeClosed(error)) throw error;
      }
    }
  }

  /** Resolves when nothing happens any more, or what happens waits for the real world longer than there is patience. */
  async idle(): Promise<void> {
    let seen = -1;
    let since = realNow();
    for (let still = 0, spins = 0; still < RESTS; spins++) {
      await (spins < SPINS ? turn() : moment());
      if (seen !== this.#progress) {
        seen = this.#progress;
        since = realNow();
        spins = 0;
      }
      still = this.#isAtWork(realNow() - since) ? 0 : still + 1;
    }
  }

  /** Whether something happens. After so much patience, bodies that are at work do not count. */
  #isAtWork(waitedMs: number): boolean {
    const { local, isOpening, isDying } = this.#life;
    const { pump } = local;
    if (this.#isClosed || pump === undefined) return isOpening && !this.#isClosed;
    if (pump.deadline <= this.clock.now) pump.schedule();
    if (pump.isWorking && waitedMs > this.#settings.patience) pump.overlook();
    return isOpening || isDying || pump.isBusy || pump.deadline <= this.clock.now;
  }

  /** When something wants to happen next, by the clock; `undefined`: nothing will, by itself. */
  get alarm(): number | undefined {
    const deadline = this.local.pump?.deadline ?? Number.NaN;
    const next = Math.min(Number.isNaN(deadline) ? Number.POSITIVE_INFINITY : deadline, this.clock.next);
    return next === Number.POSITIVE_INFINITY ? undefined : Math.max(next, this.clock.now);
  }

  /**
   * Moves the clock, and lets everything settle. Resolves to whether anything was due: the engine notes when it may have to be
   * called, such as at the timeout of a step, and keeps the note when the step has ended.
   */
  async passTo(time: number): Promise<boolean> {
    const { local } = this;
    const told = local.pump?.told;
    const timers = this.clock.moveTo(time);
    local.pump?.schedule();
    await this.idle();
    return timers > 0 || local !== this.local || told !== local.pump?.told;
  }
}

/** What is left of a process's fault after so many batches. Once it has struck, or if it never would, they are only counted. */
function inherited(fault: Fault | undefined, batches: number): Fault | undefined {
  return fault && { ...fault, at: Math.max(fault.at - batches, 0) };
}

function isRuntimeClosed(error: unknown): boolean {
  return error instanceof PawlError && error.code === "runtime_closed";
}
