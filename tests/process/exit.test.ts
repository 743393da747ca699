/** A process lives as long as somebody waits for something, and no longer. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runScript } from "./script.ts";

const folder = mkdtempSync(join(tmpdir(), "pawl-exit-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A process that is done ends within this time. */
const SOON_MS = 2_000;

async function ends(store: string, what: string): Promise<readonly unknown[]> {
  const { code, signal, stderr, said, lingered } = await runScript("ends.mjs", [join(folder, store), what], folder);
  expect([code, signal, stderr]).toEqual([0, null, ""]);
  expect(lingered).toBeLessThan(SOON_MS);
  return said;
}

test("a script that awaits a result lives until it is there, through sleeps and retries, and then ends", async () => {
  expect(await ends("result.db", "result")).toEqual([{ result: 2 }, "done"]);
});

test("a script that has waited long enough for a result, and for an answer, ends without them", async () => {
  expect(await ends("impatient.db", "impatient")).toEqual(["call_timeout", "call_timeout", "done"]);
});

test("a script whose calls are answered ends by itself, and what it did is stored", async () => {
  expect(await ends("calls.db", "calls")).toEqual(["done"]);
  expect(await ends("calls.db", "read")).toEqual([{ n: 10, awake: 0 }, "done"]);
});

test("calls that nobody awaits are still carried out before the process ends", async () => {
  expect(await ends("unawaited.db", "unawaited")).toEqual(["done"]);
  expect(await ends("unawaited.db", "read")).toEqual([{ n: 101, awake: 0 }, "done"]);
});

test("process.exit amid commits ends the process at once, and the store is sound", async () => {
  expect(await ends("exit.db", "exit")).toEqual(["done"]);
  const [read] = await ends("exit.db", "read");
  const { n } = read as { n: number };
  expect(n).toBeGreaterThanOrEqual(1);
  expect(n).toBeLessThanOrEqual(101);
});

test("a workflow that sleeps does not keep the process alive, and sleeps on in the store", async () => {
  expect(await ends("sleeping.db", "sleeping")).toEqual(["done"]);
  expect(await ends("sleeping.db", "read")).toEqual([{ n: 0, awake: 0 }, "done"]);
});

test("a runtime that was started keeps the process alive until it is closed", async () => {
  expect(await ends("closed.db", "closed")).toEqual(["done", "closed"]);
  expect(await ends("closed.db", "read")).toEqual([{ n: 10, awake: 0 }, "done"]);
});
