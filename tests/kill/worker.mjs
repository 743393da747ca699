/**
 * The process that is killed: serves ledgers from one SQLite file, does what its parent says, and tells what is durable.
 *
 *   node worker.mjs STORE
 *
 * In: { id, key, kind: "put" | "work" | "stop" | "result" | "read" }. Out: { opening }, { open }, { ack: id, value },
 * { refused: id, code }, and of the workflows' steps { ran: label, key } when a body starts and { done: label } when it is
 * durable.
 */
import { actor, createRuntime, Loop, raw, type } from "pawl";

const CHAIN = 30;

function tell(message) {
  process.send?.(message);
}

/** Tells that a body has started, and, later, that what it did is durable. */
function watch(c, label) {
  tell({ ran: label, key: c.idempotencyKey });
  c.afterCommit(() => tell({ done: label }));
}

const ledger = actor("ledger", {
  messages: { work: type(), stop: type() },
  state: () => ({ puts: {}, works: {}, order: [], flaky: 0 }),
  actions: {
    put: (c, id) => {
      c.state.puts[id] = (c.state.puts[id] ?? 0) + 1;
      return id;
    },
    read: (c) => raw(c.state),
  },
  workflow: async (ctx) => {
    const works = await ctx.loop({
      name: "works",
      state: 0,
      run: async (ctx, works) => {
        const message = await ctx.queue.next("next", { names: ["work", "stop"] });
        if (message.name === "stop") return Loop.break(works);
        const { id } = message.body;
        await ctx.step({
          name: "work",
          retryBackoffBase: 1,
          run: async (c) => {
            watch(c, `${ctx.key} work ${id}`);
            await null;
            c.state.works[id] = (c.state.works[id] ?? 0) + 1;
            c.state.order.push(id);
            if (c.attempt === 1 && works % 7 === 3) throw new Error("once in a while");
          },
        });
        if (works % 10 === 5) await ctx.sleep("breath", 1);
        return Loop.continue(works + 1);
      },
    });
    return { works };
  },
});

/** A workflow that nobody talks to. */
const chain = actor("chain", {
  state: () => ({ links: [] }),
  actions: { read: (c) => raw(c.state) },
  workflow: async (ctx) => {
    for (let link = 0; link < CHAIN; link++) {
      await ctx.step(`link ${link}`, async (c) => {
        watch(c, `${ctx.key} link ${link}`);
        await new Promise((resolve) => setTimeout(resolve, 3));
        c.state.links.push(link);
      });
    }
    return CHAIN;
  },
});

const runtime = createRuntime({ actors: [ledger, chain], store: `sqlite:${process.argv[2]}` });

function act({ id, key, kind }) {
  const handle = runtime.get(key.startsWith("chain") ? chain : ledger, key);
  switch (kind) {
    case "put":
      return handle.actions.put(id);
    case "work":
      return handle.send("work", { id });
    case "stop":
      return handle.send("stop", null);
    case "result":
      return handle.result();
    default:
      return handle.actions.read();
  }
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
for (const key of ["chain-1", "chain-2"]) await runtime.create(chain, key);
tell({ open: true });
