import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ByteReader,
  ByteWriter,
  decodeWtf8,
  encodeWtf8,
  ValueError,
  varintWidth,
  writeWtf8,
  wtf8Length,
} from "../../src/values/index.ts";
import { holds } from "./holds.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("ByteWriter and ByteReader", () => {
  test("what is written is read back, across any growth", () => {
    const record = fc.record({
      n: fc.maxSafeNat(),
      x: fc.double(),
      big: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      bytes: fc.uint8Array(),
    });
    const property = fc.property(fc.array(record, { maxLength: 20 }), (records) => {
      const out = new ByteWriter(1);
      for (const { n, x, big, bytes } of records) {
        out.varint(n);
        out.u8(n % 2 ** 8);
        out.u16(n % 2 ** 16);
        out.u32(n % 2 ** 32);
        out.f64(x);
        out.u64(big);
        out.varint(bytes.length);
        out.bytes(bytes);
      }
      const reader = new ByteReader(out.copy());
      for (const { n, x, big, bytes } of records) {
        expect([reader.varint(), reader.u8(), reader.u16(), reader.u32()]).toEqual([
          n,
          n % 2 ** 8,
          n % 2 ** 16,
          n % 2 ** 32,
        ]);
        expect(reader.f64()).toBe(x);
        expect(reader.u64()).toBe(big);
        expect(hex(reader.bytes(reader.varint()))).toBe(hex(bytes));
      }
      reader.finish();
    });
    fc.assert(property);
  });

  test("varints are LEB128", () => {
    const written = [0, 1, 127, 128, 16383, 16384, 2 ** 31, 2 ** 32, 2 ** 53 - 1].map((value) => {
      const out = new ByteWriter();
      out.varint(value);
      expect(varintWidth(value)).toBe(out.length);
      return hex(out.copy());
    });
    expect(written).toEqual([
      "00",
      "01",
      "7f",
      "8001",
      "ff7f",
      "808001",
      "8080808008",
      "8080808010",
      "ffffffffffffff0f",
    ]);
  });

  test("a varint that is negative, no number or beyond 2^53 is not written", () => {
    for (const value of [-1, Number.NaN, 2 ** 53, 1.5])
      expect(() => new ByteWriter().varint(value)).toThrow(RangeError);
  });

  test("a varint beyond 2^53 or cut short is not read", () => {
    for (const bytes of ["ffffffffffffff10", "ffffffffffffffff01", "8080808080808080808000", "80", ""]) {
      expect(() => new ByteReader(Buffer.from(bytes, "hex")).varint()).toThrow(ValueError);
    }
  });

  test("a length is put before what it counts", () => {
    for (const size of [0, 1, 127, 128, 300, 20_000]) {
      const out = new ByteWriter(1);
      out.u8(0xaa);
      out.bytes(new Uint8Array(size).fill(7));
      out.prefixLength(1);
      const reader = new ByteReader(out.written());
      expect([reader.u8(), reader.varint(), hex(reader.bytes(size))]).toEqual([0xaa, size, "07".repeat(size)]);
      reader.finish();
    }
  });

  test("nothing is read past the end, and nothing left over goes unnoticed", () => {
    const reader = new ByteReader(new Uint8Array(10), 2, 5);
    expect(() => reader.u32()).toThrow(ValueError);
    expect(() => reader.bytes(4)).toThrow(ValueError);
    expect(() => reader.view(4)).toThrow(ValueError);
    expect(() => reader.f64()).toThrow(ValueError);
    expect(() => reader.bytes(2 ** 40)).toThrow(ValueError);
    expect(reader.remaining).toBe(3);
    expect(() => reader.finish()).toThrow("found 3 bytes too many at byte 2");
    expect(() => new ByteReader(new Uint8Array(3), 2, 4)).toThrow(RangeError);
  });

  test("a negative count is never taken", () => {
    expect(() => new ByteReader(new Uint8Array(10), 5).view(-1)).toThrow(ValueError);
  });
});

describe("WTF-8", () => {
  const units = fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff })), {
    maxLength: 120,
  });
  const text = fc.oneof(
    fc.string({ maxLength: 100 }),
    units.map((list) => String.fromCharCode(...list)),
    fc.string({ unit: "binary", maxLength: 100 }),
  );

  test("every string comes back as it went in", () => {
    holds(text, 2000, (value) => expect(decodeWtf8(encodeWtf8(value))).toBe(value));
  });

  test("it is UTF-8 for what UTF-8 can say", () => {
    const wellFormed = fc.string({ unit: "binary", maxLength: 100 });
    holds(wellFormed, 2000, (value) => expect(hex(encodeWtf8(value))).toBe(hex(Buffer.from(value))));
  });

  test("its length is told without writing it", () => {
    holds(text, 2000, (value) => expect(wtf8Length(value)).toBe(encodeWtf8(value).length));
  });

  test("it is written behind what is there, and its size returned", () => {
    for (const value of ["", "a", "é\ud800", "x".repeat(50), `${"é".repeat(50)}\udc00`]) {
      const out = new ByteWriter(1);
      out.u8(1);
      expect(writeWtf8(out, value)).toBe(wtf8Length(value));
      expect(decodeWtf8(out.memory, 1, out.length)).toBe(value);
    }
  });

  test("two strings have the same bytes only if they are the same", () => {
    holds(fc.tuple(text, text), 2000, ([a, b]) => expect(hex(encodeWtf8(a)) === hex(encodeWtf8(b))).toBe(a === b));
  });

  test("bytes that are read as a string are the bytes of that string, and no others are", () => {
    holds(fc.uint8Array({ maxLength: 60 }), 5000, (bytes) => {
      const text = readOrRefused(bytes);
      if (text !== undefined) expect(hex(encodeWtf8(text))).toBe(hex(bytes));
    });
  });

  function readOrRefused(bytes: Uint8Array): string | undefined {
    try {
      return decodeWtf8(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(ValueError);
      return undefined;
    }
  }
});
