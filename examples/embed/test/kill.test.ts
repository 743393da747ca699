/** The host as a process of its own, killed at any moment, until every order has ended. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { loadStorage, openActor } from "pawl/engine";
import { afterAll, beforeAll, expect, test } from "vitest";
import { betterSqlite3 } from "../../../benches/src/better-sqlite3.ts";
import { type Database, openDatabase } from "../src/database.ts";
import { SqliteDriver } from "../src/driver.ts";
import { orderCells } from "../src/order.ts";

const EXAMPLE = fileURLToPath(new URL("..", import.meta.url));
const ORDERS = 12;
const KILLS = 8;
/** Of one order: items of 1, 10, 100, 1000 and 10000. */
const TOTAL = 11111;
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

interface Kept {
  readonly cell: { seen: number; sum: number; charged: number; shipped: number };
  /** What its completed steps returned, without those that are recorded as undone. By their name. */
  readonly steps: ReadonlyMap<string, readonly unknown[]>;
}

/** What the file says of an order. */
async function kept(database: Database, id: string): Promise<Kept> {
  const driver = new SqliteDriver(database, id);
  const { history, nameRegistry, entryMetadata } = await loadStorage(driver);
  const steps = new Map<string, unknown[]>();
  for (const { id: entry, kind, location } of history.entries.values()) {
    const name = nameRegistry[Number(location.at(-1))] ?? "";
    const { status, rollbackCompletedAt } = entryMetadata.get(entry) ?? {};
    if (kind.type !== "step" || status !== "completed" || rollbackCompletedAt !== undefined) continue;
    steps.set(name, [...(steps.get(name) ?? []), kind.data.output]);
  }
  const actor = await openActor(driver, { id, cells: orderCells });
  const { order: cell } = await actor.export();
  await actor.close();
  return { cell, steps };
}

/** The cell is what the completed steps have made of it: no more, and no less. */
function expectWhatStepsDid({ cell, steps }: Kept): void {
  const counted = steps.get("count") ?? [];
  const sum = Number("1".repeat(counted.length));
  const [charged, shipped] = ["charge", "ship"].map((name) => (steps.has(name) ? TOTAL : 0));
  expect(counted.at(-1) ?? orderCells.order.initial()).toEqual({ ...cell, charged: 0, shipped: 0 });
  expect(cell).toEqual({ seen: counted.length, sum, charged, shipped });
}

/** Looks at all orders after a kill. Resolves to their cells. */
async function look(): Promise<Kept["cell"][]> {
  const database = openDatabase(file);
  const cells: Kept["cell"][] = [];
  for (const { id } of database.prepare("SELECT id FROM actor ORDER BY rowid").all() as { id: string }[]) {
    const order = await kept(database, id);
    expectWhatStepsDid(order);
    cells.push(order.cell);
  }
  database.close();
  return cells;
}

test.skipIf("missing" in sqlite)(
  `orders end once each, and nothing in the file is lost or doubled, though the host is killed ${KILLS} times`,
  async () => {
    for (let kill = 0; kill < KILLS; kill++) {
      await live(Math.random() * 250);
      await look();
    }
    const { code, output } = await live(undefined);
    expect(output).toBe("the file is open\nall orders have ended\n");
    expect(code).toBe(0);

    const database = openDatabase(file);
    const actors = database.prepare("SELECT id, ended, endings FROM actor ORDER BY rowid").all();
    const open = database.prepare("SELECT count(*) AS n FROM message WHERE completed = 0 AND name = 'item'").get();
    const alarms = database.prepare("SELECT count(*) AS n FROM alarm").get();
    database.close();
    const [calls, cells] = [effects(), await look()];
    expect(actors).toHaveLength(ORDERS);
    for (const [n, { id, ended, endings }] of (actors as { id: string; ended: string; endings: number }[]).entries()) {
      expect({ id, endings }).toEqual({ id: `order-${n}`, endings: 1 });
      const done = [...new Set(calls.get(id))];
      const isShipped = ended.startsWith("shipped");
      const paid = isShipped ? TOTAL : 0;
      expect(cells[n]).toEqual({ seen: 5, sum: TOTAL, charged: paid, shipped: paid });
      // A confirmation that a slow machine lets come too late undoes the order.
      if (isShipped) expect([ended, done]).toEqual(["shipped for 11111", ["charge 11111", "ship 11111"]]);
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
