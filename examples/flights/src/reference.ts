/** The same figures without any actor, straight from the file: written another way on purpose, so that they can disagree. */
import { CLASSES, type Figures, nextChecksum } from "./figures.ts";
import { byOrigin, CLAIM_MINUTES, type Flight } from "./flights.ts";

/** The figures of every airport, as they must come out. */
export function reference(flights: readonly Flight[]): Map<string, Figures> {
  return new Map([...byOrigin(flights)].map(([airport, own]) => [airport, figuresOf(own)]));
}

function figuresOf(own: readonly Flight[]): Figures {
  const within = (from: number, to: number) => own.filter(({ delay }) => delay >= from && delay < to).length;
  const bounds = [Number.NEGATIVE_INFINITY, ...CLASSES, Number.POSITIVE_INFINITY];
  const longest = Math.max(...own.map(({ delay }) => delay));
  const worst = own.find(({ delay }) => delay === longest);
  const towns = [...new Set(own.map(({ destination }) => destination))];
  return {
    flights: own.length,
    minutes: own.reduce((sum, { delay }) => sum + delay, 0),
    histogram: bounds.slice(1).map((to, index) => within(bounds[index] ?? 0, to)),
    worst: worst === undefined ? null : { row: worst.row, delay: worst.delay, destination: worst.destination },
    destinations: Object.fromEntries(
      towns.map((town) => [town, own.filter(({ destination }) => destination === town).length]),
    ),
    claims: own.filter(({ delay }) => delay >= CLAIM_MINUTES).length,
    checksum: own.reduce((sum, { row }) => nextChecksum(sum, row), 0),
  };
}
