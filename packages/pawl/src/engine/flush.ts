/**
 * Writes what differs from what is stored, and then knows that it does not any more.
 *
 * Its one law: what was changed or registered while the rows were on their way stays unwritten in the books. So only what
 * still has the bytes that were written is marked clean, and counters advance to what was collected, not to what is there.
 */
import { encodeName } from "./bare.ts";
import { checkDriver } from "./checked-call.ts";
import { errorKey, historyKey, metadataKey, nameKey, outputKey, stateKey } from "./keys.ts";
import { encodeEntry, encodeMetadata } from "./records.ts";
import { inTurn } from "./turns.ts";
import type { EngineDriver, KVWrite, PendingDeletions, Storage } from "./types.ts";
import { encodeValue } from "./values.ts";
import { writeRows } from "./write-rows.ts";

/** Rows, and what to note in the books once they are stored. */
interface Collected {
  readonly rows: KVWrite[];
  readonly onStored: (() => void)[];
  /** Whether a name, an entry or metadata is among them. */
  history: boolean;
}

/**
 * Writes everything that is dirty, then deletes what is pending, and then calls `onHistoryUpdated` if the history has
 * changed. If the host refuses any of it, nothing is marked clean, and the next flush writes it again. Flushes of one
 * storage happen one after another; each resolves when everything that was dirty at its call is stored.
 */
export async function flush(
  storage: Storage,
  driver: EngineDriver,
  onHistoryUpdated?: () => void,
  pendingDeletions?: PendingDeletions,
): Promise<void> {
  checkDriver("flush", driver, "rows");
  await inTurn(storage, async () => {
    const collected = collect(storage);
    await writeRows(driver, collected.rows);
    const deletions = pendingDeletions === undefined ? [] : startDeletions(driver, pendingDeletions);
    await Promise.all(deletions);
    for (const note of collected.onStored) note();
    if (collected.history || deletions.length > 0) onHistoryUpdated?.();
  });
}

function collect(storage: Storage): Collected {
  const collected: Collected = { rows: [], onStored: [], history: false };
  collectNames(storage, collected);
  for (const entry of storage.history.entries.values()) {
    if (entry.dirty) collectRecord(collected, historyKey(entry.location), entry, encodeEntry);
  }
  for (const [id, metadata] of storage.entryMetadata) {
    if (metadata.dirty) collectRecord(collected, metadataKey(id), metadata, encodeMetadata);
  }
  collected.history = collected.rows.length > 0;
  collectRun(storage, collected);
  return collected;
}

function collectNames(storage: Storage, { rows, onStored }: Collected): void {
  const count = storage.nameRegistry.length;
  for (let index = storage.flushedNameCount; index < count; index++) {
    const name = storage.nameRegistry[index];
    if (name === undefined) throw new Error(`Name index ${index} not found in registry`);
    rows.push({ key: nameKey(index), value: encodeName(name, "a name") });
  }
  onStored.push(() => {
    storage.flushedNameCount = Math.max(storage.flushedNameCount, count);
  });
}

function collectRecord<T extends { dirty: boolean }>(
  { rows, onStored }: Collected,
  key: Uint8Array,
  record: T,
  encode: (record: T) => Uint8Array,
): void {
  const value = encode(record);
  rows.push({ key, value });
  onStored.push(() => {
    if (stillIs(value, () => encode(record))) record.dirty = false;
  });
}

function collectRun(storage: Storage, { rows, onStored }: Collected): void {
  const { state, output, error } = storage;
  if (state !== storage.flushedState) {
    rows.push({ key: stateKey(), value: new TextEncoder().encode(state) });
    onStored.push(() => {
      storage.flushedState = state;
    });
  }
  if (output !== undefined && output !== storage.flushedOutput) {
    rows.push({ key: outputKey(), value: encodeValue(output) });
    onStored.push(() => {
      storage.flushedOutput = output;
    });
  }
  const flushed = storage.flushedError;
  if (error !== undefined && (error.name !== flushed?.name || error.message !== flushed.message)) {
    rows.push({ key: errorKey(), value: encodeValue(error) });
    onStored.push(() => {
      storage.flushedError = error;
    });
  }
}

/** Whether `encode` still gives `written`; what cannot be encoded any more has changed. */
function stillIs(written: Uint8Array, encode: () => Uint8Array): boolean {
  try {
    return Buffer.compare(written, encode()) === 0;
  } catch {
    return false;
  }
}

function startDeletions(driver: EngineDriver, { prefixes, ranges, keys }: PendingDeletions): Promise<void>[] {
  return [
    ...prefixes.map((prefix) => driver.deletePrefix(prefix)),
    ...ranges.map(({ start, end }) => driver.deleteRange(start, end)),
    ...keys.map((key) => driver.delete(key)),
  ];
}
