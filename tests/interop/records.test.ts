/** Where both engines run the same story on the same clock, the rows that the contract fixes are equal, byte for byte. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { pawl, peer } from "../engine/engines.ts";
import { generate } from "./programs/generate.ts";
import { handwritten } from "./programs/handwritten.ts";
import { isParallel, type Op, type Program, type Story } from "./programs/ops.ts";
import { sharedRows } from "./records.ts";
import { beginning, tell } from "./stages.ts";

const generated = Array.from({ length: 120 }, (_, seed) => generate(1000 + seed));
const stories: readonly Story[] = [...handwritten, ...generated].filter(({ program }) => isComparable(program));

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

/**
 * Branches take names and times in an order of the scheduler's, and what the peer does after a terminal failure that was caught is a defect: both are
 * compared by what the workflow sees, not by rows.
 */
function isComparable(program: Program): boolean {
  return !isParallel(program) && !hasTerminalFailure(program);
}

function hasTerminalFailure(program: Program): boolean {
  return program.some((op: Op) => {
    if ("fails" in op) return op.fails === "critical" || op.fails === "timeout";
    return "body" in op && hasTerminalFailure(op.body);
  });
}

test("there are at least thirty stories whose rows can be compared", () => {
  expect(stories.length).toBeGreaterThanOrEqual(30);
});

describe("a story told twice by the peer", () => {
  test.each(stories.map((story) => [story.title, story] as const))(
    "leaves the same rows: %s",
    async (_title, story) => {
      const [first, second] = [await tell(peer, story), await tell(peer, story)];
      expect(withoutMessageIds(sharedRows(first.end.host))).toEqual(withoutMessageIds(sharedRows(second.end.host)));
    },
  );
});

describe("a story told by the peer and by pawl", () => {
  test.each(stories.map((story) => [story.title, story] as const))(
    "leaves the same rows: %s",
    async (_title, story) => {
      const theirs = await tell(peer, story);
      // The peer has metadata for steps and loops only, and sometimes what a defect left: what it has, Pawl has, too.
      if (/HistoryDiverged|TraceError|not found in registry/.test(theirs.ending.outcome)) return;
      const ours = await tell(pawl, story);
      const expected = withoutMessageIds(sharedRows(theirs.end.host));
      const found = withoutMessageIds(sharedRows(ours.end.host));
      expect(new Map([...found].filter(([key]) => expected.has(key)))).toEqual(expected);
      expect([...found.keys()].filter((key) => !expected.has(key) && !key.startsWith("metadata"))).toEqual([]);
    },
  );
});

describe("rows of Pawl's own, under (9)", () => {
  test.each(handwritten.map((story) => [story.title, story] as const))(
    "change nothing for the peer: %s",
    async (_title, story) => {
      const alone = await tell(peer, story);
      const start = beginning();
      for (const key of ["150914", "15091501150c", "15091502"]) start.host.rows.set(key, Uint8Array.of(1, 2, 3));
      const beside = await tell(peer, story, start);
      expect(beside.ending).toEqual(alone.ending);
      expect([...beside.end.host.rows.keys()].filter((key) => key.startsWith("1509"))).toEqual([
        ...start.host.rows.keys(),
      ]);
    },
  );
});

/** Messages have random ids as well; they stand in the rows of history, as text. */
function withoutMessageIds(rows: Map<string, string>): Map<string, string> {
  const id = /6d6573736167652d[0-9a-f]{72}/g;
  return new Map([...rows].map(([key, value]) => [key, value.replace(id, "<message>")]));
}
