/** The example of docs/testing.md, compiled and run to the letter. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), "../..");
const GUIDE = readFileSync(join(PACKAGE, "../../docs/testing.md"), "utf8");
const VITEST = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");

let folder: string;
let file: string;

beforeAll(() => {
  // Inside the package, so that `import "pawl/testing"` finds the package itself, as built.
  folder = mkdtempSync(join(PACKAGE, ".tmp-guide-"));
  file = join(folder, "order.test.ts");
  const example = /```ts\n([\s\S]*?)```/.exec(GUIDE)?.[1];
  // As vitest is by itself: the workspace's configuration looks elsewhere.
  writeFileSync(join(folder, "vitest.config.mjs"), "export default {};");
  writeFileSync(file, example ?? "the guide has no example");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the guide's tests compile under the strictest settings", { timeout: 120_000 }, () => {
  const program = ts.createProgram([file], {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2022.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
    types: [],
  });
  const problems = ts.getPreEmitDiagnostics(program);
  expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"))).toEqual([]);
});

test("the guide's tests pass", { timeout: 60_000 }, () => {
  const args = [VITEST, "run", "--root", folder, "--reporter=json"];
  const report = JSON.parse(execFileSync(process.execPath, args, { cwd: folder, encoding: "utf8" })) as object;
  expect(report).toMatchObject({ success: true, numPassedTests: 3 });
});
