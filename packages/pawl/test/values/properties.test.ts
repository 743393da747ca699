import { decode as cborXDecode, encode as cborXEncode } from "cbor-x";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { copy, decode, encode, ValueError } from "../../src/values/index.ts";
import { difference } from "./exact.ts";
import { holds } from "./holds.ts";
import { ACCEPTED } from "./poison.ts";

const RUNS = Number(process.env["PAWL_PROPERTY_RUNS"] ?? 200);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const typedArray = fc.oneof(
  fc.uint8Array(),
  fc.uint8ClampedArray(),
  fc.int8Array(),
  fc.uint16Array(),
  fc.int16Array(),
  fc.uint32Array(),
  fc.int32Array(),
  fc.float32Array({ noNaN: true }),
  fc.float64Array({ noNaN: true }),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
);

interface Leaves {
  readonly number: fc.Arbitrary<number>;
  readonly text: fc.Arbitrary<string>;
  readonly key: fc.Arbitrary<string>;
  readonly others: readonly fc.Arbitrary<unknown>[];
}

function values({ number, text, key, others }: Leaves): fc.Arbitrary<unknown> {
  return fc.letrec((tie) => {
    const leaf = fc.oneof(
      fc.constantFrom(undefined, null, true, false),
      number,
      text,
      fc.bigInt(),
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      typedArray,
      ...others,
    );
    const any = tie("value");
    return {
      value: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        leaf,
        tie("list"),
        tie("object"),
        tie("map"),
        tie("set"),
      ),
      list: fc.array(any, { maxLength: 40 }),
      object: fc.array(fc.tuple(key, any), { maxLength: 20 }).map((entries) => Object.fromEntries(entries)),
      map: fc.array(fc.tuple(any, any), { maxLength: 10 }).map((entries) => new Map(entries)),
      set: fc.array(any, { maxLength: 10 }).map((elements) => new Set(elements)),
    };
  }).value;
}

const integer = fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 33), max: 2 ** 33 }), fc.maxSafeInteger());
const wellFormed = fc.oneof(fc.string(), fc.string({ unit: "binary", maxLength: 80 }));

/** What cbor-x keeps as it is. */
const ordinary = values({
  number: fc.oneof(integer, fc.double()).map((value) => (value === 0 ? 0 : value)),
  text: wellFormed,
  key: wellFormed.filter((key) => key !== "__proto__"),
  others: [fc.date({ min: new Date("1900-01-01"), max: new Date("3000-01-01") }), fc.constant(/a+/gi)],
});

const units = fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff })), {
  maxLength: 60,
});
const anyText = fc.oneof(
  wellFormed,
  units.map((list) => String.fromCharCode(...list)),
);

const holey = fc.tuple(fc.nat(80), fc.dictionary(fc.nat(79).map(String), fc.integer())).map(([length, elements]) => {
  const list: unknown[] = [];
  for (const key of Object.keys(elements)) list[Number(key)] = elements[key];
  list.length = Math.max(length, list.length);
  return list;
});
const bare = fc.dictionary(anyText, fc.integer()).map((value) => Object.assign(Object.create(null) as object, value));
const errors = fc
  .tuple(fc.constantFrom(Error, TypeError, RangeError), anyText, fc.dictionary(anyText, fc.integer()), fc.boolean())
  .map(([make, message, properties, caused]) =>
    Object.assign(caused ? new make(message, { cause: properties }) : new make(message), properties),
  );
const everything = values({
  number: fc.oneof(integer, fc.double(), fc.constant(-0)),
  text: anyText,
  key: fc.oneof(anyText, fc.constantFrom("__proto__", "constructor", "toString", "1", "2")),
  others: [fc.date({ noInvalidDate: false }), holey, bare, errors, fc.webUrl().map((url) => new URL(url))],
});

