/** A workflow's records in memory. Plain data: hosts may read and change it with or without these functions. */
import { historyKey, metadataKey } from "./keys.ts";
import { isLocationPrefix, locationToKey } from "./location.ts";
import { inTurn } from "./turns.ts";
import type {
  EngineDriver,
  Entry,
  EntryKind,
  EntryMetadata,
  Location,
  Storage,
  WorkflowEntryMetadataSnapshot,
  WorkflowHistoryEntry,
  WorkflowHistorySnapshot,
} from "./types.ts";

/** Of a workflow of which nothing is stored. */
export function createStorage(): Storage {
  return {
    nameRegistry: [],
    flushedNameCount: 0,
    history: { entries: new Map() },
    entryMetadata: new Map(),
    state: "pending",
  };
}

/** A UUID v4. */
export function generateId(): string {
  return globalThis.crypto.randomUUID();
}

/** A new entry, which is dirty and in no storage yet. */
export function createEntry(location: Location, kind: EntryKind): Entry {
  return { id: generateId(), location, kind, dirty: true };
}

/** The entry at this place, if there is one. */
export function getEntry(storage: Storage, location: Location): Entry | undefined {
  return storage.history.entries.get(locationToKey(storage, location));
}

/** Puts an entry at its place; the next flush writes it if it is `dirty`. */
export function setEntry(storage: Storage, location: Location, entry: Entry): void {
  storage.history.entries.set(locationToKey(storage, location), entry);
}

/** The metadata of an entry; if there is none, new and dirty metadata. */
export function getOrCreateMetadata(storage: Storage, entryId: string): EntryMetadata {
  const present = storage.entryMetadata.get(entryId);
  if (present !== undefined) return present;
  const metadata: EntryMetadata = {
    status: "pending",
    attempts: 0,
    lastAttemptAt: 0,
    createdAt: Date.now(),
    dirty: true,
  };
  storage.entryMetadata.set(entryId, metadata);
  return metadata;
}

/** The history as it is now. The `kind` of each entry is shared with `storage`. */
export function createHistorySnapshot(storage: Storage): WorkflowHistorySnapshot {
  const entries = [...storage.history.entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const metadata = [...storage.entryMetadata].map(([id, record]) => [id, withoutDirty(record)] as const);
  return {
    nameRegistry: [...storage.nameRegistry],
    entries: entries.map(([, entry]): WorkflowHistoryEntry => withoutDirty(entry)),
    entryMetadata: new Map<string, WorkflowEntryMetadataSnapshot>(metadata),
  };
}

function withoutDirty<T extends { dirty: boolean }>(record: T): Omit<T, "dirty"> {
  const { dirty: _, ...rest } = record;
  return rest;
}

/**
 * Deletes the entry at `prefixLocation` and everything below it, with their metadata, from memory at once and from the
 * host. If the host refuses, memory has them again.
 */
export async function deleteEntriesWithPrefix(
  storage: Storage,
  driver: EngineDriver,
  prefixLocation: Location,
  onHistoryUpdated?: () => void,
): Promise<void> {
  const taken = takeEntries(storage, prefixLocation);
  try {
    await inTurn(storage, async () => {
      const rows = driver.deletePrefix(historyKey(prefixLocation));
      await Promise.all([rows, ...taken.map(([, { id }]) => driver.delete(metadataKey(id)))]);
    });
  } catch (error) {
    for (const [key, entry, metadata] of taken) putBack(storage, key, entry, metadata);
    throw error;
  }
  if (taken.length > 0) onHistoryUpdated?.();
}

type Taken = readonly [key: string, entry: Entry, metadata: EntryMetadata | undefined];

function takeEntries({ history, entryMetadata }: Storage, prefix: Location): Taken[] {
  const taken = [...history.entries]
    .filter(([, entry]) => isLocationPrefix(prefix, entry.location))
    .map(([key, entry]): Taken => [key, entry, entryMetadata.get(entry.id)]);
  for (const [key, entry] of taken) {
    history.entries.delete(key);
    entryMetadata.delete(entry.id);
  }
  return taken;
}

function putBack(storage: Storage, key: string, entry: Entry, metadata: EntryMetadata | undefined): void {
  if (!storage.history.entries.has(key)) storage.history.entries.set(key, entry);
  if (metadata !== undefined && !storage.entryMetadata.has(entry.id)) storage.entryMetadata.set(entry.id, metadata);
}
