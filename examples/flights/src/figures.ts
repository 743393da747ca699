/** What is counted for one airport, and how one more flight changes it. The actors keep this in their state. */
import type { Flight } from "./flights.ts";

export interface Figures {
  flights: number;
  /** The sum of all delays, in minutes. */
  minutes: number;
  /** Flights by delay: the class of a delay is the number of `CLASSES` that it reaches. */
  histogram: number[];
  /** The flight with the longest delay; of several, the first one. */
  worst: Pick<Flight, "row" | "delay" | "destination"> | null;
  destinations: Record<string, number>;
  claims: number;
  /** Over the rows in the order in which they were taken: another one if a flight is missing, doubled, or out of order. */
  checksum: number;
}

/** From how many minutes on a flight is on time, late, later, ... Below the first, it was early. */
export const CLASSES: readonly number[] = [0, 15, 30, 60, 120];

/** A prime below 2^32, so that a checksum times 31 stays an exact number. */
const MODULUS = 4_294_967_291;

/** The figures of an airport that no flight has left yet. */
export function emptyFigures(): Figures {
  return {
    flights: 0,
    minutes: 0,
    histogram: [0, ...CLASSES.map(() => 0)],
    worst: null,
    destinations: {},
    claims: 0,
    checksum: 0,
  };
}

/** Counts one flight. Changes `figures` in place: in a step that is the actor's state, and only what changed is stored. */
export function count(figures: Figures, { row, delay, destination }: Flight): void {
  figures.flights += 1;
  figures.minutes += delay;
  const reached = delayClass(delay);
  figures.histogram[reached] = (figures.histogram[reached] ?? 0) + 1;
  if (figures.worst === null || delay > figures.worst.delay) figures.worst = { row, delay, destination };
  figures.destinations[destination] = (figures.destinations[destination] ?? 0) + 1;
  figures.checksum = nextChecksum(figures.checksum, row);
}

/** The checksum after one more row. */
export function nextChecksum(checksum: number, row: number): number {
  return (checksum * 31 + row) % MODULUS;
}

function delayClass(delay: number): number {
  return CLASSES.filter((minutes) => delay >= minutes).length;
}
