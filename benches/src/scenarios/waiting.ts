/** A3W: waking a run that waits in memory, by how many steps it has behind it. */
import { alternate } from "../alternate.ts";
import { bar, type Effort, type Progress, type Section } from "../section.ts";
import { ratios, type Series, series } from "../series.ts";
import { Side } from "../side.ts";

const LENGTHS = [100, 1_000, 10_000, 100_000] as const;
const WAKES = 1_000;

export async function a3w({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const lengths = LENGTHS.map((length) => length / divisor);
  const side = new Side("waiting");
  try {
    const { wakes } = await alternate({ wakes: () => side.ask("wake", lengths, WAKES / divisor) }, rounds, progress);
    const found = lengths.map((_, which) => series(wakes.map((of) => of[which] ?? Number.NaN)));
    const [least, most] = [found[0] as Series, found.at(-1) as Series];
    return {
      id: "A3W",
      title: "a run that waits in memory is woken, with steps behind it",
      timed: "from the call of send until the workflow's code goes on; the median of the wakes of a round",
      rows: lengths.map((length, which) => ({
        what: `${length} steps`,
        unit: "us/wake",
        series: found[which] as Series,
      })),
      bars: [bar(`a wake behind ${lengths.at(-1)} steps / behind ${lengths[0]}`, ratios(most, least), "at most", 1.2)],
    };
  } finally {
    side.end();
  }
}
