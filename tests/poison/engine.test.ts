/** `poisonGuard` of `pawl/engine`, with deaths that are real: a step that aborts its process, on rows that are in a file. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

const PROGRAM = join(import.meta.dirname, "engine-process.mjs");

test("a step that aborts its process is quarantined in an embedding host, what runs beside it ends, and recover() releases it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pawl-poison-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const log = join(folder, "log");
  const life = (mode: string) =>
    new Promise<boolean>((resolve) => {
      const child = spawn(process.execPath, [PROGRAM, join(folder, "rows"), log, mode], { stdio: "ignore" });
      child.on("exit", (code) => resolve(code !== 0));
    });
  const lines = () => readFileSync(log, "utf8").trim().split("\n");
  let deaths = 0;
  while (await life("poison")) deaths += 1;
  // Two with others at work, and three with it alone, or beside what is innocent.
  expect(deaths).toBeGreaterThanOrEqual(4);
  expect(deaths).toBeLessThanOrEqual(6);
  expect(lines()).toContain("ends good");
  expect(lines().at(-1)).toBe("quarantined both/bad/deadly");
  expect(await life("release")).toBe(false);
  expect(await life("harmless")).toBe(false);
  expect(lines().at(-1)).toBe("completed");
}, 60_000);
