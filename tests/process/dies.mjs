/**
 * Dies in user code, or does not: node dies.mjs STORE WHERE HOW
 *
 * WHERE: step, action, workflow, commit (in a callback of c.afterCommit). HOW: throw, reject, exit, abort, term, not.
 * Says the name of each body that starts, `called` when the action is answered, and at last what it finds stored.
 */
import { actor, createRuntime, raw, type } from "pawl";
import { say } from "./say.mjs";

const [store, where, how] = process.argv.slice(2);

/** Ends this process, sooner or later; until then nothing goes on. */
async function die() {
  if (how === "throw")
    setImmediate(() => {
      throw new Error("uncaught, on purpose");
    });
  else if (how === "reject") Promise.reject(new Error("unhandled, on purpose"));
  else if (how === "exit") process.exit(7);
  else if (how === "abort") process.abort();
  else if (how === "term") process.kill(process.pid, "SIGTERM");
  else return;
  await new Promise(() => {});
}

const mortal = actor("mortal", {
  messages: { go: type() },
  state: () => ({ log: [] }),
  actions: {
    call: async (c) => {
      say("call");
      if (c.state.log.includes("call")) return;
      c.state.log.push("call");
      c.queue.send("go", null);
      if (where === "action") await die();
    },
    read: (c) => raw(c.state.log),
  },
  workflow: async (ctx) => {
    await ctx.step("first", (c) => {
      say("first");
      c.state.log.push("first");
    });
    await ctx.queue.next("go");
    if (where === "workflow") await die();
    await ctx.step("fatal", async (c) => {
      say("fatal");
      c.state.log.push("fatal");
      if (where === "commit") c.afterCommit(() => void die());
      if (where === "step") await die();
    });
    return ctx.step("last", (c) => {
      say("last");
      c.state.log.push("last");
      return c.state.log.length;
    });
  },
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const runtime = createRuntime({ actors: [mortal], store: `sqlite:${store}`, logger: silent });
const handle = runtime.get(mortal, "one");
await handle.actions.call();
say("called");
say({ output: await handle.result(), log: await handle.actions.read() });
await runtime.close();
