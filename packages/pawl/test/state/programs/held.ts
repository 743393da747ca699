/** What programs do with parts that they have held since an earlier operation, and with iterators in progress. */
import {
  fresh,
  isBag,
  isEntries,
  isLeaf,
  isPlain,
  isReachable,
  pick,
  places,
  plainResult,
  type Side,
  type Step,
} from "./side.ts";

type Act = (side: Side, step: Step) => unknown;

const isHeldKind = (value: unknown): boolean =>
  isBag(value) || Array.isArray(value) || isEntries(value) || isLeaf(value);

function heldOne(side: Side, step: Step): unknown {
  return side.held[pick(step, 0) % Math.max(1, side.held.length)];
}

/** Writes if the part is still there. On the state a write to any other says that it is stale, and changes nothing. */
function write(side: Side, part: unknown, act: () => unknown): unknown {
  if (isReachable(side, part)) return ["written", plainResult(act())];
  if (isPlain(side)) return ["stale"];
  try {
    act();
    return ["written, though it is no part any more"];
  } catch (error) {
    if (!isStale(error)) throw error;
    return ["stale"];
  }
}

function isStale(error: unknown): boolean {
  const { why, code } = error as { readonly why?: string; readonly code?: string };
  return why === "detached" || code === "stale_value";
}

export const held: Record<string, Act> = {
  "hold a part": (side, step) => {
    const all = places(side.root, isHeldKind).slice(1); // an old root refuses to be read, unlike every other part
    if (all.length > 0) side.held.push(all[pick(step, 0) % all.length]);
  },
  "write into a held part": (side, step) => {
    const part = heldOne(side, step);
    if (isBag(part)) return write(side, part, () => void Object.assign(part, { held: fresh(step) }));
    if (Array.isArray(part)) return write(side, part, () => part.push(fresh(step)));
    if (part instanceof Map) return write(side, part, () => part.set("held", fresh(step)).size);
    if (part instanceof Set) return write(side, part, () => part.add(pick(step, 1)).size);
    if (part instanceof Date) part.setTime(pick(step, 1)); // a detached one is no part of the state, and not in its way
    return undefined;
  },
  "take away from a held part": (side, step) => {
    const part = heldOne(side, step);
    if (isBag(part) && Object.keys(part).length > 0)
      return write(side, part, () => Reflect.deleteProperty(part, Object.keys(part)[0] ?? ""));
    if (Array.isArray(part) && part.length > 0) return write(side, part, () => part.pop());
    if (isEntries(part) && part.size > 0) return write(side, part, () => part.clear());
    return undefined;
  },
  "look through a held part": (side, step) => {
    const part = heldOne(side, step);
    if (part === undefined || (isLeaf(part) && !isReachable(side, part))) return undefined;
    if (isBag(part)) return [Object.keys(part), Object.values(part)];
    if (Array.isArray(part)) return [...part];
    return isEntries(part) ? [...part] : part;
  },
  "begin an iteration": (side, step) => {
    const all = places(side.root, (one) => Array.isArray(one) || isEntries(one)) as (
      | unknown[]
      | Map<unknown, unknown>
    )[];
    const at = all[pick(step, 0) % Math.max(1, all.length)];
    if (at !== undefined) side.iterators.push(pick(step, 1) % 2 === 0 ? at.values() : at.entries());
  },
  "go on with an iteration": (side, step) => {
    const iterator = side.iterators[pick(step, 0) % Math.max(1, side.iterators.length)];
    if (iterator === undefined) return undefined;
    const { done, value } = iterator.next();
    return [done === true, value];
  },
};
