/**
 * Every story is told by one engine and, from every moment at which that one could have died, finished by the other: the ending and all that the
 * workflow saw on the way must be what they are when nobody dies.
 *
 * The peer cannot go on everywhere, not even from its own history. Where it cannot, nothing can be asked of it; those stages are counted, and the
 * counts are printed.
 */
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Engine, pawl, peer } from "../engine/engines.ts";
import { copiedByPeer, excuseOf, namesLost } from "./excuses.ts";
import { asBothKeepIt } from "./interpret.ts";
import { generate } from "./programs/generate.ts";
import { handwritten } from "./programs/handwritten.ts";
import type { Story } from "./programs/ops.ts";
import { beginning, type Stage, type Telling, tell } from "./stages.ts";

const SEEDS = 40;
const stories: readonly Story[] = [...handwritten, ...Array.from({ length: SEEDS }, (_, seed) => generate(seed + 1))];

/** How many stages of each direction were finished, and why the others were left out. */
const counts = new Map<string, Map<string, number>>();

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());
afterAll(() => {
  for (const [direction, of] of counts)
    console.log(`${direction}: ${[...of].map(([what, times]) => `${times} ${what}`).join(", ")}`);
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
    for (const engines of [
      [peer, pawl],
      [pawl, peer],
    ]) {
      const told = await tell(engines, story);
      const fault = difference(told, alone, true);
      const { host } = told.end;
      if (fault === undefined) count("in turns", FINISHED);
      else if (namesLost(host).length > 0) count("in turns", LOST);
      else count("in turns", (await excuseOf(told.ending.outcome, beginning().host, host)) ?? failed(fault));
    }
  });
});

const FINISHED = "stages finished";
const LOST = "names were lost by the writer (7.1.1)";

async function finishEverywhere(first: Engine, second: Engine, story: Story, direction: string): Promise<void> {
  const told = await tell(first, story);
  // Where the peer runs into a defect by itself, what ought to come of its stages is what comes of the story without it.
  const truth = first === peer ? await tell(pawl, story) : told;
  const isWithPeer = first === peer || second === peer;
  for (const [n, stage] of told.stages.entries()) {
    if (first === peer && isPeersEnd(stage, truth)) {
      count(direction, "written by a peer that was giving up");
      continue;
    }
    const finish = await tell(second, story, stage);
    const fault = difference(finish, truth, isWithPeer);
    if (fault === undefined) count(direction, FINISHED);
    else {
      const at = `after batch ${n + 1} of ${told.stages.length}: ${fault}`;
      count(direction, (await excuse(first, second, story, stage, finish)) ?? failed(at));
    }
  }
}

/** Why a stage may be left out. Nothing: it may not. */
async function excuse(
  first: Engine,
  second: Engine,
  story: Story,
  stage: Stage,
  finish: Telling,
): Promise<string | undefined> {
  if (first === peer && namesLost(stage.host).length > 0) return LOST;
  if (second !== peer) return undefined;
  const { outcome } = finish.ending;
  const found = await excuseOf(outcome, stage.host, finish.end.host);
  if (found === undefined || first === peer) return found;
  // The same history in the peer's own hand: what is Pawl's is not in it.
  const own = await tell(peer, story, { ...stage, host: await copiedByPeer(stage.host) });
  return own.ending.outcome === outcome ? found : undefined;
}

/** Whether the peer wrote the stage while it ended a run that, without its defects, does not end so. */
function isPeersEnd({ host }: Stage, { ending }: Telling): boolean {
  return ending.state !== "failed" && (host.state === "rolling_back" || host.state === "failed");
}

function failed(fault: string): never {
  return expect.fail(fault);
}

/** What is different from the truth. Nothing: it is the same. */
function difference({ ending, end }: Telling, truth: Telling, isWithPeer: boolean): string | undefined {
  const countable = (shown: string) => (isWithPeer ? asBothKeepIt(shown) : shown);
  if (countable(ending.outcome) !== countable(truth.ending.outcome))
    return `found the ending ${ending.outcome}, expected ${truth.ending.outcome}`;
  for (const [path, shown] of end.trace.seen) {
    const expected = truth.end.trace.seen.get(path);
    if (expected === undefined || countable(expected) !== countable(shown))
      return `${path} gave ${shown}, expected ${expected}`;
  }
  const undone = ending.undone.join();
  return undone === truth.ending.undone.join() ? undefined : `undid ${undone}, expected ${truth.ending.undone.join()}`;
}

function count(direction: string, what: string): void {
  const of = counts.get(direction) ?? new Map<string, number>();
  counts.set(direction, of);
  of.set(what, (of.get(what) ?? 0) + 1);
}
