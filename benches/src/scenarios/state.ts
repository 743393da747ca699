/** B: a step that sets one field of the state, by the size of the state, and beside other means. */
import { alternate } from "../alternate.ts";
import type { StateSteps } from "../engines/state.ts";
import { bar, type Effort, type Progress, type Row, type Section } from "../section.ts";
import { median, ratios, type Series, series } from "../series.ts";
import { Side } from "../side.ts";

export const SIZES = { "1 KB": 1e3, "100 KB": 1e5, "1 MB": 1e6, "10 MB": 1e7, "100 MB": 1e8 } as const;
const NAMES = Object.keys(SIZES) as (keyof typeof SIZES)[];
const SMALL = 0;
const LARGE = NAMES.length - 1;
const MEGABYTE = NAMES.indexOf("1 MB");
/** Without a disk more, so that the code gets as warm as that of a busy process. */
const STEPS = { sqlite: 200, memory: 2_000 } as const;
/** Of the others, whose steps get slow: so many on the smallest state, fewer on larger ones, and never less than three. */
const RIVAL_STEPS = 2_000;

/** Of each round, what was found for each size. */
type Rounds = readonly (readonly StateSteps[])[];
/** Of each round, the median microseconds of a step for each size. */
type RivalRounds = readonly (readonly number[])[];

export async function b({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const [side, cloning, immer] = [new Side("state"), new Side("cloning"), new Side("immer")];
  const sizes = Object.values(SIZES).map((bytes) => Math.ceil(bytes / divisor));
  try {
    const of = (store: "sqlite" | "memory") => () =>
      side.ask("stateSteps", store, "field", sizes, Math.ceil(STEPS[store] / divisor), "rest");
    const rival = (side: Side<"cloning" | "immer">) => async () => {
      const found: number[] = [];
      for (const bytes of sizes) {
        const steps = Math.max(3, Math.ceil(RIVAL_STEPS / divisor / Math.max(1, bytes / 1e3)));
        found.push(median(await side.ask("oneField", bytes, steps)) * 1_000);
      }
      return found;
    };
    const found = await alternate<string, unknown>(
      { sqlite: of("sqlite"), memory: of("memory"), cloned: rival(cloning), immer: rival(immer) },
      rounds,
      progress,
    );
    const [sqlite, memory] = [found["sqlite"] as Rounds, found["memory"] as Rounds];
    const [cloned, copied] = [found["cloned"] as RivalRounds, found["immer"] as RivalRounds];
    const faster = ratios(rivalTimes(cloned, MEGABYTE), times(memory, MEGABYTE));
    return {
      id: "B",
      title: "a step that sets one field of the state",
      timed:
        "each step by itself, from its call to its answer, which is when it is durable; a sample is the median of a run, in which the sizes take steps in turn",
      rows: [
        ...timeRows("sqlite", sqlite),
        ...timeRows("memory", memory),
        ...rivalRows("structuredClone before each step, nothing written", cloned),
        ...rivalRows("immer, nothing written", copied),
        ...byteRows(sqlite),
      ],
      bars: [
        bar("sqlite, time per step at 100 MB of state / at 1 KB", growth(sqlite), "at most", 2),
        bar("memory, time per step at 100 MB of state / at 1 KB", growth(memory), "at most", 2),
        bar("bytes over the boundary, at 100 MB / at 1 KB", bytesGrowth(sqlite, "crossedBytes"), "at most", 2),
        ...writtenBar(sqlite),
        bar("bytes added to the closed file, at 100 MB / at 1 KB", bytesGrowth(sqlite, "keptBytes"), "at most", 2),
        bar("structuredClone per step / memory, at 1 MB", faster, "at least", 100),
      ],
    };
  } finally {
    for (const each of [side, cloning, immer]) each.end();
  }
}

function times(found: Rounds, which: number): Series {
  return series(found.map((sizes) => median(sizes[which]?.times ?? []) * 1_000));
}

function rivalTimes(found: RivalRounds, which: number): Series {
  return series(found.map((sizes) => sizes[which] ?? Number.NaN));
}

/** Of each round, the median over its steps: a step on the large state over its neighbour in time on the small one. */
function growth(found: Rounds): Series {
  const of = (sizes: readonly StateSteps[], which: number) => series(sizes[which]?.times ?? []);
  return series(found.map((sizes) => ratios(of(sizes, LARGE), of(sizes, SMALL)).median));
}

type Bytes = "crossedBytes" | "writtenBytes" | "keptBytes";

function bytesGrowth(found: Rounds, what: Bytes): Series {
  const of = (sizes: readonly StateSteps[], which: number) => sizes[which]?.[what] ?? Number.NaN;
  return series(found.map((sizes) => of(sizes, LARGE) / of(sizes, SMALL)));
}

/** None where the kernel does not count. */
function writtenBar(found: Rounds) {
  if (found[0]?.[SMALL]?.writtenBytes === undefined) return [];
  return [bar("bytes handed to write(), at 100 MB / at 1 KB", bytesGrowth(found, "writtenBytes"), "at most", 2)];
}

function timeRows(store: string, found: Rounds): Row[] {
  const first = found.map((sizes) => (sizes[LARGE]?.first ?? Number.NaN) / 1_000);
  return [
    ...NAMES.map((size, which) => ({
      what: `${store}, ${size} of state`,
      unit: "us/step",
      series: times(found, which),
    })),
    { what: `${store}, 100 MB / 1 KB`, unit: "x", series: growth(found) },
    { what: `${store}, 100 MB: the first step, which reads the state`, unit: "s", series: series(first) },
  ];
}

function rivalRows(what: string, found: RivalRounds): Row[] {
  return NAMES.map((size, which) => ({
    what: `${what}: ${size}`,
    unit: "us/step",
    series: rivalTimes(found, which),
  }));
}

function byteRows(found: Rounds): Row[] {
  const row = (what: string, of: Bytes, which: number): Row[] => {
    const known = found.map((sizes) => sizes[which]?.[of]).filter((sample) => sample !== undefined);
    return known.length === 0
      ? []
      : [{ what: `sqlite, ${NAMES[which]} of state: ${what}`, unit: "B/step", series: series(known) }];
  };
  return [SMALL, MEGABYTE, LARGE].flatMap((which) => [
    ...row("over the boundary", "crossedBytes", which),
    ...row("added to the closed file", "keptBytes", which),
    ...row("handed to write() in all", "writtenBytes", which),
  ]);
}
