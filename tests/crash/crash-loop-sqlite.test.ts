/** The crash loop over real files: what is lost here is lost by SQLite's own rules. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loseEach, uncrashed } from "./lost-batches.ts";
import { answers, forks, retries, sends, undone } from "./programs/index.ts";
import { DEATHS } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "pawl-crash-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let stores = 0;
const inFile = () => `sqlite:${join(folder, `${++stores}.db`)}`;

describe.each([retries, sends, forks, undone, answers])("$name, in SQLite", (program) => {
  const reference = uncrashed(program, inFile);

  test.each(DEATHS)("ends the same whichever batch is lost: %s", async (kind) => {
    const { batches } = (await reference).played;
    expect(await loseEach(program, kind, inFile, await reference)).toBe(batches.reduce((sum, life) => sum + life, 0));
  });
});
