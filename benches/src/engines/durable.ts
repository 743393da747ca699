/** Pawl on SQLite, each commit synced. What the parts of a step cost is told apart. */
import { join } from "node:path";
import { actor, createRuntime, type } from "pawl";
import { atOnce, type Rate } from "./at-once.ts";
import { countCrossings, crossed, emptyTurn, timeTurns, transactions } from "./boundary.ts";
import { timed } from "./engine.ts";
import { type Computed, computed, since, withThreadClock } from "./threads.ts";
import { inNewFolder } from "./written.ts";

export interface DurableSteps {
  /** Milliseconds from the creation of the workflow to its result. */
  readonly ms: number;
  /** For each step: calls of the engine. */
  readonly crossings: number;
  /** For each step: transactions, one sync each. */
  readonly transactions: number;
}

/** One of many workflows, in microseconds of processor time. */
export interface DurableParts extends Rate {
  /** JavaScript's thread outside of the engine. */
  readonly javascript: number;
  /** Going into the engine and out of it. */
  readonly boundary: number;
  /** What the engine does on JavaScript's thread. */
  readonly core: number;
  /** The thread that writes SQLite. */
  readonly sqlite: number;
  /** The threads of V8 and libuv. */
  readonly others: number;
}

export interface DurableBench {
  /** A1 durable: one workflow of so many trivial steps, in a new file of the folder `parent`; of none, in memory. */
  steps(parent: string | undefined, count: number): Promise<DurableSteps>;
  /** A5: so many workflows of 3 steps, `width` at once, after a fifth as many to warm up. */
  many(parent: string, count: number, width: number): Promise<DurableParts>;
}

const WARM_UP = 100;
const EMPTY_TURNS = 20_000;

const steps = actor("steps", {
  input: type<{ steps: number }>(),
  workflow: async (ctx, input) => {
    for (let i = 0; i < input.steps; i++) await ctx.step(`step-${i}`, async () => i);
    return input.steps;
  },
});

export const order = actor("order", {
  workflow: async (ctx) => {
    const one = await ctx.step("one", () => 1);
    const two = await ctx.step("two", () => one + 1);
    return ctx.step("three", () => two + 1);
  },
});

const counted = countCrossings();

export const durable: DurableBench = {
  steps: (parent, count) =>
    inNewFolder(async (folder) => {
      await counted;
      const store = parent === undefined ? "memory:" : `sqlite:${join(folder, "bench.db")}`;
      await using runtime = createRuntime({ actors: [steps], store });
      await runtime.start();
      const run = (key: string, count: number) =>
        timed(async () => (await runtime.create(steps, key, { steps: count })).result(), count);
      await run("warm-up", WARM_UP);
      const [calls, written] = [crossed().calls, transactions()];
      const ms = await run("w", count);
      return { ms, crossings: (crossed().calls - calls) / count, transactions: (transactions() - written) / count };
    }, parent),

  many: (parent, count, width) =>
    inNewFolder(async (folder) => {
      await counted;
      await using runtime = createRuntime({
        actors: [order],
        store: `sqlite:${join(folder, "bench.db")}`,
        idleAfter: 1_000,
      });
      await runtime.start();
      const run = async (n: number) => (await runtime.create(order, `o${n}`)).result();
      const warm = Math.ceil(count / 5);
      await atOnce(0, warm, width, run);
      return await withThreadClock(async (clock) => {
        timeTurns(clock);
        const [crossing, before] = [crossed(), computed()];
        const found = await atOnce(warm, count, width, run);
        const [threads, now] = [since(before), crossed()];
        timeTurns(undefined);
        const turns = ((now.calls - crossing.calls) * emptyTurn(EMPTY_TURNS)) / 1_000;
        return { ...found, ...parts(threads, now.us - crossing.us, turns, count) };
      });
    }, parent),
};

/** All in microseconds: of the threads, within the engine on JavaScript's, and of as many turns with nothing to say. */
function parts({ main, writer, others }: Computed, within: number, turns: number, count: number) {
  const boundary = Math.min(turns, within);
  return {
    javascript: Math.max(0, main - within) / count,
    boundary: boundary / count,
    core: (within - boundary) / count,
    sqlite: writer / count,
    others: others / count,
  };
}
