/** The README's programs, compiled and run to the letter. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { problemsOf, programsOf } from "./programs.ts";

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), "../..");
const PROGRAMS = programsOf(readFileSync(join(PACKAGE, "../../README.md"), "utf8"));

let folder: string;

beforeAll(() => {
  // Inside the package, so that `import "pawl"` finds the package itself, as built.
  folder = mkdtempSync(join(PACKAGE, ".tmp-readme-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the README's programs compile under the strictest settings", { timeout: 120_000 }, () => {
  const files = PROGRAMS.map((program, index) => {
    const file = join(folder, `program-${index}.mts`);
    writeFileSync(file, program);
    return file;
  });
  expect(files).toHaveLength(2);
  expect(problemsOf(files)).toEqual([]);
});

test.each(PROGRAMS.map((program, index) => ({ program, index })))(
  "program $index of the README prints what it says",
  ({ program, index }) => {
    const { outputText } = ts.transpileModule(program, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    const file = `program-${index}.mjs`;
    writeFileSync(join(folder, file), outputText);
    const promised = [...program.matchAll(/^console\.log\(.*\);\s*\/\/ (.*)$/gm)].map(([, text]) => text);
    expect(promised).not.toEqual([]);
    const printed = execFileSync(process.execPath, [file], { cwd: folder, encoding: "utf8", timeout: 20_000 });
    expect(printed.trimEnd().split("\n")).toEqual(promised);
  },
);
