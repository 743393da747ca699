/**
 * The pump: the one place from which JavaScript calls the engine.
 *
 * Owns the buffers that cross, when to cross, and what keeps the process alive. One law: it is never re-entered. Inputs that
 * come while outputs are handed out go with the next turn.
 */

import { ofStore, runtimeClosed } from "./messages.ts";
import type { Engine, EngineOptions } from "./native/binding.d.ts";
import { native } from "./native/load.ts";
import {
  type ActorSink,
  type DriverCall,
  dispatch,
  type EngineSink,
  InputWriter,
  type Looked,
  type Said,
  type StoreProblem,
} from "./wire.ts";

/** The longest that `setTimeout` can wait. */
const LONGEST_TIMER_MS = 0x7fff_ffff;
/** The longest nap: a clock that has jumped meanwhile, or a machine that slept, is noticed after it at the latest. */
const LONGEST_NAP_MS = 60_000;
/** After so many turns in a row the event loop gets one: timers and sockets must not starve behind a busy workflow. */
const TURNS_IN_A_ROW = 256;
/** A workflow is only told of what has not crossed while less than this has to. */
const MOST_UNTOLD_BYTES = 64 * 1024;
/** As they are when this is loaded: a test that puts fake ones in their place must not stop the pump. */
const { setImmediate, setInterval, clearInterval } = globalThis;
const { nextTick } = process;
const RESOLVED = Promise.resolve();

/** Somebody who has asked for something of the store. */
interface Looker {
  readonly resolve: (found: Looked) => void;
  readonly reject: (error: unknown) => void;
}

/** What the pump tells the runtime. */
export interface PumpListener {
  ready(storeId: Uint8Array, url: string): void;
  storeFailed(problem: Parameters<EngineSink["storeFailed"]>[0]): void;
  wake(name: string): void;
  resumed(): void;
  resumeFailed(problem: Parameters<EngineSink["storeFailed"]>[0]): void;
  /** Something went wrong that must not happen; the pump goes on. */
  defect(error: unknown): void;
  /** A turn is over. */
  turned?(): void;
  /** Only of a store that several processes share. */
  called?(name: string, id: string, body: Uint8Array): void;
  replied?(...reply: Parameters<EngineSink["replied"]>): void;
  outcome?(...outcome: Parameters<EngineSink["outcome"]>): void;
  listened?(name: string, listens: boolean): void;
  event?(name: string, writer: string, body: Uint8Array): void;
  died?(processes: readonly string[]): void;
  lapsed?(): void;
  /** Only of a store whose actors embedding hosts keep. */
  load?(ticket: number, actor: string): void;
  write?(ticket: number, actor: string, calls: readonly DriverCall[], after: readonly DriverCall[]): void;
}

/** The time, and what may wake the pump when some of it has passed. */
export interface PumpClock {
  readonly now: () => number;
  /** False: the pump sets no timer. Whoever moves the clock calls `schedule`. */
  readonly wakes: boolean;
  /** Whether a timer that has fired is believed against the clock: embedding hosts' clocks may stand still. */
  readonly believesTimers?: boolean;
}

const REAL_CLOCK: PumpClock = { now: Date.now, wakes: true };

/** An actor as the pump knows it: outputs go in, and its oldest pin is asked for before a turn that settles something. */
export interface PumpedActor extends ActorSink {
  oldestPin(): number | undefined;
}

export class Pump implements EngineSink {
  /** Inputs for the next turn. Writing one must be followed by `schedule`. */
  readonly input: InputWriter = new InputWriter();
  readonly #engine: Engine;
  readonly #advance: Engine["advance"];
  readonly #listener: PumpListener;
  readonly #actors = new Map<number, PumpedActor>();
  /** Actors that settle something in the coming turn, with how many settle calls are queued. */
  readonly #settling = new Map<number, number>();
  readonly #now: () => number;
  readonly #believesTimers: boolean;
  /** The time that a timer has just fired for. */
  #believed = 0;
  readonly #wakes: boolean;
  #output: Uint8Array = Buffer.allocUnsafeSlow(16 * 1024);
  /** Whether a turn is about to come: in a microtask; after all of them. */
  #isSoon = false;
  #isLater = false;
  #isLaterQueued = false;
  #pulsing = false;
  /** Whether outputs are being handed out. */
  #isTelling = false;
  #turns = 0;
  /** How often the engine was called. */
  #crossings = 0;
  /** The latest time that the engine was told, or is about to be. */
  #latest = 0;
  /** Whether nobody can tell what has crossed from what is about to: the store is gone with this thread's runtime. */
  readonly #tellsFirst: boolean;
  /** What workflows are to be told of once the microtasks at hand are done, before it has crossed. */
  #untold: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #deadline = Number.NaN;
  #keepAlive: NodeJS.Timeout | undefined;
  #working = 0;
  /** How many of those are not waited for. */
  #overlooked = 0;
  #waiting = 0;
  #storePending = 0;
  #told = 0;
  #turnedAt = 0;
  #looks = 0;
  readonly #lookers = new Map<number, Looker>();
  #closed = false;
  readonly #idle: (() => void)[] = [];
  readonly #drained: (() => void)[] = [];

