/**
 * What there is to store of built-in objects, read past whatever the user may have put in front of it. Writes nothing;
 * where something cannot be stored, says what it found.
 */
import { types } from "node:util";
import { nativeGetter } from "./kinds.ts";
import { TAG_OF_TYPED_ARRAY, TYPED_ARRAY_TAGS, type TypedArray } from "./tags.ts";

const dateTime = Date.prototype.getTime;
const regexpSource = nativeGetter(RegExp.prototype, "source");
const regexpFlags = nativeGetter(RegExp.prototype, "flags");
const urlHref = nativeGetter(URL.prototype, "href");
const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;
const viewedMemory = nativeGetter(typedArrayPrototype, "buffer");
const viewedOffset = nativeGetter(typedArrayPrototype, "byteOffset");
const viewedLength = nativeGetter(typedArrayPrototype, "length");
const memoryIsResizable = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "resizable")?.get;
/** In newer engines `stack` is a getter of the engine's own on every error. */
const stackGetter = Object.getOwnPropertyDescriptor(new Error("stack"), "stack")?.get;

/** Milliseconds since 1970; NaN for an invalid date. */
export function timeOf(date: object): number {
  return dateTime.call(date);
}

export function patternOf(regexp: object): { source: string; flags: string } {
  return { source: regexpSource.call(regexp) as string, flags: regexpFlags.call(regexp) as string };
}

/** The address, if `url` is a URL and its address leads back to an equal one. */
export function hrefOf(url: object): string | undefined {
  try {
    const href = urlHref.call(url) as string;
    return new URL(href).href === href ? href : undefined;
  } catch {
    return undefined;
  }
}

/** A second view of the memory of `array`, of the same class but without properties of its own. */
export function cleanView(array: TypedArray, className: string): TypedArray {
  const memory = viewedMemory.call(array) as ArrayBuffer;
  const [offset, length] = [viewedOffset.call(array) as number, viewedLength.call(array) as number];
  if (className === "Buffer") return Buffer.from(memory, offset, length);
  const make = TYPED_ARRAY_TAGS.get(TAG_OF_TYPED_ARRAY.get(className) as number)?.make;
  if (make === undefined) throw new TypeError(`no tag for ${className}`);
  return new make(memory, offset, length);
}

export function memoryOf(array: TypedArray): ArrayBufferLike {
  return viewedMemory.call(array) as ArrayBufferLike;
}

/** Why `memory` holds no settled bytes: another thread or a resize may change it, or it is gone. */
export function blemishOf(memory: ArrayBufferLike): string | undefined {
  if (types.isSharedArrayBuffer(memory)) return "shared memory";
  if (memoryIsResizable?.call(memory) === true) return "resizable memory";
  return memory.byteLength === 0 && isDetached(memory) ? "memory that was transferred" : undefined;
}

function isDetached(memory: ArrayBufferLike): boolean {
  try {
    return new Uint8Array(memory).length !== 0;
  } catch {
    return true;
  }
}

/** What an error has of its own. */
export interface ErrorParts {
  /** `message`, `stack`, `cause` and `errors`, as its constructor and the engine hide them. */
  readonly hidden: Readonly<Record<string, unknown>>;
  /** What code has put on it. */
  readonly open: readonly (readonly [string, unknown])[];
  /** A property that cannot be stored; then the rest may be incomplete. */
  readonly stray?: string | symbol;
}

export function partsOfError(error: Error, className: string): ErrorParts {
  const hidden = Object.create(null) as Record<string, unknown>;
  const open: [string, unknown][] = [];
  for (const key of Reflect.ownKeys(error)) {
    const property = Object.getOwnPropertyDescriptor(error, key) as PropertyDescriptor;
    const isEngines = key === "stack" && property.get !== undefined && property.get === stackGetter;
    if (typeof key === "symbol" || (property.writable === undefined && !isEngines)) return { hidden, open, stray: key };
    const value: unknown = isEngines ? error.stack : property.value;
    if (property.enumerable) open.push([key, value]);
    else if (isHiddenPart(key, className)) hidden[key] = value;
    else return { hidden, open, stray: key };
  }
  return { hidden, open };
}

function isHiddenPart(key: string, className: string): boolean {
  return (
    key === "message" || key === "stack" || key === "cause" || (key === "errors" && className === "AggregateError")
  );
}
