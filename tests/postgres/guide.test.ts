/** The program in docs/postgres.md, as it stands there but for the address of the server. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { problemsOf, programsOf } from "../../packages/pawl/test/docs/programs.ts";
import { PostgresServer } from "./server.ts";

const HERE = dirname(fileURLToPath(import.meta.url));
const programs = programsOf(readFileSync(join(HERE, "../../docs/postgres.md"), "utf8"));
const PROMISED = /^console\.log\(.*\);\s*\/\/ (.*)$/gm;
let server: PostgresServer;
let folder: string;

beforeAll(async () => {
  server = await PostgresServer.start();
  // Inside this package, so that `import "pawl"` finds the package as built.
  folder = mkdtempSync(join(HERE, ".tmp-guide-"));
}, 90_000);

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server?.stop();
});

test("its programs compile under the strictest settings", { timeout: 120_000 }, () => {
  const files = programs.map((_, index) => join(folder, `program-${index}.mts`));
  for (const [index, file] of files.entries()) writeFileSync(file, programs[index] ?? "");
  expect(files).toHaveLength(1);
  expect(problemsOf(files)).toEqual([]);
});

test.each(programs.map((program, index) => [index, program] as const))(
  "program %d prints what it says, on a server of this test",
  { timeout: 60_000 },
  (index, program) => {
    const file = join(folder, `program-${index}.mjs`);
    expect(program).toMatch(/"postgres:[^"]*"/);
    writeFileSync(file, program.replace(/"postgres:[^"]*"/, JSON.stringify(server.url("guide"))));
    const printed = execFileSync(process.execPath, [file], { cwd: folder, encoding: "utf8", timeout: 50_000 });
    const promised = [...program.matchAll(PROMISED)].map(([, text]) => text);
    expect(promised).not.toEqual([]);
    expect(printed.trimEnd().split("\n")).toEqual(promised);
  },
);
