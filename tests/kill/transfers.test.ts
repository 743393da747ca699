/**
 * Accounts in a real process over a real SQLite file, killed at random moments, move amounts among each other by messages and
 * steps: no amount is lost or made, and each transfer that was acknowledged has happened once, at both ends.
 *
 * PAWL_KILLS: how often (20). PAWL_KILL_SEED: which moments; printed when something is wrong.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { type Random, random } from "../random.ts";
import { Notebook, WorkerProcess } from "./worker-process.ts";

const KILLS = Number(process.env["PAWL_KILLS"] ?? 20);
const SEED = Number(process.env["PAWL_KILL_SEED"] ?? Date.now() % 1_000_000);
const ACCOUNTS = Array.from({ length: 20 }, (_, i) => `a${i}`);
const START = 1_000;
/** How many transfers are given at once. */
const AT_ONCE = 20;

interface Account {
  readonly balance: number;
  readonly paid: Record<string, number>;
  readonly received: Record<string, number>;
}

const folder = mkdtempSync(join(tmpdir(), "pawl-transfers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Gives a worker transfers, never the same twice. Returns how many it has acknowledged so far. */
function employ(worker: WorkerProcess, issued: Set<string>, dice: Random): void {
  for (let i = 0; i < AT_ONCE; i++) {
    const id = `${issued.size}:${dice.of(ACCOUNTS)}:${1 + dice.below(50)}`;
    issued.add(id);
    worker.command({ id, key: dice.of(ACCOUNTS), kind: "work" });
  }
}

/** Lets a worker live until a random moment: while it recovers, or amid its work. */
async function liveAndDie(worker: WorkerProcess, issued: Set<string>, dice: Random): Promise<void> {
  await worker.reached("opening");
  if (dice.below(4) > 0) {
    await worker.reached("open");
    const moment = worker.reports + 1 + dice.below(AT_ONCE);
    const worked = new Promise<void>((resolve) => worker.onReport(() => worker.reports >= moment && resolve()));
    employ(worker, issued, dice);
    await worked;
  }
  // These milliseconds are the moment of death, not a wait for anything.
  await setTimeout(dice.below(15));
  return worker.kill();
}

async function readAll(worker: WorkerProcess, round: number): Promise<Account[]> {
  const accounts = [];
  for (const key of ACCOUNTS)
    accounts.push((await worker.ask({ id: `read ${key} ${round}`, key, kind: "read" })) as Account);
  return accounts;
}

const counts = (accounts: readonly Account[], end: "paid" | "received") => {
  const all = new Map<string, number>();
  for (const account of accounts)
    for (const [id, times] of Object.entries(account[end])) all.set(id, (all.get(id) ?? 0) + times);
  return all;
};

test(
  `what accounts send each other is conserved, and acknowledged transfers happen once, whenever the process is killed (seed ${SEED})`,
  async () => {
    const [dice, notebook, issued] = [random(SEED), new Notebook(), new Set<string>()];
    const store = join(folder, "store.db");
    const start = () => new WorkerProcess(store, notebook, "accounts.mjs");
    for (let kill = 0; kill < KILLS; kill++) await liveAndDie(start(), issued, dice);

    const last = start();
    await last.reached("open");
    const acknowledged = [...notebook.acknowledged].filter((id) => issued.has(id));
    const isDone = (accounts: readonly Account[]) => {
      const [paid, received] = [counts(accounts, "paid"), counts(accounts, "received")];
      return acknowledged.every((id) => paid.has(id)) && [...paid.keys()].every((id) => received.has(id));
    };
    let accounts = await readAll(last, 0);
    for (let round = 1; !isDone(accounts); round++) accounts = await readAll(last, round);
    await last.kill();

    expect(acknowledged.length, "enough was under way to be lost").toBeGreaterThan(KILLS * 2);
    expect([...notebook.refused]).toEqual([]);
    const [paid, received] = [counts(accounts, "paid"), counts(accounts, "received")];
    for (const [id, times] of [...paid, ...received]) expect(times, `transfer ${id}`).toBe(1);
    for (const id of acknowledged) expect(received.get(id), `transfer ${id}, acknowledged`).toBe(1);
    const total = accounts.reduce((sum, { balance }) => sum + balance, 0);
    expect(total).toBe(ACCOUNTS.length * START);
  },
  60_000 + KILLS * 3_000,
);
