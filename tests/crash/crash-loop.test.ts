/**
 * The crash loop: each program runs once while its batches are counted. Then, for every n and every way to lose a batch,
 * it runs with batch n lost; what is stored in the end must be the same.
 *
 * PAWL_CRASH_PAIRS=all loses every pair of batches of every program, too: the second one while the first is recovered from.
 */
import { describe, expect, test } from "vitest";
import { loseEach, loseEachPair, uncrashed } from "./lost-batches.ts";
import { PROGRAMS, plain, retries } from "./programs/index.ts";
import { DEATHS, MISHAPS } from "./world.ts";

const EVERY_PAIR = process.env["PAWL_CRASH_PAIRS"] === "all";

let stores = 0;
const inMemory = () => `memory:crash-loop-${process.pid}-${++stores}`;

describe.each(PROGRAMS)("$name", (program) => {
  const reference = uncrashed(program, inMemory);

  test.each([...DEATHS, ...MISHAPS])("ends the same whichever batch is lost: %s", async (kind) => {
    const { batches } = (await reference).played;
    expect(await loseEach(program, kind, inMemory, await reference)).toBe(batches.reduce((sum, life) => sum + life, 0));
  });
});

describe.each(EVERY_PAIR ? PROGRAMS : [plain, retries])("$name, twice", (program) => {
  const reference = uncrashed(program, inMemory);

  test.each(DEATHS.flatMap((first) => DEATHS.map((second) => [first, second] as const)))(
    "ends the same whichever two batches are lost: %s, then %s",
    async (...kinds) => {
      expect(await loseEachPair(program, kinds, inMemory, await reference)).toBeGreaterThan(0);
    },
    EVERY_PAIR ? 600_000 : 180_000,
  );
});
