/** R: going on after a restart, by how much a workflow has behind it. */
import { copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { actor, createRuntime, Loop, type } from "pawl";
import { inNewFolder } from "./written.ts";

/** What it took to go on from disk. */
export interface Resumed {
  /** Milliseconds from `createRuntime` to the result of the workflow, which had one message to wait for. */
  readonly ms: number;
  /** Bytes by which the process has grown meanwhile, as the system counts them. */
  readonly resident: number;
  /** Bytes of the store's file. */
  readonly stored: number;
}

export interface ResumeBench {
  /** Runs a workflow with so many steps, all of them in rounds that are past and branches that have settled, to its last wait. */
  record(folder: string, steps: number): Promise<void>;
  /** Goes on with copies of what was recorded in two folders: with the first twice, so that the code is warm; then with the other. */
  resume(first: string, folder: string): Promise<Resumed>;
}

const FILE = "bench.db";
const BRANCHES = 10;
const KEY = "r";
/** Called when the workflow is about to wait. */
let reached: () => void = () => {};

const rounds = actor("rounds", {
  input: type<{ rounds: number }>(),
  messages: { go: type<void>() },
  workflow: (ctx, input) =>
    ctx.loop({
      name: "rounds",
      state: 0,
      keep: input.rounds + 1,
      run: async (ctx, round) => {
        if (round === input.rounds) {
          reached();
          await ctx.queue.next("go");
          return Loop.break(round);
        }
        await ctx.join(
          "all",
          Object.fromEntries(
            Array.from({ length: BRANCHES }, (_, i) => [`branch-${i}`, (ctx) => ctx.step("step", () => i)]),
          ),
        );
        return Loop.continue(round + 1);
      },
    }),
});

export const resume: ResumeBench = {
  async record(folder, steps) {
    const waits = new Promise<void>((resolve) => {
      reached = resolve;
    });
    await using runtime = createRuntime({ actors: [rounds], store: `sqlite:${join(folder, FILE)}` });
    await runtime.create(rounds, KEY, { rounds: Math.ceil(steps / BRANCHES) });
    await waits;
  },

  async resume(first, folder) {
    await once(first);
    await once(first);
    return once(folder);
  },
};

function once(recorded: string): Promise<Resumed> {
  return inNewFolder(async (folder) => {
    const file = join(folder, FILE);
    await copyFile(join(recorded, FILE), file);
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    const began = performance.now();
    await using runtime = createRuntime({ actors: [rounds], store: `sqlite:${file}` });
    const handle = runtime.get(rounds, KEY);
    await handle.send("go", undefined);
    await handle.result();
    const ms = performance.now() - began;
    const resident = process.memoryUsage().rss - before;
    return { ms, resident, stored: (await stat(join(recorded, FILE))).size };
  });
}
