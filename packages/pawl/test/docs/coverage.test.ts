/** No page has code that no test runs. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ELSEWHERE, GUIDES, WHOLE_PROGRAMS } from "./programs.ts";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const PAGES = [
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "llms.txt",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
/** What can be run; commands and plain text cannot. */
const CODE = /^[ \t]*```(?:ts|tsx|mts|cts|typescript|js|mjs|cjs|javascript|jsx)\b/m;

const text = (page: string) => readFileSync(join(ROOT, page), "utf8");

test("every page with code is run by a test, and every page that is run has code", () => {
  const run = [...GUIDES, ...WHOLE_PROGRAMS.map(([page]) => page), ...Object.keys(ELSEWHERE)];
  expect(PAGES.filter((page) => CODE.test(text(page))).sort()).toEqual(run.sort());
});

test("all of it is fenced in one way, so that it is found: at the start of a line, as ts or js", () => {
  const odd = PAGES.flatMap((page) =>
    [...text(page).matchAll(/^([ \t]*)```(\w+)/gm)]
      .filter(([, indent, language = ""]) => indent !== "" || !["ts", "js", "sh"].includes(language))
      .map(([fence]) => `${page}: ${fence}`),
  );
  expect(odd).toEqual([]);
});

test.each(Object.entries(ELSEWHERE))("%s is read by %s", (page, by) => {
  expect(text(by)).toContain(page);
});
