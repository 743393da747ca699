/** Steps, handlers and schedules that take their process down, in real processes that really die: P3 of the promises. */
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const PROGRAM = join(import.meta.dirname, "process.mjs");
const THREADS = join(import.meta.dirname, "threads.mjs");
const CLI = join(import.meta.dirname, "../../packages/pawl/dist/cli.cjs");
let folder: string;
let stores = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pawl-poison-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Mode = "poison" | "handler" | "schedule" | "threads" | "harmless" | "slow";

class World {
  readonly store: string;
  readonly #log: string;
  #seen = 0;

  constructor() {
    stores += 1;
    this.store = `sqlite:${join(folder, `${stores}.db`)}`;
    this.#log = join(folder, `${stores}.log`);
  }

  /** Runs a process until it ends. `kill`: once it has written so many lines, it is killed. Resolves to what it has written. */
  async life(mode: Mode, kill?: number): Promise<{ lines: string[]; died: boolean }> {
    const program = mode === "threads" ? THREADS : PROGRAM;
    const child = spawn(process.execPath, [program, this.store, this.#log, mode], { stdio: "ignore" });
    const ended = new Promise<boolean>((resolve) => child.on("exit", (code) => resolve(code !== 0)));
    const watch = setInterval(() => {
      if (kill !== undefined && this.#all().length - this.#seen >= kill) child.kill("SIGKILL");
    }, 2);
    const died = await ended;
    clearInterval(watch);
    const all = this.#all();
    const lines = all.slice(this.#seen);
    this.#seen = all.length;
    return { lines, died };
  }

  #all(): string[] {
    try {
      return readFileSync(this.#log, "utf8").split("\n").filter(Boolean);
    } catch {
      return [];
    }
  }

  /** Processes of this mode, one after another, until one ends by itself; its lines, and how many died before it. */
  async lives(mode: Mode): Promise<{ lines: string[]; deaths: number }> {
    for (let deaths = 0; deaths < 15; deaths++) {
      const { lines, died } = await this.life(mode);
      if (!died) return { lines, deaths };
    }
    throw new Error("it dies again and again");
  }

  pawl(...args: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [CLI, ...args, "--store", this.store], (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(stderr)),
      );
    });
  }
}

test("a step that aborts its process is found and quarantined, innocents finish, and release lets it go on", async () => {
  const world = new World();
  const { lines, deaths } = await world.lives("poison");
  // One without marks, one that marks, and three with it alone.
  expect(deaths).toBe(5);
  expect(lines).toContain("results quarantined ok ok ok ok ok ok");
  expect(lines).toContain('state quarantined ["step \\"deadly\\""]  completed');
  expect(lines).not.toContain("begins deadly");
  // A clean end keeps it so.
  expect(await world.life("poison")).toMatchObject({ died: false });
  expect(await world.pawl("list", "--state", "quarantined", "--json")).toMatch(/"key":\s*"d"/);
  expect(await world.pawl("show", "deadly", "d")).toMatch(/suspects?\s+step "deadly"/);
  await expect(world.pawl("release", "innocent", "i0")).rejects.toThrow(/nothing of innocent\/i0 is quarantined/);
  await world.pawl("release", "deadly", "d");
  const after = await world.life("harmless");
  expect(after.died).toBe(false);
  // Not one of the deaths has cost a try.
  expect(after.lines).toContain("ends deadly 1");
  expect(after.lines).toContain("state completed []  completed");
}, 120_000);

test("a handler that kills its process has its message set aside, and release has it handled", async () => {
  const world = new World();
  const { lines, deaths } = await world.lives("handler");
  expect(deaths).toBe(5);
  expect(lines.at(-1)).toMatch(/go quarantined/);
  await world.pawl("release", "deadly", "d");
  const after = await world.life("harmless");
  expect(after.lines).toContain("begins go");
}, 120_000);

test("a schedule that aborts its process is quarantined by its name, and its actor lives", async () => {
  const world = new World();
  const { lines, deaths } = await world.lives("schedule");
  expect(deaths).toBe(5);
  expect(lines).toContain("results ok ok ok ok ok ok ok");
  expect(lines.at(-1)).toMatch(/schedule \\"tick\\"/);
}, 120_000);

test("threads that share a file find what takes their process down together, and all of them know it", async () => {
  const world = new World();
  const { lines } = await world.lives("threads");
  expect(lines).toContain("main quarantined ok ok ok ok ok ok");
  expect(lines).toContain("worker quarantined quarantined");
  expect((await world.life("threads")).lines).not.toContain("dies in worker");
}, 180_000);

test("what is quarantined is so in a copy of the store, and until it is released there", async () => {
  const world = new World();
  expect((await world.lives("poison")).deaths).toBe(5);
  const copy = new World();
  await world.pawl("copy", "--to", copy.store);
  const { lines, died } = await copy.life("poison");
  expect(died).toBe(false);
  expect(lines).toContain("results quarantined ok ok ok ok ok ok");
  const again = new World();
  await copy.pawl("copy", "--to", again.store);
  expect((await again.life("poison")).lines).toContain("results quarantined ok ok ok ok ok ok");
  await again.pawl("release", "deadly", "d");
  expect((await again.life("harmless")).lines).toContain("ends deadly 1");
}, 180_000);

test("a process that is killed ten times in the midst of its work quarantines nobody", async () => {
  const world = new World();
  let killed = 0;
  for (let n = 0; n < 10; n++) killed += Number((await world.life("slow", 3 + n)).died);
  expect(killed).toBeGreaterThan(2);
  const { lines } = await world.lives("slow");
  expect(lines).toContain("results ok ok ok ok ok ok ok");
  expect(lines.at(-1)).toBe("state completed []  completed");
}, 180_000);

test("a process that ended well leaves no suspicion: the next one runs as ever", async () => {
  const world = new World();
  await world.life("harmless");
  const { deaths } = await world.lives("poison");
  expect(deaths).toBe(0);
}, 60_000);
