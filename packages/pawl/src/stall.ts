/** Bodies that keep everything else waiting: they are named. */
import type { Attempt } from "./attempt.ts";

/** A body that computes for longer without an `await` is logged, in milliseconds. */
const LONG_MS = 50;
/** One that waits for something else than its own computing (a file that is read synchronously), not before this. */
const VERY_LONG_MS = 1_000;
/** How old the count of what the process has computed may be: to ask for it costs a microsecond. */
const FRESH_MS = 10;

let countedAt = Number.NEGATIVE_INFINITY;
let counted: NodeJS.CpuUsage = { user: 0, system: 0 };

/**
 * Runs the beginning of a body, up to its first `await`, and logs its name if that has blocked the event loop for long. On a machine
 * with more to do than it can, a process stands still without any fault of its code: that is not logged. Where time is moved
 * by hand nothing is measured.
 */
export function watched<R>(attempt: Attempt, kind: "step" | "action", body: string, run: () => R): R {
  const { pump, log, name } = attempt.owner;
  if (!pump.isRealTime) return run();
  const began = performance.now();
  if (began - countedAt > FRESH_MS) {
    countedAt = began;
    counted = process.cpuUsage();
  }
  try {
    return run();
  } finally {
    const ms = Math.round(performance.now() - began);
    if (ms > LONG_MS && (ms > VERY_LONG_MS || computedMs() > LONG_MS))
      log.warn(
        { actor: name, attempt: attempt.count, ms },
        `${kind} "${body}" of ${name} has blocked the event loop for ${ms} ms: nothing else could run meanwhile`,
      );
  }
}

function computedMs(): number {
  const { user, system } = process.cpuUsage(counted);
  return (user + system) / 1_000;
}
