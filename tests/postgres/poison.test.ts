/**
 * Steps that take their process down where several processes share the store: whoever takes over finds them. P3 of the promises,
 * with processes that really die.
 */
import { type ChildProcess, execFile, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const SCRIPT = fileURLToPath(new URL("poison-process.mjs", import.meta.url));
const CLI = fileURLToPath(new URL("../../packages/pawl/dist/cli.cjs", import.meta.url));
/** So long a dead process owns its actors. */
const LEASE_MS = 500;
const INNOCENT = ["done", "done", "done", "done", "done", "done"];

let server: PostgresServer;
let schemas = 0;
const parties: Party[] = [];

beforeAll(async () => {
  if (isInstalled()) server = await PostgresServer.start();
  else if (process.env["CI"] === undefined) console.warn(MISSING);
  else throw new Error(MISSING);
});
afterEach(() => {
  for (const party of parties.splice(0)) party.end();
});
afterAll(() => server?.stop());

type Mode = "poison" | "harmless" | "slow";
type Ask = "work" | "show" | "results" | "release" | "close";

/** One process. */
class Member {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly gone: Promise<void>;
  readonly began: string[] = [];
  readonly atWork: Set<string> = new Set();
  readonly #answers = new Map<number, (answer: unknown) => void>();
  #asked = 0;

  constructor(store: string, mode: Mode) {
    this.child = fork(SCRIPT, [store, mode], { stdio: ["ignore", "inherit", "ignore", "ipc"], execArgv: [] });
    this.gone = new Promise((resolve) => this.child.once("exit", () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      this.child.on(
        "message",
        (said: { ready?: true; begins?: string; ends?: string; id?: number; answer?: unknown }) => {
          if (said.ready === true) resolve();
          if (said.begins !== undefined) {
            this.began.push(said.begins);
            this.atWork.add(said.begins);
          }
          if (said.ends !== undefined) this.atWork.delete(said.ends);
          if (said.id !== undefined) this.#answers.get(said.id)?.(said.answer);
        },
      );
      this.child.once("exit", () => reject(new Error("it died before it was ready")));
    });
    this.ready.catch(() => {});
  }

  /** Kills it as soon as several are at work, or nobody: a death with one alone at work says something of that one. */
  async kill(): Promise<void> {
    for (;;) {
      this.child.kill("SIGSTOP");
      // What it had said by then is heard.
      await elapsed(20);
      if (this.atWork.size !== 1) break;
      this.child.kill("SIGCONT");
      await elapsed(50);
    }
    this.child.kill("SIGKILL");
    await this.gone;
  }

  /** Undefined: it died before it could answer. */
  async ask(ask: Ask): Promise<unknown> {
    const id = ++this.#asked;
    const answer = new Promise<unknown>((resolve) => this.#answers.set(id, resolve));
    this.child.send({ ask, id }, () => {});
    return Promise.race([answer, this.gone.then(() => undefined)]);
  }
}

/** Processes on one store; in place of one that dies there is another one at once. */
class Party {
  readonly store: string;
  readonly #mode: Mode;
  members: Member[] = [];
  deaths = 0;
  #isOver = false;

  constructor(count: number, mode: Mode, store: string = server.url(`poison_${schemas++}`, `&lease=${LEASE_MS}`)) {
    this.store = store;
    this.#mode = mode;
    for (let place = 0; place < count; place++) this.#employ(place);
    parties.push(this);
  }

  #employ(place: number): void {
    const member = new Member(this.store, this.#mode);
    this.members[place] = member;
    void member.gone.then(() => {
      if (this.#isOver) return;
      this.deaths += 1;
      this.#employ(place);
    });
  }

  get began(): string[] {
    return this.members.flatMap(({ began }) => began);
  }

  member(place: number): Member {
    const member = this.members[place];
    if (member === undefined) throw new Error(`there is no member ${place}`);
    return member;
  }

  /** Asks whoever is there for as long as those who are asked die of it. */
  async ask(ask: Ask): Promise<unknown> {
    for (;;) {
      const member = this.member(0);
      await member.ready.catch(() => {});
      const answer = await member.ask(ask);
      if (answer !== undefined) return answer;
    }
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.members.map(({ ready }) => ready));
    await Promise.all(this.members.map(async (member) => [await member.ask("close"), await member.gone]));
  }

  end(): void {
    this.#isOver = true;
    for (const { child } of this.members) child.kill("SIGKILL");
  }
}

function pawl(party: Party, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [CLI, ...args, "--store", party.store], (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(stderr)),
    );
  });
}

