/**
 * What was written into a typed array, Buffer or ArrayBuffer: found by comparing it with what it was.
 *
 * They are handed out as real instances, so that everything that takes one works; the language has no way to watch those.
 * Knows memory, and no places.
 */
import { isAnyArrayBuffer, isArrayBufferView, isTypedArray } from "node:util/types";
import { cleanView } from "../values/builtins.ts";
import { strayOfTypedArray } from "../values/own.ts";

/** Compared at once; of a block that differs, the part that does is looked for. */
const BLOCK = 4096;
/** Changes that are this near to each other are written as one: a path takes bytes, too. */
const NEAR = 64;

/** A part of memory, in bytes. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The bytes that a stored value of this kind holds; `undefined` for any other kind. */
export function bytesOf(value: object): Buffer | undefined {
  if (isArrayBufferView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (!isAnyArrayBuffer(value)) return undefined;
  return value.byteLength === 0 ? Buffer.alloc(0) : Buffer.from(value); // one that was transferred has no bytes, and throws
}

/** A copy of such a value that shares nothing with it; `undefined` for any other kind. */
export function copyMemory(value: object): object | undefined {
  if (Buffer.isBuffer(value)) {
    const copy = Buffer.alloc(value.length); // memory of its own: `Buffer.from` takes small ones from a shared pool
    copy.set(value);
    return copy;
  }
  if (isTypedArray(value)) return value.slice();
  return isAnyArrayBuffer(value) && value.byteLength > 0 ? value.slice(0) : undefined;
}

/** Whether user code has put properties on it, which cannot be stored. */
export function hasStrays(value: object): boolean {
  if (!isTypedArray(value)) return Reflect.ownKeys(value).length > 0;
  const className = Buffer.isBuffer(value) ? "Buffer" : value[Symbol.toStringTag];
  return strayOfTypedArray(value, cleanView(value, className)) !== undefined;
}

/** Where two memories of one length differ: ranges in their order. */
export function changedRanges(before: Buffer, now: Buffer): Range[] {
  const ranges: Range[] = [];
  for (let at = 0; at < now.length; at += BLOCK) {
    const until = Math.min(at + BLOCK, now.length);
    if (before.compare(now, at, until, at, until) !== 0) addRanges(ranges, before, now, at, until);
  }
  return ranges;
}

function addRanges(ranges: Range[], before: Buffer, now: Buffer, from: number, until: number): void {
  let at = from;
  while (at < until) {
    while (at < until && before[at] === now[at]) at += 1;
    if (at === until) return;
    const start = at;
    let end = at + 1;
    while (at < until && at - end < NEAR) {
      if (before[at] !== now[at]) end = at + 1;
      at += 1;
    }
    const last = ranges[ranges.length - 1];
    if (last !== undefined && start - last.end < NEAR) ranges[ranges.length - 1] = { start: last.start, end };
    else ranges.push({ start, end });
  }
}
