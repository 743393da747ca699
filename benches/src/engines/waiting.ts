/** A3W: what it takes to wake a run that waits in memory, by how much it has behind it. */
import { actor, createRuntime, Loop, type } from "pawl";
import { median } from "../series.ts";

export interface WaitingBench {
  /** Microseconds, at the median of `wakes`, from the call of `send` until the code of a run that has completed so many steps goes on. */
  wake(steps: readonly number[], wakes: number): Promise<number[]>;
}

/** By actor: told when its code goes on. */
const woken = new Map<string, () => void>();

const waits = actor("waits", {
  input: type<{ steps: number }>(),
  messages: { go: type<void>() },
  workflow: async (ctx, input) => {
    for (let i = 0; i < input.steps; i++) await ctx.step(`step-${i}`, async () => i);
    await ctx.loop("wakes", async (ctx) => {
      woken.get(ctx.key)?.();
      await ctx.queue.next("go");
      return Loop.continue();
    });
  },
});

export const waiting: WaitingBench = {
  async wake(steps, wakes) {
    await using runtime = createRuntime({ actors: [waits], store: "memory:" });
    await runtime.start();
    const runs = [];
    for (const count of steps) {
      const key = `${count}`;
      const reached = goingOn(key);
      const handle = await runtime.create(waits, key, { steps: count });
      await reached;
      runs.push({ key, handle, times: [] as number[] });
    }
    // In turn, one wake each: what the machine does meanwhile falls on all of them.
    for (let wake = 0; wake < wakes * 2; wake++)
      for (const { key, handle, times } of runs) {
        const goesOn = goingOn(key);
        const began = performance.now();
        const sent = handle.send("go", undefined);
        await goesOn;
        const took = (performance.now() - began) * 1_000;
        await sent;
        // The first half warms up.
        if (wake >= wakes) times.push(took);
      }
    return runs.map(({ times }) => median(times));
  },
};

function goingOn(key: string): Promise<void> {
  return new Promise((resolve) => woken.set(key, resolve));
}
