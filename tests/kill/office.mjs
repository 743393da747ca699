/**
 * A process that is killed, with several threads on one SQLite file, which are terminated now and then.
 *
 *   node office.mjs STORE
 *
 * In: what `act` takes, which goes to any thread; { end: true } ends one of them and puts another in its place. Out: { open },
 * { ack: id, value }, { refused: id, code }.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { act, open } from "../postgres/bank-actors.mjs";

const THREADS = 4;

async function work() {
  const runtime = open(workerData);
  await runtime.start();
  parentPort.on("message", (command) => {
    if (command.throws) throw new Error("on purpose");
    act(runtime, command).then(
      (value) => parentPort.postMessage({ ack: command.id, value }),
      (error) =>
        parentPort.postMessage({ refused: command.id, code: error.code ?? "none", message: String(error.message) }),
    );
  });
  parentPort.postMessage({ open: true });
}

function direct(store) {
  const threads = [];
  let turn = 0;
  const hire = (place) =>
    new Promise((resolve) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: store });
      const underWay = new Set();
      threads[place] = { worker, underWay };
      worker.on("error", () => {});
      worker.on("message", (report) => {
        if (report.open) return resolve();
        underWay.delete(report.ack ?? report.refused);
        process.send(report);
      });
      worker.on("exit", () => {
        for (const id of underWay) process.send({ refused: id, code: "died", message: "" });
      });
    });
  const dismiss = async (place) => {
    const { worker } = threads[place];
    if (turn % 2 === 0) worker.postMessage({ throws: true });
    else worker.terminate();
    await new Promise((resolve) => worker.once("exit", resolve));
    await hire(place);
  };
  process.on("message", (command) => {
    turn += 1;
    if (command.end) return void dismiss(turn % THREADS);
    const { worker, underWay } = threads[turn % THREADS];
    underWay.add(command.id);
    worker.postMessage(command);
  });
  process.on("disconnect", () => process.exit(1));
  return Promise.all(Array.from({ length: THREADS }, (_, place) => hire(place)));
}

if (isMainThread) {
  await direct(process.argv[2]);
  process.send({ open: true });
} else await work();
