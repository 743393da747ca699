/** B7: what a step writes by the size of the state, over so many steps that compactions are among it. */
import type { Amortised } from "../engines/amortised.ts";
import { bar, type Effort, type Progress, type Row, type Section } from "../section.ts";
import { type Series, series } from "../series.ts";
import { Side } from "../side.ts";

const SIZES = { "1 KB": 1e3, "1 MB": 1e6, "10 MB": 1e7 } as const;
const NAMES = Object.keys(SIZES) as (keyof typeof SIZES)[];
/** A step appends some 300 bytes: so many are a few times the largest of these states, and it is compacted when they are once. */
const STEPS = 100_000;
const MOST_ROUNDS = 2;

export async function b7({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const side = new Side("amortised");
  const steps = Math.ceil(STEPS / divisor);
  try {
    const found: Amortised[][] = [];
    for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
      const sizes: Amortised[] = [];
      for (const name of NAMES) {
        progress(`${steps} steps on ${name}`);
        sizes.push(await side.ask("amortised", Math.ceil(SIZES[name] / divisor), steps));
      }
      found.push(sizes);
    }
    const of = (what: keyof Amortised, which: number): Series =>
      series(found.map((sizes) => sizes[which]?.[what] ?? Number.NaN));
    const growth = series(
      found.map((sizes) => (sizes.at(-1)?.written ?? Number.NaN) / (sizes[0]?.written ?? Number.NaN)),
    );
    const row = (what: string, unit: string, key: keyof Amortised): Row[] =>
      NAMES.map((name, which) => ({ what: `${name} of state: ${what}`, unit, series: of(key, which) }));
    const isCounted = found[0]?.[0]?.written !== undefined;
    return {
      id: "B7",
      title: `what ${steps} steps that set one field write, on SQLite, compactions included`,
      timed: "no clock: bytes, from the first step to the closing of the store",
      rows: [
        ...(isCounted ? row("handed to write()", "B/step", "written") : []),
        ...row("the closed file, without steps", "B", "empty"),
        ...row("the closed file, after them", "B", "full"),
      ],
      bars: isCounted ? [bar("bytes handed to write(), at 10 MB / at 1 KB", growth, "at most", 2)] : [],
    };
  } finally {
    side.end();
  }
}
