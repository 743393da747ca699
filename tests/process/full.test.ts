/** A disk without room: here a limit on the size of files, which writes run into in the same way. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "pawl-full-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const SCRIPT = fileURLToPath(new URL("fills.mjs", import.meta.url));

interface Said {
  readonly stored: number;
  readonly code: string;
  readonly retryable: boolean;
  readonly message: string;
}

/** `before`: what the shell does first. */
async function said(what: string, before: string): Promise<unknown> {
  const line = `${before} exec "$0" "$1" "$2" "$3"`;
  const args = ["-c", line, process.execPath, SCRIPT, join(folder, "heap.db"), what];
  const { stdout } = await promisify(execFile)("sh", args, { cwd: folder });
  return JSON.parse(stdout);
}

test("a write that has no room is refused with the system's own words, and all before it is there once there is room", async () => {
  const { stored, code, retryable, message } = (await said("fill", "trap '' XFSZ; ulimit -f 2000;")) as Said;
  expect([code, retryable]).toEqual(["store_unavailable", true]);
  expect(message).toMatch(/a call of heap\/1 has not happened/);
  expect(message).toMatch(/because {3}.*heap\.db could not be /);
  expect(message).toMatch(/found {5}(?:database or disk is full|disk I\/O error)/);
  expect(stored).toBeGreaterThan(2);
  expect(await said("read", "")).toEqual({ count: stored });
});
