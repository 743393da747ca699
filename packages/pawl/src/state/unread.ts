/**
 * Parts of the mirror that nobody has asked for yet.
 *
 * Owns when they are read: at the first look at their slot, and then they stay. One law: a slot is read in the mirror's own
 * container, so that all drafts find the same value there.
 */
import { decodeLeaving, readOn, readPage } from "../values/decode.ts";
import { Unread, UnreadPage } from "../values/unread.ts";

/** Containers of so many bytes are left until somebody asks for them. */
export const LEAVE_FROM = 4096;

/** The value of these bytes, without what is large in it. */
export function decodeLevel(bytes: Uint8Array, leaveFrom: number): unknown {
  return decodeLeaving(bytes, leaveFrom);
}

/** A slot of an object of the mirror that is there. */
export function slotOf(object: Record<string, unknown>, key: string): unknown {
  const raw = object[key];
  if (!(raw instanceof Unread)) return raw;
  const value = readOn(raw);
  // An own property is overwritten, whatever it is called: `__proto__`, too.
  Object.defineProperty(object, key, { value });
  return value;
}

/** An element of an array of the mirror. */
export function elementOf(array: unknown[], index: number): unknown {
  const raw = array[index];
  if (raw instanceof UnreadPage) {
    fill(array, raw);
    return array[index];
  }
  if (!(raw instanceof Unread)) return raw;
  const value = readOn(raw);
  array[index] = value;
  return value;
}

/** Puts the elements of a page in its place; a slot that holds another value by now keeps it. */
function fill(array: unknown[], page: UnreadPage): void {
  readPage(page).forEach((value, i) => {
    if (array[page.first + i] === page) array[page.first + i] = value;
  });
}

/** The value of an entry of a Map of the mirror. */
export function entryOf(map: Map<unknown, unknown>, key: unknown): unknown {
  const raw = map.get(key);
  if (!(raw instanceof Unread)) return raw;
  const value = readOn(raw);
  map.set(key, value);
  return value;
}

/** An array of the mirror of which there will be a copy: each element is read once, and is the same in both. */
export function wholeArray(array: unknown[]): unknown[] {
  for (let i = 0; i < array.length; i++) elementOf(array, i);
  return array;
}
