/** B2, B3, B4: what happens within one attempt, and what a failed one costs. In memory. */
import { actor, createRuntime, type Handle, type as input, raw } from "pawl";
import { type Fields, fieldsOf, type Mutations, mutate } from "./mutations.ts";
import { rest } from "./rest.ts";
import { shelfOf, THING_BYTES, thing, thingsIn } from "./things.ts";

/** Milliseconds of each step. */
export interface Pair {
  readonly state: readonly number[];
  readonly plain: readonly number[];
}

/** Nanoseconds of processor time of one read, as medians of batches in one attempt. */
export interface Reads {
  /** A leaf of an object that has been read before. */
  readonly leaf: number;
  /** `a[i]` of an array of numbers, wherever. */
  readonly index: number;
  /** `for..of` over 100,000 numbers, each. */
  readonly each: number;
  readonly eachPlain: number;
  /** `for..of` over objects that this attempt has not touched yet, each, and reading a leaf of it, too. */
  readonly firstTouch: number;
  /** The same by index, over others. */
  readonly firstTouchAt: number;
  /** What `raw` of the objects takes, each. */
  readonly rawCopy: number;
  /** A scan of what `raw` gave, each object, and of the plain value. */
  readonly rawScan: number;
  readonly plainScan: number;
}

export interface AttemptBench {
  /** Steps of 1,000 mutations of a state of `bytes` bytes of JSON, and of a plain object of the same size in turn. */
  manyMutations(kind: Mutations, bytes: number, steps: number): Promise<Pair>;
  /** Actions that do so many mutations and throw: medians of milliseconds, from call to rejection, in the order of `counts`. */
  rollbacks(bytes: number, counts: readonly number[], actions: number): Promise<readonly number[]>;
  /** Actions that read one field, on states of these sizes in turn: milliseconds of each, from call to reply. */
  openings(sizes: readonly number[], actions: number): Promise<readonly (readonly number[])[]>;
  /** In an attempt on a state of so many numbers and objects. */
  reads(items: number): Promise<Reads>;
}

const LIMITS = { valueBytes: 256 << 20 };

/** By key of the actor: the plain object beside its state, and where times go. */
const beside = new Map<string, { readonly plain: Fields; readonly times: { state: number[]; plain: number[] } }>();

const mutated = actor("mutated", {
  input: input<{ kind: Mutations; things: number; steps: number }>(),
  state: ({ things }) => fieldsOf(things),
  workflow: async (ctx, { kind, steps }) => {
    const found = beside.get(ctx.key);
    if (found === undefined) throw new Error("found nothing beside the state");
    for (let turn = 0; turn < steps; turn++) {
      const began = performance.now();
      await ctx.step(`state-${turn}`, async (c) => mutate[kind](c.state, turn));
      const between = performance.now();
      await ctx.step(`plain-${turn}`, async () => mutate[kind](found.plain, turn));
      found.times.state.push(between - began);
      found.times.plain.push(performance.now() - between);
    }
  },
});

class Thrown extends Error {}

const acted = actor("acted", {
  input: input<{ things: number }>(),
  state: ({ things }) => fieldsOf(things),
  actions: {
    fail: (c, turn: number, count: number): void => {
      mutate.objects(c.state, turn, count);
      throw new Thrown("as intended");
    },
    look: (c, which: number): number => c.state.things[which]?.count ?? -1,
  },
});

const looked = actor("looked", {
  input: input<{ items: number }>(),
  state: ({ items }) => ({
    one: thing(1),
    numbers: Array.from({ length: items }, (_, i) => i),
    ...shelfOf(items),
    others: shelfOf(items).things,
  }),
  actions: {
    look: (c): Reads => look(c.state),
  },
});

