/**
 * A primary and its synchronous standby: the primary is killed under load, the standby promoted. Nothing that was acknowledged
 * is lost, and the processes find the new primary by themselves.
 */
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { random } from "../random.ts";
import { Bank } from "./bank.ts";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const SEED = Number(process.env["PAWL_KILL_SEED"] ?? Date.now() % 1_000_000);
const PATIENCE_MS = 90_000;

let primary: PostgresServer;
let standby: PostgresServer;
let bank: Bank | undefined;

beforeAll(async () => {
  if (!isInstalled()) {
    if (process.env["CI"] === undefined) return console.warn(MISSING);
    throw new Error(MISSING);
  }
  primary = await PostgresServer.start(["synchronous_standby_names=*"]);
  standby = await primary.standby();
}, 60_000);
afterAll(async () => {
  bank?.end();
  await primary?.stop();
  await standby?.stop();
});

test.runIf(isInstalled())(
  `what was acknowledged outlives the primary, and the processes find the next one (seed ${SEED})`,
  async () => {
    bank = new Bank(primary.url("failover", "&lease=1000", [standby]), 2, 30, random(SEED));
    const working = bank.employ(8);
    const acknowledged = (count: number) =>
      expect.poll(() => bank?.acknowledged.size, { timeout: PATIENCE_MS }).toBeGreaterThan(count);
    await acknowledged(60);
    await primary.kill();
    const before = bank.acknowledged.size;
    // For a while there is no database at all: the moment of the fault, not a wait for anything.
    await setTimeout(500);
    standby.promote();
    await acknowledged(before + 60);
    bank.close();
    await working;
    await bank.audit(PATIENCE_MS);
    expect(standby.sql("SELECT pg_is_in_recovery()")).toBe("f");
    console.log(
      `${before} acknowledged before, ${bank.acknowledged.size - before} after;`,
      Object.fromEntries(bank.refusals),
    );
  },
  4 * PATIENCE_MS,
);
