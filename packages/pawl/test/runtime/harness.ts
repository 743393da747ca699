/**
 * Runtimes on real stores, for tests: made, crashed, opened again, and gone when the test is.
 *
 * Time is a value here, and nothing sleeps: a test waits for what it has caused.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, onTestFinished } from "vitest";
import type { Actor, Logger, RuntimeOptions } from "../../src/index.ts";
import { createRuntimeWith, type Hooks, internals } from "../../src/runtime.ts";

export type TestedRuntime<A extends readonly Actor[]> = ReturnType<typeof createRuntimeWith<A>>;
export type Kind = "memory" | "sqlite";

export const KINDS: readonly Kind[] = ["memory", "sqlite"];
/** 2023-11-14T22:13:20Z. */
const START_MS = 1_700_000_000_000;

let stores = 0;

/** A clock that stands until it is moved. */
export class Clock {
  now = START_MS;
  readonly #runtimes = new Set<TestedRuntime<readonly Actor[]>>();

  follow(runtime: TestedRuntime<readonly Actor[]>): void {
    this.#runtimes.add(runtime);
  }

  /** Moves on, and lets every runtime see what is due. */
  advance(ms: number): void {
    this.now += ms;
    for (const runtime of this.#runtimes) runtime[internals].pump?.schedule();
  }
}

/** One store, and the runtimes that have it one after another. */
export class World {
  readonly url: string;
  readonly clock: Clock = new Clock();
  readonly log: Log = new Log();
  readonly #file: string | undefined;

  constructor(kind: Kind) {
    stores += 1;
    this.#file = kind === "sqlite" ? join(temporaryFolder(), "store.db") : undefined;
    this.url = this.#file === undefined ? `memory:test-${stores}` : `sqlite:${this.#file}`;
  }

  /** A runtime on the store: on the clock of this world, with a log that is kept. It is crashed when the test is over. */
  open<const A extends readonly Actor[]>(
    actors: A,
    hooks: Hooks = {},
    options: Partial<RuntimeOptions<A>> = {},
  ): TestedRuntime<A> {
    const chosen = { actors, store: this.url, logger: this.log, ...options };
    const runtime = createRuntimeWith<A>(chosen, { now: () => this.clock.now, lockPatience: 1_000, ...hooks });
    this.clock.follow(runtime);
    onTestFinished(() => crash(runtime));
    return runtime;
  }

  /** What is on disk just now, as a store of its own. */
  copy(): string {
    const copied = join(temporaryFolder(), "copy.db");
    if (this.#file === undefined) throw new Error("a store in memory has no file to copy");
    for (const suffix of ["", "-wal"])
      if (existsSync(this.#file + suffix)) copyFileSync(this.#file + suffix, copied + suffix);
    return `sqlite:${copied}`;
  }
}

/** Ends a runtime as a killed process ends. */
export function crash(runtime: TestedRuntime<readonly Actor[]>): void {
  runtime[internals].crash();
}

/** How many batches a runtime has handed to its store; it must have been opened with `COUNTING`. */
export function batches(runtime: TestedRuntime<readonly Actor[]>): number {
  return runtime[internals].pump?.engine.batches ?? 0;
}

/** Whether the fault that a runtime was opened with has happened. */
export function struck(runtime: TestedRuntime<readonly Actor[]>): boolean {
  return runtime[internals].pump?.engine.struck === true;
}

export const COUNTING: Hooks = { fault: { kind: "refuse", at: 0 } };

/** Resolves when nothing is going on, and nothing follows from what went on last. */
export async function quiet(runtime: TestedRuntime<readonly Actor[]>): Promise<void> {
  const idle = async () => runtime[internals].pump?.idle();
  let still = false;
  while (!still) {
    await idle();
    await turn();
    still = await Promise.race([idle().then(() => true), turn().then(() => false)]);
  }
}

/** One turn of the event loop: every promise that can settle by itself has. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Several turns: for what must not happen. */
export async function turns(count = 10): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** Waits for a condition that something else is about to make true. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** A promise that is settled by hand. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  readonly open: (value: T) => void;
}

export function gate<T = void>(): Gate<T> {
  let open!: (value: T) => void;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

/** What has become of a promise so far. */
export interface Watched {
  readonly state: "pending" | "resolved" | "rejected";
  readonly value: unknown;
}

/** Looks at a promise without waiting for it, and takes its rejection. */
export function watch(promise: Promise<unknown>): Watched {
  const watched: { state: Watched["state"]; value: unknown } = { state: "pending", value: undefined };
  promise.then(
    (value) => Object.assign(watched, { state: "resolved", value }),
    (value: unknown) => Object.assign(watched, { state: "rejected", value }),
  );
  return watched;
}

/** A logger that keeps what it is told. */
export class Log implements Logger {
  readonly lines: { readonly level: keyof Logger; readonly fields: object; readonly message: string }[] = [];

  debug(fields: object, message: string): void {
    this.lines.push({ level: "debug", fields, message });
  }

  info(fields: object, message: string): void {
    this.lines.push({ level: "info", fields, message });
  }

  warn(fields: object, message: string): void {
    this.lines.push({ level: "warn", fields, message });
  }

  error(fields: object, message: string): void {
    this.lines.push({ level: "error", fields, message });
  }

  /** What was said at a level. */
  at(level: keyof Logger): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message);
  }
}

/** A folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "pawl-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** No test of the file that calls this may leave a rejection to nobody: it would end the process. */
export function everyRejectionIsTaken(): void {
  const found: unknown[] = [];
  const take = (reason: unknown) => found.push(reason);
  beforeAll(() => void process.on("unhandledRejection", take));
  afterAll(() => void process.off("unhandledRejection", take));
  afterEach(async () => {
    await turns(3);
    expect(found.splice(0), "rejections that nobody took").toEqual([]);
  });
}

/** Every rejection that nobody took since the call. */
export function unhandled(): unknown[] {
  const found: unknown[] = [];
  const take = (reason: unknown) => found.push(reason);
  process.on("unhandledRejection", take);
  onTestFinished(() => void process.off("unhandledRejection", take));
  return found;
}
