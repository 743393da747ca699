/** An order: gathers items, charges them, waits to be confirmed, ships; a cancelled one, or one of which nobody hears, is undone. */
import { Loop, RollbackError, type WorkflowContextInterface } from "pawl/engine";

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

export function order(outside: Outside): (ctx: WorkflowContextInterface, input: OrderInput) => Promise<string> {
  return async (ctx, { items, patience }) => {
    const key = ctx.workflowId;
    const total = await ctx.loop<{ seen: number; sum: number }, number>({
      name: "items",
      state: { seen: 0, sum: 0 },
      historyPruneInterval: 2,
      run: async (ctx, { seen, sum }) => {
        if (seen === items) return Loop.break(sum);
        const { body } = await ctx.queue.next<number>("item", { names: ["item"] });
        return Loop.continue({ seen: seen + 1, sum: sum + body });
      },
    });
    await ctx.rollbackCheckpoint("undo from here");
    await ctx.step({
      name: "charge",
      run: async () => outside.call("charge", key, total),
      rollback: async () => outside.call("refund", key, total),
    });
    await ctx.sleep("cool off", 50);
    const [word] = await ctx.queue.nextBatch("word", { names: ["confirm", "cancel"], timeout: patience });
    if (word?.name !== "confirm") throw new RollbackError(word === undefined ? "no word" : "cancelled");
    await ctx.step("ship", async () => outside.call("ship", key, total));
    return `shipped for ${total}`;
  };
}
