/** Small workflows that leave every kind of record behind, to be run by the other engine. */
import { CriticalError, Loop, type WorkflowContextInterface, type WorkflowFunction } from "@rivetkit/workflow-engine";

export interface Program {
  readonly name: string;
  readonly run: WorkflowFunction<unknown, unknown>;
  /** Messages that are in the queue before the first run. */
  readonly messages?: readonly string[];
  /** Runs, each from what the one before has stored. */
  readonly runs?: number;
}

const DAY = 86_400_000;
const two = async (ctx: WorkflowContextInterface): Promise<number> => {
  const one = await ctx.step("one", async () => 1);
  return one + (await ctx.step("two", async () => 1));
};

export const PROGRAMS: readonly Program[] = [
  { name: "nothing", run: async () => undefined },
  { name: "two steps", run: two, runs: 2 },
  { name: "a void step and a void output", run: (ctx) => ctx.step("void", async () => {}) },
  {
    name: "values of all kinds",
    run: (ctx) =>
      ctx.step("values", async () => ({
        nothing: [null, undefined, Number.NaN, 1.5, 2 ** 40],
        text: "é\u{1f600}",
        big: 12n ** 30n,
        when: new Date(1_234_567),
        map: new Map<unknown, unknown>([["a", { b: 1 }]]),
        set: new Set([1, "2"]),
        bytes: Uint8Array.of(1, 2),
        floats: Float64Array.of(1.5),
        pattern: /a/gi,
      })),
  },
  {
    name: "a loop, pruned",
    run: (ctx) =>
      ctx.loop({
        name: "loop",
        state: { n: 0 },
        historyPruneInterval: 3,
        run: async (ctx, state) => {
          await ctx.step("body", async () => state.n);
          return state.n === 7 ? Loop.break("done") : Loop.continue({ n: state.n + 1 });
        },
      }),
  },
  {
    name: "loops in a loop, asleep",
    run: (ctx) =>
      ctx.loop({
        name: "outer",
        state: 0,
        run: async (ctx, outer) => {
          await ctx.loop({
            name: "inner",
            state: 0,
            run: async (ctx, inner) => {
              await ctx.step("body", async () => inner);
              return inner === 1 ? Loop.break(inner) : Loop.continue(inner + 1);
            },
          });
          if (outer === 1) await ctx.sleep("pause", DAY);
          return Loop.continue(outer + 1);
        },
      }),
  },
  { name: "a long sleep", run: (ctx) => ctx.sleep("sleep", DAY), runs: 2 },
  { name: "a short sleep", run: (ctx) => ctx.sleep("sleep", 1) },
  { name: "a message", run: (ctx) => ctx.queue.next("wait", { names: ["mail"] }), messages: ["mail", "mail"], runs: 2 },
  {
    name: "messages in a batch, with a timeout",
    run: async (ctx) => {
      const some = await ctx.queue.nextBatch("some", { names: ["mail"], count: 5, timeout: DAY });
      const none = await ctx.queue.nextBatch("none", { names: ["mail"], timeout: 0 });
      return [some.length, none.length];
    },
    messages: ["mail", "other", "mail"],
  },
  { name: "waiting for a message", run: (ctx) => ctx.queue.next("wait", { names: ["mail"], timeout: DAY }) },
  {
    name: "a join",
    run: (ctx) => ctx.join("join", { a: { run: two }, b: { run: async () => "b" }, c: { run: async () => undefined } }),
    runs: 2,
  },
  {
    name: "a join of which a branch fails and one sleeps",
    run: (ctx) =>
      ctx.join("join", {
        bad: { run: (ctx) => ctx.step({ name: "bad", run: () => Promise.reject(new CriticalError("no")) }) },
        slow: { run: (ctx) => ctx.sleep("slow", DAY) },
      }),
  },
  {
    name: "a race",
    run: (ctx) =>
      ctx.race("race", [
        { name: "fast", run: two },
        { name: "slow", run: (ctx) => ctx.step("slow", () => new Promise((resolve) => setTimeout(resolve, 20, 1))) },
      ]),
    runs: 2,
  },
  {
    name: "a try with a failure",
    run: async (ctx) => {
      const tried = await ctx.tryStep({ name: "bad", run: () => Promise.reject(new CriticalError("no")) });
      const block = await ctx.try("block", two);
      return [tried.ok, block.ok];
    },
  },
  { name: "a step that is tried again", run: (ctx) => ctx.step("bad", () => Promise.reject(new TypeError("no"))) },
  {
    name: "a failure, undone",
    run: async (ctx) => {
      await ctx.rollbackCheckpoint("checkpoint");
      await ctx.step({ name: "done", run: async () => 1, rollback: async () => {} });
      await ctx.step({ name: "bad", maxRetries: 0, run: () => Promise.reject(new Error("no")) });
    },
  },
  {
    name: "a failure with properties",
    run: () => Promise.reject(Object.assign(new RangeError("no"), { code: 5, why: null, more: {} })),
  },
  {
    name: "a removed step and a version",
    run: async (ctx) => {
      await ctx.removed("old", "step");
      return ctx.getVersion("gate", 2);
    },
  },
  {
    name: "many names",
    run: async (ctx) => {
      for (let i = 0; i < 300; i++) await ctx.step({ name: `step ${i}`, ephemeral: true, run: async () => i });
    },
  },
];
