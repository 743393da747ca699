/**
 * The process that is killed: orders that make children, ask, and call, on one bank.
 *
 *   node families.mjs STORE
 *
 * In: { id, key, kind: "work" | "result" | "read" }. Out: { opening }, { open }, { ack: id, value }, { refused: id, code }.
 */
import { actor, ask, createRuntime, raw, type } from "pawl";

const bank = actor("bank", {
  messages: { take: ask(type(), type()) },
  state: () => ({ taken: {}, noted: {} }),
  actions: {
    note: (c, id) => {
      c.state.noted[id] = (c.state.noted[id] ?? 0) + 1;
      return c.state.noted[id];
    },
    read: (c) => raw(c.state),
  },
  receive: {
    take: async (c, id) => {
      await null;
      c.state.taken[id] = (c.state.taken[id] ?? 0) + 1;
      return id.length;
    },
  },
});

const part = actor("part", {
  input: type(),
  workflow: (ctx, { id }) =>
    ctx.step({
      name: "note",
      retryBackoffBase: 1,
      run: async (c) => {
        const times = await c.get(bank, "b").actions.note(id);
        if (c.attempt === 1 && id.endsWith("1")) throw new Error("after the call: it stays done");
        return times;
      },
    }),
});

const order = actor("order", {
  input: type(),
  state: () => ({ done: 0 }),
  workflow: async (ctx, { id }) => {
    const { left, right } = await ctx.join("parts", {
      left: (ctx) => ctx.child("left", part, `${id}-left`, { id: `${id}0` }),
      right: (ctx) => ctx.child("right", part, `${id}-right`, { id: `${id}1` }),
    });
    const length = await ctx.ask("take", { actor: bank, key: "b", message: "take", body: id });
    return ctx.step("sum", (c) => {
      c.state.done += 1;
      return [left, right, length - id.length, c.state.done];
    });
  },
});

function tell(message) {
  process.send?.(message);
}

const runtime = createRuntime({ actors: [bank, part, order], store: `sqlite:${process.argv[2]}` });

async function act({ key, kind }) {
  if (kind === "read") return runtime.get(bank, "b").actions.read();
  if (kind === "result") return runtime.get(order, key).result();
  await runtime.create(order, key, { id: key });
  return undefined;
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