  constructor(options: EngineOptions, listener: PumpListener, clock: PumpClock = REAL_CLOCK) {
    this.#listener = listener;
    this.#now = clock.now;
    this.#wakes = clock.wakes;
    this.#believesTimers = clock.believesTimers === true;
    this.#tellsFirst = options.url === "memory:" && options.fault === undefined && clock.wakes;
    this.#engine = new (native().Engine)(options, () => this.#turnSafely());
    this.#advance = this.#engine.advance;
    this.schedule();
  }

  now(): number {
    return this.#now();
  }

  /** The time of the newest turn. */
  get turnedAt(): number {
    return this.#turnedAt;
  }

  /** What the store has done since it was opened; none once it is closed. */
  get counted(): { readonly commits: number; readonly transactions: number } | undefined {
    return this.#closed ? undefined : this.#engine.stats();
  }

  /** When the engine next wants to be called, as it said last; NaN: not by itself. For tests with a clock of their own. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Grows with everything that the engine says. A deadline that has passed and made it say nothing was not needed any more. */
  get told(): number {
    return this.#told;
  }

  /** Whether its clock goes by itself. */
  get isRealTime(): boolean {
    return this.#wakes;
  }

  /** For what is rare: reading state, keys, counters. */
  get engine(): Engine {
    return this.#engine;
  }

  /** Asks the engine for something of the store, which `write` puts into the input. */
  look(write: (ticket: number) => void): Promise<Looked> {
    return new Promise((resolve, reject) => {
      const ticket = ++this.#looks;
      this.#lookers.set(ticket, { resolve, reject });
      write(ticket);
      this.schedule();
    });
  }

  looked(ticket: number, found: Looked): void {
    this.#lookers.get(ticket)?.resolve(found);
    this.#lookers.delete(ticket);
  }

  lookFailed(ticket: number, problem: StoreProblem): void {
    this.#lookers.get(ticket)?.reject(ofStore(problem));
    this.#lookers.delete(ticket);
  }

  add(handle: number, actor: PumpedActor): void {
    this.#actors.set(handle, actor);
  }

  remove(handle: number): void {
    this.#actors.delete(handle);
  }

  actor(handle: number): PumpedActor | undefined {
    this.#told += 1;
    return this.#actors.get(handle);
  }

