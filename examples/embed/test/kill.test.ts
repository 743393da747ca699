/** The host as a process of its own, killed at any moment, until every order has ended. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { betterSqlite3 } from "../../../benches/src/better-sqlite3.ts";
import { openDatabase } from "../src/database.ts";

const EXAMPLE = fileURLToPath(new URL("..", import.meta.url));
const ORDERS = 12;
const KILLS = 8;
const sqlite = betterSqlite3((what) => console.log(what));
const folder = mkdtempSync(join(tmpdir(), "pawl-embed-test-"));
const [file, log] = [join(folder, "orders.db"), join(folder, "effects.log")];
const started: ChildProcess[] = [];

beforeAll(async () => {
  if ("folder" in sqlite) process.env["BETTER_SQLITE3"] = sqlite.folder;
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  await promisify(execFile)(process.execPath, [tsc, "-p", EXAMPLE]);
}, 60_000);

afterAll(() => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the host; kills it `lifeMs` after it has opened the file, if it still runs then. */
async function live(lifeMs: number | undefined): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [join(EXAMPLE, "dist/main.js"), file, log, String(ORDERS)]);
  started.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => void (output += text));
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  let kill: NodeJS.Timeout | undefined;
  child.stdout.once("data", () => {
    if (lifeMs !== undefined) kill = setTimeout(() => child.kill("SIGKILL"), lifeMs);
  });
  const code = await closed;
  clearTimeout(kill);
  return { code, output };
}

/** Every outside effect, by its key, as often as it happened. */
function effects(): Map<string, string[]> {
  const calls = new Map<string, string[]>();
  for (const line of existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []) {
    const [effect = "", key = "", amount = ""] = line.split(" ");
    calls.set(key, [...(calls.get(key) ?? []), `${effect} ${amount}`]);
  }
  return calls;
}

test.skipIf("missing" in sqlite)(
  `orders end once each, and nothing in the file is lost or doubled, though the host is killed ${KILLS} times`,
  async () => {
    for (let kill = 0; kill < KILLS; kill++) await live(Math.random() * 250);
    const { code, output } = await live(undefined);
    expect(output).toBe("the file is open\nall orders have ended\n");
    expect(code).toBe(0);

    const database = openDatabase(file);
    const actors = database.prepare("SELECT id, ended, endings FROM actor ORDER BY rowid").all();
    const open = database.prepare("SELECT count(*) AS n FROM message WHERE completed = 0 AND name = 'item'").get();
    const alarms = database.prepare("SELECT count(*) AS n FROM alarm").get();
    database.close();
    const calls = effects();
    expect(actors).toHaveLength(ORDERS);
    for (const [n, { id, ended, endings }] of (actors as { id: string; ended: string; endings: number }[]).entries()) {
      expect({ id, endings }).toEqual({ id: `order-${n}`, endings: 1 });
      const done = [...new Set(calls.get(id))];
      // A confirmation that a slow machine lets come too late undoes the order.
      if (ended.startsWith("shipped"))
        expect([ended, done]).toEqual(["shipped for 11111", ["charge 11111", "ship 11111"]]);
      else
        expect([ended, done]).toEqual([
          expect.stringMatching(/failed: .*(no word|cancelled)/),
          ["charge 11111", "refund 11111"],
        ]);
      if (n % 3 !== 0) expect(ended).toContain("failed");
    }
    expect([open, alarms]).toEqual([{ n: 0 }, { n: 0 }]);
  },
  120_000,
);
