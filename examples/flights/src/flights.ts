/** The records: US domestic flights of early 2001, as the npm package `vega-datasets` ships them. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** One flight. `row` is its place in the file, which names it: times and places alone need not be unique. */
export interface Flight {
  readonly row: number;
  readonly date: string;
  /** In minutes; negative: it came early. */
  readonly delay: number;
  readonly origin: string;
  readonly destination: string;
}

/** A delay of this many minutes or more is worth a claim. */
export const CLAIM_MINUTES = 120;

/** Reads all flights, in the order of the file. */
export function readFlights(): Flight[] {
  const file = createRequire(import.meta.url).resolve("vega-datasets/data/flights-20k.json");
  const records = JSON.parse(readFileSync(file, "utf8")) as Omit<Flight, "row">[];
  return records.map(({ date, delay, origin, destination }, row) => ({ row, date, delay, origin, destination }));
}

/** The flights of each airport they leave from, both in the order of the file. */
export function byOrigin(flights: readonly Flight[]): Map<string, Flight[]> {
  const airports = new Map<string, Flight[]>();
  for (const flight of flights) {
    const own = airports.get(flight.origin);
    if (own === undefined) airports.set(flight.origin, [flight]);
    else own.push(flight);
  }
  return airports;
}