  /** Something was written: the engine hears of it in a microtask. */
  schedule(): void {
    if (this.#isSoon || this.#closed) return;
    this.#isSoon = true;
    // Not `queueMicrotask`: Node makes an async resource for each.
    if (this.#turns < TURNS_IN_A_ROW) void RESOLVED.then(this.#run);
    else setImmediate(this.#run);
  }

  /**
   * The same, once the microtasks at hand are done: a step and the end of its body cross together if it waits for nothing, and a
   * callback that has forgotten an `await` ends before what it forgot settles.
   */
  scheduleAfterMicrotasks(): void {
    if (this.#isSoon || this.#isLater || this.#closed) return;
    this.#isLater = true;
    this.#queueLater();
  }

  #queueLater(): void {
    if (this.#isLaterQueued) return;
    this.#isLaterQueued = true;
    if (this.#turns >= TURNS_IN_A_ROW) setImmediate(this.#runLater);
    // What a tick asks for comes before the microtasks that it has made.
    else if (this.#isTelling) void RESOLVED.then(this.#hop);
    else nextTick(this.#runLater);
  }

  /** How often the engine was called: what was written before is still to be read if this is the same. */
  get crossings(): number {
    return this.#crossings;
  }

  /** Whether a workflow may be told of a step before the engine is. */
  get mayTellFirst(): boolean {
    return this.#tellsFirst && this.#turns < TURNS_IN_A_ROW && this.input.out.length < MOST_UNTOLD_BYTES;
  }

  /** The time of a step that ends now: the engine gives it the same. */
  endsAt(): number {
    this.#latest = Math.max(this.#now(), this.#latest);
    return this.#latest;
  }

  /** Tells a workflow of a step when the engine would have, which is told of it with the next turn. */
  tellFirst(tell: () => void): void {
    this.#untold.push(tell);
    this.#isLater = true;
    this.#queueLater();
  }

  /** Notes a settle call that is about to be written; returns how many are queued before it for the same actor. */
  settling(handle: number): number {
    const before = this.#settling.get(handle) ?? 0;
    this.#settling.set(handle, before + 1);
    return before;
  }

  /** Keeps the process alive until `release`. `work`: a call or an attempt is under way; `wait`: someone waits for a result. */
  hold(why: "work" | "wait"): void {
    if (why === "work") this.#working += 1;
    else this.#waiting += 1;
    if (this.#working + this.#waiting === 1) this.#setAlive();
  }

  release(why: "work" | "wait"): void {
    if (why === "work") {
      this.#working -= 1;
      this.#overlooked = Math.min(this.#overlooked, this.#working);
    } else this.#waiting -= 1;
    if (this.#working + this.#waiting === 0) this.#setAlive();
    this.#tellIdle();
  }

  /** Whether a call or an attempt is under way that is not overlooked. */
  get isWorking(): boolean {
    return this.#working > this.#overlooked;
  }

  /** Whether anything is: that, the store, a turn that is about to come, or facts that wait for theirs. */
  get isBusy(): boolean {
    return this.isWorking || this.#storePending > 0 || this.#isSoon || this.#isLater || this.#pulsing;
  }

  /** What is under way now is not waited for any more: it waits for something else, perhaps for ever. */
  overlook(): void {
    this.#overlooked = this.#working;
    this.#tellIdle();
  }

  /** Resolves when no call and no attempt is under way, the store is doing nothing, and nothing waits to be told to it. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#tellIdle();
    });
  }

  /** Resolves when the store is doing nothing and nothing waits to be told to it, whatever bodies are running. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained.push(resolve);
      this.#tellIdle();
    });
  }

  /** Finishes what the store was given, and ends. */
  close(how: "close" | "abandon"): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#untold = [];
    clearTimeout(this.#timer);
    clearInterval(this.#keepAlive);
    this.#actors.clear();
    this.#engine[how]();
    const closed = runtimeClosed();
    for (const { reject } of this.#lookers.values()) reject(closed);
    this.#lookers.clear();
    for (const resolve of [...this.#idle.splice(0), ...this.#drained.splice(0)]) resolve();
  }

  ready(storeId: Uint8Array, url: string): void {
    this.#listener.ready(storeId, url);
  }

  storeFailed(problem: Parameters<EngineSink["storeFailed"]>[0]): void {
    this.#listener.storeFailed(problem);
  }

  wake(name: string): void {
    this.#told += 1;
    this.#listener.wake(name);
  }

  resumed(): void {
    this.#listener.resumed();
  }

  resumeFailed(problem: Parameters<EngineSink["storeFailed"]>[0]): void {
    this.#listener.resumeFailed(problem);
  }

  defect(error: unknown): void {
    this.#listener.defect(error);
  }

  called(name: string, id: string, body: Uint8Array): void {
    this.#told += 1;
    this.#listener.called?.(name, id, body);
  }

  replied(...reply: Parameters<EngineSink["replied"]>): void {
    this.#told += 1;
    this.#listener.replied?.(...reply);
  }

  outcome(...outcome: Parameters<EngineSink["outcome"]>): void {
    this.#told += 1;
    this.#listener.outcome?.(...outcome);
  }

  died(processes: readonly string[]): void {
    this.#told += 1;
    this.#listener.died?.(processes);
  }

  lapsed(): void {
    this.#told += 1;
    this.#listener.lapsed?.();
  }

  listened(name: string, listens: boolean): void {
    this.#listener.listened?.(name, listens);
  }

  event(name: string, writer: string, body: Uint8Array): void {
    this.#told += 1;
    this.#listener.event?.(name, writer, body);
  }

  load(ticket: number, actor: string): void {
    this.#listener.load?.(ticket, actor);
  }

  write(ticket: number, actor: string, calls: readonly DriverCall[], after: readonly DriverCall[]): void {
    this.#listener.write?.(ticket, actor, calls, after);
  }

  readonly #hop = (): void => nextTick(this.#runLater);

  readonly #runLater = (): void => {
    this.#isLaterQueued = false;
    if (this.#untold.length > 0) return this.#tellUntold();
    // What was to come sooner has taken it along, or will.
    if (this.#isLater && !this.#isSoon) this.#run();
  };

  #tellUntold(): void {
    const untold = this.#untold;
    this.#untold = [];
    this.noteTurn(untold.length);
    for (const tell of untold) tell();
    // What the workflows do next may go along.
    this.#isLaterQueued = true;
    void RESOLVED.then(this.#hop);
  }

  readonly #run = (): void => {
    this.#isSoon = false;
    this.#isLater = false;
    this.#turnSafely();
  };

  /** The engine's wake callback and timers come here from the event loop: a throw would end the process. */
  #turnSafely(): void {
    if (this.#closed) return;
    try {
      this.#turn();
    } catch (error) {
      this.#listener.defect(error);
    }
    this.#listener.turned?.();
  }

  #turn(): void {
    this.noteTurn();
    const { out } = this.input;
    if (this.#settling.size > 0) this.#writePins();
    const now = Math.max(this.#now(), this.#believed);
    this.#latest = Math.max(this.#latest, now);
    this.#crossings += 1;
    this.#believed = 0;
    this.#turnedAt = now;
    let length: number;
    try {
      length = this.#advance(now, out.memory, out.length, this.#output);
    } finally {
      // What the engine could not read, it cannot read the next time, either.
      out.clear();
    }
    if (length > this.#output.length) {
      this.#output = Buffer.allocUnsafeSlow(length * 2);
      this.#engine.output(this.#output);
    }
    const { next, pending, pulse } = this.#tell(length);
    if (pulse) this.#wantPulse();
    this.#deadline = next;
    this.#noteStore(pending);
    this.#arm(next, now);
  }

  #tell(length: number): Said {
    this.#isTelling = true;
    try {
      return dispatch(this.#output, length, this);
    } finally {
      this.#isTelling = false;
    }
  }

  /** Facts of callbacks that run side by side are released one per turn of the event loop. */
  #wantPulse(): void {
    if (this.#pulsing) return;
    this.#pulsing = true;
    setImmediate(this.#pulse);
  }

  readonly #pulse = (): void => {
    this.#pulsing = false;
    if (this.#closed) return;
    this.input.pulse();
    this.#turnSafely();
  };

  #writePins(): void {
    for (const handle of this.#settling.keys()) this.input.pins(handle, this.#actors.get(handle)?.oldestPin());
    this.#settling.clear();
  }

  /** One more turn in a row, or so many things that take as long. */
  noteTurn(count: number = 1): void {
    if (this.#turns === 0) setImmediate(this.#forgetTurns);
    this.#turns += count;
  }

  readonly #forgetTurns = (): void => {
    this.#turns = 0;
  };

  #noteStore(pending: number): void {
    const busy = pending > 0;
    if (busy !== this.#storePending > 0) {
      this.#storePending = pending;
      this.#setAlive();
    }
    this.#storePending = pending;
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#storePending > 0 || this.#isSoon || this.#isLater) return;
    if (this.#drained.length > 0) for (const resolve of this.#drained.splice(0)) resolve();
    if (!this.isWorking && this.#idle.length > 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** A timer that is early is harmless: the engine says again when it wants to be called. */
  #arm(next: number, began: number): void {
    if (Number.isNaN(next) || !this.#wakes) return;
    // One that is overdue by the clock has slept through a jump of it.
    if (next >= this.#timerAt && this.#timerAt > began) return;
    clearTimeout(this.#timer);
    this.#timerAt = next;
    const wait = Math.min(Math.max(next - this.#now(), 0), LONGEST_NAP_MS);
    const isWhole = wait < LONGEST_NAP_MS;
    this.#timer = setTimeout(() => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      if (this.#believesTimers && isWhole) this.#believed = next;
      this.#turnSafely();
    }, wait);
    this.#timer.unref();
  }

  #setAlive(): void {
    if (this.#closed) return;
    const alive = this.#working + this.#waiting + this.#storePending > 0;
    if (alive) this.#keepAlive = (this.#keepAlive ?? setInterval(() => {}, LONGEST_TIMER_MS)).ref();
    else this.#keepAlive?.unref();
  }
}
