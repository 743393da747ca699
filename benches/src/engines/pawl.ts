/** Pawl on `memory:`. A runtime is opened before the clock starts, and is a new one each time. */
import { actor, createRuntime, Loop, type RuntimeOptions, type Types, type, type WorkflowContext } from "pawl";
import { type Engine, timed, warmUp } from "./engine.ts";

const steps = actor("steps", {
  input: type<{ steps: number }>(),
  workflow: async (ctx, input) => {
    for (let i = 0; i < input.steps; i++) await ctx.step(`step-${i}`, async () => i);
    return input.steps;
  },
});

const loop = actor("loop", {
  input: type<{ rounds: number }>(),
  workflow: (ctx, input) =>
    ctx.loop({
      name: "loop",
      state: { round: 0 },
      run: async (ctx, { round }) => {
        const next = await ctx.step("step", async () => round + 1);
        return next === input.rounds ? Loop.break(next) : Loop.continue({ round: next });
      },
    }),
});

/** Opened when the inbox is full: its consumer waits in a step, so that sending and taking do not overlap. */
const gates = new Map<string, Promise<void>>();

const queue = actor("queue", {
  input: type<{ messages: number }>(),
  messages: { job: type<{ n: number }>() },
  workflow: async (ctx, input) => {
    await ctx.step("gate", async () => gates.get(ctx.key));
    return ctx.loop({
      name: "loop",
      state: { taken: 0 },
      run: async (ctx, { taken }) => {
        const { body } = await ctx.queue.next("job");
        if (body.n !== taken) throw new Error(`message ${body.n} came as number ${taken}`);
        return taken + 1 === input.messages ? Loop.break(taken + 1) : Loop.continue({ taken: taken + 1 });
      },
    });
  },
});

const resumed = actor("resumed", {
  input: type<{ steps: number }>(),
  messages: { go: type<void>() },
  workflow: async (ctx, input) => {
    for (let i = 0; i < input.steps; i++) await ctx.step(`step-${i}`, async () => i);
    await ctx.queue.next("go");
    return input.steps;
  },
});

const branch = (ctx: WorkflowContext<Types>) => ctx.step("step", async () => 1);

const join = actor("join", {
  input: type<{ branches: number }>(),
  workflow: async (ctx, input) => {
    const names = Array.from({ length: input.branches }, (_, i) => `branch-${i}`);
    const values = await ctx.join("join", Object.fromEntries(names.map((name) => [name, branch])));
    return Object.values(values).reduce((sum, value) => sum + value, 0);
  },
});

/** Of all stores, the newest: each replay has one of its own, which outlives a runtime. */
let stores = 0;

export const pawl: Engine = {
  async sequentialSteps(workflows, count) {
    await using runtime = createRuntime({ actors: [steps], store: "memory:" });
    await runtime.start();
    const run = (key: string, count: number) =>
      timed(async () => (await runtime.create(steps, key, { steps: count })).result(), count);
    await warmUp(run, count, workflows * count);
    let total = 0;
    for (let i = 0; i < workflows; i++) total += await run(`w${i}`, count);
    return total;
  },

  async loop(rounds) {
    await using runtime = createRuntime({ actors: [loop], store: "memory:" });
    await runtime.start();
    const run = (key: string, rounds: number) =>
      timed(async () => (await runtime.create(loop, key, { rounds })).result(), rounds);
    await warmUp(run, rounds, rounds);
    return await run("w", rounds);
  },

  async queue(messages) {
    await using runtime = createRuntime({ actors: [queue], store: "memory:" });
    const run = async (key: string, messages: number) => {
      const open = gate(key);
      const consumer = await runtime.create(queue, key, { messages });
      for (let n = 0; n < messages; n++) await consumer.send("job", { n });
      return timed(() => {
        open();
        return consumer.result();
      }, messages);
    };
    await warmUp(run, messages, messages);
    return await run("w", messages);
  },

  async replay(steps) {
    const run = async (key: string, count: number) => {
      const options = { actors: [resumed], store: `memory:replay-${stores++}` } as const;
      await recorded(options, key, count);
      await using runtime = createRuntime(options);
      await runtime.start();
      const handle = runtime.get(resumed, key);
      const work = async () => {
        await handle.send("go", undefined);
        return handle.result();
      };
      return await timed(work, count);
    };
    await warmUp(run, steps, steps);
    return await run("w", steps);
  },

  async join(branches) {
    await using runtime = createRuntime({ actors: [join], store: "memory:" });
    await runtime.start();
    const run = (key: string, count: number) =>
      timed(async () => (await runtime.create(join, key, { branches: count })).result(), count);
    await warmUp(run, branches, branches);
    return await run("w", branches);
  },
};

/** Runs the steps in a runtime that ends. */
async function recorded(options: RuntimeOptions<readonly [typeof resumed]>, key: string, steps: number): Promise<void> {
  await using runtime = createRuntime(options);
  await runtime.create(resumed, key, { steps });
  while ((await runtime.admin.show("resumed", key)).history.length < steps) await pause();
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

/** Makes the gate of the actor `key`; returns what opens it. */
function gate(key: string): () => void {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  gates.set(key, opened);
  return open;
}
