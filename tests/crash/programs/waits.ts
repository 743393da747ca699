/** Waits: sleeps, messages with and without a timeout, loops over them, approvals. */
import { actor, Loop, type } from "../../../packages/pawl/src/index.ts";
import type { Program } from "../world.ts";

const HOUR = 3_600_000;

interface Marked {
  readonly mark: string;
}

export const sleep: Program = {
  name: "sleep",
  sequential: true,
  make: (watch) => {
    const sleeper = actor("sleeper", {
      state: () => ({ awake: 0 }),
      workflow: async (ctx) => {
        for (const [name, duration] of [
          ["nap", "1s"],
          ["night", "8h"],
          ["no time at all", 0],
        ] as const) {
          await ctx.sleep(name, duration);
          await ctx.step(`after ${name}`, (c) => {
            watch.ran(c, name);
            c.state.awake += 1;
          });
        }
        await ctx.sleepUntil("new year", new Date(Date.UTC(2001, 0, 1)));
        return "rested";
      },
    });
    return {
      versions: [sleeper],
      scenario: async (t) => {
        await t.create();
        await t.end();
      },
    };
  },
};

export const messages: Program = {
  name: "queue.next with and without a timeout",
  make: (watch) => {
    const desk = actor("desk", {
      messages: { letter: type<Marked>(), parcel: type<Marked>() },
      state: () => ({ seen: [] as string[] }),
      workflow: async (ctx) => {
        const first = await ctx.queue.next("letter");
        const early = await ctx.queue.next("early", { names: ["parcel"], timeout: "1h" });
        const late = await ctx.queue.next("late", { names: ["letter", "parcel"], timeout: "1h" });
        const missed = await ctx.queue.next("missed", { names: ["parcel"], timeout: "1h" });
        const last = await ctx.queue.next("last", { names: ["letter", "parcel"] });
        await ctx.step("note", (c) => {
          watch.ran(c, "note");
          for (const message of [first, early, late, missed, last]) c.state.seen.push(message?.body.mark ?? "nothing");
        });
        return [first, early, late, missed, last].map((message) => message?.name);
      },
    });
    return {
      versions: [desk],
      scenario: async (t) => {
        await t.create();
        await t.send("letter", { mark: "m-first" });
        await t.at(HOUR / 2);
        await t.send("parcel", { mark: "m-early" });
        await t.send("letter", { mark: "m-late" });
        await t.at(2 * HOUR);
        await t.send("letter", { mark: "m-last" });
        await t.end();
      },
    };
  },
};

/** A loop that carries a state, takes messages, changes the actor's state, and ends by a message. */
export const loop: Program = {
  name: "a loop with state and messages",
  make: (watch) => {
    const till = actor("till", {
      messages: { pay: type<Marked & { amount: number }>(), shut: type<Marked>() },
      state: () => ({ sum: 0, paid: [] as string[] }),
      workflow: async (ctx) => {
        return ctx.loop({
          name: "payments",
          state: { round: 0, text: "" },
          keep: 2,
          run: async (ctx, { round, text }) => {
            const message = await ctx.queue.next("next", { names: ["pay", "shut"] });
            if (message.name === "shut") return Loop.break({ round, text });
            await ctx.step("count", async (c) => {
              watch.ran(c, `count ${round}`);
              c.state.sum += message.body.amount;
              c.state.paid.push(message.body.mark);
              await null;
            });
            if (round % 2 === 1) await ctx.sleep("pause", "1s");
            return Loop.continue({ round: round + 1, text: `${text}${message.body.mark};` });
          },
        });
      },
    });
    return {
      versions: [till],
      scenario: async (t) => {
        await t.create();
        for (let i = 0; i < 4; i++) await t.send("pay", { mark: `m-pay-${i}`, amount: i + 1 });
        await t.at(HOUR);
        await t.send("pay", { mark: "m-pay-4", amount: 100 });
        await t.at(2 * HOUR);
        await t.send("shut", { mark: "m-shut" });
        await t.end();
      },
    };
  },
};

/** Loops in loops, without messages: scopes that open and close. */
export const nested: Program = {
  name: "loops within loops",
  sequential: true,
  make: (watch) => {
    const table = actor("table", {
      state: () => ({ cells: {} as Record<string, number> }),
      workflow: async (ctx) => {
        return ctx.loop({
          name: "rows",
          state: 0,
          run: async (ctx, row) => {
            const width = await ctx.loop({
              name: "columns",
              state: 0,
              keep: 1,
              run: async (ctx, column) => {
                await ctx.step("fill", (c) => {
                  watch.ran(c, `${row}/${column}`);
                  c.state.cells[`${row}/${column}`] = row * 10 + column;
                });
                return column < row ? Loop.continue(column + 1) : Loop.break(column + 1);
              },
            });
            let round = 0;
            await ctx.loop("twice", async () => (++round < 2 ? undefined : Loop.break()));
            return row < 2 ? Loop.continue(row + 1) : Loop.break(width);
          },
        });
      },
    });
    return {
      versions: [table],
      scenario: async (t) => {
        await t.create();
        await t.end();
      },
    };
  },
};

/** What people write: an order that asks for approval, reminds, charges, and ships. */
export const approvals: Program = {
  name: "an order that waits for approvals",
  make: (watch) => {
    const order = actor("order", {
      input: type<{ items: string[] }>(),
      messages: { approve: type<Marked & { by: string; yes: boolean }>() },
      state: (input) => ({ items: input.items, status: "new", approvals: [] as string[], reminders: 0 }),
      actions: {
        add: (c, item: string) => {
          if (!c.state.items.includes(item)) c.state.items.push(item);
          return c.state.items.length;
        },
      },
      workflow: async (ctx, input) => {
        const approved = await ctx.loop({
          name: "approvals",
          state: [] as string[],
          run: async (ctx, by) => {
            const approval = await ctx.queue.next("approve", { timeout: "1d" });
            if (approval === undefined) {
              await ctx.step("remind", (c) => {
                watch.ran(c, `remind ${c.state.reminders}`);
                c.state.reminders += 1;
              });
              return Loop.continue(by);
            }
            if (!approval.body.yes) return Loop.break([]);
            await ctx.step("sign", (c) => {
              watch.ran(c, `sign ${approval.body.by}`);
              c.state.approvals.push(approval.body.mark);
            });
            return by.length === 1 ? Loop.break([...by, approval.body.by]) : Loop.continue([...by, approval.body.by]);
          },
        });
        if (approved.length === 0) return "refused";
        await ctx.step({
          name: "charge",
          retryBackoffBase: "1m",
          retryBackoffMax: "5m",
          run: async (c) => {
            watch.ran(c, "charge");
            await null;
            c.state.status = "charging";
            if (c.attempt === 1) throw new Error("the card service is away");
            c.state.status = "paid";
          },
        });
        await ctx.sleep("packing", "2h");
        return ctx.step("ship", (c) => {
          watch.ran(c, "ship");
          c.state.status = "shipped";
          return `${input.items.length} of ${c.state.items.length} for ${approved.join(" and ")}`;
        });
      },
    });
    return {
      versions: [order],
      scenario: async (t) => {
        await t.create({ items: ["pawl"] });
        await t.once("add ratchet", () => t.handle(order).actions.add("ratchet"));
        await t.at(30 * HOUR);
        await t.send("approve", { mark: "m-ann", by: "ann", yes: true });
        await t.at(31 * HOUR);
        await t.once("add spring", () => t.handle(order).actions.add("spring"));
        await t.send("approve", { mark: "m-bob", by: "bob", yes: true });
        await t.end();
      },
    };
  },
};
