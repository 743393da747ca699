/**
 * Orders that make children, ask a handler, and call an action from a step, in a real process over a real SQLite file that is
 * killed at random moments: everything happens once, and every order that was acknowledged ends.
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
/** How many orders are given at once. */
const AT_ONCE = 10;

interface Bank {
  readonly taken: Record<string, number>;
  readonly noted: Record<string, number>;
}

const folder = mkdtempSync(join(tmpdir(), "pawl-families-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Lets a worker live until a random moment: while it recovers, or amid its work. */
async function liveAndDie(worker: WorkerProcess, issued: Set<string>, dice: Random): Promise<void> {
  await worker.reached("opening");
  if (dice.below(4) > 0) {
    await worker.reached("open");
    const moment = worker.reports + 1 + dice.below(AT_ONCE);
    const worked = new Promise<void>((resolve) => worker.onReport(() => worker.reports >= moment && resolve()));
    for (let i = 0; i < AT_ONCE; i++) {
      const id = `o${issued.size}`;
      issued.add(id);
      worker.command({ id, key: id, kind: "work" });
    }
    await worked;
  }
  // These milliseconds are the moment of death, not a wait for anything.
  await setTimeout(dice.below(40));
  return worker.kill();
}

test(
  `children, questions and calls happen once, whenever the process is killed (seed ${SEED})`,
  async () => {
    const [dice, notebook, issued] = [random(SEED), new Notebook(), new Set<string>()];
    const start = () => new WorkerProcess(join(folder, "store.db"), notebook, "families.mjs");
    for (let kill = 0; kill < KILLS; kill++) await liveAndDie(start(), issued, dice);

    const last = start();
    await last.reached("open");
    const acknowledged = [...notebook.acknowledged].filter((id) => issued.has(id));
    expect(acknowledged.length, "enough was under way to be lost").toBeGreaterThan(KILLS);
    for (const id of acknowledged)
      expect(await last.ask({ id: `result ${id}`, key: id, kind: "result" }), `order ${id}`).toEqual([1, 1, 0, 1]);
    const bank = (await last.ask({ id: "read", key: "b", kind: "read" })) as Bank;
    await last.kill();

    expect([...notebook.refused]).toEqual([]);
    expect(Object.values(bank.taken).filter((times) => times !== 1)).toEqual([]);
    expect(Object.values(bank.noted).filter((times) => times !== 1)).toEqual([]);
    for (const id of acknowledged)
      expect([bank.taken[id], bank.noted[`${id}0`], bank.noted[`${id}1`]]).toEqual([1, 1, 1]);
  },
  60_000 + KILLS * 3_000,
);
