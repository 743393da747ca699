/** A run's history for its host: read from the engine when someone looks, and not before. */
import { OutputReader } from "../wire.ts";
import { locationToKey } from "./location.ts";
import { decodeEntry, decodeMetadata } from "./records.ts";
import { createHistorySnapshot, createStorage } from "./storage.ts";
import type { Storage, WorkflowHistorySnapshot } from "./types.ts";

export class HistoryView {
  readonly #read: () => Uint8Array;
  #watched = false;
  #kept: Uint8Array | undefined;

  /** `read` gives the names, and the records of every entry. */
  constructor(read: () => Uint8Array) {
    this.#read = read;
  }

  /** The history as it is when it is first looked at. */
  snapshot(): WorkflowHistorySnapshot {
    this.#watched = true;
    let made: WorkflowHistorySnapshot | undefined;
    const look = () => {
      made ??= createHistorySnapshot(storageOf(this.#kept ?? this.#read()));
      return made;
    };
    return {
      get nameRegistry() {
        return look().nameRegistry;
      },
      get entries() {
        return look().entries;
      },
      get entryMetadata() {
        return look().entryMetadata;
      },
    };
  }

  /** The run ends: what was handed out can still be looked at. */
  keep(): void {
    if (this.#watched) this.#kept = this.#read();
  }
}

function storageOf(bytes: Uint8Array): Storage {
  const storage = createStorage();
  if (bytes.length === 0) return storage;
  const reader = new OutputReader(bytes, bytes.length);
  storage.nameRegistry = Array.from({ length: reader.number() }, () => reader.text());
  for (let left = reader.number(); left > 0; left--) {
    const entry = decodeEntry(reader.bytes());
    storage.history.entries.set(locationToKey(storage, entry.location), entry);
    if (reader.flag()) storage.entryMetadata.set(entry.id, decodeMetadata(reader.bytes()));
  }
  return storage;
}
