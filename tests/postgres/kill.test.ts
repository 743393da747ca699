/**
 * Four processes on one PostgreSQL, killed, stopped and continued at random moments, and the database with them: 200 accounts
 * move amounts among each other. Nothing is lost or made, what was acknowledged has happened once, no account has writes of two
 * owners at a time, and everything ends once the faults do.
 *
 * PAWL_KILL_SECONDS: for how long (15; a minute is the whole test). PAWL_KILL_SEED: which moments; printed in the test's name.
 */
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { random } from "../random.ts";
import { Bank, type Teller } from "./bank.ts";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const SECONDS = Number(process.env["PAWL_KILL_SECONDS"] ?? 15);
const SEED = Number(process.env["PAWL_KILL_SEED"] ?? Date.now() % 1_000_000);
const PROCESSES = 4;
const ACCOUNTS = 200;
const AT_ONCE = 16;
const CHAINS = ["chain-1", "chain-2", "chain-3"];
/** So long a dead process owns its actors. */
const LEASE_MS = 1_000;
const PATIENCE_MS = 120_000;

let server: PostgresServer;
let bank: Bank | undefined;

beforeAll(async () => {
  if (isInstalled()) server = await PostgresServer.start();
  else if (process.env["CI"] === undefined) console.warn(MISSING);
  else throw new Error(MISSING);
});
afterAll(async () => {
  bank?.end();
  await server?.stop();
});

test.runIf(isInstalled())(
  `amounts stay and transfers happen once, whoever dies (seed ${SEED})`,
  async () => {
    const dice = random(SEED);
    bank = new Bank(server.url("kill", `&lease=${LEASE_MS}`), PROCESSES, ACCOUNTS, dice);
    const working = bank.employ(AT_ONCE);
    const results = CHAINS.map((key) => bank?.ask({ key, kind: "result" }));
    const until = Date.now() + SECONDS * 1_000;
    let faults = 0;
    for (; Date.now() < until; faults++) {
      // These milliseconds are the moments of the faults, not a wait for anything.
      await setTimeout(300 + dice.below(700));
      const place = dice.below(PROCESSES);
      const { child, gone } = bank.tellers[place] as Teller;
      if (faults % 6 === 5) {
        await server.kill();
        await server.resume();
      } else if (faults % 3 === 1) {
        child.kill("SIGSTOP");
        await setTimeout(dice.below(2 * LEASE_MS));
        child.kill("SIGCONT");
      } else {
        child.kill("SIGKILL");
        await gone;
        bank.replace(place);
      }
    }
    bank.close();
    await working;
    expect(await Promise.all(results)).toEqual(CHAINS.map(() => 20));
    await bank.audit(PATIENCE_MS);
    const { acknowledged, issued, refusals } = bank;
    console.log(`${faults} faults; ${acknowledged.size} of ${issued.size} acknowledged;`, Object.fromEntries(refusals));
    expect(acknowledged.size).toBeGreaterThan(faults);
  },
  SECONDS * 1_000 + 2 * PATIENCE_MS,
);
