/**
 * A process that is killed: serves ledgers from a shared store, does what its parent says, and tells what is durable.
 *
 *   node worker.mjs STORE
 *
 * In: { id, key, kind: "put" | "work" | "read" | "result" }. Out: { opening }, { open }, { ack: id, value }, { refused: id, code }.
 */
import { actor, createRuntime, Loop, raw, type } from "pawl";

const CHAIN = 20;

const ledger = actor("ledger", {
  messages: { work: type() },
  state: () => ({ puts: {}, works: {} }),
  actions: {
    put: (c, id) => {
      c.state.puts[id] = (c.state.puts[id] ?? 0) + 1;
      return id;
    },
    read: (c) => raw(c.state),
  },
  workflow: async (ctx) => {
    await ctx.loop("works", async (ctx) => {
      const { body } = await ctx.queue.next("work");
      await ctx.step("note", async (c) => {
        await null;
        c.state.works[body.id] = (c.state.works[body.id] ?? 0) + 1;
      });
      return Loop.continue();
    });
  },
});

/** A workflow that nobody talks to: it goes on by itself, wherever that is. */
const chain = actor("chain", {
  state: () => ({ links: [] }),
  actions: { read: (c) => raw(c.state) },
  workflow: async (ctx) => {
    for (let link = 0; link < CHAIN; link++) {
      await ctx.step(`link ${link}`, async (c) => {
        await new Promise((resolve) => setTimeout(resolve, 3));
        c.state.links.push(link);
      });
      await ctx.sleep(`nap ${link}`, 20);
    }
    return CHAIN;
  },
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const runtime = createRuntime({ actors: [ledger, chain], store: process.argv[2], logger: silent });

async function act({ id, key, kind }) {
  if (key.startsWith("chain")) {
    const made = await runtime.create(chain, key);
    return kind === "result" ? made.result() : made.actions.read();
  }
  const handle = runtime.get(ledger, key);
  // The same thing may be asked of several processes: `id/n`.
  const thing = id.split("/")[0];
  if (kind === "put") return handle.actions.put(thing);
  if (kind === "work") return handle.send("work", { id: thing });
  return handle.actions.read();
}

process.on("disconnect", () => process.exit(1));
process.on("message", (command) => {
  act(command).then(
    (value) => process.send({ ack: command.id, value }),
    (error) => process.send({ refused: command.id, code: error.code ?? String(error) }),
  );
});

process.send({ opening: true });
for (;;) {
  try {
    await runtime.start();
    break;
  } catch (error) {
    // The database is being restarted.
    if (error.retryable !== true) throw error;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
process.send({ open: true });
