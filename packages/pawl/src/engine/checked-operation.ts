/** What workflow code hands to an operation, checked where it does: what crosses to the engine must be what the engine takes. */
import { badArgument, shown } from "../messages.ts";
import type { BranchConfig } from "./types.ts";

/** A configuration, or a name and what to run. Throws `bad_argument` for neither, and for one without a function. */
export function configOf<C extends { readonly name: string; readonly run: unknown }>(
  what: "Step" | "Try" | "Loop",
  first: string | C,
  run: unknown,
): C {
  const config = typeof first === "string" ? ({ name: first, run } as C) : first;
  if (typeof config !== "object" || config === null)
    throw badArgument(
      `a ${what.toLowerCase()} was given nothing to do.\n  found     ${shown(config)}\n  expected  a name and a function, or { name, run, ... }`,
    );
  if (typeof config.run !== "function") throw new Error(`${what} run function missing`);
  return config;
}

/** Throws `bad_argument` for a handler that could not be called when the step is to be undone. */
export function checkHandler(step: string, rollback: unknown): void {
  if (typeof rollback === "function") return;
  throw badArgument(
    `step "${step}" cannot be undone.\n  found     ${shown(rollback)} as rollback\n  expected  a function`,
  );
}

/** What a step or block catches. Throws `bad_argument` for what is no list. */
export function caughtKinds<K>(name: string, given: readonly K[] | undefined, usual: readonly K[]): readonly K[] {
  if (given === undefined) return usual;
  if (Array.isArray(given)) return given;
  throw badArgument(
    `"${name}" does not say what it catches.\n  found     ${shown(given)}\n  expected  a list of kinds`,
  );
}

/** A number of the policy of a step. Throws a `RangeError` for what is none. */
export function amount(given: number | undefined, usual: number, step: string, option: string): number {
  if (given === undefined) return usual;
  if (typeof given === "number" && !Number.isNaN(given)) return given;
  throw new RangeError(`step("${step}"): found ${shown(given)} as ${option}, expected a number`);
}

export interface Branch {
  readonly name: string;
  readonly run: BranchConfig<unknown>["run"];
}

/** The branches of a join, by name. One without a function fails when it is called. Throws `bad_argument`. */
export function branchesByName(join: string, given: Readonly<Record<string, BranchConfig<unknown>>>): Branch[] {
  if (typeof given !== "object" || given === null)
    throw badArgument(
      `join "${join}" has no branches.\n  found     ${shown(given)}\n  expected  { name: { run } }, one for each branch`,
    );
  return Object.entries(given).map(([name, branch]) => ({ name, run: branch?.run }));
}

/** The branches of a race. Throws `bad_argument`. */
export function branchesInOrder(race: string, given: readonly Branch[]): readonly Branch[] {
  const wrong = Array.isArray(given) ? given.find((branch: unknown) => !isNamed(branch)) : given;
  if (Array.isArray(given) && given.every(isNamed)) return given;
  throw badArgument(
    `race "${race}" has branches that it cannot run.\n  found     ${shown(wrong)}\n  expected  a list of { name, run }, each with a name of text`,
  );
}

function isNamed(branch: unknown): boolean {
  return typeof branch === "object" && branch !== null && "name" in branch && typeof branch.name === "string";
}

/** The largest version that a record holds. */
export const MOST_VERSION = 0xffff_ffff;
