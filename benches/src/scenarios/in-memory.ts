/** A1, A2 and A6: what an engine costs by itself, beside the peer, in memory. */
import { alternate } from "../alternate.ts";
import { bar, type Effort, type Progress, type Row, type Section } from "../section.ts";
import { ratios, type Series, series } from "../series.ts";
import { Side } from "../side.ts";

const LENGTHS = [100, 1_000, 10_000] as const;
const ITERATIONS = 10_000;
const CLOCK = "from the creation of the workflow to its result";

type Peers = "pawl" | "rivet";
/** Asks one side for the milliseconds of a program. */
type Program = (side: Side<Peers>) => Promise<number>;
type Pair = Readonly<Record<Peers, Series>>;

/** Trivial steps, one after another, by the length of the workflow. */
export async function a1({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const [short, middle, long] = LENGTHS.map((length) => length / divisor) as [number, number, number];
  // Every sample is of as many steps, so that those of short workflows are no less exact.
  const of =
    (steps: number): Program =>
    (side) =>
      side.ask("sequentialSteps", long / steps, steps);
  const programs = { short: of(short), middle: of(middle), long: of(long) };
  const found = await beside(programs, long, rounds, progress);
  const { pawl, rivet } = found.long;
  return {
    id: "A1",
    title: "trivial steps of one workflow, one after another, in memory",
    timed: `${CLOCK}; a sample is ${long} steps, in as many workflows as that takes`,
    rows: [
      ...rows(`${short} steps`, "us/step", found.short),
      ...rows(`${middle} steps`, "us/step", found.middle),
      ...rows(`${long} steps`, "us/step", found.long),
    ],
    bars: [
      bar(`peer / pawl, time per step at ${long} steps`, ratios(rivet, pawl), "at least", 8),
      bar(`pawl, time per step at ${long} steps / at ${short}`, ratios(pawl, found.short.pawl), "at most", 1.3),
    ],
  };
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
    bars: [],
  };
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
    bars: [],
  };
}

/** Runs programs on both sides, in turn. Found are microseconds for each of `count`. */
async function beside<K extends string>(
  programs: Readonly<Record<K, Program>>,
  count: number,
  rounds: number,
  progress: Progress,
): Promise<Record<K, Pair>> {
  const sides = { pawl: new Side<Peers>("pawl"), rivet: new Side<Peers>("rivet") };
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
