/**
 * A process of several on one store, with innocent actors and one whose step takes it down: node poison-process.mjs STORE MODE.
 *
 * MODE: poison (the step "deadly" of deadly/d aborts), harmless, slow (steps take their time). Says { ready }, { begins: WHAT }
 * before a body does anything, { ends: WHAT } of innocents once that is durable, and answers { ask: "work" | "show" | "results" | "release" | "close" }.
 */
import { setTimeout } from "node:timers/promises";
import { actor, createRuntime } from "pawl";

const [store, mode] = process.argv.slice(2);
const say = (report) => new Promise((resolve) => process.send(report, resolve));

const innocent = actor("innocent", {
  state: () => ({ steps: 0 }),
  workflow: async (ctx) => {
    for (let n = 0; n < 5; n++) {
      await ctx.step(`step ${n}`, async (c) => {
        await say({ begins: `${ctx.key} ${n}` });
        await setTimeout(mode === "slow" ? 300 : 20);
        c.state.steps += 1;
      });
      await say({ ends: `${ctx.key} ${n}` });
    }
    return "done";
  },
});

const deadly = actor("deadly", {
  state: () => ({ ran: 0 }),
  workflow: async (ctx) =>
    ctx.step({
      name: "deadly",
      maxRetries: 0,
      run: async (c) => {
        await say({ begins: "deadly" });
        if (mode === "poison") process.abort();
        c.state.ran += 1;
        return c.attempt;
      },
    }),
});

const logger = { debug() {}, info() {}, warn() {}, error: (_, message) => void say({ log: message }) };
const runtime = createRuntime({ actors: [innocent, deadly], store, logger });
const all = [runtime.get(deadly, "d"), ...Array.from({ length: 6 }, (_, n) => runtime.get(innocent, `i${n}`))];
const result = (handle) => handle.result().then(String, (error) => error.code);
const answers = {
  work: async () => {
    await runtime.create(deadly, "d");
    for (let n = 0; n < 6; n++) await runtime.create(innocent, `i${n}`);
  },
  show: async () => {
    const { state, suspects } = await runtime.admin.show("deadly", "d");
    return { state, suspects };
  },
  results: () => Promise.all(all.map(result)),
  release: () => runtime.admin.release("deadly", "d"),
  close: async () => {
    await runtime.close();
    setImmediate(() => process.disconnect());
  },
};
process.on("message", async ({ ask, id }) => {
  await say({ id, answer: (await answers[ask]()) ?? null });
});
process.on("disconnect", () => process.exit(0));
await runtime.start();
await say({ ready: true });