describe("for every value", { timeout: 120_000 }, () => {
  test("reading gives back exactly what was written", () => {
    holds(everything, RUNS, (value) => expect(difference(decode(encode(value)), value)).toBeUndefined());
  });

  test("writing what was read gives the same bytes", () => {
    holds(everything, RUNS, (value) => expect(hex(encode(decode(encode(value))))).toBe(hex(encode(value))));
  });

  test("a shared reference gives the bytes of two copies", () => {
    const long = fc.tuple(everything, everything).map(([a, b]) => [a, b, "x".repeat(1100)]);
    holds(long, RUNS / 5, (value) => {
      const bytes = hex(encode(value));
      expect(hex(encode([value, { deeper: value }]))).toBe(`82${bytes}b9000166646565706572${bytes}`);
    });
  });
});

describe("for every ordinary value", { timeout: 120_000 }, () => {
  test("the bytes are those of cbor-x", () => {
    holds(ordinary, RUNS, (value) => expect(hex(encode(value))).toBe(hex(cborXEncode(value))));
  });

  test("cbor-x reads them as the same value", () => {
    holds(ordinary, RUNS, (value) =>
      expect(difference(cborXDecode(Buffer.from(encode(value))), value)).toBeUndefined(),
    );
  });
});

describe("what cbor-x writes", { timeout: 120_000 }, () => {
  test("is read as the value itself where it is ordinary", () => {
    holds(ordinary, RUNS, (value) => expect(difference(decode(cborXEncode(value)), value)).toBeUndefined());
  });

  test("is read even where cbor-x changes the value, unless it makes two keys one", () => {
    holds(everything, RUNS, (value) => {
      try {
        decode(cborXEncode(value));
      } catch (error) {
        expect((error as ValueError).found).toMatch(/that occurs twice$/);
      }
    });
  });

  test("is read for what is no data to Pawl: instances, boxed values, iterables", () => {
    class Point {
      x = 1;
    }
    class Failure extends Error {}
    const foreign = [
      new Point(),
      Object(1),
      Object("ab"),
      new URL("http://a/"),
      new Failure("m"),
      new URLSearchParams("a=1"),
    ];
    for (const value of foreign) expect(() => decode(cborXEncode({ value }))).not.toThrow();
  });
});

describe("for any bytes", { timeout: 120_000 }, () => {
  function refusedOrRead(bytes: Uint8Array): void {
    let value: unknown;
    try {
      value = decode(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(ValueError);
      expect((error as ValueError).code).toBe("record_corrupt");
      const { offset } = error as ValueError;
      expect(offset !== undefined && offset >= 0 && offset <= bytes.length).toBe(true);
      return;
    }
    expect(difference(copy(value, { maxDepth: 5000 }), value)).toBeUndefined();
  }

  test("decoding gives a value that can be stored, or a ValueError", () => {
    holds(fc.uint8Array({ maxLength: 200 }), RUNS * 10, refusedOrRead);
  });

  test("so do bytes made of the heads that mean something", () => {
    const parts = fc.array(fc.constantFrom(...HEADS), { maxLength: 30 });
    holds(parts, RUNS * 10, (hexes) => refusedOrRead(new Uint8Array(Buffer.from(hexes.join(""), "hex"))));
  });

  test("so do the bytes of real values, with a few of them changed", () => {
    const real = ACCEPTED.map(({ make }) => encode(make())).filter((bytes) => bytes.length < 2000);
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
    holds(fc.tuple(fc.constantFrom(...real), changes), RUNS * 10, ([bytes, list]) => {
      const changed = Uint8Array.from(bytes);
      for (const [at, byte] of list) changed[at % changed.length] = byte;
      refusedOrRead(changed);
    });
  });
});

const HEADS =
  "80 81 82 9f a0 a1 bf ff f7 60 6161 40 4161 f93c00 d90102 d90103 d81b c1 c2 d95050 d95051f7 d95053 d95054 d95055 d95056 d95057 d840 d845 01 1b0000000000000001 654572726f72 b90000 b90001".split(
    " ",
  );
