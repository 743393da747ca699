/** The guides: the TypeScript of each, from top to bottom, is one file of tests; compiled and run to the letter. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GUIDES, problemsOf, programsOf } from "./programs.ts";

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), "../..");
const VITEST = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");

/** What is read of a report of vitest. */
interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly failureMessages: readonly string[] }[];
  }[];
}

describe.each(GUIDES)("%s", (name) => {
  const guide = programsOf(readFileSync(join(PACKAGE, "../..", name), "utf8")).join("\n");
  let folder: string;
  let file: string;

  beforeAll(() => {
    // Inside the package, so that `import "pawl"` finds the package itself, as built.
    folder = mkdtempSync(join(PACKAGE, ".tmp-guide-"));
    file = join(folder, "guide.test.ts");
    // As vitest is by itself: the workspace's configuration looks elsewhere.
    writeFileSync(join(folder, "vitest.config.mjs"), "export default {};");
    writeFileSync(file, guide);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("its code compiles under the strictest settings", { timeout: 120_000 }, () => {
    expect(problemsOf([file])).toEqual([]);
  });

  test("its tests pass", { timeout: 60_000 }, () => {
    const args = [VITEST, "run", "--root", folder, "--reporter=json"];
    const { stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
    const { testResults, numPassedTests } = JSON.parse(stdout) as Report;
    const failures = testResults.flatMap(({ assertionResults, message }) => [
      message,
      ...assertionResults.flatMap(({ failureMessages }) => failureMessages),
    ]);
    expect(failures.filter((failure) => failure !== "")).toEqual([]);
    expect(numPassedTests).toBe(guide.match(/^test\(/gm)?.length);
  });
});
