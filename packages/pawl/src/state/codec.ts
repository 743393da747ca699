/**
 * The value codec as state uses it.
 *
 * Owns the limits: what user code gives is checked against those for new values; what is stored already is only copied.
 */
import type { ByteWriter } from "../values/bytes.ts";
import { copy } from "../values/copy.ts";
import { decode, readPage, readWhole } from "../values/decode.ts";
import { DEFAULT_MAX_DEPTH, encode, encodeInto as encodeTo } from "../values/encode.ts";
import { Unread, UnreadPage } from "../values/unread.ts";
import { copyMemory } from "./memory.ts";

/** What is stored already was accepted once, or was written by another program: only unreadable depth is refused. */
const STORED = { maxBytes: Number.MAX_SAFE_INTEGER, maxDepth: 10_000 } as const;

/** Appends the bytes of a value of the state; throws `ValueError` if they are more than `maxBytes`. */
export function encodeInto(out: ByteWriter, raw: unknown, maxBytes: number): void {
  encodeTo(out, raw, { maxBytes, maxDepth: STORED.maxDepth });
}

/** The bytes of a value from user code that is to be put `depth` containers deep; throws `ValueError`. */
export function encodeNew(value: unknown, maxBytes: number, depth: number): Uint8Array {
  return encode(value, { maxBytes, maxDepth: Math.max(DEFAULT_MAX_DEPTH - depth, 0) });
}

/** The bytes of a value of the state. */
export function encodeStored(raw: unknown): Uint8Array {
  return encode(raw, STORED);
}

/** Appends the bytes of a key of a Map or member of a Set that is no object, and before them how many they are. */
export function encodeKey(out: ByteWriter, key: unknown): void {
  const start = out.length;
  encodeTo(out, key, STORED);
  out.prefixLength(start);
}

/** A copy of a value of the state that shares nothing with it. */
export function copyStored(raw: unknown): unknown {
  if (typeof raw !== "object" || raw === null) return raw;
  if (Array.isArray(raw)) return copyArray(raw as readonly unknown[]);
  const prototype = Object.getPrototypeOf(raw) as object | null;
  if (prototype === Object.prototype) return copySlots({ ...raw } as Slots);
  if (prototype === null) return copySlots(Object.assign(Object.create(null) as Slots, raw));
  if (raw instanceof Unread) return readWhole(raw);
  if (raw instanceof Map) return copyMap(raw as ReadonlyMap<unknown, unknown>);
  if (raw instanceof Set) return new Set(Array.from(raw, copyStored));
  return copyMemory(raw) ?? copy(raw, STORED);
}

type Slots = Record<string, unknown>;

function copyArray(array: readonly unknown[]): unknown[] {
  const slots = array.slice(); // holes stay holes
  for (let i = 0; i < slots.length; i++) {
    const value = slots[i];
    if (value instanceof UnreadPage) {
      for (const [at, read] of readPage(value) as [number, unknown][]) if (slots[at] === value) slots[at] = read;
    } else if (typeof value === "object" && value !== null) slots[i] = copyStored(value);
  }
  return slots;
}

function copyMap(map: ReadonlyMap<unknown, unknown>): Map<unknown, unknown> {
  const copies = new Map<unknown, unknown>();
  let page: UnreadPage | undefined;
  let read = new Map<unknown, unknown>();
  for (const [key, value] of map) {
    if (!(value instanceof UnreadPage)) {
      copies.set(copyStored(key), copyStored(value));
      continue;
    }
    if (value !== page) read = new Map(readPage(value));
    page = value;
    copies.set(key, read.get(key));
  }
  return copies;
}

function copySlots(slots: Slots): Slots {
  for (const key of Object.keys(slots)) {
    const value = slots[key];
    // Its own, also if it is `__proto__`.
    if (value instanceof UnreadPage) {
      for (const [name, read] of readPage(value) as [string, unknown][])
        if (Object.hasOwn(slots, name) && slots[name] === value) slots[name] = read;
    } else if (typeof value === "object" && value !== null) slots[key] = copyStored(value);
  }
  return slots;
}

/** The value of these bytes; throws `ValueError`. */
export function decodeStored(bytes: Uint8Array): unknown {
  return decode(bytes);
}
