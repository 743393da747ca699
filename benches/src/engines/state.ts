/** B, B2: Pawl's steps that change a state, by its size. */
import { actor, createRuntime, type } from "pawl";
import { bytesCrossed, countCrossings } from "./boundary.ts";
import { rest } from "./rest.ts";
import { setField, shelfOf, THING_BYTES, thingsIn } from "./things.ts";
import { bytesWritten, databaseIn, inNewFolder, sizeOf } from "./written.ts";

/** What a run of steps on a state of one size cost. */
export interface StateSteps {
  /** Milliseconds of each step, from its call to its answer; without the first ones. */
  readonly times: readonly number[];
  /** Milliseconds of the first step, which reads the state. */
  readonly first: number;
  /** Bytes that passed between JavaScript and the native engine for each step. */
  readonly crossedBytes: number;
  /** Bytes that the process handed to `write` for each step; none where the kernel does not count them. */
  readonly writtenBytes: number | undefined;
  /** Bytes by which the closed file is longer, for each step; none in memory. */
  readonly keptBytes: number | undefined;
}

/**
 * What a step does. `field`: sets one field of one object of many, another one each time. `push`: adds a number to an array of
 * numbers. `set`: sets an entry of a Map, another one each time.
 */
export type Change = "field" | "push" | "set";

export interface StateBench {
  /**
   * Runs `steps` steps, after `WARM_UP` others, on states of these sizes: one actor in one store for each size, and one step of
   * each in turn, so that whatever else the machine has to do burdens them alike. A size is bytes of JSON for `field`, otherwise
   * the number of items. `sqlite`: in new files in the folder for temporary files. `memory`: the same without a disk. From `creation`
   * on the first snapshots of the states, which their creation makes due, fall into the steps; from `rest` on they are there.
   */
  stateSteps(
    store: "sqlite" | "memory",
    change: Change,
    sizes: readonly number[],
    steps: number,
    from: Start,
  ): Promise<readonly StateSteps[]>;
}

export type Start = "creation" | "rest";

export const WARM_UP = 50;
/** A prime, as in the things. */
const STRIDE = 7_919;
const LIMITS = { valueBytes: 256 << 20 };

/** Called before a step and after the last one; resolves when the actor may go on. */
type Turn = () => Promise<void>;

/** By key of the actor. */
const turns = new Map<string, Turn>();

interface Steps {
  readonly items: number;
  readonly steps: number;
}

const things = actor("things", {
  input: type<Steps>(),
  state: ({ items }) => shelfOf(items),
  workflow: async (ctx, { items, steps }) => {
    for (let i = 0; i < steps; i++) {
      await turns.get(ctx.key)?.();
      await ctx.step(`step-${i}`, async (c) => setField(c.state, items, i));
    }
    await turns.get(ctx.key)?.();
  },
});

const list = actor("list", {
  input: type<Steps>(),
  state: ({ items }) => ({ numbers: Array.from({ length: items }, (_, i) => i) }),
  workflow: async (ctx, { steps }) => {
    for (let i = 0; i < steps; i++) {
      await turns.get(ctx.key)?.();
      await ctx.step(`step-${i}`, async (c) => void c.state.numbers.push(i));
    }
    await turns.get(ctx.key)?.();
  },
});

const table = actor("table", {
  input: type<Steps>(),
  state: ({ items }) => ({ entries: new Map(Array.from({ length: items }, (_, i) => [`key ${i}`, i])) }),
  workflow: async (ctx, { items, steps }) => {
    for (let i = 0; i < steps; i++) {
      await turns.get(ctx.key)?.();
      await ctx.step(`step-${i}`, async (c) => void c.state.entries.set(`key ${(i * STRIDE) % items}`, -i));
    }
    await turns.get(ctx.key)?.();
  },
});

const actors = { field: things, push: list, set: table } as const;

let counted: Promise<void> | undefined;

export const state: StateBench = {
  async stateSteps(store, change, sizes, steps, from) {
    counted ??= countCrossings();
    await counted;
    const items = change === "field" ? sizes.map(thingsIn) : sizes;
    if (store === "memory") return measure(change, items, steps, from, () => "memory:");
    return inNewFolder((folder) => onDisk(folder, change, items, steps, from));
  },
};

