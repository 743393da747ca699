/** What every engine can be asked to do, named after the scenarios of the suite: the same program, in each one's own words. */
export interface Engine {
  /**
   * A1: `workflows` workflows of `steps` trivial steps, one after another.
   * Resolves to the milliseconds from the creation of each to its result, added up.
   */
  sequentialSteps(workflows: number, steps: number): Promise<number>;
  /** A2: one workflow that is a loop of `rounds` iterations with one trivial step each; from its creation to its result. */
  loop(rounds: number): Promise<number>;
  /** A6: one workflow that takes `messages` messages in a loop; they are there before the clock starts. */
  queue(messages: number): Promise<number>;
  /** A3: a workflow of `steps` trivial steps that have completed in a process before, and then a message; from the message to the result. */
  replay(steps: number): Promise<number>;
  /** A4: a join of so many branches with one trivial step each; from the creation of the workflow to its result. */
  join(branches: number): Promise<number>;
}

/**
 * The same work before the clock starts, up to so many steps. Every sample needs it: the collection of garbage before it
 * also throws away machine code that was made for what has gone with the sample before.
 */
const WARM_UP = 5_000;
const LONGEST_WARM_UP = 1_000;

/** Runs what is to be timed a few times untimed: `run` with a key and a count, of `total` counts in all at most. */
export async function warmUp(
  run: (key: string, count: number) => Promise<number>,
  count: number,
  total: number,
): Promise<void> {
  const each = Math.min(count, LONGEST_WARM_UP);
  const times = Math.ceil(Math.min(WARM_UP, total) / each);
  for (let i = 0; i < times; i++) await run(`warm-up-${i}`, each);
}

/** Milliseconds that `work` takes. Rejects if it does not result in `expected`: a bench of a wrong answer is none. */
export async function timed(work: () => Promise<unknown>, expected: number): Promise<number> {
  const began = performance.now();
  const result = await work();
  const took = performance.now() - began;
  if (result !== expected) throw new Error(`a bench resulted in ${String(result)} instead of ${expected}`);
  return took;
}
