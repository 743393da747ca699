/**
 * The worker: all airports as actors, in one process that may be killed at any moment and started again.
 *
 *   node dist/worker.js STORE CLAIMS_URL         reports in lines of JSON: see WorkerReport
 */
import { setTimeout } from "node:timers/promises";
import { AppError, actor, createRuntime, Loop, raw, type } from "pawl";
import { count, emptyFigures } from "./figures.ts";
import { byOrigin, CLAIM_MINUTES, type Flight, readFlights } from "./flights.ts";
import { endWithParent, report } from "./parent.ts";
import type { WorkerReport } from "./worker-report.ts";

const [store, claimsUrl] = process.argv.slice(2);
if (store === undefined || claimsUrl === undefined) throw new Error("usage: node dist/worker.js STORE CLAIMS_URL");

/** How many flights of an airport are handed over at once, and how many may wait for its workflow before more are. */
const BATCH = 50;
const AHEAD = 100;

/** How many flights each airport has taken in, and has counted: only what is durable. */
const fed = new Map<string, number>();
const counted = new Map<string, number>();

const airport = actor("airport", {
  messages: { flight: type<Flight>(), done: type<null>() },
  state: () => ({ fed: 0, finished: false, figures: emptyFigures() }),
  actions: {
    progress: (c) => ({ fed: c.state.fed, counted: c.state.figures.flights }),

    // The messages and the number become durable together, or not at all: so whoever feeds knows after a crash where to go on.
    enqueue: (c, from: number, flights: Flight[]) => {
      if (from !== c.state.fed) throw new AppError("wrong_place", `${c.key} has ${c.state.fed} flights, not ${from}`);
      for (const flight of flights) c.queue.send("flight", flight);
      c.state.fed += flights.length;
      return c.state.fed;
    },

    finish: (c) => {
      if (!c.state.finished) c.queue.send("done", null);
      c.state.finished = true;
    },
  },
  workflow: async (ctx) => {
    await ctx.loop("flights", async (ctx) => {
      const message = await ctx.queue.next("next", { names: ["flight", "done"] });
      if (message.name === "done") return Loop.break();
      const flight = message.body;

      await ctx.step("count", (c) => {
        count(c.state.figures, flight);
        const { flights } = c.state.figures;
        c.afterCommit(() => counted.set(c.key, flights));
      });

      if (flight.delay < CLAIM_MINUTES) return Loop.continue();
      await ctx.step("claim", async (c) => {
        await fileClaim(flight, c.idempotencyKey, c.abortSignal);
        c.state.figures.claims += 1;
      });
      return Loop.continue();
    });
    return ctx.step("report", (c) => raw(c.state.figures));
  },
});

/** Rejects if the service refuses: then the step fails and is tried again, under the same key. */
async function fileClaim(flight: Flight, key: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(`${claimsUrl}/claims`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(flight),
    signal,
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`the claims service answered ${response.status}: ${answer}`);
}

const runtime = createRuntime({ actors: [airport], store });

/** Hands an airport the flights that it does not have yet, never too many at once. */
async function feed(key: string, flights: readonly Flight[]): Promise<void> {
  const { actions } = runtime.get(airport, key);
  let next = fed.get(key) ?? 0;
  while (next < flights.length) {
    while (next - (counted.get(key) ?? 0) > AHEAD) await setTimeout(5);
    next = await actions.enqueue(next, flights.slice(next, next + BATCH));
    fed.set(key, next);
  }
  await actions.finish();
}

/** Asks an airport how far it is: after a crash, that is where it goes on. */
async function ask(key: string): Promise<void> {
  const progress = await runtime.get(airport, key).actions.progress();
  fed.set(key, progress.fed);
  // It may have gone on while the answer was on its way.
  counted.set(key, Math.max(progress.counted, counted.get(key) ?? 0));
}

function tell(value: WorkerReport): void {
  report(value);
}

function progress(kind: "opened" | "progress"): WorkerReport {
  const sum = (numbers: Map<string, number>) => [...numbers.values()].reduce((total, number) => total + number, 0);
  return { kind, fed: sum(fed), counted: sum(counted) };
}

async function work(): Promise<void> {
  const airports = byOrigin(readFlights());
  await runtime.start();
  await Promise.all([...airports.keys()].map(ask));
  tell(progress("opened"));
  const timer = setInterval(() => tell(progress("progress")), 50);
  await Promise.all(
    [...airports].map(async ([key, flights]) => {
      await feed(key, flights);
      tell({ kind: "result", airport: key, figures: await runtime.get(airport, key).result() });
    }),
  );
  clearInterval(timer);
  tell(progress("progress"));
  await runtime.close();
}

endWithParent();
await work();
