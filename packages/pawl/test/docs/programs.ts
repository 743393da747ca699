/** The TypeScript in a document, and what a compiler as strict as can be has to say of it. */
import ts from "typescript";

/** Pages whose code is, from top to bottom, one file of tests. */
export const GUIDES: readonly string[] = [
  "docs/testing.md",
  "docs/workflows.md",
  "docs/state.md",
  "docs/isolation.md",
  "docs/messages.md",
  "docs/schedules.md",
  "docs/embedding.md",
  "docs/retries.md",
  "docs/approval.md",
  "docs/versioning.md",
];

/** Pages of whole programs, and how many each has. */
export const WHOLE_PROGRAMS: readonly (readonly [page: string, programs: number])[] = [
  ["README.md", 1],
  ["docs/cookbook.md", 11],
  ["docs/running.md", 2],
  ["docs/from-temporal.md", 1],
  ["docs/from-restate.md", 1],
  ["docs/from-dbos.md", 1],
  ["docs/from-rivetkit.md", 1],
  ["docs/connections.md", 1],
];

/** Pages whose programs need more than a folder, and the tests that run them. */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  "docs/quick-start.md": "tests/install/install.test.ts",
  "docs/workers.md": "tests/workers/guide.test.ts",
  "docs/postgres.md": "tests/postgres/guide.test.ts",
};

/** The blocks of TypeScript in a document, in their order. */
export function programsOf(markdown: string): string[] {
  return [...markdown.matchAll(/```ts\n([\s\S]*?)```/g)].flatMap(([, block]) => block ?? []);
}

/** What the strictest settings find wrong with files that import the package as built. */
export function problemsOf(files: readonly string[]): string[] {
  const program = ts.createProgram(files, {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    // Without Node's own types, which a user need not have: checking them takes longer than all the rest.
    lib: ["lib.es2022.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
    types: [],
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ messageText, file, start }) => `${place(file, start)}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
    );
}

function place(file: ts.SourceFile | undefined, start: number | undefined): string {
  if (file === undefined || start === undefined) return "everywhere";
  const { line } = file.getLineAndCharacterOfPosition(start);
  return `${file.fileName.replace(/.*\//, "")}:${line + 1}: ${file.text.split("\n")[line]?.trim()}`;
}
