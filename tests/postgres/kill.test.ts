/**
 * Several processes on one PostgreSQL, killed, stopped and continued at random moments, and the database with them: whatever
 * they acknowledged is there, nothing is there twice, and all of it ends once the faults do.
 *
 * PAWL_KILLS: how many faults (12). PAWL_KILL_SEED: which moments; printed when something is wrong.
 */
import { type ChildProcess, fork } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { random } from "../random.ts";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const FAULTS = Number(process.env["PAWL_KILLS"] ?? 12);
const SEED = Number(process.env["PAWL_KILL_SEED"] ?? Date.now() % 1_000_000);
const LEDGERS = ["ann", "bob", "cid", "dan", "eve", "fay"];
const CHAINS = ["chain-1", "chain-2", "chain-3"];
const PROCESSES = 3;
const AT_ONCE = 4;
/** So long a dead process owns its actors. */
const LEASE_MS = 1_000;

interface Command {
  readonly id: string;
  readonly key: string;
  readonly kind: "put" | "work" | "read" | "result";
}

type Report = { opening: true } | { open: true } | { ack: string; value: unknown } | { refused: string; code: string };

interface Ledger {
  readonly puts: Record<string, number>;
  readonly works: Record<string, number>;
}

class Worker {
  readonly child: ChildProcess;
  readonly #waiting = new Map<string, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly gone: Promise<void>;
  dead = false;

  constructor(store: string) {
    this.child = fork(fileURLToPath(new URL("worker.mjs", import.meta.url)), [store], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [],
      serialization: "advanced",
    });
    this.child.on("message", (report) => this.#hear(report as Report));
    this.gone = new Promise((resolve) => {
      this.child.on("exit", () => {
        this.dead = true;
        for (const { reject } of this.#waiting.values()) reject(new Error("died"));
        resolve();
      });
    });
  }

  ask(command: Command): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.dead || !this.child.connected) return reject(new Error("died"));
      this.#waiting.set(command.id, { resolve, reject });
      this.child.send(command, () => {});
    });
  }

  #hear(report: Report): void {
    if ("ack" in report) this.#take(report.ack)?.resolve(report.value);
    else if ("refused" in report) this.#take(report.refused)?.reject(new Error(report.code));
  }

  #take(id: string): { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}

let server: PostgresServer;
const workers: Worker[] = [];

beforeAll(async () => {
  if (isInstalled()) server = await PostgresServer.start();
  else if (process.env["CI"] === undefined) console.warn(MISSING);
  else throw new Error(MISSING);
});
afterAll(async () => {
  for (const { child } of workers) child.kill("SIGKILL");
  await server?.stop();
});

test.runIf(isInstalled())(
  `what any process acknowledged is there once, whoever dies (seed ${SEED})`,
  async () => {
    const dice = random(SEED);
    const store = server.url("kill", `&lease=${LEASE_MS}`);
    const start = (place: number) => {
      workers[place] = new Worker(store);
    };
    for (let place = 0; place < PROCESSES; place++) start(place);
    const [issued, acknowledged] = [new Map<string, Command>(), new Set<string>()];
    let faulty = true;
    const codes = new Map<string, number>();

    /** Puts the same question to one process after another until one that owns the actor answers. */
    const anyone = async (command: Command): Promise<unknown> => {
      for (let n = dice.below(PROCESSES); ; n++) {
        try {
          return await (workers[n % PROCESSES] as Worker).ask({ ...command, id: `${command.id}/${n}` });
        } catch (error) {
          const code = (error as Error).message;
          codes.set(code, (codes.get(code) ?? 0) + 1);
          // Only what is known not to have happened may be asked again.
          if (code !== "actor_owned" && command.kind !== "read" && command.kind !== "result") throw error;
          await setTimeout(20);
        }
      }
    };
    const employ = async () => {
      while (faulty) {
        const command: Command = {
          id: `${issued.size}`,
          key: dice.of(LEDGERS),
          kind: dice.of(["put", "work"] as const),
        };
        issued.set(command.id, command);
        await anyone(command).then(
          () => acknowledged.add(command.id),
          () => setTimeout(20),
        );
      }
    };
    const employers = Array.from({ length: AT_ONCE }, employ);
    for (const key of CHAINS) void anyone({ id: key, key, kind: "read" });

    for (let fault = 0; fault < FAULTS; fault++) {
      // These milliseconds are the moments of the faults, not a wait for anything.
      await setTimeout(200 + dice.below(400));
      const place = dice.below(PROCESSES);
      const { child, gone } = workers[place] as Worker;
      if (fault % 6 === 5) {
        await server.kill();
        await server.resume();
      } else if (fault % 3 === 1) {
        child.kill("SIGSTOP");
        await setTimeout(LEASE_MS + dice.below(1_000));
        child.kill("SIGCONT");
      } else {
        child.kill("SIGKILL");
        await gone;
        start(place);
      }
    }
    faulty = false;
    await Promise.all(employers);

    for (const key of CHAINS) expect(await anyone({ id: `result ${key}`, key, kind: "result" }), key).toBe(20);
    const ledgers = new Map<string, Ledger>();
    for (const key of LEDGERS) {
      const works = [...issued.values()].filter(
        (it) => it.key === key && it.kind === "work" && acknowledged.has(it.id),
      );
      // A workflow takes its messages by and by.
      await expect
        .poll(
          async () => {
            const ledger = (await anyone({ id: `read ${key} ${Math.random()}`, key, kind: "read" })) as Ledger;
            ledgers.set(key, ledger);
            return works.filter(({ id }) => ledger.works[id] === undefined).length;
          },
          { timeout: 30_000 },
        )
        .toBe(0);
    }
    console.log(`${acknowledged.size} of ${issued.size} acknowledged;`, Object.fromEntries(codes));
    expect(acknowledged.size).toBeGreaterThan(FAULTS * 5);
    for (const { id, key, kind } of issued.values()) {
      const ledger = ledgers.get(key);
      const times = (kind === "put" ? ledger?.puts : ledger?.works)?.[id] ?? 0;
      expect(times, `${kind} ${id} of ${key}`).toBeLessThanOrEqual(1);
      if (acknowledged.has(id)) expect(times, `${kind} ${id} of ${key}, acknowledged`).toBe(1);
    }
  },
  120_000,
);
