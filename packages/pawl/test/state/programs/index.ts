/**
 * Random programs over a value: operations as data, each of which runs the same on a proxy of the state and on a plain value.
 *
 * An operation picks its place by numbers, so that the same numbers find the same place in equal values.
 */
import type fc from "fast-check";
import { arrays } from "./arrays.ts";
import { entries } from "./entries.ts";
import { held } from "./held.ts";
import { idioms } from "./idioms.ts";
import { leaves } from "./leaves.ts";
import { objects } from "./objects.ts";
import {
  type Bag,
  type Entries,
  isBag,
  isEntries,
  isLeaf,
  pick,
  places,
  plainResult,
  type Side,
  type Step,
} from "./side.ts";
import { anyStepOf } from "./values.ts";

export { PlainSide, type Side, type Step } from "./side.ts";
export { anyRoot, anyValue } from "./values.ts";

const GROUPS = { object: objects, array: arrays, entries, leaf: leaves, root: idioms, held };

/** The names of all kinds of operation. */
export const NAMES: readonly string[] = Object.entries(GROUPS).flatMap(([group, acts]) =>
  Object.keys(acts).map((name) => `${group}: ${name}`),
);

export const anyStep: fc.Arbitrary<Step> = anyStepOf(NAMES);

/** Runs one step and gives what it returned, plain, or the kind of error it threw. */
export function run(step: Step, side: Side): unknown {
  try {
    return plainResult(perform(step, side));
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return `threw ${error.name}`;
    throw error;
  }
}

function perform(step: Step, side: Side): unknown {
  const at = step.name.indexOf(": ");
  const [group, name] = [step.name.slice(0, at), step.name.slice(at + 2)];
  const one = (accept: (value: unknown) => boolean): unknown => {
    const candidates = places(side.root, accept);
    return candidates[pick(step, 0) % Math.max(1, candidates.length)];
  };
  switch (group) {
    case "root":
      return idioms[name]?.(side, step);
    case "held":
      return held[name]?.(side, step);
    case "object":
      return onOne(one(isBag), (bag) => objects[name]?.(bag as Bag, step, side));
    case "array":
      return onOne(one(Array.isArray), (array) => arrays[name]?.(array as unknown[], step, side));
    case "entries":
      return onOne(one(isEntries), (found) => entries[name]?.(found as Entries, step, side));
    default:
      return onOne(one(isLeaf), (leaf) => leaves[name]?.(leaf, step));
  }
}

function onOne(at: unknown, act: (at: unknown) => unknown): unknown {
  return at === undefined ? undefined : act(at);
}
