/** The job, seen from outside: starts the claims service and the worker, kills the worker half-way, starts it again. */
import { join } from "node:path";
import { type Child, start, stop } from "./child.ts";
import type { ClaimsReport } from "./claims-log.ts";
import type { Figures } from "./figures.ts";
import { type Display, paint } from "./terminal.ts";
import type { WorkerReport } from "./worker-report.ts";

/** What came of the job: the output of each airport's workflow, and all that went wrong, in words. */
export interface Outcome {
  readonly figures: ReadonlyMap<string, Figures>;
  readonly problems: readonly string[];
}

/** The files of a job, in a folder of its own. */
export interface Place {
  readonly store: string;
  readonly claimsLog: string;
}

/** The files of the job in `folder`. */
export function placeIn(folder: string): Place {
  return { store: join(folder, "flights.db"), claimsLog: join(folder, "claims.log") };
}

/** A worker that has counted nothing more for this long is stuck. */
const STUCK_MS = 60_000;

interface Progress {
  readonly fed: number;
  readonly counted: number;
}

/** Runs the job over `total` flights. Rejects if a process fails to start, dies unasked, or is stuck. */
export async function run(place: Place, total: number, display: Display): Promise<Outcome> {
  const claims = await startClaims(place.claimsLog);
  try {
    const job = new Job([`sqlite:${place.store}`, claims.url], claims, display);
    const acknowledged = await job.workUntilKilled(Math.floor(total / 2));
    return await job.workToTheEnd(acknowledged);
  } finally {
    await stop(claims.child);
  }
}

interface Claims {
  readonly child: Child;
  readonly url: string;
  accepted: number;
  /** Called when a claim has been accepted, and its answer is still to come. */
  onAccepted: (row: number) => void;
}

async function startClaims(log: string): Promise<Claims> {
  return new Promise((resolve, reject) => {
    const child = start<ClaimsReport>("claims.js", [log], (report) => {
      if (report.kind === "listening") {
        claims.url = `http://127.0.0.1:${report.port}`;
        resolve(claims);
      } else if (report.outcome === "accepted") {
        claims.accepted += 1;
        claims.onAccepted(report.row);
      }
    });
    const claims = { child, url: "", accepted: 0, onAccepted: (_row: number) => {} };
    child.ended.then(
      (ending) => reject(new Error(`the claims service ended at once: ${JSON.stringify(ending)}`)),
      reject,
    );
  });
}

class Job {
  readonly #workerArgs: readonly string[];
  readonly #claims: Claims;
  readonly #display: Display;

  constructor(workerArgs: readonly string[], claims: Claims, display: Display) {
    this.#workerArgs = workerArgs;
    this.#claims = claims;
    this.#display = display;
  }

  /** Resolves to the progress that the worker had reported as durable when it was killed, with SIGKILL, in the middle of its work. */
  async workUntilKilled(half: number): Promise<Progress> {
    let acknowledged: Progress = { fed: 0, counted: 0 };
    const worker = this.#startWorker((report) => {
      if (report.kind !== "result") acknowledged = report;
    });
    let claimed = -1;
    this.#claims.onAccepted = (row) => {
      if (acknowledged.counted < half || claimed >= 0) return;
      claimed = row;
      worker.kill("SIGKILL");
    };
    const { code, signal } = await worker.ended;
    if (claimed < 0) throw new Error(`the worker ended before it was killed (code ${code}, signal ${signal})`);
    this.#display.say(`${paint("red", "killed")} the worker, process ${worker.pid}, with SIGKILL: \
${acknowledged.counted} flights counted, ${acknowledged.fed} handed over,
       and the claim for flight ${claimed} accepted by the service, but not yet answered`);
    return acknowledged;
  }

  /** Starts the worker on the same store and resolves when it has finished. What it had `acknowledged` must still be there. */
  async workToTheEnd(acknowledged: Progress): Promise<Outcome> {
    const began = Date.now();
    const figures = new Map<string, Figures>();
    const problems: string[] = [];
    const worker = this.#startWorker((report) => {
      if (report.kind === "result") figures.set(report.airport, report.figures);
      if (report.kind !== "opened") return;
      problems.push(...losses(acknowledged, report));
      this.#display.say(`${paint("green", "back")}   as process ${worker.pid} after ${((Date.now() - began) / 1000).toFixed(1)} s: \
${report.counted} flights counted, ${report.fed} handed over; going on from there`);
    });
    const { code, signal } = await worker.ended;
    if (code !== 0) problems.push(`the worker ended with code ${code}, signal ${signal}`);
    return { figures, problems };
  }

  #startWorker(hear: (report: WorkerReport) => void): Child {
    let counted = -1;
    const worker = start<WorkerReport>("worker.js", this.#workerArgs, (report) => {
      if (report.kind !== "result" && report.counted !== counted) {
        counted = report.counted;
        stuck.refresh();
        this.#display.show(counted, this.#claims.accepted);
      }
      hear(report);
    });
    const stuck = setTimeout(() => {
      this.#display.say(`the worker has counted nothing for ${STUCK_MS / 1000} s: it is ended`);
      worker.kill("SIGTERM");
    }, STUCK_MS);
    worker.ended.catch(() => {}).then(() => clearTimeout(stuck));
    return worker;
  }
}

/** What had been reported as durable and is no longer there, in words. */
export function losses(acknowledged: Progress, found: Progress): string[] {
  return (["fed", "counted"] as const)
    .filter((name) => found[name] < acknowledged[name])
    .map((name) => `the kill lost flights: ${acknowledged[name]} were ${name}, ${found[name]} are`);
}
