import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "../../../..");

test("P6 types flow from the definition to every caller, and mistakes are compile-time errors", {
  timeout: 120_000,
}, () => {
  const runtimeTests = join(HERE, "../runtime");
  const files = [HERE, runtimeTests].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(folder, name)),
  );
  expect(problems(files)).toEqual([]);
});

/** What the compiler says of these files, under the options of the workspace. */
function problems(files: readonly string[]): string[] {
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.base.json"), ts.sys.readFile);
  // What only libraries need: that every exported name has its type beside it.
  Object.assign(config.compilerOptions, { isolatedDeclarations: false, declaration: false });
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, ROOT);
  const program = ts.createProgram([...files], options);
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
    if (diagnostic.file === undefined || diagnostic.start === undefined) return text;
    const { line } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start);
    return `${diagnostic.file.fileName.slice(ROOT.length + 1)}:${line + 1}: ${text}`;
  });
}
