/** A schedule of an actor that several processes may have: each time runs once, whoever is killed. */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const PROGRAM = join(import.meta.dirname, "clock-process.mjs");
let server: PostgresServer;

beforeAll(async () => {
  if (isInstalled()) server = await PostgresServer.start();
  else if (process.env["CI"] === undefined) console.warn(MISSING);
  else throw new Error(MISSING);
});
afterAll(() => server?.stop());

interface Told {
  readonly keys: readonly string[];
  readonly began: number;
  readonly now: number;
}

async function started(store: string): Promise<ChildProcess> {
  const child = fork(PROGRAM, [store], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  return child;
}

function told(child: ChildProcess): Promise<Told> {
  return new Promise((resolve) => {
    child.once("message", (message) => resolve(message as Told));
    child.send("tell");
  });
}

/** Asks until it has run so often. */
async function ranMore(child: ChildProcess, count: number): Promise<Told> {
  for (;;) {
    const seen = await told(child);
    if (seen.keys.length >= count) return seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test.runIf(isInstalled())(
  "each time of a schedule runs once, whichever process is killed while it has the actor",
  async () => {
    const store = server.url("clock", "&lease=1000");
    const first = await started(store);
    let [owner, other] = [first, await started(store)];
    let ran = 0;
    for (let n = 0; n < 4; n++) {
      ran = (await ranMore(owner, ran + 3)).keys.length;
      owner.kill("SIGKILL");
      [owner, other] = [other, await started(store)];
      ran = (await ranMore(owner, ran + 1)).keys.length;
    }
    const { keys, began, now } = await ranMore(other, ran + 3);
    other.kill("SIGKILL");
    owner.kill("SIGKILL");
    expect(new Set(keys).size).toBe(keys.length);
    // All that were due have run, those at which nobody lived among them, and no others.
    const due = Math.floor((now - began) / 200);
    expect(keys.length).toBeLessThanOrEqual(due);
  },
  120_000,
);