export const attempts: AttemptBench = {
  async manyMutations(kind, bytes, steps) {
    const things = thingsIn(bytes);
    const times = { state: [] as number[], plain: [] as number[] };
    beside.set(kind, { plain: fieldsOf(things), times });
    await using runtime = createRuntime({ actors: [mutated], store: "memory:", limits: LIMITS });
    const warmUp = Math.ceil(steps / 2);
    await (await runtime.create(mutated, kind, { kind, things, steps: steps + warmUp })).result();
    return { state: times.state.slice(warmUp), plain: times.plain.slice(warmUp) };
  },

  async rollbacks(bytes, counts, actions) {
    await using runtime = createRuntime({ actors: [acted], store: "memory:", limits: LIMITS });
    const handle = await runtime.create(acted, "w", { things: thingsIn(bytes) });
    const times = counts.map(() => [] as number[]);
    for (let turn = 0; turn < actions + 5; turn++) {
      for (const [which, count] of counts.entries()) {
        const began = performance.now();
        await failed(handle, turn, count);
        if (turn >= 5) times[which]?.push(performance.now() - began);
      }
    }
    return times.map(median);
  },

  async openings(sizes, actions) {
    await using runtime = createRuntime({ actors: [acted], store: "memory:", limits: LIMITS });
    const handles = [];
    for (const [which, bytes] of sizes.entries())
      handles.push(await runtime.create(acted, `w${which}`, { things: thingsIn(bytes) }));
    const times = sizes.map(() => [] as number[]);
    for (let turn = 0; turn < actions + 100; turn++) {
      for (const [which, handle] of handles.entries()) {
        const began = performance.now();
        const count = await handle.actions.look(turn % 10);
        const took = performance.now() - began;
        if (count !== 0) throw new Error(`found a count of ${count}, expected 0`);
        if (turn >= 100) times[which]?.push(took);
      }
    }
    return times;
  },

  async reads(items) {
    await using runtime = createRuntime({ actors: [looked], store: "memory:", limits: LIMITS });
    const handle = await runtime.create(looked, "w", { items });
    await rest(items * THING_BYTES); // processor time is that of the whole process
    for (let warmUp = 0; warmUp < 3; warmUp++) await handle.actions.look();
    return await handle.actions.look();
  },
};

async function failed(handle: Handle<typeof acted>, turn: number, count: number): Promise<void> {
  const error: unknown = await handle.actions.fail(turn, count).catch((error: unknown) => error);
  if (!(error instanceof Error) || error.message !== "as intended") throw error;
}

interface Looked {
  readonly one: { count: number };
  readonly numbers: number[];
  readonly things: { count: number }[];
  readonly others: { count: number }[];
}

const BATCH = 1_000;
const BATCHES = 101;

/** Measures reads of a state, in the attempt that it belongs to. */
function look({ one, numbers, things, others }: Looked): Reads {
  const items = numbers.length;
  void things.length;
  const firstTouch = took(() => countsInState(things)) / items;
  void others.length;
  const firstTouchAt = took(() => countsAt(others, items)) / items;
  const leaf = each(() => {
    let sum = 0;
    for (let i = 0; i < BATCH; i++) sum += one.count;
    return sum;
  });
  let at = 0;
  const index = each(() => {
    let sum = 0;
    for (let i = 0; i < BATCH; i++) sum += numbers[(at = (at + 7_919) % items)] ?? 0;
    return sum;
  });
  const plainNumbers = Array.from({ length: items }, (_, i) => i);
  const eachPlain = median(Array.from({ length: 21 }, () => took(() => sumOfPlain(plainNumbers)))) / items;
  const ofEach = median(Array.from({ length: 21 }, () => took(() => sumInState(numbers)))) / items;
  let copy: { count: number }[] = [];
  const rawCopy = took(() => (copy = raw(things)).length) / items;
  const plain = shelfOf(items).things;
  const rawScan = median(Array.from({ length: 21 }, () => took(() => countsOfPlain(copy)))) / items;
  const plainScan = median(Array.from({ length: 21 }, () => took(() => countsOfPlain(plain)))) / items;
  return { leaf, index, each: ofEach, eachPlain, firstTouch, firstTouchAt, rawCopy, rawScan, plainScan };
}

// One function for state and one for plain values: what one of them is called with makes no code for the other.

function countsInState(things: Iterable<{ readonly count: number }>): number {
  let sum = 0;
  for (const { count } of things) sum += count;
  return sum;
}

function countsAt(things: readonly { readonly count: number }[], count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += things[i]?.count ?? 0;
  return sum;
}

function countsOfPlain(things: Iterable<{ readonly count: number }>): number {
  let sum = 0;
  for (const { count } of things) sum += count;
  return sum;
}

function sumInState(numbers: Iterable<number>): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}

function sumOfPlain(numbers: Iterable<number>): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}

/**
 * Nanoseconds of processor time that some work takes, the collector's threads included: what else the machine does meanwhile is
 * not in it. Its result is looked at, so that none of it is left out.
 */
function took(work: () => number): number {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  if (Number.isNaN(result)) throw new Error("a bench resulted in no number");
  return (user + system) * 1e3;
}

function each(batch: () => number): number {
  return median(Array.from({ length: BATCHES }, () => took(batch))) / BATCH;
}

function median(samples: readonly number[]): number {
  return [...samples].sort((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;
}
