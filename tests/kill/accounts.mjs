/**
 * The process that is killed: accounts that move amounts among each other, by messages and steps.
 *
 *   node accounts.mjs STORE
 *
 * In: { id, key, kind: "work" | "read" }; the id of a work is `n:to:amount`. Out: { opening }, { open }, { ack: id, value },
 * { refused: id, code }.
 */
import { actor, createRuntime, Loop, raw, type } from "pawl";

const START = 1_000;

const account = actor("account", {
  messages: { transfer: type(), credit: type() },
  state: () => ({ balance: START, paid: {}, received: {} }),
  actions: { read: (c) => raw(c.state) },
  workflow: (ctx) =>
    ctx.loop("moves", async (ctx) => {
      const { name, body } = await ctx.queue.next("next", { names: ["transfer", "credit"] });
      if (name === "transfer") await pay(ctx, body);
      else await receive(ctx, body);
      return Loop.continue();
    }),
});

function pay(ctx, { id, to, amount }) {
  return ctx.step({
    name: "pay",
    retryBackoffBase: 1,
    run: async (c) => {
      c.get(account, to).send("credit", { id, amount });
      await null;
      c.state.balance -= amount;
      c.state.paid[id] = (c.state.paid[id] ?? 0) + 1;
      if (c.attempt === 1 && amount % 5 === 0) throw new Error("once in a while");
    },
  });
}

function receive(ctx, { id, amount }) {
  return ctx.step("receive", (c) => {
    c.state.balance += amount;
    c.state.received[id] = (c.state.received[id] ?? 0) + 1;
  });
}

function tell(message) {
  process.send?.(message);
}

const runtime = createRuntime({ actors: [account], store: `sqlite:${process.argv[2]}` });

function act({ id, key, kind }) {
  const handle = runtime.get(account, key);
  if (kind === "read") return handle.actions.read();
  const [, to, amount] = id.split(":");
  return handle.send("transfer", { id, to, amount: Number(amount) });
}

process.on("disconnect", () => process.exit(1));
process.on("message", (command) => {
  act(command).then(
    (value) => tell({ ack: command.id, value }),
    (error) => tell({ refused: command.id, code: error.code ?? String(error) }),
  );
});

tell({ opening: true });
await runtime.start();
tell({ open: true });
