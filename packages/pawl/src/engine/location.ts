/**
 * Locations and the registry of names they point into: indices are given in the order of first use and never change.
 * The registry is a plain array that hosts may fill themselves, so what is remembered beside it is only ever a hint.
 */
import type { Location, LoopIterationMarker, NameIndex, PathSegment, Storage } from "./types.ts";

/** Where each name of a registry was last found. */
const hints = new WeakMap<readonly string[], Map<string, NameIndex>>();

/** The index of `name`, which is appended to the registry if it is not there. */
export function registerName(storage: Storage, name: string): NameIndex {
  const names = storage.nameRegistry;
  const hint = hintsOf(names);
  const hinted = hint.get(name);
  if (hinted !== undefined && names[hinted] === name) return hinted;
  const found = names.indexOf(name);
  const index = found >= 0 ? found : names.push(name) - 1;
  hint.set(name, index);
  return index;
}

/** The name at `index`; throws if there is none. */
export function resolveName(storage: Storage, index: NameIndex): string {
  const name = storage.nameRegistry[index];
  if (name === undefined) throw new Error(`Name index ${index} not found in registry`);
  return name;
}

/** The names of a location joined with `/`, an iteration as `~<iteration>`; the root is the empty string. */
export function locationToKey(storage: Storage, location: Location): string {
  return location
    .map((segment) => (isLoopIterationMarker(segment) ? `~${segment.iteration}` : resolveName(storage, segment)))
    .join("/");
}

/** The place of `name` in this scope; registers the name. */
export function appendName(storage: Storage, location: Location, name: string): Location {
  return [...location, registerName(storage, name)];
}

/** The scope of one iteration of a loop; registers the loop's name. */
export function appendLoopIteration(
  storage: Storage,
  location: Location,
  loopName: string,
  iteration: number,
): Location {
  return [...location, { loop: registerName(storage, loopName), iteration }];
}

/** The place of the workflow itself, above all entries. */
export function emptyLocation(): Location {
  return [];
}

/** All but the last segment. */
export function parentLocation(location: Location): Location {
  return location.slice(0, -1);
}

/** Whether `location` is `prefix` or lies below it. */
export function isLocationPrefix(prefix: Location, location: Location): boolean {
  return prefix.length <= location.length && prefix.every((segment, i) => segmentsEqual(segment, location[i]));
}

/** Whether both are the same place. */
export function locationsEqual(a: Location, b: Location): boolean {
  return a.length === b.length && isLocationPrefix(a, b);
}

/** Whether this part of a place is an iteration of a loop, and not a name. */
export function isLoopIterationMarker(segment: PathSegment): segment is LoopIterationMarker {
  return typeof segment === "object" && segment !== null && "loop" in segment;
}

function segmentsEqual(a: PathSegment, b: PathSegment | undefined): boolean {
  if (b === undefined) return false;
  if (!isLoopIterationMarker(a) || !isLoopIterationMarker(b)) return a === b;
  return a.loop === b.loop && a.iteration === b.iteration;
}

function hintsOf(names: readonly string[]): Map<string, NameIndex> {
  let hint = hints.get(names);
  if (hint === undefined) {
    hint = new Map();
    hints.set(names, hint);
  }
  return hint;
}

/** A path as the engine shows it, where a round of a loop is `#3`, as keys show it: `~3`. */
export function withRounds(path: string): string {
  return path.replaceAll(/(^|\/)#(\d+)(?=\/|$)/g, "$1~$2");
}
