/** What pages claim has its test, and what the packages promise its check. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../../..");
const text = (file: string) => readFileSync(join(ROOT, file), "utf8");

/** The rows of the table under a heading, cell by cell; without its head. */
function table(page: string, heading: string): string[][] {
  const [, below = ""] = text(page).split(`\n## ${heading}\n`);
  const lines = (below.split(/\n##+ /)[0] ?? "").split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

// That the links lead somewhere is seen by links.test.ts.
test.each(table("docs/comparison.md", "What it claims"))("%s: a test shows it", (_claim, shown = "") => {
  expect(shown).toMatch(/\]\([^)]*\.test\.ts\)|\]\(contract\.md\)/);
});

describe("what the packages promise", () => {
  const workflow = text(".github/workflows/release.yml");
  const promises = table("CONTRIBUTING.md", "What the packages promise");
  const jobs = [...(workflow.split("\njobs:\n")[1] ?? "").matchAll(/^ {2}([a-z-]+):$/gm)].map(([, job]) => job);

  test("all eighteen are there, each with a check here or in the release workflow", () => {
    expect(promises.map(([promise = ""]) => Number.parseInt(promise, 10))).toEqual(
      [...Array(18)].map((_, at) => at + 1),
    );
    expect(promises.filter(([, here, there]) => here === "" && there === "")).toEqual([]);
  });

  test("the jobs that they name are in the workflow", () => {
    const named = promises.flatMap(([, , there = ""]) => [...there.matchAll(/`([a-z][a-z-]*)`/g)]);
    expect(named.length).toBeGreaterThan(4);
    expect(named.map(([, job]) => job).filter((job) => !jobs.includes(job))).toEqual([]);
  });

  test("the workflow builds every platform that has a package", () => {
    const { napi } = JSON.parse(text("packages/pawl/package.json")) as { napi: { targets: string[] } };
    const built = [...workflow.matchAll(/\btarget: ([a-z0-9_-]+)/g)].map(([, target]) => target);
    expect(built.sort()).toEqual(napi.targets.sort());
  });
});
