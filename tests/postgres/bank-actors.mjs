/** Accounts that move amounts among each other by messages, steps and actions; and what is asked of them. */
import { randomUUID } from "node:crypto";
import { actor, createRuntime, Loop, raw, type } from "pawl";

const START = 1_000;
const LINKS = 20;

/** Notes who writes: each loading of the actor is an owner of its own. */
function sign(c) {
  const last = c.state.owners.at(-1);
  if (last?.name === c.vars.owner) last.writes += 1;
  else c.state.owners.push({ name: c.vars.owner, writes: 1 });
}

function pay(c, { id, to, amount }) {
  sign(c);
  c.state.balance -= amount;
  c.state.paid[id] = (c.state.paid[id] ?? 0) + 1;
  c.get(account, to).send("credit", { id, amount });
}

const account = actor("account", {
  messages: { transfer: type(), credit: type() },
  vars: () => ({ owner: randomUUID() }),
  state: () => ({ balance: START, paid: {}, received: {}, owners: [] }),
  actions: {
    pay: (c, transfer) => pay(c, transfer),
    read: (c) => raw(c.state),
  },
  workflow: async (ctx) => {
    await ctx.loop("book", async (ctx) => {
      const message = await ctx.queue.next("order", { names: ["transfer", "credit"] });
      await ctx.step("book", async (c) => {
        await null;
        if (message.name === "transfer") return pay(c, message.body);
        const { id, amount } = message.body;
        sign(c);
        c.state.balance += amount;
        c.state.received[id] = (c.state.received[id] ?? 0) + 1;
      });
      return Loop.continue();
    });
  },
});

/** A workflow that nobody talks to: it goes on by itself, wherever that is. */
const chain = actor("chain", {
  state: () => ({ links: [] }),
  workflow: async (ctx) => {
    for (let link = 0; link < LINKS; link++) {
      await ctx.step(`link ${link}`, async (c) => {
        await new Promise((resolve) => setTimeout(resolve, 3));
        c.state.links.push(link);
      });
      await ctx.sleep(`nap ${link}`, 20);
    }
    return LINKS;
  },
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };

export const open = (store) => createRuntime({ actors: [account, chain], store, logger: silent });

/** Does what a command says: { id, key, kind: "send" | "pay" | "read" | "result", to, amount }. */
export async function act(runtime, { id, key, kind, to, amount }) {
  if (kind === "result") return (await runtime.create(chain, key)).result();
  const handle = runtime.get(account, key);
  if (kind === "send") return handle.send("transfer", { id, to, amount });
  if (kind === "pay") return handle.actions.pay({ id, to, amount });
  return handle.actions.read();
}
