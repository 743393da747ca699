import { describe, expect, test } from "vitest";
import { ByteWriter, copy, encode, encodeInto, isImmutable, setUnwrap, ValueError } from "../../src/values/index.ts";
import { nested, REFUSED } from "./poison.ts";

function refusal(work: () => unknown): ValueError {
  try {
    work();
  } catch (error) {
    if (error instanceof ValueError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("what cannot be stored", () => {
  test.each(REFUSED)("$name is refused, with what it is and where", ({ make, path, found }) => {
    const error = refusal(() => encode(make()));
    expect({ code: error.code, path: error.path, found: error.found }).toEqual({
      code: "value_not_storable",
      path,
      found,
    });
  });

  test.each(REFUSED)("$name cannot be copied either", ({ make }) => {
    expect(refusal(() => copy(make())).code).toBe("value_not_storable");
  });

  test("nothing of a refused value is written", () => {
    const out = new ByteWriter(16);
    encodeInto(out, "before");
    const before = Buffer.from(out.written()).toString("hex");
    for (const { make } of REFUSED) {
      refusal(() => encodeInto(out, ["x".repeat(100), make()]));
      expect(Buffer.from(out.written()).toString("hex")).toBe(before);
    }
  });

  test("a refusal leaves no trace in what is encoded next", () => {
    const value = { a: [1, { b: 2 }] };
    const before = Buffer.from(encode(value));
    for (const { make } of REFUSED) refusal(() => encode([value, make()]));
    expect(Buffer.from(encode(value)).equals(before)).toBe(true);
  });

  test("the message says what was found, where, and what to do", () => {
    expect(refusal(() => encode({ a: [() => 1] })).message).toBe(
      "found a function at .a[0]: only data can be stored, so store its plain parts instead",
    );
  });

  test("a path of giant keys is cut", () => {
    const key = "k".repeat(100_000);
    let value: unknown = () => 1;
    for (let i = 0; i < 100; i++) value = { [key]: value };
    expect(refusal(() => encode(value)).path.length).toBeLessThan(1100);
  });

  test("functions and symbols are no immutable values", () => {
    expect([() => 1, Symbol("s"), {}, []].map(isImmutable)).toEqual([false, false, false, false]);
    expect([undefined, null, true, 1, 1n, "s"].every(isImmutable)).toBe(true);
  });
});

describe("nesting", () => {
  test("256 levels can be stored, one more cannot", () => {
    expect(encode(nested(255)).length).toBe(256);
    expect(refusal(() => encode(nested(256)))).toMatchObject({
      code: "value_not_storable",
      path: "[0]".repeat(256),
      found: "nesting deeper than 256 levels",
    });
  });

  test("10^5 levels are refused, not a stack overflow", () => {
    expect(refusal(() => encode(nested(100_000))).found).toBe("nesting deeper than 256 levels");
  });

  test("the limit is an option", () => {
    expect(encode(nested(2), { maxDepth: 3 }).length).toBe(3);
    expect(refusal(() => encode(nested(3), { maxDepth: 3 })).found).toBe("nesting deeper than 3 levels");
    expect(encode(1, { maxDepth: 0 }).length).toBe(1);
  });

  test("a limit beyond the stack gives the same refusal, not a stack overflow", () => {
    expect(refusal(() => encode(nested(1_000_000), { maxDepth: 1_000_000 })).found).toMatch(
      /^nesting deeper than \d+ levels$/,
    );
  });

  test("a shared object counts as deep as where it stands", () => {
    const shared = [nested(200), "x".repeat(2000)]; // 202 levels, and long enough to be copied from its bytes
    let deep: unknown = shared;
    for (let i = 0; i < 55; i++) deep = [deep];
    expect(refusal(() => encode([shared, deep])).path).toBe(`[1]${"[0]".repeat(255)}`);
    expect(encode([shared, [shared]]).length).toBeGreaterThan(4000);
  });
});

describe("size", () => {
  const tooLarge = (value: unknown, maxBytes?: number): ValueError => {
    const error = refusal(() => encode(value, maxBytes === undefined ? {} : { maxBytes }));
    expect(error.code).toBe("value_too_large");
    return error;
  };

  test("a value of just the limit can be stored, one byte more cannot", () => {
    for (const value of [
      "abc",
      [1, 2, 3],
      { a: 1 },
      new Uint8Array(10),
      1.5,
      10n,
      new Map([[1, 2]]),
      new Date(1),
      /a/,
      300,
      "é",
      2n ** 80n,
    ]) {
      const { length } = encode(value);
      expect(encode(value, { maxBytes: length }).length).toBe(length);
      expect(tooLarge(value, length - 1).found).toBe(`more than ${length - 1} bytes`);
    }
  });

  test("the limit counts the value alone, not what the writer holds already", () => {
    const out = new ByteWriter();
    encodeInto(out, "x".repeat(100));
    encodeInto(out, "abc", { maxBytes: 4 });
    expect(out.length).toBe(106);
  });

  test("16 MiB is the default", () => {
    expect(encode("x".repeat(16 * 1024 * 1024 - 5)).length).toBe(16 * 1024 * 1024);
    tooLarge("x".repeat(16 * 1024 * 1024 - 4));
  });

  function fast(work: () => void): void {
    const start = performance.now();
    work();
    expect(performance.now() - start).toBeLessThan(20_000); // minutes if it were written out
  }

  test("2^30 references to one object are refused fast", () => {
    let diamond: unknown = { a: 1 };
    for (let i = 0; i < 30; i++) diamond = { left: diamond, right: diamond };
    fast(() => tooLarge(diamond));
    let lists: unknown = [];
    for (let i = 0; i < 200; i++) lists = [lists, lists, lists];
    fast(() => tooLarge(lists));
    let maps: unknown = "leaf";
    for (let i = 0; i < 100; i++)
      maps = new Map([
        ["a", maps],
        ["b", maps],
      ]);
    fast(() => tooLarge(maps));
  });

  test("sparse arrays are refused fast", () => {
    const sparse: number[] = [];
    sparse[2 ** 32 - 2] = 1;
    fast(() => tooLarge(sparse));
    const smaller: number[] = [];
    smaller[16_000_000] = 1;
    fast(() => tooLarge(smaller));
    fast(() => tooLarge({ list: new Array(16_000_000) }));
  });

  test("long text, bytes and bigints are refused fast", () => {
    fast(() => tooLarge("x".repeat(2 ** 29 - 24)));
    fast(() => tooLarge(["x".repeat(1 << 24), 1]));
    fast(() => tooLarge(new Uint8Array(2 ** 28)));
    fast(() => tooLarge(new ArrayBuffer(2 ** 28)));
    fast(() => tooLarge(1n << (1n << 29n)));
    fast(() => tooLarge(new Array(10_000).fill("x".repeat(10_000))));
  });

  test("an array of 10^7 elements can be stored", () => {
    expect(encode(new Array(10_000_000).fill(1)).length).toBe(10_000_005);
  });
});

describe("Pawl's own proxies", () => {
  const inner = new Map<object, unknown>();
  setUnwrap((proxy) => (inner.has(proxy) ? { found: true, value: inner.get(proxy) } : undefined));
  const trap = (): never => {
    throw new Error("a trap was run");
  };
  const proxyOf = (value: unknown): object => {
    const proxy = new Proxy({}, { get: trap, ownKeys: trap, getPrototypeOf: trap, getOwnPropertyDescriptor: trap });
    inner.set(proxy, value);
    return proxy;
  };

  test("are stored as what they stand for, wherever they are nested", () => {
    const value = { a: proxyOf([1, proxyOf({ b: 2 })]), m: new Map([[proxyOf(1), proxyOf(undefined)]]) };
    expect(copy(value)).toEqual({ a: [1, { b: 2 }], m: new Map([[1, undefined]]) });
    expect(copy(proxyOf("text"))).toBe("text");
  });

  test("do not hide a cycle, nor the path of a refusal", () => {
    const list: unknown[] = [];
    list.push({ x: proxyOf(list) });
    expect(refusal(() => encode(list))).toMatchObject({ path: "[0].x", found: "a cycle back to the value itself" });
    expect(refusal(() => encode({ a: proxyOf([trap]) })).path).toBe(".a[0]");
  });
});
