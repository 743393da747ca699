/** Measures several things in turn, round after round. */
import type { Progress } from "./section.ts";

/**
 * Takes one sample of each measure in every round; a round before the first is a warm-up, and dropped. Every other round goes
 * backwards, so that none always comes after the same other one.
 */
export async function alternate<K extends string, T>(
  measures: Readonly<Record<K, () => Promise<T>>>,
  rounds: number,
  progress: Progress,
  start: "warm up" | "cold" = "warm up",
): Promise<Record<K, T[]>> {
  const names = Object.keys(measures) as K[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<K, T[]>;
  for (let round = start === "cold" ? 1 : 0; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? [...names].reverse() : names) {
      progress(round === 0 ? `warming up: ${name}` : `round ${round} of ${rounds}: ${name}`);
      const sample = await measures[name]();
      if (round > 0) samples[name].push(sample);
    }
  }
  return samples;
}
