import { expect, test } from "vitest";
import { differences, table } from "../src/comparison.ts";
import { readFlights } from "../src/flights.ts";
import { reference } from "../src/reference.ts";
import { verdict } from "../src/verdict.ts";

const flights = readFlights().slice(0, 500);

/** The right figures, after `change` has had its way with those of Phoenix. */
function planted(change: (figures: { flights: number; claims: number; histogram: number[] }) => void) {
  const figures = reference(flights);
  const phoenix = figures.get("PHX");
  if (phoenix === undefined) throw new Error("no flight leaves from PHX");
  change(phoenix);
  return figures;
}

test("the same figures on both sides are no difference, and end with exit code 0", () => {
  const found = differences(reference(flights), reference(flights));
  expect(found).toEqual([]);
  expect(verdict(found, 1_000).exitCode).toBe(0);
});

test("one wrong figure is named with what was found and expected, and ends with exit code 1", () => {
  const right = reference(flights).get("PHX")?.claims ?? 0;
  const found = differences(
    planted((figures) => {
      figures.claims += 1;
    }),
    reference(flights),
  );
  expect(found).toEqual([`PHX claims: ${right + 1} from its actor, ${right} from the file`]);
  const { text, exitCode } = verdict(found, 1_000);
  expect(exitCode).toBe(1);
  expect(text).toContain("PHX claims");
});

test("a figure that the table does not show is compared, too", () => {
  const wrong = planted((figures) => figures.histogram.reverse());
  expect(differences(wrong, reference(flights)).join()).toContain("PHX histogram.0");
});

test("an airport without figures is a difference, and its row in the table says so", () => {
  const missing = reference(flights);
  missing.delete("LAX");
  expect(differences(missing, reference(flights)).join()).toContain("LAX flights: undefined from its actor");
  const rows = table(missing, reference(flights)).split("\n");
  expect(rows.find((row) => row.startsWith("LAX"))).toMatch(/none .* DIFFERENT$/);
  expect(rows.find((row) => row.startsWith("PHX"))).toMatch(/same$/);
});
