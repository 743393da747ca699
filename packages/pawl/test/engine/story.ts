/** Tells which calls reach a driver, and builds histories to work on. */
import {
  appendLoopIteration,
  appendName,
  createEntry,
  createStorage,
  type Entry,
  type EntryKind,
  type EntryMetadata,
  emptyLocation,
  flush,
  getOrCreateMetadata,
  keyToHex,
  type Location,
  locationToKey,
  type Storage,
  setEntry,
} from "../../src/engine/index.ts";
import { InMemoryDriver } from "../../src/engine/testing.ts";

export function fastDriver(): InMemoryDriver {
  const driver = new InMemoryDriver();
  driver.latency = 0;
  return driver;
}

const TRACED = [
  "get",
  "set",
  "delete",
  "deletePrefix",
  "deleteRange",
  "list",
  "batch",
  "setAlarm",
  "clearAlarm",
] as const;

/** The calls from now on: keys in hex, batches by their size. */
export function trace(driver: InMemoryDriver): string[] {
  const calls: string[] = [];
  for (const method of TRACED) {
    const original = driver[method].bind(driver) as (...args: unknown[]) => Promise<unknown>;
    const traced = (...args: unknown[]): Promise<unknown> => {
      calls.push([method, ...args.map(show)].join(" "));
      return original(...args);
    };
    Object.assign(driver, { [method]: traced });
  }
  return calls;
}

function show(argument: unknown): string {
  if (argument instanceof Uint8Array) return keyToHex(argument);
  return Array.isArray(argument) ? String(argument.length) : String(argument);
}

/** A path as `locationToKey` shows it, `loop/~2/step`; registers its names. */
export function at(storage: Storage, path: string): Location {
  let location = emptyLocation();
  let name = "";
  for (const part of path.split("/")) {
    if (part.startsWith("~")) location = appendLoopIteration(storage, location, name, Number(part.slice(1)));
    else location = appendName(storage, location, part);
    name = part;
  }
  return location;
}

/** Adds an entry at `path`, with metadata if it is given. Its id is its path. */
export function add(storage: Storage, path: string, kind: EntryKind, metadata?: Partial<EntryMetadata>): Entry {
  const location = at(storage, path);
  const entry = { ...createEntry(location, kind), id: path };
  setEntry(storage, location, entry);
  if (metadata !== undefined) Object.assign(getOrCreateMetadata(storage, entry.id), metadata);
  return entry;
}

/** A completed step, created and completed at `time`. */
export function step(storage: Storage, path: string, time: number, output: unknown = path): Entry {
  const metadata = {
    status: "completed",
    attempts: 1,
    lastAttemptAt: time,
    createdAt: time,
    completedAt: time,
  } as const;
  return add(storage, path, { type: "step", data: { output } }, metadata);
}

/** A storage and a driver that has it. */
export async function stored(build: (storage: Storage) => void): Promise<InMemoryDriver> {
  const storage = createStorage();
  build(storage);
  const driver = fastDriver();
  await flush(storage, driver);
  return driver;
}

/** The paths of the entries. */
export function paths(history: { nameRegistry: string[]; entries: readonly { location: Location }[] }): string[] {
  const storage = { ...createStorage(), nameRegistry: history.nameRegistry };
  return history.entries.map(({ location }) => locationToKey(storage, location));
}
