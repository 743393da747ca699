/** A1 to A4 and A6: what an engine costs by itself, beside the peer, in memory. A1E and A3E: the same on the driver that the peer has, too. */
import { alternate } from "../alternate.ts";
import { type Bar, bar, type Effort, type Progress, type Row, type Section } from "../section.ts";
import { ratios, type Series, scaled, series } from "../series.ts";
import { Side } from "../side.ts";

const LENGTHS = [100, 1_000, 10_000] as const;
/** A length that the peer is not asked for: it would take minutes. */
const LONGEST = 100_000;
const ITERATIONS = 10_000;
/** How often what takes a quarter of a minute is measured, at most. */
const SLOW_ROUNDS = 3;
const CLOCK = "from the creation of the workflow to its result";

type Peers = "pawl" | "rivet";
type Sides = Peers | "embedded";
/** Asks one side for the milliseconds of a program. */
type Program = (side: Side<Sides>) => Promise<number>;
type Pair = Readonly<Record<Peers, Series>>;

/** Trivial steps, one after another, by the length of the workflow. */
export async function a1(effort: Effort, progress: Progress): Promise<Section> {
  const { long, rows, bars, found } = await steps(effort, progress, "pawl", [25, 50]);
  const ends = await grown(effort, progress);
  return {
    id: "A1",
    title: "trivial steps of one workflow, one after another, in memory",
    timed: `${CLOCK}; a sample is ${long} steps, in as many workflows as that takes`,
    rows: [...rows, ...ends.rows],
    bars: [
      ...bars,
      bar("pawl, us of a step: adapter, boundary and core together", found.middle.pawl, "at most", 2.5),
      ends.bar,
    ],
  };
}

/** The same on the driver that the peer has. */
export async function a1e(effort: Effort, progress: Progress): Promise<Section> {
  const { long, rows, bars } = await steps(effort, progress, "embedded", [15, 30]);
  return {
    id: "A1E",
    title: "trivial steps of one workflow, on an embedding host's driver, a plain one",
    timed: `from the call of runWorkflow to its result; a sample is ${long} steps, in as many workflows as that takes`,
    rows,
    bars,
  };
}

/** `limits`: how many times less Pawl should take, at 1,000 steps and at 10,000. */
async function steps(
  { rounds, divisor }: Effort,
  progress: Progress,
  as: "pawl" | "embedded",
  limits: readonly [number, number],
) {
  const [short, middle, long] = LENGTHS.map((length) => length / divisor) as [number, number, number];
  // Every sample is of as many steps, so that those of short workflows are no less exact.
  const of =
    (steps: number): Program =>
    (side) =>
      side.ask("sequentialSteps", long / steps, steps);
  const programs = { short: of(short), middle: of(middle), long: of(long) };
  const found = await beside(programs, long, rounds, progress, as);
  const against = ({ pawl, rivet }: Pair) => ratios(rivet, pawl);
  return {
    long,
    found,
    rows: [
      ...rows(`${short} steps`, "us/step", found.short),
      ...rows(`${middle} steps`, "us/step", found.middle),
      ...rows(`${long} steps`, "us/step", found.long),
    ],
    bars: [
      bar(`peer / pawl, time per step at ${long} steps`, against(found.long), "at least", limits[1]),
      bar(`peer / pawl, time per step at ${middle} steps`, against(found.middle), "at least", limits[0]),
    ],
  };
}

/** From the shortest workflow to one ten times as long as the peer's longest; as many steps of each. */
async function grown({ rounds, divisor }: Effort, progress: Progress): Promise<{ rows: Row[]; bar: Bar }> {
  const [short, long] = [LENGTHS[0] / divisor, LONGEST / divisor];
  const pawl = new Side<Sides>("pawl");
  const perStep = (steps: number) => async () =>
    ((await pawl.ask("sequentialSteps", long / steps, steps)) * 1_000) / long;
  try {
    const found = await alternate({ short: perStep(short), long: perStep(long) }, rounds, progress);
    const [ofShort, ofLong] = [series(found.short), series(found.long)];
    return {
      rows: [
        { what: `${short} steps, as many in all, pawl`, unit: "us/step", series: ofShort },
        { what: `${long} steps, as many in all, pawl`, unit: "us/step", series: ofLong },
      ],
      bar: bar(`pawl, time per step at ${long} steps / at ${short}`, ratios(ofLong, ofShort), "at most", 1.2),
    };
  } finally {
    pawl.end();
  }
}

