/** B: a durable step that sets one field of the state, by the size of the state. */
import { alternate } from "../alternate.ts";
import type { StateSteps } from "../engines/state.ts";
import { bar, type Effort, type Progress, type Row, type Section } from "../section.ts";
import { median, ratios, type Series, series } from "../series.ts";
import { Side } from "../side.ts";

const SIZES = { "1 KB": 1e3, "100 KB": 1e5, "1 MB": 1e6 } as const;
const NAMES = Object.keys(SIZES);
const SMALL = 0;
const LARGE = NAMES.length - 1;
/** Without a disk more, so that the code gets as warm as that of a busy process. */
const STEPS = { sqlite: 300, memory: 3_000 } as const;

/** Of each round, what was found for each size. */
type Rounds = readonly (readonly StateSteps[])[];

export async function b({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const side = new Side("state");
  try {
    const of = (store: "sqlite" | "memory") => () =>
      side.ask("stateSteps", store, Object.values(SIZES), Math.ceil(STEPS[store] / divisor));
    const { sqlite, memory } = await alternate({ sqlite: of("sqlite"), memory: of("memory") }, rounds, progress);
    return {
      id: "B",
      title: "a step that sets one field of the state",
      timed:
        "each step by itself, from its call to its answer, which is when it is durable; a sample is the median of a run, in which the sizes take steps in turn",
      rows: [...timeRows("sqlite", sqlite), ...byteRows(sqlite), ...timeRows("memory", memory)],
      bars: [bar("sqlite, time per step at 1 MB of state / at 1 KB", growth(sqlite), "at most", 2)],
    };
  } finally {
    side.end();
  }
}

function times(found: Rounds, which: number): Series {
  return series(found.map((sizes) => median(sizes[which]?.times ?? []) * 1_000));
}

/** Of each round, the median over its steps: a step on the large state over its neighbour in time on the small one. */
function growth(found: Rounds): Series {
  const of = (sizes: readonly StateSteps[], which: number) => series(sizes[which]?.times ?? []);
  return series(found.map((sizes) => ratios(of(sizes, LARGE), of(sizes, SMALL)).median));
}

function timeRows(store: string, found: Rounds): Row[] {
  const first = found.map((sizes) => (sizes[LARGE]?.first ?? Number.NaN) * 1_000);
  return [
    ...NAMES.map((size, which) => ({
      what: `${store}, ${size} of state`,
      unit: "us/step",
      series: times(found, which),
    })),
    { what: `${store}, 1 MB / 1 KB`, unit: "x", series: growth(found) },
    { what: `${store}, 1 MB: the first step, which reads the state`, unit: "us", series: series(first) },
  ];
}

function byteRows(found: Rounds): Row[] {
  const row = (what: string, of: (steps: StateSteps) => number | undefined, which: number): Row[] => {
    const counted = found.flatMap((sizes) => sizes[which] ?? []).map(of);
    const known = counted.filter((sample) => sample !== undefined);
    return known.length === 0
      ? []
      : [{ what: `sqlite, ${NAMES[which]} of state: ${what}`, unit: "B/step", series: series(known) }];
  };
  return NAMES.flatMap((_, which) => [
    ...row("added to the closed file", (steps) => steps.keptBytes, which),
    ...row("handed to write() in all", (steps) => steps.writtenBytes, which),
  ]);
}
