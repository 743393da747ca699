/** Nothing is exported without a word on it, and nothing without a test of its type. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { ENTRIES, exportsOf, unexplained } from "./surface.ts";

const HERE = dirname(fileURLToPath(import.meta.url));
/** Files that only the compiler reads. */
const TYPE_TESTS = [
  ...readdirSync(HERE)
    .filter((name) => name.endsWith(".ts") && !name.includes("surface") && !name.endsWith(".test.ts"))
    .map((name) => join(HERE, name)),
  join(HERE, "../engine/peer-types.ts"),
];

describe.each(ENTRIES)("%s", (_, declarations, source) => {
  test("says of everything that it exports what it is, members included", () => {
    expect(unexplained(declarations)).toEqual([]);
  });

  test("has a type test for everything that it exports", () => {
    // The last entry has all of the third.
    const sources = [source, ...(source === "engine/testing.ts" ? ["engine/index.ts"] : [])];
    const tested = new Set(TYPE_TESTS.flatMap((file) => sources.flatMap((one) => used(file, one))));
    const untested = exportsOf(declarations).filter(({ name }) => !tested.has(name));
    expect(untested.map(({ name }) => name)).toEqual([]);
  });
});

/** What a type test takes from an entry: imported by name, which does not compile unless it is used, or as `engine.Name`. */
function used(file: string, source: string): string[] {
  const text = readFileSync(file, "utf8");
  const parsed = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022);
  return parsed.statements.filter(ts.isImportDeclaration).flatMap(({ moduleSpecifier, importClause }) => {
    const from = ts.isStringLiteral(moduleSpecifier) ? moduleSpecifier.text : "";
    const names = importClause?.namedBindings;
    if (!from.endsWith(`/src/${source}`) || names === undefined) return [];
    if (ts.isNamedImports(names)) return names.elements.map(({ name, propertyName }) => (propertyName ?? name).text);
    return [...text.matchAll(new RegExp(`\\b${names.name.text}\\.(\\w+)`, "g"))].map(([, name = ""]) => name);
  });
}
