/** B: Pawl's durable steps that set one field of a state, by the size of the state. */
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { actor, createRuntime, type } from "pawl";

/** What a run of steps on a state of one size cost. */
export interface StateSteps {
  /** Milliseconds of each step, from its call to its answer; without the first ones. */
  readonly times: readonly number[];
  /** Milliseconds of the first step, which reads the state. */
  readonly first: number;
  /** Bytes that the process handed to `write` for each step; none where the kernel does not count them. */
  readonly writtenBytes: number | undefined;
  /** Bytes by which the closed file is longer, for each step; none in memory. */
  readonly keptBytes: number | undefined;
}

export interface StateBench {
  /**
   * Runs `steps` steps, after `WARM_UP` others, on states of about `sizes` bytes: one actor in one store for each size, and one
   * step of each in turn, so that whatever else the disk has to do burdens them alike. `sqlite`: in new files in the folder
   * for temporary files. `memory`: the same without a disk.
   */
  stateSteps(store: "sqlite" | "memory", sizes: readonly number[], steps: number): Promise<readonly StateSteps[]>;
}

export const WARM_UP = 50;
/** A prime, so that the objects that are written jump about the state, and none comes twice soon. */
const STRIDE = 7_919;

interface Thing {
  readonly id: number;
  readonly name: string;
  readonly price: number;
  readonly tags: readonly string[];
  count: number;
}

/** Called before a step and after the last one; resolves when the actor may go on. */
type Turn = () => Promise<void>;

/** By key of the actor. */
const turns = new Map<string, Turn>();

const shelf = actor("shelf", {
  input: type<{ things: number; steps: number }>(),
  state: (input) => ({ things: Array.from({ length: input.things }, (_, id) => thing(id)) }),
  workflow: async (ctx, input) => {
    for (let i = 0; i < input.steps; i++) {
      await turns.get(ctx.key)?.();
      await ctx.step(`step-${i}`, async (c) => {
        const written = c.state.things[(i * STRIDE) % input.things];
        if (written !== undefined) written.count = i;
      });
    }
    await turns.get(ctx.key)?.();
  },
});

export const state: StateBench = {
  async stateSteps(store, sizes, steps) {
    const things = sizes.map((bytes) => Math.max(1, Math.round(bytes / JSON.stringify(thing(1_000)).length)));
    if (store === "memory") return measure(things, steps, () => "memory:");
    const folder = await mkdtemp(join(tmpdir(), "pawl-bench-"));
    try {
      return await onDisk(folder, things, steps);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** A thing whose JSON has some 70 bytes. */
function thing(id: number): Thing {
  return { id, name: `thing ${id}`, price: id * 1.25 + 0.5, tags: ["new", "blue"], count: 0 };
}

async function onDisk(root: string, things: readonly number[], steps: number): Promise<StateSteps[]> {
  const folder = (kind: "empty" | "full", which: number): string => {
    const place = join(root, `${kind}-${which}`);
    mkdirSync(place, { recursive: true });
    return place;
  };
  const url = (kind: "empty" | "full", which: number) => `sqlite:${join(folder(kind, which), "bench.db")}`;
  for (const [which, count] of things.entries()) await create(url("empty", which), count);
  const measured = await measure(things, steps, (which) => url("full", which));
  return measured.map((found, which) => {
    const grown = sizeOf(folder("full", which)) - sizeOf(folder("empty", which));
    return { ...found, keptBytes: grown / (steps + WARM_UP) };
  });
}

/** A store with an actor that has taken no step: what the steps of another one add to. */
async function create(store: string, things: number): Promise<void> {
  await using runtime = createRuntime({ actors: [shelf], store });
  await (await runtime.create(shelf, "w", { things, steps: 0 })).result();
}

async function measure(
  things: readonly number[],
  steps: number,
  url: (which: number) => string,
): Promise<StateSteps[]> {
  const ring = new Ring(things.length, steps + WARM_UP);
  const runs = things.map(async (count, which) => {
    turns.set(`w${which}`, ring.turnOf(which));
    await using runtime = createRuntime({ actors: [shelf], store: url(which) });
    await (await runtime.create(shelf, `w${which}`, { things: count, steps: steps + WARM_UP })).result();
  });
  await Promise.all(runs);
  return things.map((_, which) => ring.found(which));
}

interface Runner {
  /** Lets it take its next step. None until it has come to its first one. */
  go: (() => void) | undefined;
  readonly times: number[];
  written: number;
}

/** Lets one actor after another take a step, round and round, and notes what each step costs. */
class Ring {
  readonly #runners: readonly Runner[];
  readonly #steps: number;
  #next = 0;
  #began = 0;
  #written: number | undefined;

  constructor(runners: number, steps: number) {
    this.#runners = Array.from({ length: runners }, () => ({ go: undefined, times: [], written: 0 }));
    this.#steps = steps;
  }

  turnOf(which: number): Turn {
    const runner = this.#runners[which] as Runner;
    return () =>
      new Promise((resolve) => {
        if (runner.go !== undefined) this.#note(runner);
        runner.go = resolve;
        if (this.#runners.every(({ go }) => go !== undefined)) this.#pass();
      });
  }

  found(which: number): StateSteps {
    const { times, written } = this.#runners[which] as Runner;
    return {
      times: times.slice(WARM_UP),
      first: times[0] ?? 0,
      writtenBytes: this.#written === undefined ? undefined : written / (times.length - WARM_UP),
      keptBytes: undefined,
    };
  }

  /** The runner has ended a step. */
  #note(runner: Runner): void {
    runner.times.push(performance.now() - this.#began);
    const before = this.#written;
    this.#written = bytesWritten();
    if (before === undefined || this.#written === undefined || runner.times.length <= WARM_UP) return;
    runner.written += this.#written - before;
  }

  #pass(): void {
    if (this.#runners.every(({ times }) => times.length === this.#steps)) {
      for (const { go } of this.#runners) go?.();
      return;
    }
    const runner = this.#runners[this.#next++ % this.#runners.length];
    this.#written ??= bytesWritten();
    this.#began = performance.now();
    runner?.go?.();
  }
}

/** Bytes that this process has handed to `write` so far; Linux counts them. */
function bytesWritten(): number | undefined {
  try {
    const found = /^wchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"));
    return found === null ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}

function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
