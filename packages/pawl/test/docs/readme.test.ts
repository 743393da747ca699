/** The README's example, compiled and run to the letter. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";

const HERE = dirname(fileURLToPath(import.meta.url));
const PACKAGE = join(HERE, "../..");
const README = readFileSync(join(PACKAGE, "../../README.md"), "utf8");

let folder: string;

beforeAll(() => {
  // Inside the package, so that `import "pawl"` finds the package itself, as built.
  folder = mkdtempSync(join(PACKAGE, ".tmp-readme-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function example(): string {
  const found = /```ts\n([\s\S]*?)```/.exec(README)?.[1];
  if (found === undefined) throw new Error("the README has no example");
  return found;
}

test("the README's example compiles under the strictest settings", { timeout: 120_000 }, () => {
  const file = join(folder, "example.mts");
  writeFileSync(file, example());
  const program = ts.createProgram([file], {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    // Without Node's own types, which a user need not have: checking them takes longer than all the rest.
    lib: ["lib.es2022.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
    types: [],
    skipDefaultLibCheck: true,
  });
  expect(
    ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")),
  ).toEqual([]);
});

test("the README's example prints what it says", () => {
  const { outputText } = ts.transpileModule(example(), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  writeFileSync(join(folder, "example.mjs"), outputText);
  const run = () => execFileSync(process.execPath, ["example.mjs"], { cwd: folder, encoding: "utf8", timeout: 20_000 });
  const promised = /console\.log\(await handle\.result\(\)\);\s*\/\/ (.*)/.exec(README)?.[1];
  expect(run().trim()).toBe(promised);
});
