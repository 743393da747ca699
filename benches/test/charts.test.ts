import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { growthChart, ratioChart } from "../src/charts.ts";
import type { Section } from "../src/section.ts";

const { sections } = JSON.parse(readFileSync(new URL("../results/sample.json", import.meta.url), "utf8")) as {
  sections: readonly Section[];
};

test("each comparison with the peer is a bar with its ratio", () => {
  const chart = ratioChart(sections);
  const found = sections.find(({ id }) => id === "A1")?.bars[0]?.found.median ?? 0;
  expect(chart).toContain(`>${Number(found.toPrecision(3))}x</text>`);
  expect(chart?.match(/<rect/g)).toHaveLength(
    sections.filter(({ bars }) => bars.some(({ what }) => what.startsWith("peer / pawl"))).length,
  );
});

test("each thing that is measured at several sizes is a line, and sizes are in order", () => {
  const chart = growthChart(sections);
  const [, points = ""] = chart?.match(/polyline points="([^"]*)"/) ?? [];
  const across = points.split(" ").map((point) => Number(point.split(",")[0]));
  expect(across.length).toBeGreaterThan(2);
  expect(across).toEqual([...across].sort((a, b) => a - b));
});

test("where there is nothing to compare there is no chart", () => {
  expect(ratioChart([])).toBeUndefined();
  expect(growthChart([])).toBeUndefined();
});
