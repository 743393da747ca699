/** R: going on from disk, by how many steps a workflow has in scopes that are closed. */
import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Resumed } from "../engines/resume.ts";
import { inNewFolder } from "../engines/written.ts";
import { bar, type Effort, type Progress, type Row, type Section } from "../section.ts";
import { differences, ratios, type Series, series } from "../series.ts";
import { Side } from "../side.ts";

const STEPS = [1_000, 10_000, 100_000] as const;
const MIB = 2 ** 20;
/** A file system in memory, on Linux: recording is not what is measured. */
const SHARED = "/dev/shm";

export function r({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const work = async (root: string): Promise<Section> => {
    const folders = await recorded(root, divisor, progress);
    const found: Resumed[][] = [];
    for (let round = 0; round < rounds; round++) {
      progress(`round ${round + 1} of ${rounds}`);
      const of: Resumed[] = [];
      // Each has a process of its own: what one has grown by, another would use again.
      for (const folder of folders) of.push(await inOwnProcess((side) => side.ask("resume", folders[0] ?? "", folder)));
      found.push(of);
    }
    const times = STEPS.map((_, which) => series(found.map((of) => of[which]?.ms ?? Number.NaN)));
    const resident = STEPS.map((_, which) => series(found.map((of) => (of[which]?.resident ?? Number.NaN) / MIB)));
    const [least, most] = [times[0] as Series, times.at(-1) as Series];
    const [small, large] = [resident[0] as Series, resident.at(-1) as Series];
    return {
      id: "R",
      title: "a workflow goes on from disk, with many steps in scopes that are closed",
      timed: "from createRuntime to the result, which a message was waited for; each in a process of its own, warm",
      rows: STEPS.flatMap((steps, which): Row[] => [
        { what: `${steps} steps: time`, unit: "ms", series: times[which] as Series },
        { what: `${steps} steps: growth of the process`, unit: "MiB", series: resident[which] as Series },
        { what: `${steps} steps: the file`, unit: "MiB", series: series([(found[0]?.[which]?.stored ?? 0) / MIB]) },
      ]),
      bars: [
        bar("time with 100,000 closed steps / with 1,000", ratios(most, least), "at most", 2),
        bar(
          "MiB that the process grows by more, with 100,000 than with 1,000",
          differences(large, small),
          "at most",
          8,
        ),
      ],
    };
  };
  return inNewFolder(work, existsSync(SHARED) ? SHARED : tmpdir());
}

async function recorded(root: string, divisor: number, progress: Progress): Promise<string[]> {
  const folders: string[] = [];
  for (const steps of STEPS) {
    const folder = join(root, `${steps}`);
    mkdirSync(folder);
    progress(`${steps} steps are recorded`);
    await inOwnProcess((side) => side.ask("record", folder, Math.ceil(steps / divisor)));
    folders.push(folder);
  }
  return folders;
}

async function inOwnProcess<R>(use: (side: Side<"resume">) => Promise<R>): Promise<R> {
  const side = new Side("resume");
  try {
    return await use(side);
  } finally {
    side.end();
  }
}
