/**
 * Fills a store until it is refused, or says what is in it: node fills.mjs STORE fill|read. Says one JSON value.
 */
import { actor, createRuntime } from "pawl";
import { say } from "./say.mjs";

const [store, what] = process.argv.slice(2);
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const heap = actor("heap", {
  state: () => ({ pieces: [] }),
  actions: {
    add: (c) => c.state.pieces.push("x".repeat(60_000)),
    count: (c) => c.state.pieces.length,
  },
});

const runtime = createRuntime({ actors: [heap], store: `sqlite:${store}`, logger: silent });
const handle = runtime.get(heap, "1");
if (what === "read") say({ count: await handle.actions.count() });
else say(await fill());
process.exit(0);

async function fill() {
  for (let stored = 0; ; stored += 1) {
    try {
      await handle.actions.add();
    } catch (error) {
      return { stored, code: error.code, retryable: error.retryable, message: error.message };
    }
  }
}
