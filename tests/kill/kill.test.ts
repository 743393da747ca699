/**
 * A real process over a real SQLite file, killed at random moments: whatever it acknowledged is there, and nothing is there
 * twice.
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
const LEDGERS = ["ann", "bob", "cid"];
const CHAINS = ["chain-1", "chain-2"];
/** How many calls are under way at once. */
const AT_ONCE = 12;

interface Ledger {
  readonly puts: Record<string, number>;
  readonly works: Record<string, number>;
  readonly order: readonly string[];
}

const folder = mkdtempSync(join(tmpdir(), "pawl-kill-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Gives a worker work, and never the same twice. */
class Employer {
  readonly issued = new Map<string, { readonly key: string; readonly kind: "put" | "work" }>();
  readonly #random: Random;
  readonly #notebook: Notebook;
  #underWay: string[] = [];

  constructor(random: Random, notebook: Notebook) {
    this.#random = random;
    this.#notebook = notebook;
  }

  /** Begins with a new worker. What the one before it had not answered stays unanswered. */
  employ(worker: WorkerProcess): void {
    this.#underWay = [];
    this.giveMore(worker);
  }

  /** Keeps a worker busy. */
  giveMore(worker: WorkerProcess): void {
    const { acknowledged, refused } = this.#notebook;
    this.#underWay = this.#underWay.filter((id) => !acknowledged.has(id) && !refused.has(id));
    while (this.#underWay.length < AT_ONCE) {
      const id = `${this.issued.size}`;
      const [key, kind] = [this.#random.of(LEDGERS), this.#random.of(["put", "work"] as const)];
      this.issued.set(id, { key, kind });
      this.#underWay.push(id);
      worker.command({ id, key, kind });
    }
  }
}

/** Lets a worker live until a random moment: while it opens the store and recovers, or amid its work. */
async function liveAndDie(worker: WorkerProcess, employer: Employer, random: Random): Promise<void> {
  await worker.reached("opening");
  if (random.below(3) === 0) {
    // These milliseconds are the moment of death, not a wait for anything.
    await setTimeout(random.below(12));
    return worker.kill();
  }
  await worker.reached("open");
  employer.employ(worker);
  const moment = worker.reports + 1 + random.below(80);
  await new Promise<void>((resolve) => {
    worker.onReport(() => {
      employer.giveMore(worker);
      if (worker.reports >= moment) resolve();
    });
  });
  if (random.below(2) === 0) await setTimeout(random.below(4));
  return worker.kill();
}

test(
  `what a process acknowledged before it was killed is there, and nothing is there twice (seed ${SEED})`,
  async () => {
    const [dice, notebook] = [random(SEED), new Notebook()];
    const employer = new Employer(dice, notebook);
    const store = join(folder, "store.db");
    for (let kill = 0; kill < KILLS; kill++) await liveAndDie(new WorkerProcess(store, notebook), employer, dice);

    const last = new WorkerProcess(store, notebook);
    await last.reached("open");
    for (const key of LEDGERS) await last.ask({ id: `stop ${key}`, key, kind: "stop" });
    for (const key of [...LEDGERS, ...CHAINS]) await last.ask({ id: `result ${key}`, key, kind: "result" });
    const ledgers = new Map<string, Ledger>();
    for (const key of LEDGERS) ledgers.set(key, (await last.ask({ id: `read ${key}`, key, kind: "read" })) as Ledger);
    const chains = [];
    for (const key of CHAINS) chains.push(await last.ask({ id: `read ${key}`, key, kind: "read" }));
    await last.kill();

    expect(notebook.acknowledged.size, "enough was under way to be lost").toBeGreaterThan(KILLS * 3);
    expect(notebook.problems).toEqual([]);
    expect([...notebook.refused]).toEqual([]);
    for (const [id, { key, kind }] of employer.issued) {
      const ledger = ledgers.get(key);
      const times = (kind === "put" ? ledger?.puts : ledger?.works)?.[id] ?? 0;
      expect(times, `${kind} ${id} of ${key}`).toBeLessThanOrEqual(1);
      if (notebook.acknowledged.has(id)) expect(times, `${kind} ${id} of ${key}, acknowledged`).toBe(1);
    }
    for (const label of notebook.done) {
      const [key = "", kind, id = ""] = label.split(" ");
      if (kind === "work") expect(ledgers.get(key)?.works[id], `${label}, durable`).toBe(1);
    }
    const links = Array.from({ length: 30 }, (_, link) => link);
    expect(chains).toEqual(CHAINS.map(() => ({ links })));
    for (const { order, works } of ledgers.values()) expect(order.length).toBe(Object.keys(works).length);
  },
  60_000 + KILLS * 3_000,
);
