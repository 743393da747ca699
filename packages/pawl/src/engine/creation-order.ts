/**
 * The order in which entries were created, from what is stored of them.
 *
 * Steps and loops have a time of creation. Everything else is placed by where it is: a join or race just before what is in
 * it; in a scope, whose entries are made one after another, after the sibling whose name was registered before its own
 * and before the one whose name was registered after it; a branch with no times in it at the start of its join or race.
 * What a queue wait has written stays together. The rule is wrong only where a scope uses names in another order than that
 * in which the workflow first used them.
 */
import { isLoopIterationMarker, resolveName } from "./location.ts";
import type { Entry, PathSegment, Storage } from "./types.ts";

/** A place in the tree of locations, or all that one queue wait has written. */
interface Place {
  /** Among its siblings: the index of its name, or the iteration. */
  rank: number;
  entry?: Entry;
  readonly children: Map<string, Place>;
  /** The earliest creation known at or below this place. */
  start?: number;
  /** The latest moment known at or below it. */
  end?: number;
  /** It cannot have been created before; of a message, when it was sent. */
  notBefore: number;
}

/** The entries of `storage`, oldest first. */
export function creationOrder(storage: Storage): Entry[] {
  const root = placeOf(0);
  for (const entry of storage.history.entries.values()) insert(storage, root, entry);
  sum(storage, root);
  const placed: { entry: Entry; at: number }[] = [];
  emit(root, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, placed);
  return placed.sort(byTime).map(({ entry }) => entry); // stable: what is outside, and named first, comes first
}

/** Not by subtraction: some are at minus infinity. */
function byTime(a: { at: number }, b: { at: number }): number {
  return a.at < b.at ? -1 : a.at > b.at ? 1 : 0;
}

function placeOf(rank: number): Place {
  return { rank, children: new Map(), notBefore: Number.NEGATIVE_INFINITY };
}

function insert(storage: Storage, root: Place, entry: Entry): void {
  let place = root;
  for (const segment of entry.location.slice(0, -1)) place = child(place, rankOf(segment), idOf(segment));
  const last = entry.location.at(-1);
  if (last === undefined) {
    place.entry = entry;
    return;
  }
  const wait = waitOf(storage, entry);
  if (wait !== undefined) place = child(place, rankOf(last), `wait ${wait}`);
  const leaf = child(place, rankOf(last), idOf(last));
  leaf.entry = entry;
  leaf.notBefore = sentAt(entry);
}

function child(parent: Place, rank: number, id: string): Place {
  let place = parent.children.get(id);
  if (place === undefined) {
    place = placeOf(rank);
    parent.children.set(id, place);
  }
  place.rank = Math.min(place.rank, rank);
  return place;
}

function rankOf(segment: PathSegment): number {
  return isLoopIterationMarker(segment) ? segment.iteration : segment;
}

function idOf(segment: PathSegment): string {
  return isLoopIterationMarker(segment) ? `${segment.loop}~${segment.iteration}` : String(segment);
}

/** The name of the queue wait that has written `entry`, if one has: `w` of `w:count`, `w:deadline` and `w:0`. */
export function waitOf(storage: Storage, { kind, location }: Entry): string | undefined {
  const last = location.at(-1);
  if (last === undefined || isLoopIterationMarker(last)) return undefined;
  if (kind.type !== "message" && kind.type !== "sleep") return undefined;
  const suffix = kind.type === "sleep" ? /^(.*):deadline$/s : /^(.*):(?:count|\d+)$/s;
  return suffix.exec(resolveName(storage, last))?.[1];
}

function sentAt({ kind }: Entry): number {
  if (kind.type !== "message" || typeof kind.data.data !== "object" || kind.data.data === null) {
    return Number.NEGATIVE_INFINITY;
  }
  const { createdAt } = kind.data.data as { createdAt?: unknown };
  return typeof createdAt === "number" ? createdAt : Number.NEGATIVE_INFINITY;
}

/** Gathers the times at and below each place, from the leaves up. */
function sum(storage: Storage, place: Place): void {
  const metadata = place.entry === undefined ? undefined : storage.entryMetadata.get(place.entry.id);
  const starts: number[] = [];
  const ends: number[] = [];
  for (const below of place.children.values()) {
    sum(storage, below);
    if (below.start !== undefined) starts.push(below.start);
    if (below.end !== undefined) ends.push(below.end);
    if (place.entry === undefined) place.notBefore = Math.max(place.notBefore, below.notBefore);
  }
  if (metadata !== undefined) ends.push(metadata.createdAt, metadata.completedAt ?? metadata.createdAt);
  const start = metadata?.createdAt ?? least(starts);
  if (start !== undefined) place.start = start;
  if (ends.length > 0) place.end = ends.reduce((a, b) => Math.max(a, b));
}

function least(numbers: readonly number[]): number | undefined {
  return numbers.length === 0 ? undefined : numbers.reduce((a, b) => Math.min(a, b));
}

/**
 * Gives each place a time, from the root down, and appends the entries. Nothing in `place` comes before its own time `at`;
 * what has no time of its own comes no later than `until`, when the next one in the scope began.
 */
function emit(place: Place, at: number, until: number, placed: { entry: Entry; at: number }[]): void {
  if (place.entry !== undefined) placed.push({ entry: place.entry, at });
  const isConcurrent = place.entry?.kind.type === "join" || place.entry?.kind.type === "race";
  const children = [...place.children.values()].sort(isConcurrent ? unknownFirst : byRank);
  const nextStarts = startsAfter(children);
  let previousEnd = at;
  children.forEach((below, i) => {
    const latest = isConcurrent ? until : Math.min(until, nextStarts[i] ?? until);
    const guess = isConcurrent ? at : Math.min(Math.max(previousEnd, below.notBefore), latest);
    const from = Math.max(at, below.start ?? guess);
    emit(below, from, latest, placed);
    previousEnd = Math.max(from, below.end ?? from);
  });
}

function byRank(a: Place, b: Place): number {
  return a.rank - b.rank;
}

/** Branches without times began with their join: no later than any other. */
function unknownFirst(a: Place, b: Place): number {
  return Number(a.start !== undefined) - Number(b.start !== undefined) || byRank(a, b);
}

/** For each place, the earliest start that is known of those after it. */
function startsAfter(places: readonly Place[]): number[] {
  const starts = new Array<number>(places.length);
  let earliest = Number.POSITIVE_INFINITY;
  for (let i = places.length - 1; i >= 0; i--) {
    starts[i] = earliest;
    earliest = Math.min(earliest, places[i]?.start ?? earliest);
  }
  return starts;
}
