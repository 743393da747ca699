import { expect, test } from "vitest";
import { type Ctx, crashing, Gates, playing } from "./harness.ts";

/** When the clock of a test runtime starts. */
const START = Date.UTC(2000, 0, 1);
const NAMES = ["a", "b", "c"];
const ORDERS = [
  ["a", "b", "c"],
  ["a", "c", "b"],
  ["b", "a", "c"],
  ["b", "c", "a"],
  ["c", "a", "b"],
  ["c", "b", "a"],
];

/**
 * Branches whose steps end in an order that the world decides; the code's path depends on who came first. None ends before
 * all have come: a branch that has ended is not run again, and what it told the others but did not return is gone.
 */
function racing(gates: Gates, log: (order: readonly string[]) => void) {
  return (ctx: Ctx) => {
    const order: string[] = [];
    log(order);
    return ctx.join(
      "all",
      Object.fromEntries(
        NAMES.map((name) => [
          name,
          async (ctx: Ctx) => {
            await ctx.step("work", () => gates.pass(name));
            const place = order.push(name);
            // Another place would be another step, and so another path than the recorded one.
            await ctx.step(`as number ${place}`, (c) => void c.state.notes.push(`${name} ${place}`));
            await ctx.sleep("until all are there", "1h");
            return place;
          },
        ]),
      ),
    );
  };
}

test.each(ORDERS.map((order) => [order.join(" "), order] as const))(
  "branches that end in the order %s do so in every replay, after a crash at any batch",
  async (_, order) => {
    let gates = new Gates();
    const seen: (readonly string[])[] = [];
    await crashing(
      () => {
        gates = new Gates();
        seen.length = 0;
        return racing(gates, (order) => seen.push(order));
      },
      async (t, handle) => {
        for (const name of order) {
          await t.idle();
          gates.open(name);
        }
        await t.until("job", "1", { sleep: "until all are there" });
        await t.idle();
        await t.crash();
        expect(await t.history("job", "1"), "which loads it").not.toEqual([]);
        await t.idle();
        for (const one of seen.slice(-2)) expect(one).toEqual(order);
        await t.advance("1h");
        expect(await handle.result()).toEqual(Object.fromEntries(order.map((name, i) => [name, i + 1])));
        expect([...(await handle.actions.notes())].sort()).toEqual(order.map((name, i) => `${name} ${i + 1}`).sort());
      },
    );
  },
);

test("the order of messages, timers, failures and steps over branches is the same in every replay", async () => {
  const seen: string[][] = [];
  const flow = async (ctx: Ctx) => {
    const order: string[] = [];
    seen.push(order);
    const stay = (ctx: Ctx) => ctx.sleepUntil("the end", START + 10 * 3_600_000);
    await ctx.join("all", {
      steps: async (ctx) => {
        for (const round of [0, 1, 2, 3]) {
          await ctx.step(`s${round}`, () => round);
          order.push(`step ${round}`);
          await ctx.sleep(`nap ${round}`, "10m");
          order.push(`nap ${round}`);
        }
        await stay(ctx);
      },
      messages: async (ctx) => {
        for (const round of [0, 1, 2, 3]) {
          const message = await ctx.queue.next(`on ${round}`, { names: ["on"], timeout: "13m" });
          order.push(`message ${message?.body}`);
        }
        await stay(ctx);
      },
      failures: async (ctx) => {
        for (const round of [0, 1, 2]) {
          const tried = await ctx.tryStep({
            name: `t${round}`,
            maxRetries: round,
            retryBackoffBase: "7m",
            retryBackoffMax: "7m",
            run: () => Promise.reject(new Error("no")),
          });
          order.push(`tried ${tried.ok ? "ok" : tried.failure.attempts}`);
        }
        await stay(ctx);
      },
      map: async (ctx) => {
        await ctx.map("m", [5, 3, 1], async (ctx, minutes) => {
          await ctx.sleep("nap", `${minutes}m`);
          order.push(`slept ${minutes}`);
          await stay(ctx);
        });
      },
    });
    return order;
  };
  await crashing(
    () => {
      seen.length = 0;
      return flow;
    },
    async (t, handle) => {
      for (const body of ["x", "y"]) {
        await t.advance("4m");
        await handle.send("on", body);
      }
      await t.advance("2h");
      await t.crash();
      expect(await t.history("job", "1"), "which loads it").not.toEqual([]);
      await t.idle();
      const last = seen.at(-1) ?? [];
      expect(seen.length).toBeGreaterThanOrEqual(2);
      expect(last).toHaveLength(18);
      for (const order of seen) expect(order).toEqual(last.slice(0, order.length));
      await t.advance("10h");
      await handle.result();
    },
  );
});

test("facts of the same instant come in the order in which their attempts settled, live and in replay", async () => {
  const orders: string[][] = [];
  const { handle, t, job } = playing((ctx) => {
    const order: string[] = [];
    orders.push(order);
    return ctx.map("m", [0, 1, 2, 3, 4, 5, 6, 7], async (ctx, item) => {
      await ctx.step("s", async () => {
        for (let i = 0; i < 8 - item; i++) await null;
      });
      order.push(`${item}`);
      await ctx.sleep("nap", "1h");
    });
  });
  await t.create(job, "1");
  await t.until("job", "1", { sleep: "nap" });
  await t.crash();
  const result = handle.result();
  await t.advance("1h");
  await result;
  expect(orders[0]).toEqual(["7", "6", "5", "4", "3", "2", "1", "0"]);
  expect(orders[1]).toEqual(orders[0]);
});
