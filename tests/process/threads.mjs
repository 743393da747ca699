/**
 * Terminates threads that write: node threads.mjs STORE CYCLES [beside]. In a thread: the writer itself.
 *
 * Every cycle a thread opens the store and commits as fast as it can; it is terminated while commits are pending, every
 * third time while it opens the store. With "beside" this thread has the store, too, all the while, and writes to an actor of its
 * own, so that what writes outlives every thread that is terminated. Says { acknowledged, stored } at last.
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

/** Warnings are about time, and the machine may have little. */
const logger = { debug() {}, info() {}, warn() {}, error: console.error };
const open = (store) => createRuntime({ actors: [counter], store: `sqlite:${store}`, logger });

async function write({ store, cycle }) {
  const { actions } = open(store).get(counter, "one");
  for (let i = 0; ; i++) {
    const ids = Array.from({ length: 8 }, (_, j) => `${cycle}-${i}-${j}`);
    await Promise.all(ids.map((id) => actions.add(id).then(() => parentPort.postMessage(id))));
  }
}

async function terminateAll(store, cycles, isBeside) {
  const acknowledged = new Set();
  const beside = isBeside ? open(store) : undefined;
  let own = 0;
  for (let cycle = 0; cycle < cycles; cycle++) {
    await beside?.get(counter, "own").actions.add(`${own++}`);
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
    const ended = thread.terminate();
    if (beside !== undefined)
      await Promise.all(Array.from({ length: 20 }, () => beside.get(counter, "own").actions.add(`${own++}`)));
    await ended;
  }
  const kept = beside === undefined ? 0 : (await beside.get(counter, "own").actions.read()).length;
  await beside?.close();
  const runtime = open(store);
  const stored = await runtime.get(counter, "one").actions.read();
  const times = new Map(stored);
  say({
    acknowledged: acknowledged.size,
    lost: [...acknowledged].filter((id) => !times.has(id)),
    twice: stored.filter(([, count]) => count !== 1),
    own: own - kept,
  });
  await runtime.close();
}

if (isMainThread) await terminateAll(process.argv[2], Number(process.argv[3]), process.argv[4] === "beside");
else await write(workerData);
