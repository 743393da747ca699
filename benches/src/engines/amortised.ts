/** B7: what many steps on a state write, compactions included. */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { actor, createRuntime, Loop, type } from "pawl";
import { setField, shelfOf, thingsIn } from "./things.ts";
import { bytesWritten, databaseIn, inNewFolder, sizeOf } from "./written.ts";

/** Bytes. */
export interface Amortised {
  /** Handed to `write` for each step, from the first one to the closing of the store; none where the kernel does not count them. */
  readonly written: number | undefined;
  /** The closed file with no steps, and with all of them. */
  readonly empty: number;
  readonly full: number;
}

export interface AmortisedBench {
  /** Loops of `steps` steps that set one field of a state of `bytes` bytes of JSON each, on SQLite in a file system in memory. */
  amortised(bytes: number, steps: number): Promise<Amortised>;
}

const LIMITS = { valueBytes: 256 << 20 };
/** A file system in memory, on Linux. */
const SHARED = "/dev/shm";

interface Steps {
  readonly items: number;
  readonly steps: number;
}

let written: number | undefined;

const things = actor("things", {
  input: type<Steps>(),
  state: ({ items }) => shelfOf(items),
  workflow: (ctx, { items, steps }) =>
    ctx.loop({
      name: "loop",
      state: { round: 0 },
      run: async (ctx, { round }) => {
        if (round === steps) return Loop.break(round);
        await ctx.step("step", async (c) => setField(c.state, items, round));
        if (round === 0) written = bytesWritten();
        return Loop.continue({ round: round + 1 });
      },
    }),
});

export const amortised: AmortisedBench = {
  amortised(bytes, steps) {
    const items = thingsIn(bytes);
    return inNewFolder(
      async (folder) => {
        const empty = await run(folder, "empty", { items, steps: 0 });
        const full = await run(folder, "full", { items, steps });
        const [before, after] = [written, bytesWritten()];
        const isCounted = before !== undefined && after !== undefined;
        return { written: isCounted ? (after - before) / steps : undefined, empty, full };
      },
      existsSync(SHARED) ? SHARED : tmpdir(),
    );
  },
};

/** The bytes of the closed file. */
async function run(folder: string, name: string, input: Steps): Promise<number> {
  const database = databaseIn(folder, name);
  {
    await using runtime = createRuntime({ actors: [things], store: database.url, limits: LIMITS });
    await (await runtime.create(things, name, input)).result();
  }
  return sizeOf(database.folder);
}
