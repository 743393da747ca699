/** Undoing: of runs that fail, that say no, and that are cancelled; and messages that are answered. */
import {
  type AttemptContext,
  actor,
  ask,
  Loop,
  type NoConnectionState,
  RollbackError,
  type,
  type WorkflowContext,
} from "../../../packages/pawl/src/index.ts";
import type { Watch } from "../watch.ts";
import type { Driver, Program } from "../world.ts";

interface Marked {
  readonly mark: string;
}

interface Ledger {
  /** What is undone, newest first: the order is part of what must not change. */
  undone: string[];
  balance: number;
}

interface LedgerTypes {
  input: void;
  given: void;
  state: Ledger;
  vars: undefined;
  messages: typeof messages;
  events: object;
  dialled: void;
  params: void;
  connection: NoConnectionState;
}

const messages = { go: type<Marked>(), question: ask(type<Marked>(), type<string>()) };
const ledger = (): Ledger => ({ undone: [], balance: 0 });

type Ctx = WorkflowContext<LedgerTypes>;

/** A step that adds 1, and whose handler takes it away; the handler fails the first time. */
function entry(ctx: Ctx, watch: Watch, name: string, label = name): Promise<string> {
  return ctx.step({
    name,
    run: (c) => {
      watch.ran(c, label);
      c.state.balance += 1;
      return label;
    },
    retryBackoffBase: "1s",
    rollback: (c: AttemptContext<LedgerTypes>, output) => {
      watch.ran(c, `undo ${output}`);
      c.state.balance -= 1;
      c.state.undone.push(output);
      if (c.attempt === 1) throw new Error("not at once");
    },
  });
}

/** Steps that are undone wherever they stand. Each comes after the one before it, so that their order is known. */
async function everywhere(ctx: Ctx, watch: Watch): Promise<void> {
  await entry(ctx, watch, "first");
  await ctx.loop({
    name: "rounds",
    state: 0,
    keep: 1,
    run: async (ctx, round) => {
      await entry(ctx, watch, "entry", `round ${round}`);
      return round === 2 ? Loop.break() : Loop.continue(round + 1);
    },
  });
  await ctx.race("race", {
    loser: async (ctx) => {
      await entry(ctx, watch, "entry", "loser");
      await ctx.sleep("for long", "1d");
    },
    winner: async (ctx) => {
      await ctx.sleep("a little", "1m");
      await entry(ctx, watch, "entry", "winner");
    },
  });
  await ctx.try("block", async (ctx) => {
    await entry(ctx, watch, "entry", "in block");
    throw new RollbackError("caught");
  });
  await ctx.map("items", ["x", "y"], (ctx, item) => entry(ctx, watch, "entry", item), { concurrency: 1 });
  await ctx.tryStep({
    name: "in doubt",
    maxRetries: 0,
    run: (c) => {
      watch.ran(c, "in doubt");
      throw new Error("the line is dead");
    },
    rollbackAttempted: (c) => {
      watch.ran(c, "undo in doubt");
      c.state.undone.push("in doubt");
    },
  });
}

/** Fails after all that. */
export const undone: Program = {
  name: "a run that fails and is undone",
  make: (watch) => {
    const saga = actor("saga", {
      messages,
      state: ledger,
      workflow: async (ctx) => {
        await everywhere(ctx, watch);
        throw new RangeError("too far");
      },
    });
    return { versions: [saga], scenario: createAndEnd };
  },
};

/** Says no after all that. */
export const undoneByOutput: Program = {
  name: "a run that is undone with ctx.rollback",
  make: (watch) => {
    const saga = actor("saga", {
      messages,
      state: ledger,
      workflow: async (ctx) => {
        await everywhere(ctx, watch);
        return ctx.rollback({ answer: "no" });
      },
    });
    return { versions: [saga], scenario: createAndEnd };
  },
};

async function createAndEnd(t: Driver): Promise<void> {
  await t.create();
  await t.end();
}

/** Cancelled while it waits after all that. */
export const cancelled: Program = {
  name: "a run that is cancelled and undone",
  make: (watch) => {
    const saga = actor("saga", {
      messages,
      state: ledger,
      workflow: async (ctx) => {
        await everywhere(ctx, watch);
        await ctx.queue.next("go");
      },
    });
    return {
      versions: [saga],
      scenario: async (t) => {
        await t.create();
        await t.at(3_600_000);
        // It is being undone, or has been: the first call was heard.
        const again = (error: { readonly code?: string }) => {
          if (error.code !== "bad_argument") throw error;
        };
        await t.once("cancel", () => t.handle(saga).cancel({ reason: "enough" }).catch(again));
        await t.end();
      },
    };
  },
};

/** Answers messages: some at once, some after a step, in batches and in branches. */
export const answers: Program = {
  name: "messages that are answered",
  make: (watch) => {
    const oracle = actor("oracle", {
      messages,
      state: ledger,
      workflow: async (ctx) => {
        const first = await ctx.queue.next("question");
        await first.complete(`at once: ${first.body.mark}`);
        const second = await ctx.queue.next("again", { names: ["question"] });
        await ctx.step("think", (c) => {
          watch.ran(c, "think");
          c.state.undone.push(second.body.mark);
        });
        await second.complete(`after a step: ${second.body.mark}`);
        await ctx.sleep("nap", "1h");
        const rest = await ctx.queue.nextBatch("rest", { names: ["question", "go"], count: 10 });
        for (const message of rest)
          if (message.name === "question") await message.complete(`in a batch: ${message.body.mark}`);
        return rest.map(({ body }) => body.mark);
      },
    });
    return {
      versions: [oracle],
      scenario: async (t) => {
        const question = (mark: string, how: string) =>
          t.once(
            `ask ${mark}`,
            async () => {
              const answer = await t.handle(oracle).ask("question", { mark });
              if (answer !== `${how}: ${mark}`) throw new Error(`${mark} was answered with ${answer}`);
            },
            () => t.records(mark),
          );
        await t.create();
        await question("q-one", "at once");
        await question("q-two", "after a step");
        await t.at(60_000);
        await t.send("question", { mark: "q-three" });
        await t.send("go", { mark: "q-four" });
        await t.send("question", { mark: "q-five" });
        await t.end();
      },
    };
  },
};
