/** An order: gathers items, charges them, waits to be confirmed, ships; a cancelled one, or one of which nobody hears, is undone. */
import { type EngineAttempt, Loop, RollbackError, type StateOf, type WorkflowContextInterface } from "pawl/engine";

/** What happens outside of the database: at least once, always under the same key. */
export interface Outside {
  call(effect: "charge" | "refund" | "ship", key: string, amount: number): void;
}

export interface OrderInput {
  /** How many items are to come. */
  readonly items: number;
  /** Milliseconds to wait for word of the customer. */
  readonly patience: number;
}

/** What an order remembers. Its steps change it, each in one batch with what the step returns. */
export const orderCells = { order: { initial: () => ({ seen: 0, sum: 0, charged: 0, shipped: 0 }) } };

type Ctx = WorkflowContextInterface<EngineAttempt<StateOf<typeof orderCells>>>;

export function order(outside: Outside): (ctx: Ctx, input: OrderInput) => Promise<string> {
  return async (ctx, { items, patience }) => {
    const key = ctx.workflowId;
    const total = await ctx.loop<number>("items", async (ctx) => {
      const { body } = await ctx.queue.next<number>("item", { names: ["item"] });
      const { seen, sum } = await ctx.step("count", async ({ cells, raw }) => {
        cells.order.seen += 1;
        cells.order.sum += body;
        return raw("order");
      });
      return seen === items ? Loop.break(sum) : Loop.continue(undefined);
    });
    await ctx.rollbackCheckpoint("undo from here");
    await ctx.step({
      name: "charge",
      run: async ({ cells }) => {
        outside.call("charge", key, total);
        cells.order.charged += total;
      },
      rollback: async ({ cells }) => {
        outside.call("refund", key, total);
        cells.order.charged -= total;
      },
    });
    await ctx.sleep("cool off", 50);
    const [word] = await ctx.queue.nextBatch("word", { names: ["confirm", "cancel"], timeout: patience });
    if (word?.name !== "confirm") throw new RollbackError(word === undefined ? "no word" : "cancelled");
    await ctx.step("ship", async ({ cells }) => {
      outside.call("ship", key, total);
      cells.order.shipped += total;
    });
    return `shipped for ${total}`;
  };
}
