/** B2, B3, B4, B6: many mutations, wide containers, failed attempts, reads, and the slowest steps. */
import { alternate } from "../alternate.ts";
import type { Pair, Reads } from "../engines/attempts.ts";
import type { Mutations } from "../engines/mutations.ts";
import type { Change, StateSteps } from "../engines/state.ts";
import { bar, type Effort, type Progress, type Row, type Section } from "../section.ts";
import { median, ratios, type Series, series } from "../series.ts";
import { Side } from "../side.ts";

const KINDS: Readonly<Record<Mutations, string>> = {
  objects: "a field of each of 1,000 objects",
  object: "a field of one object",
  keys: "keys of a dictionary",
};
const KIND_NAMES = Object.keys(KINDS) as Mutations[];
const WIDTHS = [1_000, 1_000_000] as const;
const MUTATED_BYTES = 1e6;
const MUTATING_STEPS = 100;
const RIVAL_STEPS = 20;
const WIDE_STEPS = 1_000;

/** 1,000 mutations in a step, and changes of wide containers. */
export async function b2({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const sides = { attempts: new Side("attempts"), state: new Side("state") };
  const rivals = { cloned: new Side("cloning"), immer: new Side("immer") };
  const bytes = MUTATED_BYTES / divisor;
  const widths = WIDTHS.map((width) => Math.ceil(width / divisor));
  try {
    const measures: Record<string, () => Promise<unknown>> = {};
    for (const kind of KIND_NAMES) {
      measures[kind] = () => sides.attempts.ask("manyMutations", kind, bytes, Math.ceil(MUTATING_STEPS / divisor));
      for (const [name, side] of Object.entries(rivals))
        measures[`${kind}, ${name}`] = async () => median(await side.ask("manyMutations", kind, bytes, RIVAL_STEPS));
    }
    for (const change of ["push", "set"] as const)
      measures[change] = () =>
        sides.state.ask("stateSteps", "memory", change, widths, Math.ceil(WIDE_STEPS / divisor), "rest");
    const found = await alternate(measures, rounds, progress);
    const pairs = (kind: Mutations) => found[kind] as readonly Pair[];
    const wide = (change: Change) => found[change] as readonly (readonly StateSteps[])[];
    const rival = (kind: Mutations, name: string) => series(found[`${kind}, ${name}`] as readonly number[]);
    return {
      id: "B2",
      title: "1,000 mutations of a state of 1 MB in one step, and changes of wide containers, in memory",
      timed: "each step by itself, from its call to its answer; a sample is the median of a run",
      rows: [
        ...KIND_NAMES.flatMap((kind) => [
          { what: `${KINDS[kind]}: state`, unit: "ms", series: ofPairs(pairs(kind), "state") },
          { what: `${KINDS[kind]}: a plain object in its place`, unit: "ms", series: ofPairs(pairs(kind), "plain") },
          { what: `${KINDS[kind]}: structuredClone, no step`, unit: "ms", series: rival(kind, "cloned") },
          { what: `${KINDS[kind]}: immer, no step`, unit: "ms", series: rival(kind, "immer") },
        ]),
        ...(["push", "set"] as const).flatMap((change) => wideRows(change, wide(change))),
      ],
      bars: [
        ...KIND_NAMES.map((kind) => bar(`${KINDS[kind]}: state - plain, in ms`, above(pairs(kind)), "at most", 1.5)),
        bar("push to an array of 1,000,000 / of 1,000", widthGrowth(wide("push")), "at most", 2),
        bar("set in a Map of 1,000,000 / of 1,000", widthGrowth(wide("set")), "at most", 2),
      ],
    };
  } finally {
    for (const side of [...Object.values(sides), ...Object.values(rivals)]) side.end();
  }
}

function ofPairs(pairs: readonly Pair[], which: keyof Pair): Series {
  return series(pairs.map((pair) => median(pair[which])));
}

/** Step by step, neighbours in time. */
function above(pairs: readonly Pair[]): Series {
  return series(pairs.map(({ state, plain }) => median(state.map((ms, step) => ms - (plain[step] ?? Number.NaN)))));
}

function wideRows(change: Change, found: readonly (readonly StateSteps[])[]): Row[] {
  const what = change === "push" ? "push to an array of" : "set in a Map of";
  return WIDTHS.map((width, which) => ({
    what: `${what} ${width.toLocaleString("en")}`,
    unit: "us/step",
    series: series(found.map((widths) => median(widths[which]?.times ?? []) * 1_000)),
  }));
}

function widthGrowth(found: readonly (readonly StateSteps[])[]): Series {
  const of = (widths: readonly StateSteps[], which: number) => series(widths[which]?.times ?? []);
  return series(found.map((widths) => ratios(of(widths, 1), of(widths, 0)).median));
}

const ROLLED_BACK = [100, 1_000, 10_000] as const;
const ROLLED_BACK_STATES = [1e6, 1e8] as const;
const ROLLBACKS = 20;
const OPENED = [1e3, 1e8] as const;
const OPENINGS = 1_000;

/** Failed attempts, and the opening of drafts. */
export async function b3({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const side = new Side("attempts");
  const [small, large] = ROLLED_BACK_STATES.map((bytes) => bytes / divisor) as [number, number];
  const counts = ROLLED_BACK.map((count) => Math.ceil(count / divisor));
  try {
    const found = await alternate<string, unknown>(
      {
        small: () => side.ask("rollbacks", small, counts, ROLLBACKS),
        large: () => side.ask("rollbacks", large, counts, ROLLBACKS),
        openings: () =>
          side.ask(
            "openings",
            OPENED.map((bytes) => Math.ceil(bytes / divisor)),
            Math.ceil(OPENINGS / divisor),
          ),
      },
      rounds,
      progress,
    );
    const [ofSmall, ofLarge] = [found["small"], found["large"]] as readonly (readonly (readonly number[])[])[];
    const openings = found["openings"] as readonly (readonly (readonly number[])[])[];
    const taken = (rounds: typeof ofSmall, which: number) =>
      series((rounds ?? []).map((of) => of[which] ?? Number.NaN));
    const opened = (which: number) => series(openings.map((sizes) => median(sizes[which] ?? []) * 1_000));
    const last = ROLLED_BACK.length - 1;
    return {
      id: "B3",
      title: "attempts that fail, and drafts that are opened, in memory",
      timed: "an action, from its call to its rejection or reply",
      rows: [
        ...ROLLED_BACK.flatMap((count, which) => [
          { what: `${count} mutations and a throw, state of 1 MB`, unit: "ms", series: taken(ofSmall, which) },
          { what: `${count} mutations and a throw, state of 100 MB`, unit: "ms", series: taken(ofLarge, which) },
        ]),
        { what: "an action that reads one field, state of 1 KB", unit: "us", series: opened(0) },
        { what: "an action that reads one field, state of 100 MB", unit: "us", series: opened(1) },
      ],
      bars: [
        bar("10,000 mutations and a throw / 1,000", ratios(taken(ofSmall, last), taken(ofSmall, 1)), "at most", 15),
        bar(
          "1,000 mutations and a throw, state of 100 MB / of 1 MB",
          ratios(taken(ofLarge, 1), taken(ofSmall, 1)),
          "at most",
          2,
        ),
        bar("an action that reads one field, state of 100 MB / of 1 KB", ratios(opened(1), opened(0)), "at most", 2),
      ],
    };
  } finally {
    side.end();
  }
}

const READ = 100_000;

/** Reads in one attempt. */
export async function b4({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const side = new Side("attempts");
  try {
    const { reads } = await alternate({ reads: () => side.ask("reads", Math.ceil(READ / divisor)) }, rounds, progress);
    const of = (what: keyof Reads) => series(reads.map((found) => found[what]));
    const row = (what: string, key: keyof Reads): Row => ({ what, unit: "ns", series: of(key) });
    return {
      id: "B4",
      title: "reads in one attempt: 100,000 numbers and 100,000 objects",
      timed: "batches of reads in the body of an action; a sample is the median of its batches",
      rows: [
        row("a leaf of an object that was read before", "leaf"),
        row("a[i] of an array of numbers", "index"),
        row("for..of over numbers, each", "each"),
        row("for..of over plain numbers, each", "eachPlain"),
        row("for..of over objects at their first touch, with a leaf of each, each", "firstTouch"),
        row("objects at their first touch by index, with a leaf of each, each", "firstTouchAt"),
        row("raw of the objects, each", "rawCopy"),
        row("a scan of what raw gave, each", "rawScan"),
        row("a scan of the plain value, each", "plainScan"),
      ],
      bars: [
        bar("a warm leaf, in ns", of("leaf"), "at most", 60),
        bar("a[i], in ns", of("index"), "at most", 250),
        bar("for..of over 100,000 primitives: state / plain", ratios(of("each"), of("eachPlain")), "at most", 10),
        bar("objects at their first touch, in ns", of("firstTouch"), "at most", 400),
        bar("objects at their first touch by index, in ns", of("firstTouchAt"), "at most", 400),
        bar("a scan of raw(part) / of plain", ratios(of("rawScan"), of("plainScan")), "at most", 1.2),
      ],
    };
  } finally {
    side.end();
  }
}

const TAIL_BYTES = 1e8;
/** Beside it, step by step: what the machine does to any step is in its slowest ones, too. */
const SMALL_BYTES = 1e3;
const TAIL_STEPS = 3_000;

/** The slowest steps on a large state. */
export async function b6({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const side = new Side("state");
  const [bytes, steps] = [TAIL_BYTES / divisor, Math.ceil(TAIL_STEPS / divisor)];
  try {
    const take = (store: "sqlite" | "memory") => () =>
      side.ask("stateSteps", store, "field", [SMALL_BYTES, bytes], steps, "creation");
    const found = await alternate({ sqlite: take("sqlite"), memory: take("memory") }, rounds, progress);
    const at = (times: readonly number[], share: number) =>
      [...times].sort((a, b) => a - b)[Math.floor(times.length * share)] ?? Number.NaN;
    const of = (store: keyof typeof found, share: number, which = 1) =>
      series(found[store].map((sizes) => at(sizes[which]?.times ?? [], share) * 1_000));
    return {
      id: "B6",
      title: "the slowest steps that set one field of a state of 100 MB, compaction included",
      timed: `each of ${steps} steps by itself, from its call to its answer`,
      rows: (["sqlite", "memory"] as const).flatMap((store) => [
        { what: `${store}, median`, unit: "us/step", series: of(store, 0.5) },
        { what: `${store}, p99`, unit: "us/step", series: of(store, 0.99) },
        { what: `${store}, p99 on a state of 1 KB, in turn`, unit: "us/step", series: of(store, 0.99, 0) },
        { what: `${store}, slowest`, unit: "us/step", series: of(store, 0.9999) },
      ]),
      bars: [
        bar("sqlite, p99 / median", ratios(of("sqlite", 0.99), of("sqlite", 0.5)), "at most", 3),
        bar("sqlite, p99 / p99 on a state of 1 KB", ratios(of("sqlite", 0.99), of("sqlite", 0.99, 0)), "at most", 3),
      ],
    };
  } finally {
    side.end();
  }
}
