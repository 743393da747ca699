/** Pawl on `memory:`. A runtime is opened before the clock starts, and is a new one each time. */
import { actor, createRuntime, Loop, type } from "pawl";
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
};

/** Makes the gate of the actor `key`; returns what opens it. */
function gate(key: string): () => void {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  gates.set(key, opened);
  return open;
}
