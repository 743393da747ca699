/**
 * One process with four threads on one SQLite file: the process is killed, and single threads end, at random moments. 200 accounts
 * move amounts among each other. Nothing is lost or made, what was acknowledged has happened once, no account has writes of two
 * owners at a time, and everything ends once the faults do. What was acknowledged is remembered here, outside of what is killed.
 *
 * PAWL_KILLS: how many faults (20). PAWL_KILL_SEED: which moments; printed in the test's name.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { Bank, type Teller } from "../postgres/bank.ts";
import { random } from "../random.ts";

const FAULTS = Number(process.env["PAWL_KILLS"] ?? 20);
const SEED = Number(process.env["PAWL_KILL_SEED"] ?? Date.now() % 1_000_000);
const ACCOUNTS = 200;
const AT_ONCE = 16;
const CHAINS = ["chain-1", "chain-2", "chain-3"];
const PATIENCE_MS = 120_000;

const folder = mkdtempSync(join(tmpdir(), "pawl-kill-workers-"));
let bank: Bank | undefined;
afterAll(async () => {
  bank?.end();
  await Promise.all(bank?.tellers.map(({ gone }) => gone) ?? []);
  rmSync(folder, { recursive: true, force: true });
});

test(
  `threads of one process lose nothing, whether one of them ends or all are killed (seed ${SEED})`,
  async () => {
    const dice = random(SEED);
    bank = new Bank(`sqlite:${join(folder, "store.db")}`, 1, ACCOUNTS, dice, new URL("office.mjs", import.meta.url));
    const working = bank.employ(AT_ONCE);
    const results = CHAINS.map((key) => bank?.ask({ key, kind: "result" }));
    const faults = { kills: 0, ends: 0 };
    for (let fault = 0; fault < FAULTS; fault++) {
      await more(bank, 10 + dice.below(60));
      // These milliseconds are the moment of the fault, not a wait for anything.
      await setTimeout(dice.below(10));
      const { child, gone } = bank.tellers[0] as Teller;
      if (fault % 3 !== 2) {
        child.send({ end: true });
        faults.ends += 1;
      } else {
        child.kill("SIGKILL");
        await gone;
        bank.replace(0);
        faults.kills += 1;
      }
    }
    bank.close();
    await working;
    expect(await Promise.all(results)).toEqual(CHAINS.map(() => 20));
    await bank.audit(PATIENCE_MS);
    const { acknowledged, issued, refusals } = bank;
    const seen = `${faults.kills} kills, ${faults.ends} threads ended; ${acknowledged.size} of ${issued.size} acknowledged;`;
    console.log(seen, Object.fromEntries(refusals));
  },
  FAULTS * 5_000 + 2 * PATIENCE_MS,
);

/** Waits until so many more transfers are acknowledged. */
async function more({ acknowledged }: Bank, count: number): Promise<void> {
  for (const until = acknowledged.size + count; acknowledged.size < until; ) await setTimeout(2);
}
