/**
 * Every row that a run leaves behind, of every kind, cut short at every byte and with any bit of it turned over: the run is refused by a typed error
 * and writes nothing, or what is left still is a history, and the run goes on. It never hangs, and never harms another run of the thread.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { random } from "../random.ts";
import { pawl } from "./engines.ts";
import { type Ctx, START } from "./harness.ts";
import { Host, HostDriver } from "./host.ts";

const { openActor } = pawl as unknown as {
  readonly openActor: (driver: HostDriver, options: object) => Promise<{ close(): Promise<void> }>;
};
const cells = { count: { initial: () => ({ n: 0, text: "x".repeat(300) }) } };
type Given = { readonly cells: { readonly count: { n: number } } };

/** One entry of each kind; at its end it waits. */
async function workflow(ctx: Ctx): Promise<void> {
  const add = async (given?: unknown) => {
    (given as Given).cells.count.n += 1;
    return { done: [1, "two"] };
  };
  await ctx.step("first", add as () => Promise<unknown>);
  await ctx.tryStep("caught", async () => Promise.reject<string>(new pawl.CriticalError("no")));
  await ctx.sleep("nap", 0);
  await ctx.rollbackCheckpoint("point");
  await ctx.step({ name: "undoable", run: async () => "out", rollback: async () => {} });
  await ctx.queue
    .nextBatch("mail", { names: ["m"], timeout: 1000, completable: true })
    .then(([m]) => m?.complete?.("re"));
  await ctx.queue.send("m", "to itself");
  await ctx.loop<number, string>({
    name: "loop",
    state: 0,
    run: async (round, n) => {
      await round.step("in", async () => n);
      return n === 2 ? pawl.Loop.break("end") : pawl.Loop.continue(n + 1);
    },
  });
  await ctx.join("join", { a: { run: async (b) => b.step("s", async () => 1) }, b: { run: async () => 2 } });
  await ctx.race("race", [
    { name: "a", run: async (b) => b.step("s", async () => "won") },
    { name: "b", run: async (b) => b.sleep("long", 1e9).then(() => "late") },
  ]);
  await ctx.removed("gone", "step");
  await ctx.getVersion("version", 3);
  await ctx.sleep("rest", 1e9);
}

async function run(host: Host): Promise<{ state: string }> {
  const driver = new HostDriver(host);
  const actor = await openActor(driver, { id: "w", cells });
  try {
    const options = { actor, context: (attempt: Given) => attempt } as object;
    return await pawl.runWorkflow("w", workflow, { from: "tests" }, driver, options).result;
  } finally {
    await actor.close();
  }
}

/** What two processes have left: the second goes on from where the first one has slept. */
async function story(): Promise<ReadonlyMap<string, Uint8Array>> {
  const host = new Host();
  host.send("m", { body: 1 });
  expect((await run(host)).state).toBe("sleeping");
  return host.rows;
}

const REFUSED = /^record_(corrupt|truncated|newer)$/;
/** Nothing checks what the other engine's rows hold: another name of a branch, say, is one that the code does not have. */
const STILL_A_HISTORY =
  /^(sleeping|completed|HistoryDivergedError|EntryInProgressError|RaceError|JoinError|CancelledError|EvictedError)$/;
/** Rows of Pawl's own have checksums. */
const OWN = /^1509/;

/** Runs on the rows with one of them replaced. */
async function outcomeOf(rows: ReadonlyMap<string, Uint8Array>, key: string, value: Uint8Array) {
  const host = new Host();
  for (const [name, row] of rows) host.rows.set(name, row);
  host.rows.set(key, value);
  const before = [...host.rows];
  const ended = run(host).then(
    ({ state }) => ({ state, error: undefined }),
    (error: unknown) => ({ state: "", error }),
  );
  let timer: NodeJS.Timeout | undefined;
  const hung = new Promise<"hangs">((resolve) => (timer = setTimeout(() => resolve("hangs"), 5000)));
  const outcome = await Promise.race([ended, hung]);
  clearTimeout(timer);
  if (outcome === "hangs") throw new Error(`the run hangs with ${Buffer.from(value).toString("hex")} at ${key}`);
  const {
    code = "",
    name = "",
    message = "",
    data,
  } = (outcome.error ?? {}) as {
    code?: string;
    name?: string;
    message?: string;
    data?: { key?: string; offset?: number };
  };
  return { ...outcome, code, name, message, data, isUntouched: isSame(before, [...host.rows]) };
}

function isSame(one: [string, Uint8Array][], other: [string, Uint8Array][]): boolean {
  return (
    one.length === other.length &&
    one.every(([key, row], i) => key === other[i]?.[0] && Buffer.compare(row, other[i][1]) === 0)
  );
}

describe("rows that are damaged", () => {
  const defects: unknown[] = [];
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: START });
    vi.spyOn(console, "error").mockImplementation((...said) => void defects.push(said));
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    expect(defects).toEqual([]);
  });

  test("cut short at any byte, are refused by a typed error that names the row and the offset, and nothing is written", async () => {
    const rows = await story();
    for (const [key, row] of rows) {
      for (let length = 0; length < row.length; length += 1) {
        const { code, data, isUntouched } = await outcomeOf(rows, key, row.slice(0, length));
        expect([key, length, code, isUntouched]).toEqual([key, length, expect.stringMatching(REFUSED), true]);
        expect(data).toMatchObject({ key, offset: expect.any(Number) });
      }
    }
  }, 300_000);

  test("with a bit turned over in any byte, are refused and left alone, or are a history still: Pawl's own are always refused", async () => {
    const rows = await story();
    const chance = random(Number(process.env["SEED"] ?? 7));
    const every = Number(process.env["EVERY"] ?? 1);
    let refused = 0;
    for (const [key, row] of rows) {
      for (let at = chance.below(every); at < row.length; at += 1 + chance.below(2 * every - 1)) {
        const damaged = row.slice();
        damaged[at] = (damaged[at] ?? 0) ^ (1 << chance.below(8));
        const { state, code, name, data, isUntouched } = await outcomeOf(rows, key, damaged);
        if (REFUSED.test(code)) {
          refused += 1;
          expect([key, at, isUntouched]).toEqual([key, at, true]);
          expect(data).toMatchObject({ key, offset: expect.any(Number) });
        } else {
          expect([key, at, name === "" ? state : name]).toEqual([key, at, expect.stringMatching(STILL_A_HISTORY)]);
          expect(key).not.toMatch(OWN);
        }
      }
    }
    expect(refused).toBeGreaterThan(100);
  }, 300_000);

  test("of kinds and versions to come, or of somebody else, are refused, and nothing is written", async () => {
    const rows = await story();
    for (const [key, row] of rows) {
      if (key.startsWith("1503") || key.startsWith("1501")) continue;
      const newer = row.slice();
      newer[0] = 7;
      const { code, data, isUntouched } = await outcomeOf(rows, key, newer);
      expect([key, code, data?.key, isUntouched]).toEqual([key, "record_newer", key, true]);
      const foreign = new TextEncoder().encode('{"somebody":"else"}');
      expect(await outcomeOf(rows, key, foreign)).toMatchObject({
        code: expect.stringMatching(REFUSED),
        isUntouched: true,
      });
    }
  });
});
