// Two threads of one process on one file, one of whose steps takes the process down. Lines as those of process.mjs.
//
//   node threads.mjs STORE LOG
import { appendFileSync } from "node:fs";
import { isMainThread, Worker } from "node:worker_threads";
import { actor, createRuntime } from "pawl";

const [store, log] = process.argv.slice(2);
const note = (line) => appendFileSync(log, `${line}\n`);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const KEYS = ["a", "b", "c", "d", "e", "f"];

const innocent = actor("innocent", {
  workflow: async (ctx) => {
    for (let n = 0; n < 3; n++) await ctx.step(`step ${n}`, () => new Promise((done) => setTimeout(done, 20)));
  },
});
const deadly = actor("deadly", {
  workflow: (ctx) =>
    ctx.step("deadly", () => {
      note(`dies in ${isMainThread ? "main" : "worker"}`);
      process.kill(process.pid, "SIGKILL");
    }),
});

const runtime = createRuntime({ actors: [innocent, deadly], store, logger: silent });
await runtime.start();
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { argv: [store, log] });
  await new Promise((resolve) => worker.once("message", resolve));
  const outcome = (handle) =>
    handle.result().then(
      () => "ok",
      (error) => error.code,
    );
  for (const key of KEYS) await runtime.create(innocent, key);
  await runtime.create(deadly, "d");
  const results = await Promise.all(
    [runtime.get(deadly, "d"), ...KEYS.map((key) => runtime.get(innocent, key))].map(outcome),
  );
  note(`main ${results.join(" ")}`);
  worker.postMessage("look");
  await new Promise((resolve) => worker.once("message", resolve));
  await runtime.close();
  await new Promise((resolve) => worker.once("exit", resolve));
} else {
  const { parentPort } = await import("node:worker_threads");
  parentPort.postMessage("ready");
  await new Promise((resolve) => parentPort.once("message", resolve));
  const found = await runtime
    .get(deadly, "d")
    .result()
    .catch((error) => error.code);
  note(`worker ${found} ${(await runtime.admin.show("deadly", "d")).state}`);
  parentPort.postMessage("done");
  await runtime.close();
}
