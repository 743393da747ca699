/**
 * Does something, and ends by itself: node ends.mjs STORE WHAT. Says what it has done; its last word is "done".
 *
 * WHAT: result (waits for a workflow), impatient (waits for one that sleeps for an hour, and for an answer that nobody gives, but
 * not for long), calls (awaits calls, then is done), unawaited (does not even await them), exit (calls process.exit instead),
 * sleeping (leaves a workflow asleep for an hour), closed (starts a runtime, and closes it), read (says what is stored).
 */
import { actor, ask, createRuntime, type } from "pawl";
import { say } from "./say.mjs";

const [store, what] = process.argv.slice(2);

const counter = actor("counter", {
  state: () => ({ n: 0 }),
  actions: {
    add: (c, amount) => {
      c.state.n += amount;
    },
    read: (c) => c.state.n,
  },
});

const worker = actor("worker", {
  workflow: async (ctx) => {
    await ctx.sleep("nap", 150);
    return ctx.step({
      name: "twice",
      retryBackoffBase: 100,
      run: async (c) => {
        await new Promise((resolve) => setTimeout(resolve, 50).unref());
        if (c.attempt === 1) throw new Error("again");
        return c.attempt;
      },
    });
  },
});

const sleeper = actor("sleeper", {
  messages: { question: ask(type(), type()) },
  state: () => ({ awake: 0 }),
  actions: { awake: (c) => c.state.awake },
  workflow: async (ctx) => {
    await ctx.sleep("long", "1h");
    await ctx.step("wake", (c) => {
      c.state.awake += 1;
    });
  },
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const runtime = createRuntime({ actors: [counter, worker, sleeper], store: `sqlite:${store}`, logger: silent });
const { actions } = runtime.get(counter, "one");

const deeds = {
  result: async () => say({ result: await runtime.get(worker, "one").result() }),
  impatient: async () => {
    const handle = await runtime.create(sleeper, "one");
    const waits = [handle.result({ timeout: 50 }), handle.ask("question", 1, { timeout: 50 })];
    for (const wait of waits) say(await wait.catch(({ code }) => code));
  },
  calls: async () => {
    for (let i = 0; i < 10; i++) await actions.add(1);
  },
  unawaited: async () => {
    await actions.add(1);
    for (let i = 0; i < 100; i++) void actions.add(1);
  },
  exit: async () => {
    await actions.add(1);
    for (let i = 0; i < 100; i++) void actions.add(1);
    setImmediate(() => process.exit(0));
  },
  sleeping: async () => {
    await runtime.create(sleeper, "one");
    await runtime.get(sleeper, "one").actions.awake();
  },
  closed: async () => {
    await runtime.start();
    for (let i = 0; i < 10; i++) await actions.add(1);
    setTimeout(() => void runtime.close().then(() => say("closed")), 100).unref();
  },
  read: async () => say({ n: await actions.read(), awake: await runtime.get(sleeper, "one").actions.awake() }),
};
await deeds[what]();
say("done");
