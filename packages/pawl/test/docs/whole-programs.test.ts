/** Whole programs in documents, compiled and run to the letter. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { problemsOf, programsOf, WHOLE_PROGRAMS } from "./programs.ts";

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), "../..");

describe.each(WHOLE_PROGRAMS)("%s", (document, expected) => {
  const programs = programsOf(readFileSync(join(PACKAGE, "../..", document), "utf8"));
  let folder: string;

  beforeAll(() => {
    // Inside the package, so that `import "pawl"` finds the package itself, as built.
    folder = mkdtempSync(join(PACKAGE, ".tmp-programs-"));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("its programs compile under the strictest settings", { timeout: 120_000 }, () => {
    const files = programs.map((program, index) => {
      const file = join(folder, `program-${index}.mts`);
      writeFileSync(file, program);
      return file;
    });
    expect(files).toHaveLength(expected);
    expect(problemsOf(files)).toEqual([]);
  });

  test.each(programs.map((program, index) => ({ program, index })))(
    "program $index prints what it says",
    { timeout: 30_000 },
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
});
