/** Bytes that the encoder does not write: other forms of values, which are read, and what is no value, which is refused. */

export interface Foreign {
  readonly name: string;
  readonly bytes: string;
  readonly make: () => unknown;
}

export interface Corrupt {
  readonly name: string;
  readonly bytes: string;
  readonly offset: number;
}

const foreign = (name: string, bytes: string, make: () => unknown): Foreign => ({
  name,
  bytes: bytes.replaceAll(" ", ""),
  make,
});
const corrupt = (name: string, bytes: string, offset: number): Corrupt => ({
  name,
  bytes: bytes.replaceAll(" ", ""),
  offset,
});

function error(name: string, message: unknown, make: ErrorConstructor = Error): Error {
  const result = new make();
  Object.defineProperty(result, "message", { value: message, enumerable: false, writable: true, configurable: true });
  result.stack = typeof message === "string" && message !== "" ? `${name}: ${message}` : name;
  return make.name === name ? result : Object.assign(result, { name });
}

export const FOREIGN: readonly Foreign[] = [
  foreign("integer in one byte too many", "1817", () => 23),
  foreign("integer in four bytes", "1a00000001", () => 1),
  foreign("negative integer in two bytes", "390000", () => -1),
  foreign("smallest negative integer of four bytes", "3affffffff", () => -(2 ** 32)),
  foreign("small integer in eight bytes is a bigint", "1b0000000000000001", () => 1n),
  foreign("largest negative integer in eight bytes", "3bffffffffffffffff", () => -(2n ** 64n)),
  foreign("half float", "f93e00", () => 1.5),
  foreign("half float, subnormal", "f90001", () => 2 ** -24),
  foreign("half float -0", "f98000", () => -0),
  foreign("half float -Infinity", "f9fc00", () => Number.NEGATIVE_INFINITY),
  foreign("half float NaN", "f97e00", () => Number.NaN),
  foreign("single float", "fa3fc00000", () => 1.5),
  foreign("single float NaN with other bits", "faffc00001", () => Number.NaN),
  foreign("double NaN with other bits", "fbfff8000000000001", () => Number.NaN),
  foreign("small bignum", "c24101", () => 1n),
  foreign("empty bignum", "c240", () => 0n),
  foreign("bignum with leading zeros", "c3420000", () => -1n),
  foreign("text of indefinite length", "7f 6161 62c3a9 60 ff", () => "aé"),
  foreign("bytes of indefinite length", "5f 420102 40 4103 ff", () => Buffer.from([1, 2, 3])),
  foreign("text with a length of eight bytes", "7b0000000000000001 61", () => "a"),
  foreign("array of indefinite length", "9f 01 9fff 02 ff", () => [1, [], 2]),
  foreign("hole in an array of indefinite length", "9f d95051f7 ff", () => new Array(1)),
  foreign("map of indefinite length", "bf 6161 01 6162 bfff ff", () => ({ a: 1, b: {} })),
  foreign("map with a short head", "a2 6161 01 6162 02", () => ({ a: 1, b: 2 })),
  foreign("map with a head of four bytes", "ba00000001 6161 01", () => ({ a: 1 })),
  foreign("key of indefinite length", "a1 7f6161ff 01", () => ({ a: 1 })),
  foreign("__proto__ as cbor-x writes it", "b90001 695f5f70726f746f5f5f 01", () => JSON.parse('{"__proto__":1}')),
  foreign("lone surrogate as cbor-x writes it", "63eda080", () => "\ud800"),
  foreign("lone surrogate in a key as cbor-x writes it", "b90001 63eda080 01", () => ({ "\ud800": 1 })),
  foreign("well-formed text under the tag for what is not", "d95050 4161", () => "a"),
  foreign("Map with a long head and indefinite length", "d90103 bf 01 02 ff", () => new Map([[1, 2]])),
  foreign("Set of indefinite length", "d90102 9f 01 ff", () => new Set([1])),
  foreign("date in half float seconds", "c1f93e00", () => new Date(1500)),
  foreign("date in negative integer seconds", "c120", () => new Date(-1000)),
  foreign("Uint16Array, big-endian", "d841 420102", () => new Uint16Array([0x102])),
  foreign("Float64Array, big-endian", "d852 483ff8000000000000", () => new Float64Array([1.5])),
  foreign("BigInt64Array, big-endian", "d84b 48ffffffffffffffff", () => new BigInt64Array([-1n])),
  foreign("Error of cbor-x", "d81b 82 654572726f72 616d", () => error("Error", "m")),
  foreign("TypeError of cbor-x", "d81b 82 69547970654572726f72 616d", () => error("TypeError", "m", TypeError)),
  foreign("error of cbor-x without a message", "d81b 82 654572726f72 60", () => error("Error", "")),
  foreign("error of cbor-x of the user's class", "d81b 82 644d696e65 616d", () => error("Mine", "m")),
  foreign("error of cbor-x named as a method", "d81b 82 68746f537472696e67 616d", () => error("toString", "m")),
  foreign("error of cbor-x named RegExp", "d81b 82 66526567457870 616d", () => error("RegExp", "m")),
];

