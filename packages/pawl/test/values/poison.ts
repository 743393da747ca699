/**
 * The values that codecs are known to change, lose or die of. The accepted ones, with their bytes, are the fixture
 * `tests/fixtures/values.json`, which the Rust side reads too.
 */
import vm from "node:vm";
import * as namespace from "./exact.ts";

export interface Accepted {
  readonly name: string;
  readonly make: () => unknown;
}

export interface Refused extends Accepted {
  readonly path: string;
  readonly found: string;
}

export function accepted(name: string, make: () => unknown): Accepted {
  return { name, make };
}

const array = <T>(length: number, make: (index: number) => T): T[] => Array.from({ length }, (_, index) => make(index));

function withStack<E extends Error>(error: E, stack = `${error.name}: ${error.message}\n    at work (app.js:1:2)`): E {
  error.stack = stack;
  return error;
}

function without<T extends object>(value: T, key: string): T {
  Reflect.deleteProperty(value, key);
  return value;
}

function holey(length: number, elements: Record<number, unknown>): unknown[] {
  const list: unknown[] = [];
  list.length = length;
  return Object.assign(list, elements);
}

function own(key: string, value: unknown): unknown {
  return Object.defineProperty({}, key, { value, enumerable: true, writable: true, configurable: true });
}

const numbers = [
  0,
  -0,
  1,
  -1,
  23,
  24,
  -24,
  -25,
  255,
  256,
  -256,
  -257,
  65535,
  65536,
  -65536,
  -65537,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  -(2 ** 31) - 1,
  2 ** 32 - 1,
  2 ** 32,
  -(2 ** 32),
  -(2 ** 32) - 1,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 53) + 1,
  -(2 ** 53),
  0.1,
  -1.5,
  5e-324,
  1.7976931348623157e308,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];

const bigints = [
  0n,
  1n,
  -1n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  2n ** 63n,
  -(2n ** 63n),
  -(2n ** 63n) - 1n,
  -(2n ** 63n) - 2n,
  2n ** 64n - 1n,
  2n ** 64n,
  -(2n ** 64n) + 1n,
  -(2n ** 64n),
  2n ** 70n,
  -(2n ** 70n),
  2n ** 200n + 1n,
];

const texts: [string, string][] = [
  ["empty text", ""],
  ["text of 23 bytes", "a".repeat(23)],
  ["text of 24 bytes", "a".repeat(24)],
  ["text of 40 characters", "é".repeat(40)],
  ["text of 41 characters", "é".repeat(41)],
  ["text of 255 bytes", "x".repeat(255)],
  ["text of 256 bytes", "x".repeat(256)],
  ["text of two, three and four bytes a character", "é日😀"],
  ["U+0000", "a\u0000b"],
  ["U+FFFF", "\uffff"],
  ["U+FFFD, the replacement character", "\ufffd"],
  ["a byte order mark", "\ufeffa"],
  ["lone high surrogate", "a\ud800"],
  ["lone low surrogate", "\udc00b"],
  ["surrogates the wrong way round", "\udc00\ud800"],
  ["lone surrogate in a long text", `${"x".repeat(100)}\ud83d${"y".repeat(100)}`],
  ["lone surrogate beside a pair", "\ud83d😀\ude00"],
];

const keys = [
  "constructor",
  "prototype",
  "toString",
  "then",
  "toJSON",
  "length",
  "",
  "valueOf",
  "hasOwnProperty",
  "\u0000",
];

const dates = [
  0,
  1,
  -1,
  999,
  1000,
  -1000,
  1500,
  1001,
  1_700_000_000_123,
  (2 ** 32 - 1) * 1000,
  2 ** 32 * 1000,
  8.64e15,
  -8.64e15,
  Number.NaN,
];
/** Of the dates that seconds as a double cannot say, the first of the year 141,401 or later. */
const UNSAYABLE_MS = firstUnsayable();

function firstUnsayable(): number {
  let ms = 4_400_000_000_000_001;
  while (Math.round((ms / 1000) * 1000) === ms) ms += 1;
  return ms;
}

