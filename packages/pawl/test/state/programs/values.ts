/** Random values, and random operations on them. */
import fc from "fast-check";
import { KEYS, type Step } from "./side.ts";

function failure(): Error {
  return Object.assign(new RangeError("fixed"), { stack: "fixed", extra: [1] });
}

const leafValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.integer({ min: -3, max: 300 }),
  fc.constantFrom(undefined, null, true, -0, Number.NaN, 1.5, 12345678901234567890n, "text", "lone \udfff"),
  fc.constantFrom<unknown>(
    new Date(5),
    new Date(1e12 + 1),
    new Uint8Array([1, 2, 3]),
    new Float64Array([1.5, -0]),
    new BigInt64Array([1n, -1n]),
    new ArrayBuffer(5),
    Buffer.from("buf"),
    /x/g,
    new URL("http://a/b"),
    failure(),
  ),
);

interface Tied {
  value: unknown;
  key: unknown;
}

/** A small value with every kind of thing in it. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec<Tied>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    leafValue,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie("value"), { maxKeys: 3, noNullPrototype: true }),
    fc.constant(Object.assign(Object.create(null), { bare: 1 })),
    fc.constant([1, , { hole: true }]),
    fc.array(fc.tuple(tie("key"), tie("value")), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    fc.array(fc.oneof(tie("key"), tie("value")), { maxLength: 3 }).map((members) => new Set(members)),
  ),
  key: fc.oneof(
    fc.constantFrom<unknown>("k", 1, 0, Number.NaN, 10n, undefined, "é\ud800", true),
    fc.constantFrom<unknown>({ k: 1 }, { k: 1, list: [1] }, [1]).map((key) => structuredClone(key)),
  ),
})).value;

/** A root: a container, so that there is something to do. */
export const anyRoot: fc.Arbitrary<unknown> = fc.record({
  a: anyValue,
  items: fc.array(fc.record({ price: fc.integer(), tags: fc.constant(["x"]) }), { maxLength: 5 }),
  list: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 }),
  deep: fc.record({ er: anyValue }),
  map: fc
    .array(fc.tuple(fc.constantFrom<unknown>("k", "l", 1, Number.NaN), fc.record({ n: fc.integer(), er: anyValue })))
    .map((pairs) => new Map(pairs)),
  set: fc
    .array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.record({ m: fc.integer({ min: 0, max: 2 }) })))
    .map((members) => new Set(members)),
});

/** Operations on what was held before: drawn more often, as they need each other. */
const isOverTime = (name: string): boolean => name.startsWith("held: ");

export function anyStepOf(names: readonly string[]): fc.Arbitrary<Step> {
  return fc.record({
    name: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...names) }, fc.constantFrom(...names.filter(isOverTime))),
    picks: fc.array(fc.nat(50), { minLength: 4, maxLength: 4 }),
    value: anyValue,
  });
}
