/** Compares what the actors counted with what the file says, and shows both side by side. */
import type { Figures } from "./figures.ts";
import { paint } from "./terminal.ts";

type ByAirport = ReadonlyMap<string, Figures>;

/** Every figure that is not the same on both sides, in words. None: all is well. */
export function differences(actors: ByAirport, file: ByAirport): string[] {
  return airportsOf(actors, file).flatMap((airport) => {
    const [counted, expected] = [leaves(actors.get(airport)), leaves(file.get(airport))];
    return [...new Set([...counted.keys(), ...expected.keys()])]
      .filter((name) => counted.get(name) !== expected.get(name))
      .map((name) => `${airport} ${name}: ${counted.get(name)} from its actor, ${expected.get(name)} from the file`);
  });
}

/** A table with a row for each airport: on the left what its actor counted, on the right what the file says. */
export function table(actors: ByAirport, file: ByAirport): string {
  const wrong = new Set(differences(actors, file).map((difference) => difference.split(" ", 1)[0]));
  const rows = airportsOf(actors, file).map((airport) => {
    const verdict = wrong.has(airport) ? paint("red", "DIFFERENT") : paint("green", "same");
    return `${airport.padEnd(7)} | ${cells(actors.get(airport))} | ${cells(file.get(airport))} | ${verdict}`;
  });
  const half = line(["flights", "late", "mean", "worst", "busiest", "claims"]);
  return [
    `        | ${"counted by the actors".padEnd(half.length)} | straight from the file`,
    `airport | ${half} | ${half} |`,
    `--------|-${"-".repeat(half.length)}-|-${"-".repeat(half.length)}-|----------`,
    ...rows,
  ].join("\n");
}

function airportsOf(...sides: ByAirport[]): string[] {
  return [...new Set(sides.flatMap((side) => [...side.keys()]))].sort();
}

/** "minutes" -> 1043, "destinations.LAX" -> 12, ... */
function leaves(value: unknown, name = ""): Map<string, unknown> {
  if (typeof value !== "object" || value === null) return new Map([[name || "figures", value]]);
  const below = Object.entries(value).map(([key, part]) => leaves(part, name === "" ? key : `${name}.${key}`));
  return new Map(below.flatMap((part) => [...part]));
}

/** Late: by 15 minutes or more, as the authorities count it. */
function cells(figures: Figures | undefined): string {
  if (figures === undefined) return line(["none", "", "", "", "", ""]);
  const { flights, minutes, histogram, worst, destinations, claims } = figures;
  const late = histogram.slice(2).reduce((sum, number) => sum + number, 0);
  const [busiest, times] = Object.entries(destinations).reduce(busier, ["", 0]);
  return line([
    flights,
    late,
    (minutes / flights).toFixed(1),
    worst === null ? "" : `${worst.delay} to ${worst.destination}`,
    `${busiest} ${times}`,
    claims,
  ]);
}

/** Of two destinations with as many flights, the first in the alphabet. */
function busier(one: [string, number], other: [string, number]): [string, number] {
  return other[1] > one[1] || (other[1] === one[1] && other[0] < one[0]) ? other : one;
}

function line(columns: (string | number)[]): string {
  const widths = [7, 4, 5, 10, 7, 6];
  return columns.map((column, index) => String(column).padStart(widths[index] ?? 0)).join("  ");
}
