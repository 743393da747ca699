/** Steps: plain ones, ones that fail, ones whose failure is caught, big and exotic outputs. */
import { actor, CriticalError, PawlError, raw, type } from "../../../packages/pawl/src/index.ts";
import type { Program } from "../world.ts";

/** Five steps and nothing else; the smallest program with a history. */
export const plain: Program = {
  name: "plain steps",
  sequential: true,
  make: (watch) => {
    const sum = actor("sum", {
      input: type<{ from: number }>(),
      workflow: async (ctx, input) => {
        let total = input.from;
        for (const name of ["a", "b", "c", "d", "e"]) {
          total += await ctx.step(name, async (c) => {
            watch.ran(c, name);
            await null;
            return name.charCodeAt(0);
          });
        }
        await ctx.step("returns nothing", (c) => watch.ran(c, "returns nothing"));
        return { total };
      },
    });
    return {
      versions: [sum],
      scenario: async (t) => {
        await t.create({ from: 7 });
        await t.end();
      },
    };
  },
};

/** Steps that fail and are tried again; one until it is exhausted, which the workflow catches. */
export const retries: Program = {
  name: "failing and retried steps",
  sequential: true,
  make: (watch) => {
    const stubborn = actor("stubborn", {
      state: () => ({ log: [] as string[], attempts: { flaky: 0, hopeless: 0 } }),
      steps: { retryBackoffBase: "1s", retryBackoffMax: "10s" },
      workflow: async (ctx) => {
        const value = await ctx.step("flaky", (c) => {
          watch.ran(c, "flaky");
          c.state.log.push(`attempt ${c.attempt}`);
          c.state.attempts.flaky += 1;
          if (c.attempt < 3) throw new Error(`not the ${c.attempt}. time`);
          return c.attempt;
        });
        const caught: string[] = [];
        try {
          await ctx.step({
            name: "hopeless",
            maxRetries: 2,
            run: (c) => {
              watch.ran(c, "hopeless");
              c.state.attempts.hopeless += 1;
              throw new TypeError("never");
            },
          });
        } catch (error) {
          watch.ended("hopeless");
          caught.push(error instanceof PawlError ? error.code : String(error));
        }
        await ctx.step("after", (c) => {
          watch.ran(c, "after");
          c.state.log.push("after");
        });
        return { value, caught };
      },
    });
    return {
      versions: [stubborn],
      scenario: async (t) => {
        await t.create();
        await t.end();
      },
    };
  },
};

/** Failures that are results: a critical one, a timeout that is not tried again. */
export const caught: Program = {
  name: "tryStep with a caught critical failure",
  sequential: true,
  make: (watch) => {
    const careful = actor("careful", {
      state: () => ({ outcome: "none", tries: 0 }),
      workflow: async (ctx) => {
        const charge = await ctx.tryStep("charge", (c) => {
          watch.ran(c, "charge");
          c.state.tries += 1;
          c.state.outcome = "charged";
          throw new CriticalError("the card was stolen");
        });
        watch.ended("charge");
        const slow = await ctx.tryStep({
          name: "slow",
          timeout: "1m",
          retryOnTimeout: false,
          run: async (c) => {
            watch.ran(c, "slow");
            c.state.tries += 1;
            await new Promise(() => {});
          },
        });
        watch.ended("slow");
        const kinds = [charge, slow].map((tried) => (tried.ok ? "ok" : tried.failure.kind));
        await ctx.step("note", (c) => {
          watch.ran(c, "note");
          c.state.outcome = kinds.join(" and ");
        });
        return { charge: charge.ok ? "charged" : charge.failure.error.message, kinds };
      },
    });
    return {
      versions: [careful],
      scenario: async (t) => {
        await t.create();
        await t.end();
      },
    };
  },
};

/** A workflow that fails for good, after a step that did something. */
export const failing: Program = {
  name: "a workflow that fails",
  sequential: true,
  make: (watch) => {
    const doomed = actor("doomed", {
      state: () => ({ done: [] as string[] }),
      workflow: async (ctx) => {
        await ctx.step("does something", (c) => {
          watch.ran(c, "does something");
          c.state.done.push("something");
        });
        await ctx.step({
          name: "breaks",
          maxRetries: 0,
          run: (c) => {
            watch.ran(c, "breaks");
            c.state.done.push("too much");
            throw new RangeError("out of reach");
          },
        });
      },
    });
    return {
      versions: [doomed],
      scenario: async (t) => {
        await t.create();
        await t.end();
      },
    };
  },
};

/** Outputs and state of hundreds of kilobytes, and values that JSON does not have. */
export const big: Program = {
  name: "big and exotic values",
  sequential: true,
  make: (watch) => {
    const heavy = actor("heavy", {
      state: () => ({ rows: Array.from({ length: 500 }, (_, i) => ({ i, text: "x".repeat(100) })), sum: 0n }),
      workflow: async (ctx) => {
        const text = await ctx.step("text", (c) => {
          watch.ran(c, "text");
          return Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join("");
        });
        const exotic = await ctx.step("exotic", (c) => {
          watch.ran(c, "exotic");
          for (let i = 0; i < 500; i += 50) c.state.rows[i] = { i: -0, text: `\u{1F600}${"y".repeat(1000)}` };
          c.state.rows.splice(100, 3);
          c.state.sum = 2n ** 70n;
          return {
            map: new Map([[1, new Set(["a"])]]),
            at: new Date(5),
            holes: [1, , undefined],
            minus: -0,
            bytes: new Uint8Array(300),
          };
        });
        return { length: text.length, exotic };
      },
    });
    return {
      versions: [heavy],
      scenario: async (t) => {
        await t.create();
        await t.end();
      },
    };
  },
};

/** Steps that change state in every way there is. */
export const state: Program = {
  name: "steps that change state",
  sequential: true,
  make: (watch) => {
    const album = actor("album", {
      input: type<{ title: string }>(),
      state: (input) => ({
        title: input.title as string | undefined,
        tracks: [{ name: "one", plays: 0 }],
        index: {} as Record<string, number>,
        meta: { nested: { deep: [1, 2, 3] } },
      }),
      workflow: async (ctx) => {
        await ctx.step("grow", (c) => {
          watch.ran(c, "grow");
          for (const name of ["two", "three", "four"]) c.state.index[name] = c.state.tracks.push({ name, plays: 0 });
        });
        await ctx.step("change", async (c) => {
          watch.ran(c, "change");
          await null;
          for (const track of c.state.tracks) track.plays += 1;
          c.state.tracks.splice(1, 1);
          c.state.tracks.reverse();
          delete c.state.index["two"];
          c.state.meta.nested.deep[4] = 5;
        });
        await ctx.step("replace", (c) => {
          watch.ran(c, "replace");
          c.state = { ...c.state, title: undefined, tracks: c.state.tracks.filter((track) => track.name !== "four") };
        });
        await ctx.step("only reads", (c) => {
          watch.ran(c, "only reads");
          return c.state.tracks.length;
        });
        return ctx.step("copy", (c) => {
          watch.ran(c, "copy");
          return raw(c.state.tracks);
        });
      },
    });
    return {
      versions: [album],
      scenario: async (t) => {
        await t.create({ title: "first" });
        await t.end();
      },
    };
  },
};
