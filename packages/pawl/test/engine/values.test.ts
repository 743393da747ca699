import { decode as cborXDecode, encode as cborXEncode } from "cbor-x";
import { describe, expect, test, vi } from "vitest";
import { decodeValue, encodeValue } from "../../src/engine/index.ts";
import { difference } from "../values/exact.ts";
import { ACCEPTED } from "../values/poison.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

class Money {
  readonly currency = "EUR";
  readonly cents: number;
  constructor(cents: number) {
    this.cents = cents;
  }
  get euros(): number {
    return this.cents / 100;
  }
  toJSON(): string {
    return "never asked";
  }
}
class Stack extends Array<number> {}
class Registry extends Map<string, number> {}
class Bag extends Set<number> {}
class Day extends Date {}
class Declined extends TypeError {
  override readonly name = "Declined";
  readonly reason: object = new Money(1);
}
class Link extends URL {}
class Pattern extends RegExp {}
class Pixels extends Uint8Array {}

describe("what cbor-x keeps", () => {
  test.each([
    ["undefined", undefined, "f7"],
    ["a property that is undefined", { a: undefined }, "b900016161f7"],
    ["an integer beyond 32 bits", 2 ** 40, "fb4270000000000000"],
    ["a bigint", 5n, "1b0000000000000005"],
    ["a large bigint", -(2n ** 70n) - 1n, "c349400000000000000000"],
    ["a plain object", { a: 1 }, "b90001616101"],
    ["a Map", new Map([[1, 2]]), "d90103a10102"],
    ["a Set", new Set([1]), "d901028101"],
    ["a Date", new Date(0), "c11a00000000"],
    ["bytes", Uint8Array.of(1), "d8404101"],
    ["a Buffer", Buffer.of(1), "4101"],
    ["a RegExp", /a/g, "d81b83665265674578706161616" + "7"],
  ])("%s has the same bytes", (_, value, expected) => {
    expect(hex(encodeValue(value))).toBe(expected);
    expect(hex(cborXEncode(value))).toBe(expected);
  });
});

describe("what Pawl keeps", () => {
  test.each(ACCEPTED)("$name comes back as it went in, and is not reported", ({ make }) => {
    const flattened = vi.fn();
    expect(difference(decodeValue(encodeValue(make(), flattened)), make())).toBeUndefined();
    expect(flattened).not.toHaveBeenCalled();
  });

  test.each(ACCEPTED)("$name stays exact beside something that is flattened", ({ make }) => {
    const flattened = vi.fn();
    const read = decodeValue(encodeValue({ exact: make(), other: new Money(5) }, flattened));
    expect(difference(read, { exact: make(), other: { currency: "EUR", cents: 5 } })).toBeUndefined();
    expect(flattened.mock.calls).toEqual([[".other", "an instance of class Money"]]);
  });
});