/** A loop with a step in each iteration. */
export async function a2({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const count = ITERATIONS / divisor;
  const { loop } = await beside({ loop: (side) => side.ask("loop", count) }, count, rounds, progress);
  return {
    id: "A2",
    title: "a loop with one step in each iteration, in memory",
    timed: CLOCK,
    rows: withRatio(`${count} iterations`, "us/iteration", loop),
    bars: [bar("peer / pawl, time per iteration", ratios(loop.rivet, loop.pawl), "at least", 15)],
  };
}

/** Steps that completed in a process before. */
export async function a3({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const count = ITERATIONS / divisor;
  const { replay } = await beside({ replay: (side) => side.ask("replay", count) }, count, rounds, progress);
  return {
    id: "A3",
    title: "replay of completed steps, in memory",
    timed:
      "from the message that the workflow waits for to its result, in a runtime that has not loaded it; the peer's message was sent before",
    rows: withRatio(`${count} steps`, "us/step", replay),
    bars: [bar("peer / pawl, time per step", ratios(replay.rivet, replay.pawl), "at least", 30)],
  };
}

/** The same on the same driver: `pawl/engine` where the peer would be. */
export async function a3e({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const count = ITERATIONS / divisor;
  const programs = {
    whole: (side) => side.ask("replay", count),
    rest: (side) => (side as Side<"embedded">).ask("replayLessDriver", count),
  } satisfies Record<string, Program>;
  const { whole, rest } = await beside(programs, count, rounds, progress, "embedded");
  return {
    id: "A3E",
    title: "replay of completed steps on an embedding host's driver, a plain one",
    timed: "from the call of runWorkflow to its result; the message that the workflow waits for was sent before",
    rows: [
      ...withRatio(`${count} steps`, "us/step", whole),
      ...withRatio(`${count} steps, less the time in the driver`, "us/step", rest),
    ],
    bars: [bar("peer / pawl, time per step, less the driver's", ratios(rest.rivet, rest.pawl), "at least", 15)],
  };
}

/**
 * A join of branches with a step each. The peer's takes the square of the width and more, some 20 seconds: its samples are few,
 * and warmed up by narrow ones only.
 */
export async function a4({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const [narrow, wide] = [1_000 / divisor, 10_000 / divisor];
  const [pawl, rivet] = [new Side<Sides>("pawl"), new Side<Sides>("rivet")];
  const perBranch = (side: Side<Sides>, width: number) => async () => ((await side.ask("join", width)) * 1_000) / width;
  try {
    const own = { narrow: perBranch(pawl, narrow), wide: perBranch(pawl, wide) };
    const growth = await alternate(own, rounds, progress);
    const both = { pawl: own.narrow, rivet: perBranch(rivet, narrow) };
    const found = await alternate(both, Math.min(rounds, SLOW_ROUNDS), progress, "cold");
    const pair = { pawl: series(found.pawl), rivet: series(found.rivet) };
    const [ofNarrow, ofWide] = [series(growth.narrow), series(growth.wide)];
    return {
      id: "A4",
      title: "a join of branches with one step each, in memory",
      timed: CLOCK,
      rows: [
        ...withRatio(`${narrow} branches`, "us/branch", pair),
        { what: `${narrow} branches, pawl by itself`, unit: "us/branch", series: ofNarrow },
        { what: `${wide} branches, pawl by itself`, unit: "us/branch", series: ofWide },
      ],
      bars: [
        bar(`peer / pawl, ${narrow} branches`, ratios(pair.rivet, pair.pawl), "at least", 1_000),
        bar(`pawl, seconds of ${wide} branches`, scaled(ofWide, wide / 1e6), "at most", 0.5),
        bar(`pawl, time per branch of ${wide} / of ${narrow}`, ratios(ofWide, ofNarrow), "at most", 1.5),
      ],
    };
  } finally {
    pawl.end();
    rivet.end();
  }
}

/** Messages taken in a loop. */
export async function a6({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const count = ITERATIONS / divisor;
  const { queue } = await beside({ queue: (side) => side.ask("queue", count) }, count, rounds, progress);
  return {
    id: "A6",
    title: "messages taken in a loop, in memory",
    timed: "from the moment the first message may be taken to the result; the messages were sent before",
    rows: withRatio(`${count} messages`, "us/message", queue),
    bars: [bar("peer / pawl, time per message", ratios(queue.rivet, queue.pawl), "at least", 15)],
  };
}

/** Runs programs on both sides, in turn; on Pawl's as `as`. Found are microseconds for each of `count`. */
async function beside<K extends string>(
  programs: Readonly<Record<K, Program>>,
  count: number,
  rounds: number,
  progress: Progress,
  as: "pawl" | "embedded" = "pawl",
): Promise<Record<K, Pair>> {
  const sides = { pawl: new Side<Sides>(as), rivet: new Side<Sides>("rivet") };
  const peers = Object.keys(sides) as Peers[];
  const names = Object.keys(programs) as K[];
  const measure = (name: K, peer: Peers) => async () => ((await programs[name](sides[peer])) * 1_000) / count;
  try {
    const measures = names.flatMap((name) => peers.map((peer) => [`${name}, ${peer}`, measure(name, peer)] as const));
    const found = await alternate(Object.fromEntries(measures), rounds, progress);
    const pair = (name: K) =>
      Object.fromEntries(peers.map((peer) => [peer, series(found[`${name}, ${peer}`] ?? [])])) as Pair;
    return Object.fromEntries(names.map((name) => [name, pair(name)])) as Record<K, Pair>;
  } finally {
    for (const peer of peers) sides[peer].end();
  }
}

function rows(what: string, unit: string, { pawl, rivet }: Pair): Row[] {
  return [
    { what: `${what}, pawl`, unit, series: pawl },
    { what: `${what}, peer`, unit, series: rivet },
  ];
}

function withRatio(what: string, unit: string, pair: Pair): Row[] {
  return [...rows(what, unit, pair), { what: "peer / pawl", unit: "x", series: ratios(pair.rivet, pair.pawl) }];
}
