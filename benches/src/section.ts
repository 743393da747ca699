/** What a scenario found, ready to be shown and kept. */
import type { Series } from "./series.ts";

export interface Section {
  /** As in the list of scenarios: A1, A2, A6, B, ... */
  readonly id: string;
  readonly title: string;
  /** What lies between the start and the stop of the clock. */
  readonly timed: string;
  readonly rows: readonly Row[];
  readonly bars: readonly Bar[];
}

export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly series: Series;
}

/** A promise about a number, and whether it is kept. */
export interface Bar {
  readonly what: string;
  readonly kind: "at least" | "at most";
  readonly limit: number;
  /** Round by round; its median counts. */
  readonly found: Series;
  readonly holds: boolean;
}

export function bar(what: string, found: Series, kind: Bar["kind"], limit: number): Bar {
  const holds = kind === "at least" ? found.median >= limit : found.median <= limit;
  return { what, kind, limit, found, holds };
}

/** How much is measured. */
export interface Effort {
  /** How often each thing is measured. */
  readonly rounds: number;
  /** 1 is the real thing; tests divide the counts by more. */
  readonly divisor: number;
}

/** Where a scenario says how far it is. */
export type Progress = (what: string) => void;
