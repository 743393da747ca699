/**
 * A serialisability checker: what concurrent attempts of a real actor saw and wrote has a serial order, phantoms included.
 *
 * The order is the one that the engine says: attempts that wrote stand at their commits, all others at their pins. Run one after
 * another in it, on plain values, each must see what it saw.
 */
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ArrayNode } from "../../src/state/array.ts";
import { EntriesNode } from "../../src/state/entries.ts";
import { ABSENT, History } from "../../src/state/history.ts";
import { ObjectNode } from "../../src/state/object.ts";
import { StateNode } from "../../src/state/place.ts";
import { sameValue } from "../state/harness.ts";
import { initial, perform, type Shared, type Unit, units } from "./programs.ts";
import { noteAttempts, type Ran, Stage, type Story } from "./world.ts";

const RUNS = Number(process.env["PAWL_ISOLATION_PROGRAMS"] ?? 300);
const BUG_RUNS = 20_000;

afterEach(() => {
  vi.restoreAllMocks();
});

interface Counts {
  conflicts: number;
  overlaps: number;
  stale: number;
}

/** Throws unless the story is one of attempts that ran one after another. */
function checkSerial({ runs, final, reopened }: Story): void {
  const commits = runs.filter(({ seq }) => seq !== undefined).sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
  const state = initial();
  const others = runs.filter(({ seq, pin }) => seq === undefined && pin !== undefined);
  const atPin = (from: number, to: number) => others.filter(({ pin = 0 }) => pin >= from && pin < to);
  let before = 0;
  for (const one of commits) {
    for (const other of atPin(before, one.seq ?? 0)) replay(structuredClone(state), other);
    replay(state, one);
    before = one.seq ?? 0;
  }
  for (const other of atPin(before, Number.POSITIVE_INFINITY)) replay(structuredClone(state), other);
  if (!sameValue(state, final)) throw new Error("the state is another one than the serial order gives");
  if (!sameValue(state, reopened)) throw new Error("the state that was read back is another one");
}

/** One that ended early has seen less than all of its operations show. */
function replay(state: Shared, { operations, seen, unit }: Ran): void {
  for (const [at, shown] of seen.entries()) {
    const operation = operations[at];
    if (operation === undefined || sameValue(perform(state, operation), shown)) continue;
    throw new Error(`"${operation.what}" of a ${unit.kind} showed something else than it does in the serial order`);
  }
}

const programs = fc.tuple(units, fc.infiniteStream(fc.nat(9_999)));

async function check([program, order]: [Unit[], fc.Stream<number>], counts?: Counts): Promise<void> {
  const stage = new Stage(program, () => order.next().value as number);
  const story = await stage.play();
  checkSerial(story);
  if (counts === undefined) return;
  const codes = story.stale.map((error) => (error as { code?: unknown }).code);
  expect(codes.filter((code) => code !== "stale_step")).toEqual([]);
  counts.stale += codes.length;
  counts.conflicts += story.conflicts;
  counts.overlaps += story.runs.filter(({ seq = 0, pin = 0 }) => seq > pin + 1).length;
}

test(
  "concurrent actions, steps and failures have a serial order, phantoms included",
  async () => {
    noteAttempts();
    const counts: Counts = { conflicts: 0, overlaps: 0, stale: 0 };
    await fc.assert(
      fc.asyncProperty(programs, (program) => check(program, counts)),
      { numRuns: RUNS },
    );
    expect(counts.conflicts, "attempts that had to run again").toBeGreaterThan(RUNS / 20);
    expect(counts.overlaps, "attempts that passed beside others").toBeGreaterThan(RUNS / 20);
    expect(counts.stale, "bodies that went on too long").toBeGreaterThan(0);
  },
  600_000 + RUNS * 1_000,
);

/** Whether a node has nothing under a key. */
function isAbsent(node: StateNode, key: unknown): boolean {
  if (node instanceof ObjectNode) return node.slot(key as string) === ABSENT;
  if (node instanceof EntriesNode) return node.slot(key) === ABSENT;
  return node instanceof ArrayNode && Number(key) >= node.length;
}

const BUGS: Record<string, () => void> = {
  "no shape is noted": () => {
    vi.spyOn(StateNode.prototype, "sawShape").mockImplementation(() => {});
  },
  "no absence is noted": () => {
    const { sawSlot } = StateNode.prototype;
    vi.spyOn(StateNode.prototype, "sawSlot").mockImplementation(function (this: StateNode, key) {
      if (!isAbsent(this, key)) sawSlot.call(this, key);
    });
  },
  "no slot is noted": () => {
    vi.spyOn(StateNode.prototype, "sawSlot").mockImplementation(() => {});
  },
  "no subtree is noted": () => {
    vi.spyOn(StateNode.prototype, "sawSubtree").mockImplementation(() => {});
  },
  "undo lists are cut too early": () => {
    const { cut } = History.prototype;
    vi.spyOn(History.prototype, "cut").mockImplementation(function (this: History) {
      cut.call(this, undefined);
    });
  },
  "the order of keys is not kept": () => {
    vi.spyOn(History.prototype, "keepKeys").mockImplementation(() => {});
  },
};

describe("the checker is not blind: it finds that", () => {
  test.each(Object.entries(BUGS))(
    "%s",
    async (_, plant) => {
      noteAttempts();
      plant();
      const found = await fc.check(
        fc.asyncProperty(programs, (program) => check(program)),
        { numRuns: BUG_RUNS, endOnFailure: true },
      );
      expect(found.failed).toBe(true);
      expect(found.errorInstance).toMatchObject({ message: expect.stringMatching(/serial order|no longer|read back/) });
    },
    600_000,
  );
});
