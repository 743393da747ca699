/**
 * What belongs to an object itself, looked at without running its getters.
 *
 * The questions are asked in the cheapest form that is exact when the answer is the usual one ("nothing unusual");
 * only an unusual object is looked at property by property.
 */
import { inspect } from "node:util";
import type { TypedArray } from "./tags.ts";

/** Up to this many elements, listing all keys costs less than asking `inspect`. */
const FEW = 32;

const INSPECT_STRAYS = {
  maxArrayLength: 0,
  showHidden: true,
  customInspect: false,
  getters: false,
  depth: 0,
  breakLength: Number.POSITIVE_INFINITY,
  numericSeparator: false,
  colors: false,
} as const;
/** What `inspect` says of an array of two elements that has no other properties. */
const CLEAN_PAIR = inspect([0, 0], INSPECT_STRAYS);

const lookupGetter = (Object.prototype as unknown as { __lookupGetter__(this: unknown, key: PropertyKey): unknown })
  .__lookupGetter__;

/**
 * The elements of an array that is as a literal makes it: all of them there, visible and without getters, and no other
 * property. Undefined for any other array. An `undefined` among the elements may still be a setter's.
 */
export function ordinaryElements(array: readonly unknown[]): readonly unknown[] | undefined {
  const { length } = array;
  if (length <= FEW ? !hasOnlyElements(array) : strayOfArray(array) !== undefined) return undefined;
  for (let i = 0; i < length; i++) if (!(i in array) || hasGetter(array, i)) return undefined;
  if (length <= FEW) return array;
  const elements = Object.values(array); // the visible ones: costs no keys, and now runs no getters
  return elements.length === length ? elements : undefined;
}

function hasOnlyElements(array: readonly unknown[]): boolean {
  const { length } = array;
  const keys = Object.keys(array); // elements come first, in order: if the last one is the last element, all are there
  if (keys.length !== length || (length > 0 && keys[length - 1] !== String(length - 1))) return false;
  return Reflect.ownKeys(array).length === length + 1; // and "length"
}

/** A property of an array that is no element, nor its length. */
export function strayOfArray(array: readonly unknown[]): string | symbol | undefined {
  const { length } = array;
  if (length > FEW && looksLike(array, CLEAN_PAIR.replaceAll("2", String(length)))) return undefined;
  return Reflect.ownKeys(array).find((key) => key !== "length" && !isIndex(key));
}

/** A property of a typed array that is no element. `clean` has the same class, length and memory, and no such property. */
export function strayOfTypedArray(array: TypedArray, clean: TypedArray): string | symbol | undefined {
  if (clean.length > FEW && looksLike(array, inspect(clean, INSPECT_STRAYS))) return undefined;
  return Reflect.ownKeys(array).find((key) => !isIndex(key));
}

/**
 * Whether `inspect`, which finds other properties without listing the elements, says just that. A wording unlike the
 * expected one costs time, no more. Symbols come first, as `inspect` would read one of them.
 */
function looksLike(array: object, clean: string): boolean {
  return Object.getOwnPropertySymbols(array).length === 0 && inspect(array, INSPECT_STRAYS) === clean;
}

function isIndex(key: string | symbol): boolean {
  return typeof key === "string" && String(Number(key) >>> 0) === key && key !== "4294967295";
}

/** Whether reading `key` of `owner`, which has it, would run a getter. */
function hasGetter(owner: object, key: PropertyKey): boolean {
  return lookupGetter.call(owner, key) !== undefined;
}

/** Whether `owner` has a plain value under `key`, rather than a getter, a setter or nothing. */
export function hasValue(owner: object, key: PropertyKey): boolean {
  return Object.getOwnPropertyDescriptor(owner, key)?.writable !== undefined;
}

/** A noun phrase for a property that is no plain data. */
export function describeProperty(owner: object, key: PropertyKey): string {
  if (typeof key === "symbol") return "a symbol-keyed property";
  const property = Object.getOwnPropertyDescriptor(owner, key);
  if (property !== undefined && property.writable === undefined) return "an accessor property";
  return property?.enumerable === false
    ? "a non-enumerable property"
    : "a named property of something that is no plain object";
}