describe("what is flattened", () => {
  test.each<[string, () => unknown, unknown]>([
    ["a class instance: its own enumerable properties", () => new Money(5), { currency: "EUR", cents: 5 }],
    ["a getter: what it gives", () => Object.defineProperty({}, "a", { get: () => 1, enumerable: true }), { a: 1 }],
    ["a symbol-keyed property: nothing", () => ({ a: 1, [Symbol("s")]: 2 }), { a: 1 }],
    ["a hidden property: nothing", () => Object.defineProperty({ a: 1 }, "b", { value: 2 }), { a: 1 }],
    ["a Promise", () => Promise.resolve(1), {}],
    ["a WeakMap", () => new WeakMap(), {}],
    ["a DataView", () => new DataView(new ArrayBuffer(2)), {}],
    ["a boxed number", () => new Number(3), {}],
    ["a boxed string", () => new String("ab"), {}],
    ["shared memory", () => new SharedArrayBuffer(2), {}],
    ["an iterable: its elements", () => new URLSearchParams("a=1"), [["a", "1"]]],
    ["a Proxy: what it shows", () => new Proxy({ a: 1 }, { get: () => 2 }), { a: 2 }],
    ["a Proxy of an array", () => new Proxy([1], {}), [1]],
    ["a subclass of Array", () => Stack.of(1, 2), [1, 2]],
    ["a subclass of Map", () => new Registry([["a", 1]]), new Map([["a", 1]])],
    ["a subclass of Set", () => new Bag([1]), new Set([1])],
    ["a subclass of Date", () => new Day(7), new Date(7)],
    ["a subclass of URL", () => new Link("http://a/"), new URL("http://a/")],
    ["a subclass of RegExp", () => new Pattern("a", "g"), /a/g],
    ["a subclass of Uint8Array", () => Pixels.of(1, 2), Uint8Array.of(1, 2)],
    ["bytes in shared memory", () => new Uint8Array(new SharedArrayBuffer(2)), new Uint8Array(2)],
    [
      "a Map with a property",
      () => Object.assign(new Map([[1, new Money(1)]]), { a: 1 }),
      new Map([[1, { currency: "EUR", cents: 1 }]]),
    ],
    ["an array with a property", () => Object.assign([1, , 3], { a: 1 }), [1, , 3]],
    ["a Date with a property", () => Object.assign(new Date(7), { a: 1 }), new Date(7)],
  ])("%s", (_, make, expected) => {
    const flattened = vi.fn();
    expect(difference(decodeValue(encodeValue(make(), flattened)), expected)).toBeUndefined();
    expect(flattened).toHaveBeenCalledTimes(1);
  });

  test("as cbor-x flattens it", () => {
    const values = [new Money(5), Promise.resolve(1), new WeakMap(), new DataView(new ArrayBuffer(2)), new Number(3)];
    for (const value of values) expect(hex(encodeValue({ value }))).toBe(hex(cborXEncode({ value: { ...value } })));
    expect(cborXDecode(encodeValue({ value: [new Money(5)] }))).toEqual({ value: [{ currency: "EUR", cents: 5 }] });
  });

  test("an error of one's own: the nearest built-in class, the name, and what it carries", () => {
    const error = new Declined("no", { cause: new Money(2) });
    const read = decodeValue(encodeValue(error)) as Declined;
    expect(Object.getPrototypeOf(read)).toBe(TypeError.prototype);
    expect([read.name, read.message, read.stack]).toEqual(["Declined", "no", error.stack]);
    expect(read.reason).toEqual({ currency: "EUR", cents: 1 });
    expect(read.cause).toEqual({ currency: "EUR", cents: 2 });
  });

  test("only the first is reported, as callers warn once", () => {
    const flattened = vi.fn();
    encodeValue([1, { price: new Money(1), tax: new Money(2) }], flattened);
    expect(flattened.mock.calls).toEqual([["[1].price", "an instance of class Money"]]);
  });
});

describe("what is refused", () => {
  test.each([
    ["function", () => {}],
    ["symbol", Symbol("s")],
  ])("a %s anywhere", (type, value) => {
    const flattened = vi.fn();
    for (const nested of [value, { a: [value] }, new Map([[1, value]]), { a: new Money(1), b: value }]) {
      expect(() => encodeValue(nested, flattened)).toThrow(new Error(`Unknown type: ${type}`));
    }
    expect(flattened).not.toHaveBeenCalled();
  });

  test("a cycle, by its path, also through what would be flattened", () => {
    const cycle: { self?: unknown; money: Money } = { money: new Money(1) };
    cycle.self = [cycle];
    const flattened = vi.fn();
    expect(() => encodeValue(cycle, flattened)).toThrow(/found a cycle back to the value itself at \.self\[0\]/);
    expect(flattened).not.toHaveBeenCalled();
  });

  test("bytes that are no value, with the offset", () => {
    expect(() => decodeValue(Uint8Array.of(0x82, 0x01))).toThrow(/at byte 1\)/);
    expect(() => decodeValue(Uint8Array.of(0x01, 0x01))).toThrow(/at byte 1/);
  });
});

test("a value as deep as the other engine writes is stored", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 1_000; i++) deep = { deep };
  expect(hex(encodeValue(deep))).toBe(hex(cborXEncode(deep)));
});
