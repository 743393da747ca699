/** B5: what a process holds of a state of 100 MB, and what the engine's native half does. */
import { alternate } from "../alternate.ts";
import type { HeldState } from "../engines/state-memory.ts";
import { databaseIn, inNewFolder } from "../engines/written.ts";
import { type Held, held, SHAPES } from "../held.ts";
import { type Bar, bar, type Effort, type Progress, type Row, type Section } from "../section.ts";
import { ratios, series } from "../series.ts";
import { Side } from "../side.ts";

const BYTES = 1e8;
const MOST_ROUNDS = 3;
const MIB = 2 ** 20;

export async function b5({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  return inNewFolder(async (folder) => {
    const { url } = databaseIn(folder, "store");
    const bytes = BYTES / divisor;
    const encoded = await alone((side) => side.ask("make", url, bytes));
    const hold = () => alone((side) => side.ask("hold", url, bytes));
    const { held } = await alternate({ held: hold }, Math.min(rounds, MOST_ROUNDS), progress, "cold");
    const of = (what: keyof HeldState) => series(held.map((found) => found[what]));
    const row = (what: string, key: keyof HeldState): Row => ({
      what,
      unit: "MiB",
      series: series(of(key).samples.map((bytes) => bytes / MIB)),
    });
    const native = nativeOf(bytes, rounds, progress);
    const over = (what: keyof HeldState, bytes: number) => series(of(what).samples.map((held) => held / bytes));
    return {
      id: "B5",
      title: "memory of a state of 100 MB, loaded from SQLite in a new process",
      timed: "no clock: bytes after a collection of garbage, beyond those before the actor was loaded",
      rows: [
        { what: "the state, encoded", unit: "MiB", series: series([encoded / MIB]) },
        row("resident, loaded and not read", "residentUnread"),
        row("resident and not JavaScript's, after 1,000 writes all over it", "nativeWritten"),
        row("heap and external, loaded and not read", "heapUnread"),
        row("heap and external, in an attempt that has read all of it", "heapInAttempt"),
        row("heap and external, after that attempt", "heapRead"),
        row("heap and external, after another one", "heapReadAgain"),
        row("heap and external of the plain value", "plain"),
        ...native.rows,
      ],
      bars: [
        bar("resident and not read / encoded", over("residentUnread", encoded), "at most", 1.3),
        ...native.bars,
        bar("heap, not read / encoded", over("heapUnread", encoded), "at most", 0.01),
        bar("heap, read / plain", ratios(of("heapRead"), of("plain")), "at most", 1.5),
        bar(
          "heap after the second attempt / after the first",
          ratios(of("heapReadAgain"), of("heapRead")),
          "at most",
          1.02,
        ),
      ],
    };
  });
}

/** Of each shape, in a process that has nothing else. */
function nativeOf(bytes: number, rounds: number, progress: Progress): { rows: Row[]; bars: Bar[] } {
  const rows: Row[] = [];
  const bars: Bar[] = [];
  for (const [shape, what] of Object.entries(SHAPES) as [keyof typeof SHAPES, string][]) {
    const found = Array.from({ length: Math.min(rounds, MOST_ROUNDS) }, () => held(shape, bytes, progress));
    const all = found.filter((one): one is Held => one !== undefined);
    if (all.length === 0) break;
    const mib = (of: (one: Held) => number) => series(all.map((one) => of(one) / MIB));
    const over = series(all.map(({ written, encoded }) => written / encoded));
    rows.push({ what: `native alone, ${what}: encoded`, unit: "MiB", series: mib(({ encoded }) => encoded) });
    rows.push({ what: "... after 1,000 writes all over it", unit: "MiB", series: mib(({ written }) => written) });
    bars.push(bar(`native alone after 1,000 writes / encoded, ${what}`, over, "at most", 1.3));
  }
  return { rows, bars };
}

/** Asks a new process. */
async function alone<T>(ask: (side: Side<"stateMemory">) => Promise<T>): Promise<T> {
  const side = new Side("stateMemory");
  try {
    return await ask(side);
  } finally {
    side.end();
  }
}
