/** A scenario, played with every one of its batches lost in turn. */
import { noFunction } from "../messages.ts";
import type { Actor } from "../types.ts";
import { settingsOf, type TestOptions } from "./options.ts";
import { runtimeIn, type TestRuntime } from "./runtime.ts";
import { World } from "./world.ts";

/**
 * Plays a scenario undisturbed, and then once for each batch, with the process dying before that batch is written and another
 * one going on. Every playing has a store of its own, and options of its own from `setup`.
 *
 * Resolves to the number of batches of the undisturbed playing, and how often the scenario was played. Rejects when the
 * scenario does: with an error that says which batch was lost, and has the scenario's own error as its `cause`.
 */
export async function crashEverywhere<const A extends readonly Actor[]>(
  setup: () => TestOptions<A>,
  scenario: (t: TestRuntime<A>) => Promise<void>,
): Promise<{ batches: number; runs: number }> {
  if (typeof setup !== "function") throw noFunction("`setup` of crashEverywhere", setup);
  if (typeof scenario !== "function") throw noFunction("`scenario` of crashEverywhere", scenario);
  const { batches } = await play(setup, scenario, 0);
  for (let at = 1; ; at++) if (!(await play(setup, scenario, at)).struck) return { batches, runs: at + 1 };
}

/** Plays it with batch `at` lost; 0: with none. */
async function play<A extends readonly Actor[]>(
  setup: () => TestOptions<A>,
  scenario: (t: TestRuntime<A>) => Promise<void>,
  at: number,
): Promise<{ readonly batches: number; readonly struck: boolean }> {
  const world = new World(settingsOf(setup()), { kind: "lose_before", at });
  try {
    await scenario(runtimeIn<A>(world));
    await world.idle();
    return { batches: world.batches, struck: world.struck };
  } catch (error) {
    const when = at === 0 ? "while nothing is lost" : `when the process dies before batch ${at} is written`;
    throw new Error(`crashEverywhere: the scenario fails ${when}: ${messageOf(error)}`, { cause: error });
  } finally {
    await world.close(0);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
