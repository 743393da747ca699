/**
 * Objects of built-in classes from what is stored of them. Each function gives undefined for contents that the
 * encoder does not write. Names are looked up in closed lists only.
 */
import { ERROR_CLASSES, type TypedArray, type TypedArrayTag } from "./tags.ts";

/** The platform's own, whatever stands in for it later: fake timers of tests do. */
const OwnDate = Date;

/** From seconds since 1970, as cbor-x rounds them. */
export function rebuildDate(seconds: number): Date {
  return new OwnDate(Math.round(seconds * 1000));
}

/** From milliseconds since 1970. */
export function rebuildDateMs(ms: number): Date {
  return new OwnDate(ms);
}

/** From the big-endian bytes of the magnitude. */
export function rebuildBigint(magnitude: Buffer, negative: boolean): bigint {
  const value = magnitude.length === 0 ? 0n : BigInt(`0x${magnitude.toString("hex")}`);
  return negative ? ~value : value;
}

/** From bytes that nothing else refers to, at the start of their memory. */
export function rebuildTypedArray(bytes: Uint8Array, { make, swapped }: TypedArrayTag): TypedArray | undefined {
  if (bytes.length % make.BYTES_PER_ELEMENT !== 0) return undefined;
  if (swapped) swapElements(Buffer.from(bytes.buffer), make.BYTES_PER_ELEMENT);
  return new make(bytes.buffer);
}

function swapElements(bytes: Buffer, width: number): void {
  if (width === 2) bytes.swap16();
  else if (width === 4) bytes.swap32();
  else bytes.swap64();
}

/** From its whole address. */
export function rebuildUrl(href: string): URL | undefined {
  try {
    return new URL(href);
  } catch {
    return undefined;
  }
}

/** From `[source, flags, lastIndex]`. */
export function rebuildRegexp(source: unknown, flags: unknown, lastIndex: unknown): RegExp | undefined {
  if (typeof source !== "string" || typeof flags !== "string") return undefined;
  try {
    const regexp = new RegExp(source, flags);
    regexp.lastIndex = lastIndex as number; // as given: any value may stand there
    return regexp;
  } catch {
    return undefined;
  }
}

/** From what cbor-x writes under tag 27: `["RegExp", source, flags]`, or an error's `[name, message]`. */
export function rebuildNamed(fields: readonly unknown[]): RegExp | Error | undefined {
  const [name, first, second] = fields;
  if (fields.length === 3 && name === "RegExp") return rebuildRegexp(first, second, 0);
  if (fields.length !== 2 || typeof name !== "string") return undefined;
  const className = name in ERROR_CLASSES ? name : "Error";
  const error = emptyError(className);
  define(error, "message", first, false);
  define(error, "stack", typeof first === "string" && first !== "" ? `${name}: ${first}` : name, false);
  if (name !== className) define(error, "name", name, true);
  return error;
}

/** From `[class, message, stack, enumerable properties, cause?, errors?]`, each absent where there is a hole. */
export function rebuildError(fields: readonly unknown[]): Error | undefined {
  const [className, , , properties] = fields;
  if (fields.length < 4 || fields.length > 6) return undefined;
  if (typeof className !== "string" || !(className in ERROR_CLASSES) || !isPlain(properties)) return undefined;
  if (fields.length === 6 && className !== "AggregateError") return undefined;
  const error = emptyError(className);
  for (const [index, name] of HIDDEN_FIELDS) if (index in fields) define(error, name, fields[index], false);
  for (const name of Object.keys(properties)) define(error, name, properties[name], true);
  return error;
}

const HIDDEN_FIELDS = [
  [1, "message"],
  [2, "stack"],
  [4, "cause"],
  [5, "errors"],
] as const;

/** An error of that class with nothing of its own. */
function emptyError(className: string): Error {
  const make = ERROR_CLASSES[className];
  const error = className === "AggregateError" ? new AggregateError([]) : new (make as ErrorConstructor)();
  for (const key of Reflect.ownKeys(error)) Reflect.deleteProperty(error, key);
  return error;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function define(owner: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(owner, key, { value, enumerable, writable: true, configurable: true });
}
