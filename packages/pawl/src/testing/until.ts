/** Waits until a run has come somewhere, and lets time pass for it. */
import { PawlError } from "../errors.ts";
import type { Inspection } from "../inspection.ts";
import { isNamed } from "./history.ts";
import { goalOf, type Reached } from "./options.ts";
import type { World } from "./world.ts";

type Goal = ReturnType<typeof goalOf>;

/** A run that has not come there after so many alarms goes in circles. */
const MOST_ALARMS = 10_000;

/** Resolves when the run has come there. Rejects with `not_reached` when it has ended, is parked, or waits for ever. */
export async function until(world: World, type: string, key: string, reached: Reached): Promise<void> {
  const goal = goalOf(reached);
  const begins = world.stage.begins(`${type}/${key}`, goal.kind === "step" ? goal.name : "");
  try {
    for (let alarms = 0; alarms < MOST_ALARMS; alarms++) {
      const begun = await Promise.race([
        begins.promise.then(() => goal.kind === "step"),
        world.idle().then(() => false),
      ]);
      if (begun) return;
      const recorded = await world.outliving((local) => local.inspect(type, key));
      if (isThere(world, `${type}/${key}`, goal, recorded)) return;
      const end = endOf(world, `${type}/${key}`, recorded);
      const alarm = world.alarm;
      if (end !== undefined || alarm === undefined)
        throw notReached(world, type, key, goal, end ?? whatItWaitsFor(world, `${type}/${key}`));
      world.clock.moveTo(alarm);
      world.local.pump?.schedule();
    }
  } finally {
    begins.forget();
  }
  throw notReached(world, type, key, goal, `${MOST_ALARMS} alarms, and then more of them`);
}

function isThere(world: World, actor: string, goal: Goal, { history }: Inspection): boolean {
  if (goal.kind === "step") return history.some((entry) => entry.kind === "step" && isNamed(entry, goal.name));
  for (const { kind, name, messages } of world.stage.waits(actor))
    if (kind === goal.kind && (kind === "sleep" ? name === goal.name : messages.includes(goal.name))) return true;
  return false;
}

/** Why it will never come anywhere; `undefined`: it may. */
function endOf(world: World, actor: string, { exists, outcome }: Inspection): string | undefined {
  if (!exists) return "no such actor: create it first";
  if (outcome?.kind === "completed") return "a run that has completed";
  if (outcome?.kind === "cancelled") return "a run that was cancelled";
  if (outcome !== undefined) return `a run that has failed: ${outcome.failure.message}`;
  return world.stage.parkedBecause(actor);
}

function whatItWaitsFor(world: World, actor: string): string {
  const waits = [...world.stage.waits(actor)].map(({ kind, name, messages }) =>
    kind === "sleep" ? `sleep "${name}"` : `message ${messages.map((message) => `"${message}"`).join(" or ")}`,
  );
  return waits.length === 0 ? "nothing that happens by itself" : `a run that waits for ${waits.join(" and ")}`;
}

function notReached(world: World, type: string, key: string, goal: Goal, found: string): PawlError {
  const wanted = goal.kind === "message" ? `a wait for message "${goal.name}"` : `${goal.kind} "${goal.name}"`;
  return new PawlError(
    "not_reached",
    `${type}/${key} has not come to ${wanted}, and will not by itself.
  found     ${found}, at ${new Date(world.clock.now).toISOString()}
  expected  ${wanted}
  do        look at what it has done: await t.history("${type}", "${key}")`,
    { data: { type, key, reached: { [goal.kind]: goal.name }, now: world.clock.now } },
  );
}
