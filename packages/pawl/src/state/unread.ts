/**
 * Parts of the mirror that nobody has asked for yet.
 *
 * Owns when they are read: at the first look at their slot, and then they stay. Of a page the first few slots that are looked at
 * are read alone, for a program that looks at one of many here and there; then all of it. One law: a slot is read in the
 * mirror's own container, so that all drafts find the same value there.
 */
import { decodeLeaving, readOn, readOneOf, readPage } from "../values/decode.ts";
import { Unread, UnreadPage } from "../values/unread.ts";

/** Containers of so many bytes are left until somebody asks for them. */
export const LEAVE_FROM = 4096;

/** So many slots of a page are read one by one. */
const ALONE = 3;

/** Whether one slot of a page is to be read alone. */
function isAlone(page: UnreadPage): boolean {
  return page.looks++ < ALONE;
}

/** The value of these bytes, without what is large in it. */
export function decodeLevel(bytes: Uint8Array, leaveFrom: number): unknown {
  return decodeLeaving(bytes, leaveFrom);
}

/** A slot of an object of the mirror that is there. */
export function slotOf(object: Record<string, unknown>, key: string): unknown {
  const raw = object[key];
  if (!(raw instanceof Unread)) return raw;
  if (raw instanceof UnreadPage && !isAlone(raw)) {
    for (const [name, value] of readPage(raw) as [string, unknown][])
      if (Object.hasOwn(object, name) && object[name] === raw) Object.defineProperty(object, name, { value });
    return object[key];
  }
  const value = raw instanceof UnreadPage ? readOneOf(raw, key) : readOn(raw);
  // An own property is overwritten, whatever it is called: `__proto__`, too.
  Object.defineProperty(object, key, { value });
  return value;
}

/** An element of an array of the mirror. */
export function elementOf(array: unknown[], index: number): unknown {
  const raw = array[index];
  if (!(raw instanceof Unread)) return raw;
  if (raw instanceof UnreadPage && !isAlone(raw)) {
    for (const [at, value] of readPage(raw) as [number, unknown][]) if (array[at] === raw) array[at] = value;
    return array[index];
  }
  const value = raw instanceof UnreadPage ? readOneOf(raw, index) : readOn(raw);
  array[index] = value;
  return value;
}

/** The value of an entry of a Map of the mirror. */
export function entryOf(map: Map<unknown, unknown>, key: unknown): unknown {
  const raw = map.get(key);
  if (!(raw instanceof Unread)) return raw;
  if (raw instanceof UnreadPage && !isAlone(raw)) {
    for (const [name, value] of readPage(raw)) if (map.get(name) === raw) map.set(name, value);
    return map.get(key);
  }
  const value = raw instanceof UnreadPage ? readOneOf(raw, key) : readOn(raw);
  map.set(key, value);
  return value;
}

/** An array of the mirror of which there will be a copy: each element is read once, and is the same in both. */
export function wholeArray(array: unknown[]): unknown[] {
  for (let i = 0; i < array.length; i++) {
    const raw = array[i];
    if (raw instanceof UnreadPage) raw.looks = ALONE;
    elementOf(array, i);
  }
  return array;
}