export const ACCEPTED: readonly Accepted[] = [
  accepted("undefined", () => undefined),
  accepted("null", () => null),
  accepted("false", () => false),
  accepted("true", () => true),
  ...numbers.map((value) => accepted(`number ${Object.is(value, -0) ? "-0" : value}`, () => value)),
  accepted("NaN with other bits", () => new Float64Array(new BigUint64Array([0x7ff8_0000_0000_0001n]).buffer)[0]),
  ...bigints.map((value) => accepted(`bigint ${value}`, () => value)),
  ...texts.map(([name, value]) => accepted(name, () => value)),
  accepted("é composed and decomposed", () => ["\u00e9", "e\u0301"]),
  accepted("composed and decomposed é as two keys", () => ({ "\u00e9": 1, "e\u0301": 2 })),

  accepted("empty object", () => ({})),
  accepted("object", () => ({ a: 1, b: { c: [true, null] } })),
  accepted("undefined as a property", () => ({ a: undefined })),
  accepted("undefined in an array", () => [undefined]),
  accepted("integer-like keys", () => ({ b: 1, 10: 2, 9: 3, "-1": 4, "01": 5, 4294967295: 6 })),
  ...keys.map((key) => accepted(`own key ${JSON.stringify(key)}`, () => ({ [key]: 1 }))),
  accepted("own key __proto__", () => own("__proto__", 1)),
  accepted("own key __proto__ that holds an object", () => own("__proto__", { polluted: true })),
  accepted("lone surrogate in a key", () => ({ "\ud800": 1, "a\udfff": 2 })),
  accepted("long key", () => ({ ["k".repeat(300)]: 1 })),
  accepted("key of 40 two-byte characters", () => ({ ["é".repeat(40)]: 1 })),
  accepted("object without a prototype", () => Object.assign(Object.create(null), { a: 1 })),
  accepted("object without a prototype, with the key __proto__", () =>
    Object.assign(Object.create(null), own("__proto__", 1)),
  ),
  accepted("frozen object", () => Object.freeze({ a: 1, b: Object.freeze([1]) })),
  accepted("sealed object", () => Object.seal({ a: 1 })),
  accepted("object with 300 keys", () => Object.fromEntries(array(300, (i) => [`k${i}`, i]))),

  accepted("empty array", () => []),
  accepted("array of 24", () => array(24, (i) => i)),
  accepted("array of 256", () => array(256, (i) => i)),
  accepted("holes", () => holey(5, { 1: 1, 3: undefined })),
  accepted("only holes", () => holey(3, {})),
  accepted("array that ends in a hole", () => holey(2, { 0: 0 })),
  accepted("40 elements and a hole", () => holey(41, { ...array(40, (i) => i) })),
  accepted("nesting of 255 arrays around an empty one", () => nested(255)),

  ...dates.map((ms) => accepted(`date ${ms}`, () => new Date(ms))),
  accepted("date that seconds cannot say", () => new Date(UNSAYABLE_MS)),

  accepted("empty Map", () => new Map()),
  accepted(
    "Map",
    () =>
      new Map<unknown, unknown>([
        ["b", 1],
        ["a", { x: [1] }],
        [1, "one"],
        [1n, 2n],
        [Number.NaN, null],
        [undefined, undefined],
      ]),
  ),
  accepted(
    "Map with objects as keys, equal ones too",
    () =>
      new Map([
        [{ a: 1 }, 1],
        [{ a: 1 }, 2],
      ]),
  ),
  accepted("Map with the key __proto__", () => new Map([["__proto__", 1]])),
  accepted("Map in a Map, Set in a Set", () => new Map([[new Map([[1, 2]]), new Set([new Set([1])])]])),
  accepted("empty Set", () => new Set()),
  accepted("Set", () => new Set<unknown>([3, 1, "1", 2, { a: 1 }, undefined, Number.NaN])),

  accepted("Uint8Array", () => new Uint8Array([0, 1, 255])),
  accepted("empty Uint8Array", () => new Uint8Array(0)),
  accepted("Uint8Array of 100", () => Uint8Array.from(array(100, (i) => i))),
  accepted("part of a Uint8Array", () => new Uint8Array([1, 2, 3, 4]).subarray(1, 3)),
  accepted("Uint8ClampedArray", () => new Uint8ClampedArray([0, 255])),
  accepted("Int8Array", () => new Int8Array([-1, 1])),
  accepted("Uint16Array", () => new Uint16Array([1, 65535])),
  accepted("part of an Int16Array", () => new Int16Array([1, -2, 3]).subarray(1)),
  accepted("Uint32Array", () => new Uint32Array([1, 2 ** 32 - 1])),
  accepted("Int32Array", () => new Int32Array([1, -1])),
  accepted("Float32Array", () => new Float32Array([1.5, -0, Number.NaN])),
  accepted("Float64Array", () => new Float64Array([1.5, -0, Number.POSITIVE_INFINITY])),
  accepted("BigInt64Array", () => new BigInt64Array([1n, -1n])),
  accepted("BigUint64Array", () => new BigUint64Array([1n, 2n ** 64n - 1n])),
  accepted("Buffer", () => Buffer.from([1, 2, 3])),
  accepted("empty Buffer", () => Buffer.alloc(0)),
  accepted("Buffer that is a slice of a pool", () => Buffer.from("pooled").subarray(1, 4)),
  accepted("ArrayBuffer", () => new Uint8Array([1, 2, 3]).buffer),
  accepted("ArrayBuffer of length 0", () => new ArrayBuffer(0)),

  accepted("Error", () => withStack(new Error("m"))),
  ...[EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((make) =>
    accepted(make.name, () => withStack(new make("m"))),
  ),
  accepted("Error without a message", () => withStack(new Error())),
  accepted("Error without a stack", () => without(new Error("m"), "stack")),
  accepted("Error with a cause", () => withStack(new Error("m", { cause: withStack(new TypeError("inner")) }))),
  accepted("Error with an undefined cause", () => withStack(new Error("m", { cause: undefined }))),
  accepted("Error with properties", () =>
    withStack(Object.assign(new Error("m"), { code: "ENOENT", name: "Mine", errors: [1] })),
  ),
  accepted("Error with the property __proto__", () =>
    withStack(
      Object.defineProperty(new Error("m"), "__proto__", {
        value: 1,
        enumerable: true,
        writable: true,
        configurable: true,
      }),
    ),
  ),
  accepted("Error with a visible message and cause", () =>
    withStack(Object.assign(new Error(), { message: "m", cause: 1 })),
  ),
  accepted("Error with a message that is no text", () =>
    withStack(Object.defineProperty(new Error("m"), "message", { value: { a: 1 } }), "stack"),
  ),
  accepted("AggregateError", () => withStack(new AggregateError([1, withStack(new Error("x"))], "m"))),
  accepted("AggregateError with a cause", () => withStack(new AggregateError([], "m", { cause: 1 }))),
  accepted("AggregateError without errors", () => without(withStack(new AggregateError([], "m")), "errors")),

  accepted("RegExp", () => /a.b/giu),
  accepted("empty RegExp", () => /(?:)/),
  accepted("RegExp with lastIndex", () => Object.assign(/a/g, { lastIndex: 3 })),
  accepted("RegExp with a lastIndex of -0", () => Object.assign(/a/g, { lastIndex: -0 })),
  accepted("RegExp with a lone surrogate", () => /\ud800/),
  accepted("URL", () => new URL("https://user:pass@example.com:8080/a b?q=é#h")),
];

/** `levels` arrays around an empty one. */
export function nested(levels: number): unknown[] {
  let value: unknown[] = [];
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

class Decimal {
  digits = "1";
}
class Scores extends Map {}
class Listing extends Array {}
class Failure extends Error {}

const trap = (): never => {
  throw new Error("user code was run");
};
const getter = (enumerable = true): PropertyDescriptor => ({ get: trap, enumerable, configurable: true });
const hidden = (value: unknown): PropertyDescriptor => ({
  value,
  enumerable: false,
  writable: true,
  configurable: true,
});
const put = <T extends object>(value: T, key: PropertyKey, property: PropertyDescriptor): T =>
  Object.defineProperty(value, key, property);

function refused(name: string, path: string, found: string, make: () => unknown): Refused {
  return { name, path, found, make };
}

const ACCESSOR = "an accessor property";
const SYMBOL = "a symbol-keyed property";
const HIDDEN = "a non-enumerable property";
const NAMED = "a named property of something that is no plain object";

function cycle(): unknown {
  const a: Record<string, unknown> = {};
  a["b"] = { c: [a] };
  return a;
}

function innerCycle(): unknown {
  const list: unknown[] = [];
  list.push({ list });
  return { x: list };
}

const trapped = new Proxy(
  {},
  { getPrototypeOf: trap, ownKeys: trap, get: trap, getOwnPropertyDescriptor: trap, has: trap },
);

export const REFUSED: readonly Refused[] = [
  refused("function", "", "a function", () => () => 1),
  refused("symbol", "", "a symbol", () => Symbol("s")),
  refused("function in a list of objects", ".items[3].price", "a function", () => ({
    items: [0, 1, 2, { price: () => 1 }],
  })),
  refused("function under an odd key", '["odd key"].x', "a function", () => ({ "odd key": { x: trap } })),
  refused("function under the empty key", '[""]', "a function", () => ({ "": trap })),
  refused("function under a key with a lone surrogate", '["\\ud800"]', "a function", () => ({ "\ud800": trap })),
  refused("class", ".type", "a function", () => ({ type: Decimal })),
  refused("function in a Map", '.get("price")', "a function", () => new Map([["price", trap]])),
  refused("function in a Map under a number", ".m.get(7)[0]", "a function", () => ({ m: new Map([[7, [trap]]]) })),
  refused("function in a Map under a bigint", ".get(7n)", "a function", () => new Map([[7n, trap]])),
  refused(
    "function in a Map under an object",
    ".values()[1]",
    "a function",
    () =>
      new Map<unknown, unknown>([
        [1, 1],
        [{}, trap],
      ]),
  ),
  refused(
    "function as a key of a Map",
    ".keys()[1]",
    "a function",
    () =>
      new Map<unknown, unknown>([
        [1, 1],
        [trap, 2],
      ]),
  ),
  refused("function within a key of a Map", ".keys()[0].f", "a function", () => new Map([[{ f: trap }, 2]])),
  refused("function in a Set", ".values()[1]", "a function", () => new Set<unknown>([1, trap])),

  refused("class instance", ".price", "an instance of class Decimal", () => ({ price: new Decimal() })),
  refused(
    "instance of a class named Object",
    "",
    "an instance of class Object",
    () => new ({ Object: class {} }).Object(),
  ),
  refused("subclass of Map", "", "an instance of class Scores", () => new Scores()),
  refused("subclass of Array", "", "an instance of class Listing", () => new Listing()),
  refused("subclass of Error", "", "an instance of class Failure", () => new Failure("m")),
  refused("instance of a class without a name", "", "an object with a prototype of its own", () => new (class {})()),
  refused("object with an object as prototype", "", "an object with a prototype of its own", () =>
    Object.create({ constructor: 1 }),
  ),
  refused("object that inherits from a plain object", "", "an object with a prototype of its own", () =>
    Object.create({ a: 1 }),
  ),
  refused("object whose prototype is a Proxy", "", "an object with a prototype of its own", () =>
    Object.create(trapped),
  ),
  refused(
    "class whose name is a getter",
    "",
    "an object with a prototype of its own",
    () => new (put(class {}, "name", getter()))(),
  ),
  refused("object that only claims to be a Map", "", "something that only has the prototype of Map", () =>
    Object.create(Map.prototype),
  ),
  refused("object that only claims to be an array", "", "something that only has the prototype of Array", () =>
    Object.create(Array.prototype),
  ),
  refused("object that only claims to be an Error", "", "something that only has the prototype of Error", () =>
    Object.create(Error.prototype),
  ),
  refused("object that only claims to be a URL", "", "a URL whose address does not lead back to it", () =>
    Object.create(URL.prototype),
  ),
  refused("typed array that claims another class", "", "something that only has the prototype of Uint8Array", () =>
    Object.setPrototypeOf(new Int16Array(2), Uint8Array.prototype),
  ),
  refused("boxed number", "", "a Number object", () => Object(1)),
  refused("boxed string", "", "a String object", () => Object("s")),
  refused("boxed bigint", "", "a BigInt object", () => Object(1n)),
  refused("Promise", ".later", "a Promise object", () => ({ later: Promise.resolve() })),
  refused("WeakMap", "", "a WeakMap object", () => new WeakMap()),
  refused("WeakSet", "", "a WeakSet object", () => new WeakSet()),
  refused("WeakRef", "", "a WeakRef object", () => new WeakRef({})),
  refused("DataView", "", "a DataView object", () => new DataView(new ArrayBuffer(1))),
  refused("SharedArrayBuffer", "", "a SharedArrayBuffer object", () => new SharedArrayBuffer(1)),
  refused("typed array on shared memory", ".bytes", "a Uint8Array on shared memory", () => ({
    bytes: new Uint8Array(new SharedArrayBuffer(8)),
  })),
  refused("resizable ArrayBuffer", "", "an ArrayBuffer on resizable memory", () => resizable()),
  refused(
    "typed array on resizable memory",
    "",
    "an Int16Array on resizable memory",
    () => new Int16Array(resizable()),
  ),
  refused("Buffer on resizable memory", "", "a Buffer on resizable memory", () => Buffer.from(resizable())),
  refused("typed array whose memory was transferred", "", "a Uint8Array on memory that was transferred", () => {
    const bytes = new Uint8Array(8);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    return bytes;
  }),
  refused("generator", "", "an object with a prototype of its own", () => (function* () {})()),
  refused("arguments", "[Symbol(Symbol.iterator)]", SYMBOL, argumentsOf),
  refused("module namespace", "[Symbol(Symbol.toStringTag)]", SYMBOL, () => namespace),

  refused("Proxy", ".p", "a Proxy", () => ({ p: trapped })),
  refused("Proxy of an array", "", "a Proxy", () => new Proxy([], { get: trap, getPrototypeOf: trap })),
  refused("revoked Proxy", "", "a Proxy", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  }),

  refused("getter that throws", ".total", ACCESSOR, () => put({ a: 1 }, "total", getter())),
  refused("hidden getter", ".total", ACCESSOR, () => put({ a: 1 }, "total", getter(false))),
  refused("setter", ".total", ACCESSOR, () => put({ a: 1 }, "total", { set: trap, enumerable: true })),
  refused("accessor without functions", ".total", ACCESSOR, () =>
    put({ a: 1 }, "total", { get: undefined, enumerable: true } as object),
  ),
  refused("getter as an element", "[1]", ACCESSOR, () => put([1, 2, 3], 1, getter())),
  refused("setter as an element", "[1]", ACCESSOR, () => put([1, 2, 3], 1, { set: trap, enumerable: true })),
  refused("getter among many elements", "[50]", ACCESSOR, () =>
    put(
      array(100, (i) => i),
      50,
      getter(),
    ),
  ),
  refused("getter beside holes", "[2]", ACCESSOR, () => put(holey(3, { 0: 1 }), 2, getter())),
  refused("symbol as a key", "[Symbol(tag)]", SYMBOL, () => ({ [Symbol("tag")]: 1 })),
  refused("hidden symbol as a key", "[Symbol(tag)]", SYMBOL, () => put({}, Symbol("tag"), hidden(1))),
  refused("symbol-keyed getter", "[Symbol(tag)]", SYMBOL, () => put({}, Symbol("tag"), getter())),
  refused("hidden property", ".secret", HIDDEN, () => put({ a: 1 }, "secret", hidden(1))),
  refused("hidden element", "[0]", HIDDEN, () => put([1, 2], 0, { enumerable: false })),
  refused("hidden element among many", "[50]", HIDDEN, () =>
    put(
      array(100, (i) => i),
      50,
      { enumerable: false },
    ),
  ),
  refused("named property of an array", ".extra", NAMED, () => Object.assign([1], { extra: 1 })),
  refused("named property that replaces a hole", ".extra", NAMED, () => Object.assign(holey(1, {}), { extra: 1 })),
  refused("hidden property of an array", ".extra", HIDDEN, () => put([1], "extra", hidden(1))),
  refused("symbol-keyed property of an array", "[Symbol(tag)]", SYMBOL, () => put([1], Symbol("tag"), hidden(1))),
  refused("named property of a long array", ".extra", NAMED, () =>
    Object.assign(
      array(1000, (i) => i),
      { extra: 1 },
    ),
  ),
  refused("hidden property of a long array", ".extra", HIDDEN, () =>
    put(
      array(1000, (i) => i),
      "extra",
      hidden(1),
    ),
  ),
  refused("symbol-keyed property of a long array", "[Symbol(tag)]", SYMBOL, () =>
    put(
      array(1000, (i) => i),
      Symbol("tag"),
      hidden(1),
    ),
  ),
  refused("name of a long array's class as a getter", "[Symbol(Symbol.toStringTag)]", SYMBOL, () =>
    put(
      array(1000, (i) => i),
      Symbol.toStringTag,
      getter(),
    ),
  ),
  refused("name of a long typed array's class as a getter", "[Symbol(Symbol.toStringTag)]", SYMBOL, () =>
    put(new Uint8Array(1000), Symbol.toStringTag, getter()),
  ),
  refused("property of an array that is no index", '["4294967295"]', NAMED, () =>
    put([1], "4294967295", { value: 1, enumerable: true }),
  ),
  refused("result of a match", ".index", NAMED, () => "abc".match(/b/)),
  refused("named property of a Map", ".extra", NAMED, () => Object.assign(new Map(), { extra: 1 })),
  refused("replaced iterator of a Map", "[Symbol(Symbol.iterator)]", SYMBOL, () =>
    put(new Map(), Symbol.iterator, hidden(trap)),
  ),
  refused("named property of a Set", ".extra", NAMED, () => Object.assign(new Set(), { extra: 1 })),
  refused("named property of a Date", ".extra", NAMED, () => Object.assign(new Date(0), { extra: 1 })),
  refused("named property of a RegExp", ".exec", NAMED, () => Object.assign(/a/, { exec: trap })),
  refused("named property of a URL", ".extra", NAMED, () => Object.assign(new URL("http://a/"), { extra: 1 })),
  refused("named property of a Uint8Array", ".extra", NAMED, () => Object.assign(new Uint8Array(3), { extra: 1 })),
  refused("named property of a long Uint8Array", ".extra", NAMED, () =>
    Object.assign(new Uint8Array(1000), { extra: 1 }),
  ),
  refused("hidden property of a long Buffer", ".extra", HIDDEN, () => put(Buffer.alloc(1000), "extra", hidden(1))),
  refused("length of a Uint8Array that lies", ".length", ACCESSOR, () => put(new Uint8Array(3), "length", getter())),
  refused("named property of an ArrayBuffer", ".extra", NAMED, () => Object.assign(new ArrayBuffer(1), { extra: 1 })),

  refused("Error with a getter for its stack", ".stack", ACCESSOR, () => put(new Error("m"), "stack", getter())),
  refused("Error with a getter for its cause", ".cause", ACCESSOR, () => put(new Error("m"), "cause", getter())),
  refused("Error with a hidden property", ".extra", HIDDEN, () => put(new Error("m"), "extra", hidden(1))),
  refused("Error with hidden errors that is no AggregateError", ".errors", HIDDEN, () =>
    put(new Error("m"), "errors", hidden([])),
  ),
  refused("Error with a symbol-keyed property", "[Symbol(tag)]", SYMBOL, () =>
    put(new Error("m"), Symbol("tag"), hidden(1)),
  ),
  refused("Error with a function", ".retry", "a function", () => Object.assign(new Error("m"), { retry: trap })),
  refused(
    "Error with a function in its cause",
    ".cause.retry",
    "a function",
    () => new Error("m", { cause: { retry: trap } }),
  ),
  refused("AggregateError with a function", ".errors[1]", "a function", () => new AggregateError([1, trap])),
  refused("RegExp with a function as lastIndex", ".lastIndex", "a function", () =>
    put(/a/, "lastIndex", { value: trap }),
  ),

  refused("cycle to the value itself", ".b.c[0]", "a cycle back to the value itself", cycle),
  refused("cycle within", ".x[0].list", "a cycle back to .x", innerCycle),
  refused("cycle through a Map", '.get("self")', "a cycle back to the value itself", () => {
    const m = new Map();
    return m.set("self", m);
  }),
  refused("cycle through a Set", ".values()[0]", "a cycle back to the value itself", () => {
    const s = new Set();
    return s.add(s);
  }),
  refused("cycle through a cause", ".cause", "a cycle back to the value itself", () => {
    const e = new Error("m");
    e.cause = e;
    return e;
  }),
  refused("class instance of another realm", "", "an instance of class Far", () =>
    vm.runInNewContext("class Far {}; new Far()"),
  ),
  refused("subclass of another realm's Map", "", "an instance of class Far", () =>
    vm.runInNewContext("class Far extends Map {}; new Far()"),
  ),
];

function argumentsOf(): unknown {
  // biome-ignore lint/complexity/noArguments: the point
  return arguments;
}

interface ResizableMemory {
  new (length: number, options: { maxByteLength: number }): ArrayBuffer;
}

function resizable(): ArrayBuffer {
  return new (ArrayBuffer as ResizableMemory)(8, { maxByteLength: 16 });
}
