/** Branches: joins, races, maps, tries in one another and in loops, and code that changes while they run. */
import { actor, CriticalError, Loop, type } from "../../../packages/pawl/src/index.ts";
import type { Program } from "../world.ts";

const HOUR = 3_600_000;

interface Marked {
  readonly mark: string;
}

/** What branches do at the same time is kept by name: which of them comes first may differ from life to life. */
const done = () => ({ done: {} as Record<string, number> });

/** Joins, races and maps that sleep, wait for messages, and stand in loops and in one another. */
export const forks: Program = {
  name: "joins, races and maps",
  make: (watch) => {
    const forker = actor("forker", {
      messages: { letter: type<Marked>() },
      state: done,
      workflow: async (ctx) => {
        const both = await ctx.join("both", {
          naps: async (ctx) => {
            await ctx.step("early", (c) => {
              watch.ran(c, "both early");
              c.state.done["early"] = (c.state.done["early"] ?? 0) + 1;
            });
            await ctx.sleep("nap", "10m");
            return ctx.step("late", (c) => {
              watch.ran(c, "both late");
              c.state.done["late"] = (c.state.done["late"] ?? 0) + 1;
              return "rested";
            });
          },
          maps: (ctx) =>
            ctx.map(
              "items",
              ["a", "b", "c", "d"],
              async (ctx, item, index) => {
                const value = await ctx.step("work", (c) => {
                  watch.ran(c, `item ${item}`);
                  c.state.done[item] = (c.state.done[item] ?? 0) + 1;
                  if (c.attempt === 1 && item === "b") throw new Error("not at once");
                  return `${item}${index}`;
                });
                await ctx.sleep("nap", "1m");
                return value;
              },
              { concurrency: 2 },
            ),
        });
        const won = await ctx.loop({
          name: "rounds",
          state: [] as string[],
          run: async (ctx, won) => {
            const { winner, value } = await ctx.race("first", {
              letter: async (ctx) => (await ctx.queue.next("letter")).body.mark,
              timer: async (ctx) => {
                await ctx.sleep("patience", "1h");
                await ctx.step("waited", (c) => {
                  watch.ran(c, `waited ${won.length}`);
                  c.state.done["waited"] = (c.state.done["waited"] ?? 0) + 1;
                });
                return "nothing";
              },
            });
            const next = [...won, `${winner}: ${value}`];
            return next.length === 3 ? Loop.break(next) : Loop.continue(next);
          },
        });
        return { both, won };
      },
    });
    return {
      versions: [forker],
      scenario: async (t) => {
        await t.create();
        await t.at(HOUR / 2);
        await t.send("letter", { mark: "m-one" });
        await t.at(3 * HOUR);
        await t.send("letter", { mark: "m-two" });
        await t.end();
      },
    };
  },
};

/** Branches that fail: caught by try blocks, settled by maps, and at last by nobody. */
export const failures: Program = {
  name: "branches that fail",
  make: (watch) => {
    const faulty = actor("faulty", {
      state: done,
      workflow: async (ctx) => {
        const block = await ctx.try("block", (ctx) =>
          ctx.join("both", {
            fine: (ctx) =>
              ctx.step("fine", (c) => {
                watch.ran(c, "fine");
                c.state.done["fine"] = (c.state.done["fine"] ?? 0) + 1;
                return 1n;
              }),
            critical: (ctx) =>
              ctx.step("critical", (c) => {
                watch.ran(c, "critical");
                c.state.done["critical"] = 1;
                throw new CriticalError("never");
              }),
          }),
        );
        const settled = await ctx.mapSettled("settled", [0, 1, 2], (ctx, item) =>
          ctx.step({
            name: "work",
            maxRetries: item,
            retryBackoffBase: "1s",
            run: (c) => {
              watch.ran(c, `settled ${item}`);
              if (c.attempt <= 2) throw new RangeError(`attempt ${c.attempt} of ${item}`);
              return item;
            },
          }),
        );
        const kinds = [block, ...settled].map((tried) => (tried.ok ? "ok" : tried.failure.kind));
        await ctx.step("note", (c) => {
          watch.ran(c, "note");
          for (const kind of kinds) c.state.done[kind] = (c.state.done[kind] ?? 0) + 1;
        });
        return ctx.race("nobody", {
          one: async () => {
            throw new TypeError("one");
          },
          other: (ctx) => ctx.sleep("nap", "1s").then(() => Promise.reject(new TypeError("other"))),
        });
      },
    });
    return {
      versions: [faulty],
      scenario: async (t) => {
        await t.create();
        await t.end();
      },
    };
  },
};

/** Ephemeral steps beside durable ones, alone and in branches. */
export const ephemeral: Program = {
  name: "ephemeral steps in branches",
  make: (watch) => {
    const brief = actor("brief", {
      state: done,
      workflow: async (ctx) => {
        await ctx.step({
          name: "before",
          ephemeral: true,
          run: (c) => {
            watch.ran(c, "before");
            c.state.done["before"] = (c.state.done["before"] ?? 0) + 1;
          },
        });
        const sums = await ctx.map("m", [1, 2, 3], async (ctx, item) => {
          const brief = await ctx.step({
            name: "brief",
            ephemeral: true,
            run: (c) => {
              watch.ran(c, `brief ${item}`);
              c.state.done[`brief ${item}`] = (c.state.done[`brief ${item}`] ?? 0) + 1;
              return item;
            },
          });
          await ctx.sleep("nap", "1s");
          return ctx.step("kept", (c) => {
            watch.ran(c, `kept ${item}`);
            return brief + (c.state.done["before"] ?? 0);
          });
        });
        await ctx.step({ name: "after", ephemeral: true, run: (c) => watch.ran(c, "after") });
        return sums;
      },
    });
    return {
      versions: [brief],
      scenario: async (t) => {
        await t.create();
        await t.end();
      },
    };
  },
};

/** Code that changes behind versions while branches wait. */
export const redeployed: Program = {
  name: "new code while branches wait",
  make: (watch) => {
    const messages = { go: type<Marked>() };
    const step = (name: string) => ({
      name,
      run: (c: Parameters<typeof watch.ran>[0] & { state: ReturnType<typeof done> }) => {
        watch.ran(c, name);
        c.state.done[name] = (c.state.done[name] ?? 0) + 1;
      },
    });
    const one = actor("changing", {
      messages,
      state: done,
      workflow: async (ctx) => {
        await ctx.join("both", {
          a: async (ctx) => {
            await ctx.step(step("old"));
            return (await ctx.queue.next("go")).body.mark;
          },
          b: async (ctx) => {
            await ctx.step(step("b"));
          },
        });
      },
    });
    const two = actor("changing", {
      messages,
      state: done,
      workflow: async (ctx) => {
        const version = await ctx.getVersion("checks", 2);
        if (version >= 2) await ctx.step(step("never"));
        const both = await ctx.join("both", {
          a: async (ctx) => {
            await ctx.removed("old", "step");
            await ctx.step(step("instead"));
            const { body } = await ctx.queue.next("go");
            return [body.mark, await ctx.getVersion("in a", 7)];
          },
          b: async (ctx) => {
            await ctx.step(step("b"));
          },
        });
        return { version, both };
      },
    });
    return {
      versions: [one, two],
      scenario: async (t) => {
        if (t.version === 0) {
          await t.create();
          await t.at(1_000);
          await t.deploy(1);
        }
        await t.at(2_000);
        await t.send("go", { mark: "m-go" });
        await t.end();
      },
    };
  },
};
