import vm from "node:vm";
import { afterEach, describe, expect, test } from "vitest";
import {
  ByteReader,
  ByteWriter,
  copy,
  decode,
  decodeAt,
  encode,
  encodeInto,
  ValueError,
} from "../../src/values/index.ts";
import { CORRUPT, FOREIGN } from "./bytes-of-others.ts";
import { difference } from "./exact.ts";
import { ACCEPTED, nested } from "./poison.ts";

const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

function corruption(work: () => unknown): ValueError {
  try {
    work();
  } catch (error) {
    if (error instanceof ValueError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("bytes of others", () => {
  test.each(FOREIGN)("$name is read", ({ bytes, make }) => {
    expect(difference(decode(fromHex(bytes)), make())).toBeUndefined();
  });

  test.each(FOREIGN)("$name can be stored again", ({ bytes, make }) => {
    expect(difference(copy(decode(fromHex(bytes))), make())).toBeUndefined();
  });

  test.each(["f97e01", "faffc00001", "fbfff8000000000001", "fb7ff8000000000000"])(
    "there is one NaN, also from %s",
    (hex) => {
      const bits = new BigUint64Array(new Float64Array([decode(fromHex(hex)) as number]).buffer);
      expect(bits[0]).toBe(0x7ff8_0000_0000_0000n);
    },
  );
});

describe("bytes that are no value", () => {
  test.each(CORRUPT)("$name is refused, with the offset", ({ bytes, offset }) => {
    const { code, path, offset: found } = corruption(() => decode(fromHex(bytes)));
    expect({ code, path, offset: found }).toEqual({ code: "record_corrupt", path: "", offset });
  });

  test("every value that is cut short is refused", () => {
    for (const { make } of ACCEPTED) {
      const bytes = encode(make());
      const step = Math.max(1, Math.floor(bytes.length / 40));
      for (let end = 0; end < bytes.length; end += step) {
        expect(corruption(() => decode(bytes.subarray(0, end))).code).toBe("record_corrupt");
      }
    }
  });

  test("every value with a byte behind it is refused", () => {
    for (const { make } of ACCEPTED) {
      const bytes = encode(make());
      expect(corruption(() => decode(Buffer.concat([bytes, Buffer.from([0])]))).offset).toBe(bytes.length);
    }
  });

  test("the message says what was found, where, and what it means", () => {
    expect(corruption(() => decode(fromHex("81ff"))).message).toBe(
      "found a break outside of any container at byte 1: these bytes were not written by this codec, or were damaged since",
    );
  });
});

describe("nesting", () => {
  const deep = (levels: number, head: string, leaf: string): Uint8Array => fromHex(head.repeat(levels) + leaf);

  test("10,000 levels are read, one more is refused", () => {
    let levels = 0;
    for (let value = decode(deep(10_000, "81", "01")); Array.isArray(value); value = value[0]) levels += 1;
    expect(levels).toBe(10_000);
    expect(corruption(() => decode(deep(10_001, "81", "01")))).toMatchObject({
      offset: 10_000,
      found: "nesting deeper than 10000 levels",
    });
  });

  test("a million levels of every container are refused without a stack overflow", () => {
    for (const head of [
      "81",
      "9f",
      "a16161",
      "bf6161",
      "d9010381",
      "d90103a101",
      "d9010281",
      "d95057a16161",
      "d9505481",
      "d81b81",
      "c1",
    ]) {
      expect(corruption(() => decode(deep(1_000_000, head, "01"))).code).toBe("record_corrupt");
    }
  });

  test("what was refused deep down leaves no trace in what is read next", () => {
    corruption(() => decode(deep(50, "d90103bf01", "ff")));
    expect(decode(fromHex("d90103a10102"))).toEqual(new Map([[1, 2]]));
  });

  test("what was stored with any limit is read", () => {
    const deepest = nested(4999);
    expect(difference(decode(encode(nested(999), { maxDepth: 1000 })), nested(999))).toBeUndefined();
    let error = new Error("m");
    for (let i = 0; i < 600; i++) error = Object.assign(new Error("m"), { stack: "", inner: error });
    expect(decode(encode(error, { maxDepth: 10_000 }))).toBeInstanceOf(Error);
    expect(() => encode([deepest], { maxDepth: 10_000 })).toThrow(ValueError);
  });
});

describe("memory", () => {
  test("lengths that lie cost nothing", () => {
    const lies = ["9a00ffffff", "9b00000000ffffff", "ba007fffff6161", "d90103ba007fffff", "d901029a00ffffff"].map(
      (hex) => hex.repeat(200_000),
    );
    for (const hex of lies) expect(corruption(() => decode(fromHex(hex))).code).toBe("record_corrupt");
  });

  test("a decoded value shares no memory with its bytes", () => {
    const views = [
      new Uint8Array([1, 2, 3]),
      Buffer.from([1, 2, 3]),
      new Uint8Array([1, 2, 3]).buffer,
      new Uint16Array([1]),
      new Float64Array([1]),
    ];
    for (const view of [...views, "text long enough to be read by the runtime", { key: "v" }]) {
      const bytes = encode(view);
      const value = decode(bytes);
      bytes.fill(0xee);
      expect(difference(value, view)).toBeUndefined();
    }
  });

  test("decoded memory starts at the beginning of a buffer of its own", () => {
    const [bytes, buffer] = decode(encode([new Uint8Array([1, 2, 3]), Buffer.from([4, 5])])) as [Uint8Array, Buffer];
    expect([bytes.byteOffset, bytes.buffer.byteLength, buffer.byteOffset, buffer.buffer.byteLength]).toEqual([
      0, 3, 0, 2,
    ]);
  });

  test("what encode gave is not touched by later calls", () => {
    const values = Array.from({ length: 3000 }, (_, i) => ({ i, text: "x".repeat(i % 200) }));
    const encoded = values.map((value) => encode(value));
    expect(encoded.map(decode)).toEqual(values);
  });

  test("an object is written anew each time, however large it is", () => {
    const value = { text: "x".repeat(2000), n: 1 };
    const before = encode([value, value]);
    value.n = 2;
    expect(decode(encode([value, value]))).toEqual([value, value]);
    expect(decode(before)).toEqual([
      { ...value, n: 1 },
      { ...value, n: 1 },
    ]);
  });

  test("any kind of Uint8Array, at any offset, is read alike", () => {
    const value = { a: ["text that is long enough to be read natively", 1.5, new Uint8Array([1])] };
    const bytes = encode(value);
    const padded = new Uint8Array(bytes.length + 10);
    padded.set(bytes, 5);
    for (const source of [
      Buffer.from(bytes),
      padded.subarray(5, 5 + bytes.length),
      Buffer.from(padded.buffer, 5, bytes.length),
    ]) {
      expect(difference(decode(source), value)).toBeUndefined();
    }
  });
});

describe("values within larger bytes", () => {
  test("are written and read one after another", () => {
    const out = new ByteWriter(16);
    const values = ACCEPTED.map(({ make }) => make());
    for (const value of values) {
      const start = out.length;
      encodeInto(out, value);
      out.prefixLength(start);
    }
    const reader = new ByteReader(out.copy());
    for (const value of values) {
      const end = reader.varint() + reader.offset;
      expect(difference(decodeAt(reader), value)).toBeUndefined();
      expect(reader.offset).toBe(end);
    }
    reader.finish();
  });

  test("are not read beyond the end of the reader, and a refusal leaves it where it was", () => {
    const reader = new ByteReader(fromHex("00 6261 62".replaceAll(" ", "")), 1, 3);
    expect(corruption(() => decodeAt(reader)).offset).toBe(2);
    expect(reader.offset).toBe(1);
  });
});

describe("a hostile environment", () => {
  afterEach(() => {
    Reflect.deleteProperty(Object.prototype, "polluted");
  });

  test("a setter on Object.prototype is not run by decoding", () => {
    const bytes = encode({ polluted: 1, __proto_: 2 });
    Object.defineProperty(Object.prototype, "polluted", {
      configurable: true,
      set: () => expect.unreachable(),
      get: () => 5,
    });
    expect(Object.getOwnPropertyDescriptor(decode(bytes), "polluted")?.value).toBe(1);
  });

  test("a read-only property of Object.prototype does not stand in the way", () => {
    const bytes = encode({ polluted: 1 });
    Object.defineProperty(Object.prototype, "polluted", { configurable: true, writable: false, value: 0 });
    expect(Object.hasOwn(decode(bytes) as object, "polluted")).toBe(true);
  });

  test("the key __proto__ changes no prototype", () => {
    const value = decode(fromHex("a1695f5f70726f746f5f5fa168706f6c6c7574656401")) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect("polluted" in value).toBe(false);
  });

  test("a user's Error.prepareStackTrace may itself store values", () => {
    const before = Error.prepareStackTrace;
    Error.prepareStackTrace = () => String(decode(encode(["inner", { a: 1 }])));
    try {
      const copied = copy({ error: new Error("outer"), after: [1, 2] }) as { error: Error; after: unknown };
      expect([copied.error.stack, copied.after]).toEqual(["inner,[object Object]", [1, 2]]);
    } finally {
      Error.prepareStackTrace = before;
    }
  });

  test("plain values of another realm come back as values of this one", () => {
    const far: unknown = vm.runInNewContext(
      `({ a: [1, { b: new Map([[1, new Set([2])]]) }], d: new Date(5), r: /x/g, u: new Uint8Array([1]) })`,
    );
    const near = { a: [1, { b: new Map([[1, new Set([2])]]) }], d: new Date(5), r: /x/g, u: new Uint8Array([1]) };
    expect(difference(copy(far), near)).toBeUndefined();
    const error = copy(vm.runInNewContext(`new TypeError("m", { cause: 1 })`)) as Error;
    expect([error instanceof TypeError, error.message, error.cause]).toEqual([true, "m", 1]);
  });
});
