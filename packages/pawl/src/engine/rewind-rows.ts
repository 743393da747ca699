/** A rewind on a host's rows. */
import { historyKey, metadataKey } from "./keys.ts";
import { encodeEntry, encodeMetadata } from "./records.ts";
import type { EngineDriver, Entry, EntryMetadata, KVWrite } from "./types.ts";

/** The rows of what stays and changes. */
export function changedRows(entries: Iterable<Entry>, metadata: ReadonlyMap<string, EntryMetadata>): KVWrite[] {
  return [
    ...[...entries].map((entry) => ({ key: historyKey(entry.location), value: encodeEntry(entry) })),
    ...[...metadata].map(([id, record]) => ({ key: metadataKey(id), value: encodeMetadata(record) })),
  ];
}

/** Deletes the rows of `entries` in any order, those of `last` afterwards and in order: what a second try starts from. */
export async function deleteRows(
  driver: EngineDriver,
  entries: ReadonlySet<Entry>,
  last: readonly Entry[],
): Promise<void> {
  const others = [...entries].filter((entry) => !last.includes(entry));
  await Promise.all(others.map((entry) => deleteEntry(driver, entry)));
  for (const entry of last) await deleteEntry(driver, entry);
}

/** The metadata last: an entry without it would be of unknown age, metadata without its entry is nothing. */
async function deleteEntry(driver: EngineDriver, { id, location }: Entry): Promise<void> {
  await driver.delete(historyKey(location));
  await driver.delete(metadataKey(id));
}
