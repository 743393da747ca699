/** Actors with one workflow each, on a store in memory, whose code can be exchanged at a crash. */
import { expect } from "vitest";
import {
  actor,
  ask,
  type Bag,
  type ErrorEvent,
  type PawlError,
  type StepPolicy,
  type,
  type WorkflowContext,
} from "../../src/index.ts";
import { crashEverywhere, createTestRuntime, type TestRuntime } from "../../src/testing/index.ts";

export const messages = {
  go: type<string>(),
  on: type<string>(),
  question: ask(type<string>(), type<{ answer: string }>()),
};

/** Bodies wait for gates, and for nothing else of the real world. */
const PATIENCE_MS = 40;

export interface Notes {
  notes: string[];
}

export type JobTypes = Bag<void, void, Notes, undefined, typeof messages>;
export type Ctx = WorkflowContext<JobTypes>;
export type Flow = (ctx: Ctx) => Promise<unknown>;

interface JobOptions {
  readonly steps?: StepPolicy;
  readonly failed?: (event: ErrorEvent) => void;
}

/** An actor of type "job" whose state is a list of notes. */
export function job(flow: Flow, { steps = {}, failed }: JobOptions = {}) {
  return actor("job", {
    messages,
    state: (): Notes => ({ notes: [] }),
    actions: {
      note: (c, text: string) => {
        c.state.notes.push(text);
      },
      notes: (c) => [...c.state.notes],
    },
    workflow: (ctx) => flow(ctx),
    onError: (_c, event) => failed?.(event),
    steps,
  });
}

export type Job = ReturnType<typeof job>;

/** A runtime with one actor of type "job", whose code is `code.flow` from the next load on. */
export function playing(flow: Flow, options: JobOptions = {}) {
  const code = { flow };
  const definition = job((ctx) => code.flow(ctx), options);
  const t = createTestRuntime({ actors: [definition], patience: PATIENCE_MS });
  return { t, code, job: definition, handle: t.get(definition, "1") };
}

/** What a workflow comes to. */
export function resultOf(flow: Flow, options: JobOptions = {}): Promise<unknown> {
  return playing(flow, options).handle.result();
}

/** The error with which a promise rejects. */
export async function rejection(promise: Promise<unknown>): Promise<PawlError> {
  const error = await promise.then(
    (value) => expect.fail(`it resolved to ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  return error as PawlError;
}

/** The error that a workflow's function itself ended with, as its caller sees it. */
export async function failureOf(promise: Promise<unknown>): Promise<PawlError> {
  const error = await rejection(promise);
  expect(error.code, error.message).toBe("workflow_failed");
  return error.cause as PawlError;
}

/** All that can be seen of an error, for comparing the one of a first run with that of a replay. */
export function seenOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, cause } = error;
  return { class: error.constructor.name, name, message, fields: { ...error }, cause: seenOf(cause) };
}

/** Gates by name, which bodies wait at. */
export class Gates {
  readonly #gates = new Map<string, { promise: Promise<void>; open: () => void }>();

  pass(name: string): Promise<void> {
    return this.#gate(name).promise;
  }

  open(...names: readonly string[]): void {
    for (const name of names) this.#gate(name).open();
  }

  #gate(name: string): { promise: Promise<void>; open: () => void } {
    const known = this.#gates.get(name);
    if (known !== undefined) return known;
    let open = () => {};
    const promise = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#gates.set(name, { promise, open });
    return { promise, open };
  }
}

/** Plays until the run waits for message "go" (in its last line), crashes, and lets the replay come there, too. */
export async function replayed(t: TestRuntime<readonly [Job]>): Promise<void> {
  await t.until("job", "1", { message: "go" });
  await t.crash();
  await t.until("job", "1", { message: "go" });
}

/** Plays a scenario with each of its batches lost in turn. `make` gives the code, anew for each playing; the actor exists. */
export async function crashing(
  make: () => Flow,
  scenario: (t: TestRuntime<readonly [Job]>, handle: ReturnType<typeof playing>["handle"]) => Promise<void>,
  options: JobOptions = {},
): Promise<void> {
  let definition = job(make(), options);
  const setup = () => {
    definition = job(make(), options);
    return { actors: [definition] as const, patience: PATIENCE_MS };
  };
  await crashEverywhere(setup, async (t) => scenario(t, await t.create(definition, "1")));
}

/** A step that notes that it was done, and, when undone, that it was. */
export function does(ctx: Ctx, name: string, output: unknown = name): Promise<unknown> {
  return ctx.step({
    name,
    run: (c) => {
      c.state.notes.push(`+${name}`);
      return output;
    },
    rollback: (c, output) => {
      c.state.notes.push(`-${String(output)}`);
    },
  });
}
