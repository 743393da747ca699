import { expect, test } from "vitest";
import { differences } from "../src/comparison.ts";
import { count, emptyFigures } from "../src/figures.ts";
import { byOrigin, CLAIM_MINUTES, readFlights } from "../src/flights.ts";
import { reference } from "../src/reference.ts";

const flights = readFlights();

test("the file holds 20,000 flights from 59 airports, and 169 of them are due a claim", () => {
  expect(flights).toHaveLength(20_000);
  expect(byOrigin(flights).size).toBe(59);
  expect(flights.filter(({ delay }) => delay >= CLAIM_MINUTES)).toHaveLength(169);
});

test("counting one flight after the other gives the figures that are computed from the file at once", () => {
  const counted = new Map(
    [...byOrigin(flights)].map(([airport, own]) => {
      const figures = emptyFigures();
      for (const flight of own) {
        count(figures, flight);
        if (flight.delay >= CLAIM_MINUTES) figures.claims += 1;
      }
      return [airport, figures];
    }),
  );
  expect(differences(counted, reference(flights))).toEqual([]);
});

test("a flight that is missing, doubled or out of order changes the checksum", () => {
  const checksum = (rows: number[]) => {
    const figures = emptyFigures();
    for (const row of rows) count(figures, { row, date: "", delay: 0, origin: "A", destination: "B" });
    return figures.checksum;
  };
  expect(
    new Set(
      [
        [7, 8, 9],
        [7, 9],
        [7, 8, 8, 9],
        [8, 7, 9],
      ].map(checksum),
    ).size,
  ).toBe(4);
});
