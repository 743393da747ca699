/** A workflow's rows into memory. */

import { PawlError } from "../errors.ts";
import { checkDriver } from "./checked-call.ts";
import { rowFrom, rowsFrom } from "./driver-answer.ts";
import { compareKeys, keyStartsWith } from "./key-bytes.ts";
import {
  errorKey,
  historyRootPrefix,
  metadataKey,
  metadataPrefix,
  namesPrefix,
  outputKey,
  parseHistoryKey,
  parseMetadataKey,
  parseNameKey,
  stateKey,
} from "./keys.ts";
import { locationsEqual, locationToKey } from "./location.ts";
import { inRow, isPlaced, recordError, rephrase } from "./record-error.ts";
import { decodeEntry, decodeMetadata } from "./records.ts";
import { createStorage, getOrCreateMetadata } from "./storage.ts";
import type { EngineDriver, Entry, EntryMetadata, KVEntry, Storage, WorkflowError, WorkflowState } from "./types.ts";
import { decodeValue } from "./values.ts";

const STATES: readonly string[] = [
  "pending",
  "running",
  "sleeping",
  "failed",
  "completed",
  "cancelled",
  "rolling_back",
] satisfies WorkflowState[];

/** Everything that is stored of a workflow; nothing of it is dirty. Rejects with a record error that names the row. */
export async function loadStorage(driver: EngineDriver): Promise<Storage> {
  checkDriver("loadStorage", driver, "read");
  const storage = createStorage();
  for (const row of await rowsOf(driver, namesPrefix())) loadName(storage, row);
  storage.flushedNameCount = storage.nameRegistry.length;
  for (const row of await rowsOf(driver, historyRootPrefix())) loadEntry(storage, row);
  for (const row of await rowsOf(driver, metadataPrefix())) {
    storage.entryMetadata.set(parseMetadataKey(row.key), readRow(row, decodeMetadata));
  }
  await loadRun(storage, driver);
  return storage;
}

/** A record error of a value that was read as part of a run, as the error of the row that holds it; as it is, if no row does. */
export async function inItsRow(error: unknown, driver: EngineDriver): Promise<unknown> {
  return await loadStorage(driver).then(
    () => error,
    (found: unknown) => (found instanceof PawlError && isPlaced(found) ? found : error),
  );
}

/** The metadata of an entry, from memory, from the host, or made anew. */
export async function loadMetadata(storage: Storage, driver: EngineDriver, entryId: string): Promise<EntryMetadata> {
  const present = storage.entryMetadata.get(entryId);
  if (present !== undefined) return present;
  const key = metadataKey(entryId);
  const value = await rowOf(driver, key);
  if (value === null || storage.entryMetadata.has(entryId)) return getOrCreateMetadata(storage, entryId);
  const metadata = readRow({ key, value }, decodeMetadata);
  storage.entryMetadata.set(entryId, metadata);
  return metadata;
}

/** The state whose word is `bytes`. */
export function decodeState(bytes: Uint8Array): WorkflowState {
  const word = Buffer.from(bytes).toString("latin1");
  if (STATES.includes(word)) return word as WorkflowState;
  throw recordError("record_corrupt", `Invalid workflow state: ${word}`, 0);
}

/** The workflow's output. */
export function decodeOutput(bytes: Uint8Array): unknown {
  return decodeNamed(bytes, "workflow output");
}

/** The workflow's input. */
export function decodeInput(bytes: Uint8Array): unknown {
  return decodeNamed(bytes, "workflow input");
}

/** What is recorded of the workflow's failure. */
export function decodeError(bytes: Uint8Array): WorkflowError {
  const value = decodeValue(bytes);
  if (typeof value !== "object" || value === null) {
    throw recordError("record_corrupt", `WorkflowError: expected object, got ${typeof value}`, 0);
  }
  const { name, message, stack, metadata } = value as Readonly<Record<string, unknown>>;
  return {
    name: textField(name, "name"),
    message: textField(message, "message"),
    ...(typeof stack === "string" && { stack }),
    ...(typeof metadata === "object" && metadata !== null && { metadata: metadata as Record<string, unknown> }),
  };
}

function textField(value: unknown, field: string): string {
  if (typeof value === "string") return value;
  throw recordError("record_corrupt", `WorkflowError.${field}: expected string, got ${typeof value}`, 0);
}

function decodeNamed(bytes: Uint8Array, what: string): unknown {
  return rephrase(
    () => decodeValue(bytes),
    (problem) => `Failed to deserialize ${what}: ${problem}`,
  );
}

/** Sorted by key, each key once, and no other than were asked for, whatever the driver answers. Throws `driver_answer`. */
async function rowsOf(driver: EngineDriver, prefix: Uint8Array): Promise<KVEntry[]> {
  const wanted = rowsFrom("list", await driver.list(prefix)).filter(({ key }) => keyStartsWith(key, prefix));
  const sorted = wanted.sort((a, b) => compareKeys(a.key, b.key));
  return sorted.filter(({ key }, i) => i + 1 === sorted.length || compareKeys(key, sorted[i + 1]?.key ?? key) !== 0);
}

async function rowOf(driver: EngineDriver, key: Uint8Array): Promise<Uint8Array | null> {
  return rowFrom("get", await driver.get(key));
}

async function loadRun(storage: Storage, driver: EngineDriver): Promise<void> {
  const state = await rowOf(driver, stateKey());
  if (state !== null) {
    storage.state = readRow({ key: stateKey(), value: state }, decodeState);
    storage.flushedState = storage.state;
  }
  const output = await rowOf(driver, outputKey());
  if (output !== null) {
    storage.output = readRow({ key: outputKey(), value: output }, decodeOutput);
    storage.flushedOutput = storage.output;
  }
  const error = await rowOf(driver, errorKey());
  if (error !== null) {
    storage.error = readRow({ key: errorKey(), value: error }, decodeError);
    storage.flushedError = storage.error;
  }
}

function loadName(storage: Storage, { key, value }: KVEntry): void {
  try {
    storage.nameRegistry[parseNameKey(key)] = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw recordError("record_corrupt", "found a name that is no UTF-8", 0, key);
  }
}

function loadEntry(storage: Storage, row: KVEntry): void {
  const location = parseHistoryKey(row.key);
  const entry = readRow(row, decodeEntry);
  if (!locationsEqual(location, entry.location)) {
    const problem = `found an entry for ${JSON.stringify(entry.location)}, expected ${JSON.stringify(location)}`;
    throw recordError("record_corrupt", problem, 0, row.key);
  }
  storage.history.entries.set(freeKey(storage, entry), entry);
}

/** Names are not escaped in the text of a location, so two places can have one text; none of them may be lost. */
function freeKey(storage: Storage, { location }: Entry): string {
  let key = locationToKey(storage, location);
  while (storage.history.entries.has(key)) key += "\0";
  return key;
}

function readRow<T>({ key, value }: KVEntry, decode: (bytes: Uint8Array) => T): T {
  return inRow(key, () => decode(value));
}
