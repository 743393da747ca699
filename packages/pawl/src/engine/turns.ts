/**
 * Lets what writes the rows of one storage happen one after another: of two writes of one row, the later one must win.
 * What finds nobody before it starts at once, within the call.
 */
import type { Storage } from "./types.ts";

/** The newest operation of each storage; never rejects. */
const newest = new WeakMap<Storage, Promise<void>>();

export async function inTurn<T>(storage: Storage, operation: () => Promise<T>): Promise<T> {
  const before = newest.get(storage);
  const mine = before === undefined ? operation() : before.then(operation);
  const settled = mine.then(ignore, ignore);
  newest.set(storage, settled);
  try {
    return await mine;
  } finally {
    if (newest.get(storage) === settled) newest.delete(storage);
  }
}

function ignore(): void {}
