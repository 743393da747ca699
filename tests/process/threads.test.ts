/** Threads that are terminated amid their commits: no lock stays behind, nothing acknowledged is lost, the process lives. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runScript } from "./script.ts";

/** PAWL_TERMINATIONS: how many threads are terminated. */
const CYCLES = Number(process.env["PAWL_TERMINATIONS"] ?? 30);

const folder = mkdtempSync(join(tmpdir(), "pawl-threads-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ["alone", []],
  ["beside another that goes on", ["beside"]],
])(
  "a thread that is terminated %s leaves no lock behind, and loses nothing that it acknowledged",
  async (how, more) => {
    const ended = await runScript("threads.mjs", [join(folder, `${how}.db`), `${CYCLES}`, ...more], folder);
    expect([ended.code, ended.signal, ended.stderr]).toEqual([0, null, ""]);
    expect(ended.said).toEqual([{ acknowledged: expect.any(Number), lost: [], twice: [], own: 0 }]);
    const { acknowledged } = ended.said[0] as { acknowledged: number };
    expect(acknowledged).toBeGreaterThan(CYCLES * 3);
  },
  30_000 + CYCLES * 1_000,
);
