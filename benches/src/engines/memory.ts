/** A2M: what a long loop leaves in memory. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { actor, createRuntime, Loop, type } from "pawl";

/** What the process held at one moment, after a collection of its garbage. In bytes. */
export interface Held {
  /** JavaScript's heap, and what it knows of outside of it. */
  readonly heap: number;
  /** All that the system counts for the process: the engine's own memory, too. */
  readonly resident: number;
}

export interface MemoryBench {
  /**
   * One workflow that is a loop of `rounds` iterations with one trivial step each; looked at `samples` times, evenly apart.
   * `memory`: the store itself keeps every change. `sqlite`: in a file, where there is one in memory, so that no disk is timed.
   */
  loopMemory(store: "memory" | "sqlite", rounds: number, samples: number): Promise<readonly Held[]>;
}

/** By key of the actor: called after each iteration. */
const looks = new Map<string, (round: number) => void>();

const loop = actor("loop", {
  input: type<{ rounds: number }>(),
  workflow: (ctx, input) =>
    ctx.loop({
      name: "loop",
      state: { round: 0 },
      run: async (ctx, { round }) => {
        const next = await ctx.step("step", async () => round + 1);
        looks.get(ctx.key)?.(next);
        return next === input.rounds ? Loop.break(next) : Loop.continue({ round: next });
      },
    }),
});

export const memory: MemoryBench = {
  async loopMemory(store, rounds, samples) {
    if (store === "memory") return look("memory:", rounds, samples);
    const folder = await mkdtemp(join(existsSync(SHARED) ? SHARED : tmpdir(), "pawl-bench-"));
    try {
      return await look(`sqlite:${join(folder, "bench.db")}`, rounds, samples);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** A file system in memory, on Linux. */
const SHARED = "/dev/shm";

async function look(store: string, rounds: number, samples: number): Promise<Held[]> {
  const held: Held[] = [];
  const every = Math.floor(rounds / samples);
  looks.set("w", (round) => {
    if (round % every === 0) held.push(now());
  });
  await using runtime = createRuntime({ actors: [loop], store });
  const result = await (await runtime.create(loop, "w", { rounds })).result();
  if (result !== rounds) throw new Error(`a bench resulted in ${String(result)} instead of ${rounds}`);
  return held;
}

function now(): Held {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}