async function onDisk(
  root: string,
  change: Change,
  items: readonly number[],
  steps: number,
  from: Start,
): Promise<StateSteps[]> {
  for (const [which, count] of items.entries())
    await run(change, databaseIn(root, `empty-${which}`).url, `${change}-${which}`, { items: count, steps: 0 });
  const measured = await measure(change, items, steps, from, (which) => databaseIn(root, `full-${which}`).url);
  return measured.map((found, which) => {
    const grown = sizeOf(databaseIn(root, `full-${which}`).folder) - sizeOf(databaseIn(root, `empty-${which}`).folder);
    return { ...found, keptBytes: grown / (steps + WARM_UP) };
  });
}

/** Runs an actor's workflow in a store of its own. With no steps: what the steps of another one add to. */
async function run(change: Change, store: string, key: string, input: Steps): Promise<void> {
  await using runtime = createRuntime({ actors: [things, list, table], store, limits: LIMITS });
  await (await runtime.create(actors[change], key, input)).result();
  if (input.steps === 0) await rest(input.items * THING_BYTES);
}

async function measure(
  change: Change,
  items: readonly number[],
  steps: number,
  from: Start,
  url: (which: number) => string,
): Promise<StateSteps[]> {
  const all = steps + WARM_UP;
  const ring = new Ring(items, all, url(0) !== "memory:", from);
  const runs = items.map((count, which) => {
    turns.set(`${change}-${which}`, ring.turnOf(which));
    return run(change, url(which), `${change}-${which}`, { items: count, steps: all });
  });
  await Promise.all(runs);
  turns.clear();
  return items.map((_, which) => ring.found(which));
}

interface Runner {
  /** Lets it take its next step. None until it has come to its first one. */
  go: (() => void) | undefined;
  readonly times: number[];
  crossed: number;
  written: number;
}

/** Lets one actor after another take a step, round and round, and notes what each step costs. */
class Ring {
  readonly #runners: readonly Runner[];
  readonly #steps: number;
  /** What counts written bytes: asking the system between steps makes them slower, so that without a disk nobody asks. */
  readonly #bytesWritten: () => number | undefined;
  readonly #from: Start;
  readonly #largest: number;
  #next = 0;
  #began = 0;
  #crossed = 0;
  #written: number | undefined;

  constructor(items: readonly number[], steps: number, onDisk: boolean, from: Start) {
    const runners = items.length;
    this.#from = from;
    this.#largest = Math.max(...items);
    this.#bytesWritten = onDisk ? bytesWritten : () => undefined;
    this.#runners = Array.from({ length: runners }, () => ({ go: undefined, times: [], crossed: 0, written: 0 }));
    this.#steps = steps;
  }

  turnOf(which: number): Turn {
    const runner = this.#runners[which] as Runner;
    return () =>
      new Promise((resolve) => {
        if (runner.go !== undefined) this.#note(runner);
        runner.go = resolve;
        if (this.#runners.some(({ go }) => go === undefined)) return;
        if (this.#next === 0 && this.#from === "rest") void rest(this.#largest * THING_BYTES).then(() => this.#pass());
        else this.#pass();
      });
  }

  found(which: number): StateSteps {
    const { times, crossed, written } = this.#runners[which] as Runner;
    const steps = times.length - WARM_UP;
    return {
      times: times.slice(WARM_UP),
      first: times[0] ?? 0,
      crossedBytes: crossed / steps,
      writtenBytes: this.#written === undefined ? undefined : written / steps,
      keptBytes: undefined,
    };
  }

  /** The runner has ended a step. */
  #note(runner: Runner): void {
    runner.times.push(performance.now() - this.#began);
    const before = { crossed: this.#crossed, written: this.#written };
    this.#crossed = bytesCrossed();
    this.#written = this.#bytesWritten();
    if (runner.times.length <= WARM_UP) return;
    runner.crossed += this.#crossed - before.crossed;
    if (before.written !== undefined && this.#written !== undefined) runner.written += this.#written - before.written;
  }

  #pass(): void {
    if (this.#runners.every(({ times }) => times.length === this.#steps)) {
      for (const { go } of this.#runners) go?.();
      return;
    }
    const runner = this.#runners[this.#next++ % this.#runners.length];
    this.#crossed = bytesCrossed();
    this.#written = this.#bytesWritten();
    this.#began = performance.now();
    runner?.go?.();
  }
}
