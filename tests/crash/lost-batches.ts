/** Plays programs with batches lost, and holds what is stored in the end against the run without. */
import { expect } from "vitest";
import type { Dump } from "./dump.ts";
import { type Fault, type Played, type Program, World } from "./world.ts";

/** A run in which nothing went wrong. */
export interface Reference {
  readonly played: Played;
  readonly stored: Dump;
  readonly runs: ReadonlyMap<string, number>;
}

/** Makes the URL of a store that does not exist yet. */
export type NewStore = () => string;

export async function uncrashed(program: Program, newStore: NewStore): Promise<Reference> {
  const world = new World(program, newStore());
  const played = await world.play();
  return { played, stored: await world.stored(), runs: world.watch.runs };
}

/** Loses each batch of a program in turn. Returns how many there were. */
export async function loseEach(
  program: Program,
  kind: Fault["kind"],
  newStore: NewStore,
  reference: Reference,
): Promise<number> {
  let lost = 0;
  for (const [life, batches] of reference.played.batches.entries()) {
    for (let at = 1; at <= batches; at++) {
      const faults = [...new Array<undefined>(life).fill(undefined), { kind, at }];
      lost += await withstands(program, faults, newStore, reference);
    }
  }
  return lost;
}

/** Loses each pair of batches: the second while the process that comes after the first death is at work. */
export async function loseEachPair(
  program: Program,
  [first, second]: readonly [Fault["kind"], Fault["kind"]],
  newStore: NewStore,
  reference: Reference,
): Promise<number> {
  let lost = 0;
  for (let one = 1; one <= (reference.played.batches[0] ?? 0); one++) {
    for (let other = 1; ; other++) {
      const faults = [
        { kind: first, at: one },
        { kind: second, at: other },
      ];
      if ((await withstands(program, faults, newStore, reference)) < 2) break;
      lost += 1;
    }
  }
  return lost;
}

/** Plays a program with faults. Returns how many of them struck. */
async function withstands(
  program: Program,
  faults: readonly (Fault | undefined)[],
  newStore: NewStore,
  { stored, runs }: Reference,
): Promise<number> {
  const world = new World(program, newStore());
  const { struck } = await world.play(faults);
  const label = faults
    .map((fault, life) => (fault === undefined ? "" : `${fault.kind} ${fault.at} in life ${life}`))
    .join(", ");
  expect(await world.stored(), label).toEqual(stored);
  expect(world.watch.faults, label).toEqual([]);
  for (const [body, count] of world.watch.runs) {
    expect(count, `${label}: runs of ${body}`).toBeLessThanOrEqual((runs.get(body) ?? 0) + struck);
  }
  // A body whose outcome was written is not run again, whether or not that was ever told.
  if (program.sequential === true && faults.every(isWritten)) expect(world.watch.runs, label).toEqual(runs);
  return struck;
}

function isWritten(fault: Fault | undefined): boolean {
  return fault === undefined || fault.kind === "lose_after" || fault.kind === "unknown_written";
}