describe.runIf(isInstalled())("where processes share a store", () => {
  test("a step that aborts whoever runs it is quarantined by name, innocents end, and release lets it go on", async () => {
    const party = new Party(2, "poison");
    await party.ask("work");
    const held = { state: "quarantined", suspects: ['step "deadly"'] };
    await expect.poll(() => party.ask("show"), { timeout: 90_000 }).toEqual(held);
    // One without marks (two, if it was begun anew by somebody who had not heard of it), one that marks, and three with it alone.
    expect(party.deaths).toBeGreaterThanOrEqual(5);
    expect(party.deaths).toBeLessThanOrEqual(7);
    expect(await party.ask("results")).toEqual(["quarantined", ...INNOCENT]);
    // Whoever did not find it himself says the same.
    await Promise.all(party.members.map(({ ready }) => ready));
    expect(await party.member(1).ask("results")).toEqual(["quarantined", ...INNOCENT]);
    const deaths = party.deaths;
    expect(await pawl(party, "list", "--state", "quarantined", "--json")).toMatch(/"key":\s*"d"/);
    expect(await pawl(party, "show", "deadly", "d")).toMatch(/suspects?\s+step "deadly"/);
    await expect(pawl(party, "release", "innocent", "i0")).rejects.toThrow(/nothing of innocent\/i0 is quarantined/);
    await party.close();
    expect(party.deaths).toBe(deaths);

    // A clean end keeps it so, and so does code that would do no harm.
    const repaired = new Party(2, "harmless", party.store);
    await Promise.all(repaired.members.map(({ ready }) => ready));
    expect(await repaired.ask("show")).toEqual(held);
    await repaired.member(1).ask("release");
    await expect.poll(() => repaired.ask("results"), { timeout: 30_000 }).toEqual(["1", ...INNOCENT]);
    expect(await repaired.member(1).ask("show")).toEqual({ state: "completed", suspects: [] });
    expect(repaired.deaths).toBe(0);
    await repaired.close();
    expect(server.sql(`SELECT count(*) FROM ${schemaOf(party)}.note WHERE name LIKE '%/at/%'`)).toBe("0");
  }, 180_000);

  test("what another process releases by npx pawl goes on where it stands", async () => {
    const party = new Party(1, "poison");
    await party.ask("work");
    await expect.poll(() => party.ask("show"), { timeout: 90_000 }).toMatchObject({ state: "quarantined" });
    await party.close();
    const repaired = new Party(1, "harmless", party.store);
    await repaired.ask("show");
    await pawl(party, "release", "deadly", "d");
    await expect.poll(() => repaired.ask("results"), { timeout: 30_000 }).toEqual(["1", ...INNOCENT]);
    await repaired.close();
  }, 180_000);

  test("processes that are killed ten times, with several at work or at rest, quarantine nobody", async () => {
    const party = new Party(2, "slow");
    await party.ask("work");
    for (let kills = 0; kills < 10; kills++) {
      const member = party.member(kills % 2);
      await member.ready;
      // Every second one in the midst of work, if there is any.
      if (kills % 2 === 0) await Promise.race([waitFor(() => member.atWork.size > 1), elapsed(2 * LEASE_MS)]);
      await member.kill();
    }
    await expect.poll(() => party.ask("results"), { timeout: 120_000 }).toEqual(["1", ...INNOCENT]);
    expect(party.deaths).toBe(10);
    expect(await party.ask("show")).toEqual({ state: "completed", suspects: [] });
  }, 240_000);

  test("a process that was stopped for longer than its lease says that it has not died", async () => {
    const party = new Party(2, "harmless");
    await Promise.all(party.members.map(({ ready }) => ready));
    const deaths = () => server.sql(`SELECT count(*) FROM ${schemaOf(party)}.note WHERE name LIKE 'poison/%/death/%'`);
    for (let n = 0; n < 3; n++) {
      const { child } = party.member(0);
      child.kill("SIGSTOP");
      await expect.poll(deaths, { timeout: 20_000 }).toBe("1");
      child.kill("SIGCONT");
      await expect.poll(deaths, { timeout: 20_000 }).toBe("0");
    }
    await party.close();
  }, 120_000);
});

function schemaOf({ store }: Party): string {
  return new URL(store).searchParams.get("schema") ?? "";
}

async function waitFor(is: () => boolean): Promise<void> {
  await expect.poll(is, { timeout: 60_000 }).toBe(true);
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
