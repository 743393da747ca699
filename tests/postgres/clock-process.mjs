// A process that shares a store with others, and an actor that does something by the clock.
//
//   node clock-process.mjs STORE
import { actor, createRuntime } from "pawl";

const clock = actor("clock", {
  state: () => ({ keys: [], began: Date.now() }),
  actions: { told: (c) => ({ keys: [...c.state.keys], began: c.state.began, now: Date.now() }) },
  schedules: {
    beat: { every: "200ms", missed: "all", run: (c) => void c.state.keys.push(c.idempotencyKey) },
  },
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const runtime = createRuntime({ actors: [clock], store: process.argv[2], logger: silent });
await runtime.start();
await runtime.create(clock, "c");
process.stdout.write("ready\n");
process.on("message", async () => process.send(await runtime.get(clock, "c").actions.told()));
