import fc from "fast-check";

/** Checks `check`, which throws if it does not hold, on that many values. */
export function holds<T>(arbitrary: fc.Arbitrary<T>, numRuns: number, check: (value: T) => void): void {
  const property = fc.property(arbitrary, (value) => {
    check(value);
  });
  fc.assert(property, { numRuns });
}
