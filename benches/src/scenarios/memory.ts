/** A2M: a long loop, and what the process holds meanwhile. */
import type { Held } from "../engines/memory.ts";
import { bar, type Effort, type Progress, type Row, type Section } from "../section.ts";
import { median, series } from "../series.ts";
import { Side } from "../side.ts";

const ITERATIONS = 1_000_000;
/** In `memory:`, where each iteration stays in the store. */
const KEPT_ITERATIONS = 100_000;
const SAMPLES = 40;
const MIB = 2 ** 20;

export async function a2m({ divisor }: Effort, progress: Progress): Promise<Section> {
  const side = new Side("memory");
  const [rounds, kept] = [ITERATIONS / divisor, KEPT_ITERATIONS / divisor];
  try {
    progress(`${rounds} iterations`);
    const filed = await side.ask("loopMemory", "sqlite", rounds, SAMPLES);
    progress(`${kept} iterations in memory:`);
    const inMemory = await side.ask("loopMemory", "memory", kept, SAMPLES);
    const last = (inMemory.at(-1)?.resident ?? 0) - (inMemory[SAMPLES / 2 - 1]?.resident ?? 0);
    return {
      id: "A2M",
      title: `memory of a loop of ${rounds} iterations, on SQLite`,
      timed: `no clock: bytes after a collection of garbage, ${SAMPLES} times, evenly apart`,
      rows: [
        ...rows("heap and external", filed, ({ heap }) => heap),
        ...rows("resident", filed, ({ resident }) => resident),
        { what: "memory: keeps of an iteration", unit: "B", series: series([last / (kept / 2)]) },
      ],
      bars: [
        bar(
          "heap and external, last half / first half",
          growth(filed, ({ heap }) => heap),
          "at most",
          1.1,
        ),
        bar(
          "resident, last half / first half",
          growth(filed, ({ resident }) => resident),
          "at most",
          1.1,
        ),
      ],
    };
  } finally {
    side.end();
  }
}

function halves(held: readonly Held[], of: (held: Held) => number): readonly [number[], number[]] {
  const bytes = held.map(of);
  return [bytes.slice(0, bytes.length / 2), bytes.slice(bytes.length / 2)];
}

function rows(what: string, held: readonly Held[], of: (held: Held) => number): Row[] {
  return halves(held, of).map((half, which) => ({
    what: `${what}, ${which === 0 ? "first" : "last"} half`,
    unit: "MiB",
    series: series(half.map((bytes) => bytes / MIB)),
  }));
}

function growth(held: readonly Held[], of: (held: Held) => number) {
  const [first, last] = halves(held, of);
  return series([median(last) / median(first)]);
}
