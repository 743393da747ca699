/**
 * What it takes to run a workflow again from one of its entries: which entries go, and what those that stay must forget.
 *
 * Its one law: nothing stays that rests on something that goes. A loop stays only if what goes is in its current iteration,
 * for only there does it know its state; a join, race or loop that stays is open again where something in it has gone.
 */
import { creationOrder, waitOf } from "./creation-order.ts";
import { isLoopIterationMarker, resolveName } from "./location.ts";
import type { BranchStatus, Entry, EntryMetadata, Location, PathSegment, Storage } from "./types.ts";

/** Entry ids by position, oldest first; for entries whose order the stored times do not tell. */
export type KnownOrder = ReadonlyMap<string, number>;

/** Changes to a storage that has not been touched. */
export interface Rewind {
  readonly deleted: ReadonlySet<Entry>;
  /** Entries that stay, as they are to be. */
  readonly entries: ReadonlyMap<Entry, Entry>;
  /** Metadata by entry id, as it is to be. */
  readonly metadata: ReadonlyMap<string, EntryMetadata>;
}

/** Takes away `boundary` and what was created after it. */
export function planRewind(storage: Storage, boundary: Entry, known?: KnownOrder): Rewind {
  const order = entriesInOrder(storage, known);
  const deleted = new Set(order.slice(order.indexOf(boundary)));
  const enclosing = enclosingEntries(storage);
  spread(storage, deleted, enclosing);
  return { deleted, ...reopen(storage, deleted, enclosing) };
}

/** The entries of `storage`, oldest first. What `known` does not know has come after what it knows. */
export function entriesInOrder(storage: Storage, known?: KnownOrder): Entry[] {
  const order = creationOrder(storage);
  if (known === undefined) return order;
  const position = ({ id }: Entry): number => known.get(id) ?? Number.MAX_VALUE;
  return order.sort((a, b) => position(a) - position(b));
}

/** Carries out `rewind` in memory. */
export function applyRewind(storage: Storage, { deleted, entries, metadata }: Rewind): void {
  for (const [key, entry] of [...storage.history.entries]) {
    const changed = entries.get(entry);
    if (deleted.has(entry)) {
      storage.history.entries.delete(key);
      storage.entryMetadata.delete(entry.id);
    } else if (changed !== undefined) {
      storage.history.entries.set(key, changed);
    }
  }
  for (const [id, record] of metadata) storage.entryMetadata.set(id, record);
}

/** An entry that another one lies in, and the segment after its location: the branch or iteration. */
interface Enclosing {
  readonly entry: Entry;
  readonly segment: PathSegment;
}

/** For each entry those that it lies in, outermost first. */
export function enclosingEntries(storage: Storage): Map<Entry, Enclosing[]> {
  const byLocation = new Map<string, Entry>();
  for (const entry of storage.history.entries.values()) byLocation.set(JSON.stringify(entry.location), entry);
  const result = new Map<Entry, Enclosing[]>();
  for (const entry of byLocation.values()) result.set(entry, enclosingOf(entry.location, byLocation));
  return result;
}

function enclosingOf(location: Location, byLocation: ReadonlyMap<string, Entry>): Enclosing[] {
  return location.flatMap((segment, length) => {
    const entry = byLocation.get(JSON.stringify(location.slice(0, length)));
    return entry === undefined ? [] : [{ entry, segment }];
  });
}

/** Adds to `deleted` what cannot stay without it, until nothing more is found. */
function spread(storage: Storage, deleted: Set<Entry>, enclosing: ReadonlyMap<Entry, Enclosing[]>): void {
  let before = -1;
  while (deleted.size !== before) {
    before = deleted.size;
    const waits = new Set([...deleted].map((entry) => waitId(storage, entry)));
    for (const [entry, outer] of enclosing) {
      const wait = waitId(storage, entry);
      if ((wait !== undefined && waits.has(wait)) || outer.some((one) => deleted.has(one.entry))) deleted.add(entry);
      if (!deleted.has(entry)) continue;
      for (const one of outer) if (isPast(one)) deleted.add(one.entry);
    }
  }
}

/** A wait's rows go together: of half a wait, the rest would be taken for an outcome. */
function waitId(storage: Storage, entry: Entry): string | undefined {
  const wait = waitOf(storage, entry);
  return wait === undefined ? undefined : JSON.stringify([entry.location.slice(0, -1), wait]);
}

/** Whether a loop has gone on from that iteration. */
function isPast({ entry, segment }: Enclosing): boolean {
  return entry.kind.type === "loop" && isLoopIterationMarker(segment) && segment.iteration < entry.kind.data.iteration;
}

function reopen(
  storage: Storage,
  deleted: ReadonlySet<Entry>,
  enclosing: ReadonlyMap<Entry, Enclosing[]>,
): Omit<Rewind, "deleted"> {
  const entries = new Map<Entry, Entry>();
  const metadata = new Map<string, EntryMetadata>();
  for (const gone of deleted) {
    for (const { entry, segment } of enclosing.get(gone) ?? []) {
      if (deleted.has(entry)) continue;
      const opened = opening(storage, entries.get(entry) ?? entry, segment);
      if (opened !== undefined) entries.set(entry, { ...opened, dirty: false });
      const record = storage.entryMetadata.get(entry.id);
      if (entry.kind.type === "loop" && record !== undefined) metadata.set(entry.id, unfinished(record));
    }
  }
  return { entries, metadata };
}

/** `entry`, open again where something in `segment` has gone; undefined if it is. */
function opening(storage: Storage, entry: Entry, segment: PathSegment): Entry | undefined {
  const { kind } = entry;
  if (kind.type === "loop") {
    const { output, ...data } = kind.data;
    return output === undefined ? undefined : { ...entry, kind: { type: "loop", data } };
  }
  if (isLoopIterationMarker(segment)) return undefined;
  const branch = resolveName(storage, segment);
  if (kind.type === "join") {
    return { ...entry, kind: { type: "join", data: { branches: withPending(kind.data.branches, [branch]) } } };
  }
  if (kind.type !== "race" || (kind.data.winner !== null && kind.data.winner !== branch)) return undefined;
  const open = kind.data.winner === null ? [branch] : Object.keys(kind.data.branches); // the losers' rows are gone
  return { ...entry, kind: { type: "race", data: { winner: null, branches: withPending(kind.data.branches, open) } } };
}

/** `branches`, of which those named have not started. */
export function withPending(
  branches: Readonly<Record<string, BranchStatus>>,
  names: readonly string[],
): Record<string, BranchStatus> {
  return Object.fromEntries(
    Object.entries(branches).map(([name, branch]) => [name, names.includes(name) ? { status: "pending" } : branch]),
  );
}

function unfinished(record: EntryMetadata): EntryMetadata {
  const { completedAt: _, ...rest } = record;
  return { ...rest, status: "running" };
}
