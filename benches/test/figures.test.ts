import { expect, it } from "vitest";
import { alternate } from "../src/alternate.ts";
import { sectionText } from "../src/report.ts";
import { bar } from "../src/section.ts";
import { ratios, series } from "../src/series.ts";

it("takes a median of an odd and of an even number of samples", () => {
  expect(series([3, 1, 2])).toMatchObject({ median: 2, min: 1, max: 3 });
  expect(series([4, 1, 2, 3]).median).toBe(2.5);
});

it("compares samples of the same round", () => {
  expect(ratios(series([10, 30]), series([5, 10])).samples).toEqual([2, 3]);
});

it("measures in turn, every other round backwards, and drops the first round", async () => {
  const order: string[] = [];
  const measure = (name: string) => async () => order.push(name);
  const found = await alternate({ a: measure("a"), b: measure("b") }, 2, () => {});
  expect(order).toEqual(["b", "a", "a", "b", "b", "a"]);
  expect(found).toEqual({ a: [3, 6], b: [4, 5] });
});

it("says of each bar whether it holds", () => {
  const bars = [bar("faster", series([8]), "at least", 8), bar("flat", series([1.31]), "at most", 1.3)];
  const text = sectionText({
    id: "X",
    title: "a title",
    timed: "something",
    rows: [{ what: "it", unit: "us", series: series([1234, 2, 3]) }],
    bars,
  });
  expect(text).toContain("HOLDS   faster: 8 (8 to 8), wanted at least 8");
  expect(text).toContain("MISSED  flat: 1.31 (1.31 to 1.31), wanted at most 1.3");
  expect(text).toContain("it  3  (2 to 1,234)  us");
});
