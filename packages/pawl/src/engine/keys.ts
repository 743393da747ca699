/**
 * The keys of rows, which are shared with another engine: `(1, index)` names, `(2, ...location)` history, `(3, n)` the
 * run's state, output, error and input, `(4, entry id)` metadata. Rows under `(9)` are Pawl's own; the other engine ignores them.
 */
export { compareKeys, keyStartsWith, keyToHex } from "./key-bytes.ts";

import { isLoopIterationMarker } from "./location.ts";
import { recordError } from "./record-error.ts";
import { packTuple, type TupleElement, unpackTuple } from "./tuple.ts";
import type { Location, PathSegment } from "./types.ts";

const NAMES = 1;
const HISTORY = 2;
const RUN = 3;
const METADATA = 4;
const U32_MAX = 0xffff_ffff;

// Not from a constant: a driver is given keys that are its own to keep.
/** The key of the run's state, a `WorkflowState`. */
export const stateKey = (): Uint8Array => packTuple([RUN, 1]);
/** The key of what the workflow returned. */
export const outputKey = (): Uint8Array => packTuple([RUN, 2]);
/** The key of what ended the workflow, a `WorkflowError`. */
export const errorKey = (): Uint8Array => packTuple([RUN, 3]);
/** The key of the workflow's input. */
export const inputKey = (): Uint8Array => packTuple([RUN, 4]);
/** Prefix of the name registry. */
export const namesPrefix = (): Uint8Array => packTuple([NAMES]);
/** Prefix of all entries. */
export const historyRootPrefix = (): Uint8Array => packTuple([HISTORY]);
/** Prefix of all metadata. */
export const metadataPrefix = (): Uint8Array => packTuple([METADATA]);

/** The key of a name, by its index in the registry. */
export function nameKey(index: number): Uint8Array {
  return packTuple([NAMES, index]);
}

/** The key of the entry at `location`, and the prefix of that entry and everything below it. */
export function historyKey(location: Location): Uint8Array {
  return packTuple([HISTORY, ...location.map(elementOf)]);
}

/** The key of an entry's metadata, by its id. */
export function metadataKey(entryId: string): Uint8Array {
  return packTuple([METADATA, entryId]);
}

/** The half-open range of iterations `from..to` of the loop at `loopLocation`, with everything below them. */
export function iterationsRange(
  loopLocation: Location,
  from: number,
  to: number,
): { start: Uint8Array; end: Uint8Array } {
  const loop = loopLocation.at(-1);
  if (loop === undefined || isLoopIterationMarker(loop)) {
    throw new Error("Expected loop location to end with a name index");
  }
  const at = (iteration: number): Uint8Array => historyKey([...loopLocation, { loop, iteration }]);
  return { start: at(from), end: at(to) };
}

/** The index in the key of a name row. Throws a record error, as do all parsers. */
export function parseNameKey(key: Uint8Array): number {
  const [kind, index, ...rest] = unpackTuple(key) ?? [];
  if (kind !== NAMES || !isU32(index) || rest.length > 0)
    throw recordError("record_corrupt", "Invalid name key", 0, key);
  return index;
}

/** The location in the key of a history row. */
export function parseHistoryKey(key: Uint8Array): Location {
  const [kind, ...segments] = unpackTuple(key) ?? [];
  if (kind !== HISTORY) throw recordError("record_corrupt", "Invalid history key", 0, key);
  return segments.map((segment) => segmentOf(segment, key));
}

/** The entry id in the key of a metadata row. */
export function parseMetadataKey(key: Uint8Array): string {
  const [kind, id, ...rest] = unpackTuple(key) ?? [];
  if (kind !== METADATA || typeof id !== "string" || rest.length > 0) {
    throw recordError("record_corrupt", "Invalid entry metadata key", 0, key);
  }
  return id;
}

function elementOf(segment: PathSegment): TupleElement {
  return isLoopIterationMarker(segment) ? [segment.loop, segment.iteration] : segment;
}

function segmentOf(element: TupleElement, key: Uint8Array): PathSegment {
  if (isU32(element)) return element;
  if (typeof element === "object" && element.length === 2) {
    const [loop, iteration] = element;
    if (isU32(loop) && isU32(iteration)) return { loop, iteration };
  }
  throw recordError("record_corrupt", `Invalid path segment tuple element: ${JSON.stringify(element)}`, 0, key);
}

function isU32(element: TupleElement | undefined): element is number {
  return typeof element === "number" && element <= U32_MAX;
}
