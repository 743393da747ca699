/**
 * The CBOR tags of stored values. They are on disk: a number here never changes its meaning.
 *
 * Tags up to 259 are registered ones, as cbor-x writes them; those from 20560 are Pawl's own, for what has no other.
 */

/** Seconds since 1970. */
export const TAG_DATE = 1;
/** An integer of any size: byte string, big-endian. The negative one holds -1-n. */
export const TAG_BIG_POSITIVE = 2;
export const TAG_BIG_NEGATIVE = 3;
/** `["RegExp", source, flags]`, and on reading also cbor-x's errors: `[name, message]`. */
export const TAG_NAMED = 27;
export const TAG_SET = 258;
export const TAG_MAP = 259;
/** A string UTF-8 cannot say, or the key `__proto__`: byte string, WTF-8. */
export const TAG_WTF8 = 20560;
/** A place of an array that holds nothing: followed by f7, `undefined`. */
export const TAG_HOLE = 20561;
/** An ArrayBuffer: byte string. */
export const TAG_ARRAY_BUFFER = 20562;
/** A date that seconds as a double cannot say: milliseconds since 1970. */
export const TAG_DATE_MS = 20563;
/** `[class, message, stack, enumerable properties, cause?, errors?]`; a hole for a property that is absent. */
export const TAG_ERROR = 20564;
/** `[source, flags, lastIndex]`. */
export const TAG_REGEXP = 20565;
/** A URL: text. */
export const TAG_URL = 20566;
/** An object without a prototype: map. */
export const TAG_NULL_PROTOTYPE = 20567;
/** `[trace, value]`: a value of a message, call or input with the trace that it belongs to. Reads as the value. */
export const TAG_CARRIED = 20568;

/** The error classes that are stored as themselves, and no others. */
export const ERROR_CLASSES: Readonly<Record<string, ErrorConstructor | AggregateErrorConstructor>> = Object.assign(
  Object.create(null) as Record<string, ErrorConstructor | AggregateErrorConstructor>,
  { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError },
);

export type TypedArray =
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

interface TypedArrayClass {
  readonly BYTES_PER_ELEMENT: number;
  readonly prototype: TypedArray;
  readonly name: string;
  new (memory: ArrayBufferLike, offset?: number, length?: number): TypedArray;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** RFC 8746: the tag of a class for little-endian elements, which differs by bit 2 from the big-endian one. */
const LITTLE_ENDIAN_TAGS: ReadonlyMap<TypedArrayClass, number> = new Map<TypedArrayClass, number>([
  [Uint8Array, 64],
  [Uint8ClampedArray, 68],
  [Uint16Array, 69],
  [Uint32Array, 70],
  [BigUint64Array, 71],
  [Int8Array, 72],
  [Int16Array, 77],
  [Int32Array, 78],
  [BigInt64Array, 79],
  [Float32Array, 85],
  [Float64Array, 86],
]);
const ENDIAN_BIT = 4;

export interface TypedArrayTag {
  readonly make: TypedArrayClass;
  /** The elements of the stored bytes have the other order than this machine's. */
  readonly swapped: boolean;
}

/** How to read each typed array tag. */
export const TYPED_ARRAY_TAGS: ReadonlyMap<number, TypedArrayTag> = typedArrayTags();
/** The tag of each class, by the class's name, for elements in this machine's order: memory is written as it is. */
export const TAG_OF_TYPED_ARRAY: ReadonlyMap<string, number> = new Map(
  [...TYPED_ARRAY_TAGS].filter(([, { swapped }]) => !swapped).map(([tag, { make }]) => [make.name, tag]),
);

function typedArrayTags(): Map<number, TypedArrayTag> {
  const tags = new Map<number, TypedArrayTag>();
  for (const [make, tag] of LITTLE_ENDIAN_TAGS) {
    if (make.BYTES_PER_ELEMENT === 1) {
      tags.set(tag, { make, swapped: false });
      continue;
    }
    tags.set(tag, { make, swapped: !LITTLE_ENDIAN });
    tags.set(tag & ~ENDIAN_BIT, { make, swapped: LITTLE_ENDIAN });
  }
  return tags;
}
