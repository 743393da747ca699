/** What the tests of an engine share: a frozen clock, a workflow that is run again and again on one host, and the two kinds of test. */
import type { RunWorkflowOptions, WorkflowFunction, WorkflowHandle, WorkflowResult } from "@rivetkit/workflow-engine";
import { afterEach, beforeEach, describe, test, vi } from "vitest";
import { type Engine, engines } from "./engines.ts";
import { Host, HostDriver } from "./host.ts";

export type { WorkflowContextInterface as Ctx } from "@rivetkit/workflow-engine";
export { type Engine, engines } from "./engines.ts";
export { type Call, entriesUnder, Host, HostDriver, hex } from "./host.ts";

/** Where the frozen clock starts: milliseconds since the epoch. */
export const START = 1_700_000_000_000;

/** A workflow on a host of its own: the engine is asked again whenever the test says so. */
export class Case {
  readonly engine: Engine;
  readonly host: Host = new Host();
  /** The driver of the newest run; replaced by `restart`. */
  driver: HostDriver = new HostDriver(this.host);

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** Starts a run and gives its handle. */
  start<I, O>(workflow: WorkflowFunction<I, O>, options?: RunWorkflowOptions, input?: I): WorkflowHandle<O> {
    return this.engine.runWorkflow<I, O>("workflow", workflow, input as I, this.driver, options);
  }

  /** Runs once, to the end or to a wait, and gives the result; rejects as the run does. */
  run<O>(workflow: WorkflowFunction<undefined, O>, options?: RunWorkflowOptions): Promise<WorkflowResult<O>> {
    return this.start<undefined, O>(workflow, options).result;
  }

  /** Runs until the workflow completes, passing time up to every alarm; rejects if it waits for messages only. */
  async finish<O>(workflow: WorkflowFunction<undefined, O>, options?: RunWorkflowOptions): Promise<O | undefined> {
    for (let runs = 0; runs < 50; runs += 1) {
      const result = await this.run(workflow, options);
      if (result.state === "completed") return result.output;
      if (result.sleepUntil === undefined) throw new Error(`the run ended ${result.state} and has no alarm`);
      passUntil(result.sleepUntil);
    }
    throw new Error("the workflow did not complete in 50 runs");
  }

  /** A new driver on the same host, without the faults of the last one. */
  restart(): void {
    this.driver = new HostDriver(this.host, { atomicBatch: this.driver.atomicBatch });
  }
}

/**
 * Lets the process die at its first driver call, its second, and so on, until it gets to its end; after each death `check` sees what is left, on a
 * driver of the next process. `live` is what the process does, and may take any number of runs.
 */
export async function dieAtEveryCall(
  begin: () => Promise<Case>,
  live: (the: Case) => Promise<unknown>,
  check: (the: Case) => Promise<void>,
): Promise<void> {
  for (let survived = 0; survived < 500; survived += 1) {
    const the = await begin();
    const died = gate<"died">();
    let calls = 0;
    the.driver.before = () => {
      calls += 1;
      if (calls <= survived) return;
      died.open("died");
      return new Promise<never>(() => {});
    };
    const ended = live(the).then(
      () => "ended" as const,
      () => "ended" as const,
    );
    const how = await Promise.race([died.opened, ended]);
    the.restart();
    await check(the);
    if (how === "ended") return;
  }
  throw new Error("the process did not get to its end in 500 driver calls");
}

/** Lets `ms` pass on the frozen clock. */
export function pass(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

/** Lets time pass up to `at`, in milliseconds since the epoch; it never goes back. */
export function passUntil(at: number): void {
  vi.setSystemTime(Math.max(at, Date.now()));
}

/** Waits, on the real clock, until `reached` says so; rejects after `limit` milliseconds. */
export async function until(reached: () => boolean, limit = 2000): Promise<void> {
  const deadline = performance.now() + limit;
  while (!reached()) {
    if (performance.now() > deadline) throw new Error(`what the test waits for did not happen within ${limit} ms`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The error that `promise` rejects with; throws if it does not. */
export async function rejection(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome && outcome.error instanceof Error) return outcome.error as Error & Record<string, unknown>;
  throw new Error(`expected a rejection, got ${JSON.stringify(outcome)}`);
}

/** A promise and its way to be settled. */
export function gate<T = void>(): { readonly opened: Promise<T>; open(value: T): void } {
  let open: (value: T) => void = () => {};
  const opened = new Promise<T>((resolve) => (open = resolve));
  return { opened, open: (value) => open(value) };
}

/** Declares `declare`'s tests once for each engine, on a clock frozen at `START`. */
export function forEachEngine(title: string, declare: (engine: Engine) => void): void {
  for (const engine of engines) {
    describe(`${engine.name}: ${title}`, () => {
      freezeTheClock();
      declare(engine);
    });
  }
}

/**
 * Declares a test that an engine with the defect fails: on the peer, which has it, the test must fail, which proves that it can. `fixed` names the
 * sentences that the pinned version of the peer passes all the same.
 */
export function defects(
  title: string,
  declare: (free: (sentence: string, body: (the: Case) => Promise<void>) => void) => void,
  fixed: readonly string[] = [],
): void {
  forEachEngine(title, (engine) => {
    declare((sentence, body) => {
      const run =
        engine.name === "peer" && !fixed.includes(sentence) && process.env["SHOW"] !== "1" ? test.fails : test;
      run(sentence, () => body(new Case(engine)), 5_000);
    });
  });
}

function freezeTheClock(): void {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: START }));
  afterEach(() => void vi.useRealTimers());
}
