/** The program in docs/workers.md, as it stands there. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

const HERE = dirname(fileURLToPath(import.meta.url));
// Here, so that it finds the package as built.
const folder = mkdtempSync(join(HERE, ".tmp-guide-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("its program does what its comments say", async () => {
  const guide = readFileSync(join(HERE, "../../docs/workers.md"), "utf8");
  const [, program = ""] = /```js\n([\s\S]*?)```/.exec(guide) ?? [];
  const script = join(folder, "program.mjs");
  writeFileSync(script, program);
  const said = await promisify(execFile)(process.execPath, [script], { cwd: folder });
  expect(said).toEqual({ stdout: "3 true\n", stderr: "" });
});
