/**
 * Every story is told by one engine and, from every moment at which that one could have died, finished by the other: the ending and all that the
 * workflow saw on the way must be what they are when nobody dies.
 *
 * The peer cannot go on everywhere, not even from its own history. Where it cannot, nothing can be asked of it; those stages are counted, and the
 * counts are printed.
 */
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Engine, pawl, peer } from "../engine/engines.ts";
import { generate } from "./programs/generate.ts";
import { handwritten } from "./programs/handwritten.ts";
import type { Story } from "./programs/ops.ts";
import { type Stage, type Telling, tell } from "./stages.ts";

const SEEDS = 40;
const stories: readonly Story[] = [...handwritten, ...Array.from({ length: SEEDS }, (_, seed) => generate(seed + 1))];

/** How many stages each direction went on from, and how many were left out because the peer cannot. */
const counts = new Map<string, { finished: number; leftOut: number; untold: number }>();

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());
afterAll(() => {
  for (const [direction, { finished, leftOut, untold }] of counts) {
    console.log(
      `${direction}: ${finished} stages finished; left out: ${leftOut} stages, ${untold} stories that the peer cannot tell alone`,
    );
  }
});

const pairs: readonly (readonly [Engine, Engine])[] = [
  [peer, peer],
  [peer, pawl],
  [pawl, peer],
  [pawl, pawl],
];

for (const [first, second] of pairs) {
  const direction = `${first.name} -> ${second.name}`;
  describe(direction, () => {
    test.each(stories.map((story) => [story.title, story] as const))(
      "%s",
      async (_title, story) => {
        await finishEverywhere(first, second, story, direction);
        // From each of up to 170 stages, with waits of some real milliseconds.
      },
      180_000,
    );
  });
}

describe("engines that take turns, run by run", () => {
  test.each(stories.map((story) => [story.title, story] as const))("%s", async (_title, story) => {
    const alone = await tell(pawl, story);
    if ((await peerCannot(story, alone)) || (await hasGaps(story))) return;
    for (const engines of [
      [peer, pawl],
      [pawl, peer],
    ]) {
      const { ending, end } = await tell(engines, story);
      expect(ending).toEqual(alone.ending);
      for (const [path, shown] of end.trace.seen) expect([path, shown]).toEqual([path, alone.end.trace.seen.get(path)]);
    }
  });
});

async function finishEverywhere(first: Engine, second: Engine, story: Story, direction: string): Promise<void> {
  const count = countOf(direction);
  const alone = await tell(first, story);
  if ([first, second].includes(peer) && (await peerCannot(story, alone))) {
    count.untold += 1;
    if (first === peer) return;
  }
  for (const [n, stage] of alone.stages.entries()) {
    const fault = await difference(second, story, stage, alone);
    if (fault === null) count.finished += 1;
    else if (await isPeersFault(fault, first, second, story, stage, alone)) count.leftOut += 1;
    else expect.fail(`after batch ${n + 1} of ${alone.stages.length}: ${fault}`);
    if (fault !== null && process.env["SHOW"] === "1")
      console.log(`${direction}, "${story.title}", batch ${n + 1}: ${fault}`);
  }
}

/**
 * Whether the peer, undisturbed, runs into one of its defects in this story. If it does not, it must come to the same ending: that it comes to another
 * one excuses nobody.
 */
async function peerCannot(story: Story, alone: Telling): Promise<boolean> {
  const told = await tell(peer, story);
  if (!isDefect(told.ending.outcome)) {
    expect(told.ending).toEqual(alone.ending);
    return false;
  }
  if (process.env["SHOW"] === "1") console.log(`"${story.title}": ${told.ending.outcome}`);
  return true;
}

/** Whether an ending, or what is wrong with it, tells of a defect of the peer's: 7.1.1, 7.1.3 or 7.1.5. */
function isDefect(text: string): boolean {
  return /HistoryDivergedError: Entry .* was not visited|TraceError|Name index \d+ not found in registry/.test(text);
}

/**
 * Whether the blame for a fault is the peer's: it wrote the stage and does not finish from it, either; or it was given the stage, ran into one of its
 * defects, and does so in this story in its own history.
 */
async function isPeersFault(
  fault: string,
  first: Engine,
  second: Engine,
  story: Story,
  stage: Stage,
  alone: Telling,
): Promise<boolean> {
  if (second === peer) return isDefect(fault) && (first === peer || (await hasGaps(story)));
  return first === peer && (await difference(peer, story, stage, alone)) !== null;
}

const gaps = new Map<Story, boolean>();

/** Whether the peer has moments in this story, or in all of it, from which it cannot go on. */
async function hasGaps(story: Story): Promise<boolean> {
  const known = gaps.get(story) ?? (await findsGap(story));
  gaps.set(story, known);
  return known;
}

async function findsGap(story: Story): Promise<boolean> {
  const alone = await tell(peer, story);
  if (isDefect(alone.ending.outcome)) return true;
  for (const stage of alone.stages) if ((await difference(peer, story, stage, alone)) !== null) return true;
  return false;
}

/** The peer runs a step again that has failed for good and was caught (7.1.3), when it goes on from right after the failure: it counts one attempt more. */
function asFinishedBy(engine: Engine, outcome: string): string {
  return engine === peer ? outcome.replaceAll(/attempts: \d+/g, "attempts: n") : outcome;
}

/** What is different if `engine` goes on from `stage`, or null. */
async function difference(engine: Engine, story: Story, stage: Stage, alone: Telling): Promise<string | null> {
  const told = await tell(engine, story, stage);
  if (asFinishedBy(engine, told.ending.outcome) !== asFinishedBy(engine, alone.ending.outcome)) {
    return `found the ending ${told.ending.outcome}, expected ${alone.ending.outcome}`;
  }
  for (const [path, shown] of told.end.trace.seen) {
    const expected = alone.end.trace.seen.get(path);
    if (expected === undefined || asFinishedBy(engine, expected) !== asFinishedBy(engine, shown)) {
      return `${path} gave ${shown}, expected ${expected}`;
    }
  }
  const undone = told.ending.undone.join();
  return undone === alone.ending.undone.join() ? null : `undid ${undone}, expected ${alone.ending.undone.join()}`;
}

function countOf(direction: string): { finished: number; leftOut: number; untold: number } {
  const count = counts.get(direction) ?? { finished: 0, leftOut: 0, untold: 0 };
  counts.set(direction, count);
  return count;
}
