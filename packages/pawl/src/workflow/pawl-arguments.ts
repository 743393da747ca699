/** What the operations of a workflow may be given: options and their limits, and what is said of others. */
import { POLICY_MEMBERS, refuseUnknown } from "../actor.ts";
import type { Duration } from "../duration.ts";
import * as say from "../messages.ts";
import type { EntryKind, StepOptions, Types } from "../types.ts";
import { EPHEMERAL, EXCLUSIVE, UNDO, UNDO_ATTEMPTED } from "../wire.ts";
import type { Handlers, LoopOperation, StepOperation } from "./operation.ts";

export function mustRun(what: string, run: unknown): void {
  if (typeof run !== "function") throw say.noFunction(what, run);
}

export function handlersOf(options: StepOptions<Types, unknown>, name: string): Handlers | undefined {
  const { rollback, rollbackAttempted } = options;
  if (rollback === undefined && rollbackAttempted === undefined) return undefined;
  for (const handler of [rollback, rollbackAttempted])
    if (handler !== undefined) mustRun(`a handler that undoes step "${name}"`, handler);
  return { committed: rollback, attempted: rollbackAttempted } as unknown as Handlers;
}

export function applyOf({ apply }: StepOptions<Types, unknown>, name: string): StepOperation["apply"] {
  if (apply !== undefined) mustRun(`apply of step "${name}"`, apply);
  return apply as unknown as StepOperation["apply"];
}

export function traitsOf(options: StepOptions<Types, unknown> | undefined, handlers: Handlers | undefined): number {
  if (options === undefined) return 0;
  const { ephemeral = false, exclusive = false } = options;
  for (const [name, value] of Object.entries({ ephemeral, exclusive }))
    if (typeof value !== "boolean")
      throw say.badArgument(`${name} of step "${options.name}" is neither true nor false.
  found     ${say.shown(value)}
  expected  true or false`);
  const undo = handlers?.committed === undefined ? 0 : UNDO;
  const attempted = handlers?.attempted === undefined ? 0 : UNDO_ATTEMPTED;
  return (ephemeral ? EPHEMERAL : 0) | undo | attempted | (exclusive ? EXCLUSIVE : 0);
}

export type Each = (ctx: unknown, item: unknown, index: number) => unknown;

export interface MapArguments {
  readonly concurrency?: number;
}

export interface Queue {
  next(name: string, options?: NextArguments): Promise<unknown>;
  nextBatch(name: string, options: BatchArguments): Promise<unknown>;
}

export interface LoopArguments {
  readonly name: string;
  readonly state?: unknown;
  readonly keep?: number;
  readonly run: LoopOperation["body"] | undefined;
}

export interface NextArguments {
  readonly names?: readonly string[];
  readonly timeout?: Duration;
}

export interface BatchArguments extends NextArguments {
  readonly count?: number;
}

export const MOST = 0xffff_ffff;
/** As many operations as a run may have pending. */
export const MOST_ITEMS = 100_000;
/** As many as an inbox holds. */
export const MOST_MESSAGES = 10_000;
export const LOOP_OPTIONS = ["name", "state", "keep", "run"];
export const MAP_OPTIONS = ["concurrency"];
export const NEXT_OPTIONS = ["names", "timeout"];
export const BATCH_OPTIONS = ["names", "timeout", "count"];
/** A wait's rows (engine behaviour 4.4.7): the first message, how many there were, and the deadline. */
export const WAIT_ROWS = [":0", ":count", ":deadline"];
export const STEP_OPTIONS = [
  "name",
  "run",
  "exclusive",
  "ephemeral",
  "apply",
  "rollback",
  "rollbackAttempted",
  ...POLICY_MEMBERS,
];
export const ENTRY_KINDS: readonly EntryKind[] = [
  "step",
  "loop",
  "sleep",
  "message",
  "join",
  "race",
  "map",
  "try",
  "rollback",
  "version_check",
];

/** The options, if there is none that is not known. */
export function known<T extends object>(options: T, names: readonly string[], what: string): T {
  refuseUnknown(options, names, what);
  return options;
}
