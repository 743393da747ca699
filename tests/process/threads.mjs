/**
 * Terminates threads that write: node threads.mjs STORE CYCLES. In a thread: the writer itself.
 *
 * Every cycle a thread opens the store and commits as fast as it can; it is terminated while commits are pending, every
 * third time while it opens the store. Says { acknowledged, stored } at last.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { actor, createRuntime } from "pawl";
import { say } from "./say.mjs";

const counter = actor("counter", {
  state: () => ({ seen: {} }),
  actions: {
    add: (c, id) => {
      c.state.seen[id] = (c.state.seen[id] ?? 0) + 1;
    },
    read: (c) => Object.entries(c.state.seen),
  },
});

const open = (store) => createRuntime({ actors: [counter], store: `sqlite:${store}` });

async function write({ store, cycle }) {
  const { actions } = open(store).get(counter, "one");
  for (let i = 0; ; i++) {
    const ids = Array.from({ length: 8 }, (_, j) => `${cycle}-${i}-${j}`);
    await Promise.all(ids.map((id) => actions.add(id).then(() => parentPort.postMessage(id))));
  }
}

async function terminateAll(store, cycles) {
  const acknowledged = new Set();
  for (let cycle = 0; cycle < cycles; cycle++) {
    const thread = new Worker(new URL(import.meta.url), { workerData: { store, cycle } });
    thread.on("error", (error) => say({ error: String(error) }));
    await new Promise((resolve) => {
      if (cycle % 3 === 2) thread.once("online", resolve);
      let answers = 0;
      thread.on("message", (id) => {
        acknowledged.add(id);
        answers += 1;
        if (answers === 5 + cycle) resolve();
      });
    });
    await thread.terminate();
  }
  const runtime = open(store);
  const stored = await runtime.get(counter, "one").actions.read();
  const times = new Map(stored);
  say({
    acknowledged: acknowledged.size,
    lost: [...acknowledged].filter((id) => !times.has(id)),
    twice: stored.filter(([, count]) => count !== 1),
  });
  await runtime.close();
}

if (isMainThread) await terminateAll(process.argv[2], Number(process.argv[3]));
else await write(workerData);