export const CORRUPT: readonly Corrupt[] = [
  corrupt("nothing", "", 0),
  corrupt("a second value", "0101", 1),
  corrupt("integer cut short", "1901", 2),
  corrupt("double cut short", "fb3ff80000", 5),
  corrupt("reserved length", "1c", 0),
  corrupt("reserved length of text", "7d", 0),
  corrupt("reserved simple value", "fc", 0),
  corrupt("simple value 16", "f0", 0),
  corrupt("simple value 32", "f820", 0),
  corrupt("break outside", "ff", 0),
  corrupt("indefinite integer", "1f", 0),
  corrupt("indefinite tag", "df00", 0),
  corrupt("text longer than the bytes", "6261", 1),
  corrupt("text of 4 GiB", "7affffffff61", 1),
  corrupt("text of 2^64 bytes", "7bffffffffffffffff", 1),
  corrupt("text that is not UTF-8", "61ff", 1),
  corrupt("text with a byte too many in a character", "62c080", 1),
  corrupt("text with a character cut short", "62e697", 1),
  corrupt("text beyond U+10FFFF", "64f4908080", 1),
  corrupt("surrogate pair written as two", "66eda080edb080", 4),
  corrupt("the same in a long text", `7830${"61".repeat(42)}eda080edb080`, 47),
  corrupt("bytes of 2^32-1", "5affffffff", 1),
  corrupt("array of more than there are bytes", "83 01 02", 1),
  corrupt("array of 2^53", "9b0020000000000000", 1),
  corrupt("array of 2^32-1 in an array", "81 9affffffff", 2),
  corrupt("array of indefinite length without a break", "9f01", 2),
  corrupt("map of more than there are bytes", "b9ffff", 1),
  corrupt("map without its last value", "a1 6161", 3),
  corrupt("map with a break for a value", "bf 6161 ff", 3),
  corrupt("map with a number as key", "a1 01 02", 1),
  corrupt("map with bytes as key", "a1 4161 02", 1),
  corrupt("map with another tag as key", "a1 c24101 02", 1),
  corrupt("key that occurs twice", "a2 6161 01 6161 02", 7),
  corrupt("key that occurs twice in two forms", "a2 6161 01 d950504161 02", 10),
  corrupt("__proto__ twice", "a2 695f5f70726f746f5f5f 01 695f5f70726f746f5f5f 02", 23),
  corrupt("toString twice", "a2 68746f537472696e67 01 68746f537472696e67 02", 21),
  corrupt("key of a Map that occurs twice", "d90103 a2 01 02 01 03", 8),
  corrupt("key of a Map without a value", "d90103 bf 01 ff", 5),
  corrupt("element of a Set that occurs twice", "d90102 82 01 01", 6),
  corrupt("Map that is no map", "d90103 80", 3),
  corrupt("Set that is no array", "d90102 a0", 3),
  corrupt("tag within a tag", "d90103 d90103 a0", 3),
  corrupt("unknown tag", "d903e8 01", 0),
  corrupt("date as text, which cbor-x reads but never writes", "c0 74323031332d30332d32315432303a30343a30305a", 0),
  corrupt("decimal fraction", "c4 820101", 0),
  corrupt("reference", "d81d 00", 0),
  corrupt("tag of 2^64", "dbffffffffffffffff 01", 0),
  corrupt("tag without contents", "c1", 1),
  corrupt("date that is no number", "c1 6161", 1),
  corrupt("date that is a bigint", "c1 1b0000000100000000", 1),
  corrupt("date that is true", "c1 f5", 1),
  corrupt("bignum that is no bytes", "c2 01", 1),
  corrupt("part of an element", "d846 43010203", 0),
  corrupt("hole outside of an array", "d95051 f7", 0),
  corrupt("hole as a property", "a1 6161 d95051f7", 3),
  corrupt("hole that is not undefined", "81 d95051 f6", 1),
  corrupt("hole in a Set", "d90102 81 d95051f7", 4),
  corrupt("lone surrogate tag on text", "d95050 6161", 3),
  corrupt("URL that is none", "d95056 6161", 0),
  corrupt("RegExp that is none", "d81b 83 66526567457870 6128 60", 0),
  corrupt("RegExp with unknown flags", "d95055 83 6161 6171 00", 0),
  corrupt("RegExp without flags", "d95055 81 6161", 0),
  corrupt("named object of four parts", "d81b 84 66526567457870 6161 60 60", 0),
  corrupt("error of an unknown class", "d95054 84 644d696e65 616d d95051f7 b90000", 0),
  corrupt("error of the class __proto__", "d95054 84 695f5f70726f746f5f5f 616d d95051f7 b90000", 0),
  corrupt("error without properties", "d95054 84 654572726f72 616d d95051f7 80", 0),
  corrupt("error of three parts", "d95054 83 654572726f72 616d 60", 0),
  corrupt("errors in what is no AggregateError", "d95054 86 654572726f72 616d 60 b90000 01 80", 0),
];
