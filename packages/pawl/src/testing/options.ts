/** What a test runtime is made with, and what is wrong with it. */
import { checkName, definitionOf, refuseUnknown } from "../actor.ts";
import { type Duration, milliseconds, pointInTime, type Time } from "../duration.ts";
import type { Logger } from "../log.ts";
import { badArgument, shown } from "../messages.ts";
import type { Body } from "../seam.ts";
import type { Actor, AttemptContext, TypesOf } from "../types.ts";

/** What a runtime for tests is made of. */
export interface TestOptions<A extends readonly Actor[] = readonly Actor[]> {
  /** The definitions that it knows. */
  actors: A;
  /** What the ids of history entries are drawn from. Idempotency keys belong to the store, which is a new one. Default: 1. */
  seed?: number;
  /** When the clock starts. Default: 2000-01-01T00:00:00Z. */
  now?: Time;
  /** What makes the `vars` of an actor, by its type, in place of its definition's `vars`. */
  vars?: { [N in A[number]["name"]]?: () => TypesOf<Extract<A[number], { name: N }>>["vars"] };
  /** The bodies of steps, by actor type and step name, in place of the workflow's own. */
  steps?: {
    [N in A[number]["name"]]?: Record<string, (c: AttemptContext<TypesOf<Extract<A[number], { name: N }>>>) => unknown>;
  };
  /** Hears the log, too. Default: nobody; the log is in `runtime.logs`. */
  logger?: Logger;
  /**
   * How long, in real time, `idle` waits for bodies in which nothing happens: they wait for the real world, or for ever.
   * Default: 250 ms.
   */
  patience?: Duration;
}

/** Where a run can be: one of the three. */
export interface Reached {
  /** Its body has begun, or has run. */
  readonly step?: string;
  /** It sleeps. */
  readonly sleep?: string;
  /** It waits for a message of this name. */
  readonly message?: string;
}

/** The options with their defaults, without their types. */
export interface Settings {
  readonly actors: readonly Actor[];
  readonly seed: number;
  readonly now: number;
  readonly vars: Readonly<Record<string, (() => unknown) | undefined>>;
  readonly steps: Readonly<Record<string, Readonly<Record<string, Body>> | undefined>>;
  readonly logger: Logger | undefined;
  readonly patience: number;
}

const OPTIONS = ["actors", "seed", "now", "vars", "steps", "logger", "patience"];
/** 2000-01-01T00:00:00Z. */
const START_MS = 946_684_800_000;

/** Throws `bad_argument`. */
export function settingsOf(options: TestOptions<readonly Actor[]>): Settings {
  if (typeof options !== "object" || options === null || !Array.isArray(options.actors))
    throw badArgument(`createTestRuntime() was given no actors.
  found     ${shown(options)}
  expected  { actors: [...] }, with what actor() returned`);
  refuseUnknown(options, OPTIONS, "createTestRuntime");
  const { actors, seed = 1, now = START_MS, vars = {}, steps = {}, logger, patience = 250 } = options;
  for (const actor of actors) definitionOf(actor);
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw badArgument(`the seed is not right.\n  found     ${shown(seed)}\n  expected  an integer from 0`);
  checkActors(actors, vars, "vars");
  checkActors(actors, steps, "steps");
  for (const [type, factory] of Object.entries(vars)) mustBeFunction(factory, `vars.${type}`, "() => vars");
  for (const [type, bodies] of Object.entries(steps)) checkBodies(type, bodies);
  return {
    actors,
    seed,
    now: pointInTime(now, "`now` of createTestRuntime", Number.POSITIVE_INFINITY),
    vars: vars as Settings["vars"],
    steps: steps as Settings["steps"],
    logger,
    patience: milliseconds(patience, "`patience` of createTestRuntime"),
  };
}

/** Which of the three, and its name. Throws `bad_argument` unless it is one. */
export function goalOf(reached: Reached): { readonly kind: keyof Reached; readonly name: string } {
  if (typeof reached !== "object" || reached === null) throw noGoal(shown(reached));
  refuseUnknown(reached, ["step", "sleep", "message"], "until");
  const goals = Object.entries(reached).filter(([, name]) => name !== undefined);
  const [goal] = goals;
  if (goal === undefined || goals.length > 1) throw noGoal(goals.map(([kind]) => kind).join(" and ") || "nothing");
  const [kind, name] = goal;
  checkName(name, `the ${kind} that until() was given`);
  return { kind: kind as keyof Reached, name };
}

function noGoal(found: string): Error {
  return badArgument(`until() was not told what to wait for.
  found     ${found}
  expected  one of { step: "name" }, { sleep: "name" }, { message: "name" }`);
}

function checkActors(actors: readonly Actor[], given: unknown, option: string): asserts given is object {
  if (typeof given !== "object" || given === null)
    throw badArgument(`\`${option}\` of createTestRuntime is not right.
  found     ${shown(given)}
  expected  an object with the names of actors`);
  const names = actors.map(({ name }) => name);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw badArgument(`\`${option}\` of createTestRuntime names an actor that is not in \`actors\`.
  found     ${shown(unknown)}
  expected  ${names.join(", ") || "none: `actors` is empty"}`);
}

function checkBodies(type: string, bodies: unknown): void {
  if (bodies === undefined) return;
  if (typeof bodies !== "object" || bodies === null)
    throw badArgument(`steps.${type} of createTestRuntime is not right.
  found     ${shown(bodies)}
  expected  an object with the names of steps: { charge: (c) => "receipt" }`);
  for (const [step, body] of Object.entries(bodies)) {
    checkName(step, `a step in steps.${type} of createTestRuntime`);
    mustBeFunction(body, `steps.${type}[${JSON.stringify(step)}]`, "(c) => output");
  }
}

function mustBeFunction(value: unknown, where: string, form: string): void {
  if (value === undefined || typeof value === "function") return;
  throw badArgument(`${where} of createTestRuntime is not a function.
  found     ${shown(value)}
  expected  ${form}`);
}
