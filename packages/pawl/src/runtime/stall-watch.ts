/**
 * An event loop that is stuck for longer than `stallLimit`: the native half has stopped renewing this process's lease by then, so
 * that other processes go on with its actors. When the loop comes round again, this says so, and who was at work.
 */
import type { Logger } from "../log.ts";

/** So many are named. */
const NAMED = 10;

export interface StallWatchOptions {
  /** In milliseconds. */
  readonly limit: number;
  /** The actors that are at work, by `type/key`. */
  readonly atWork: () => readonly string[];
  readonly log: Logger;
}

/** Looks from now on, until what it returns is called. It keeps no process alive. */
export function watchForStalls({ limit, atWork, log }: StallWatchOptions): () => void {
  const every = Math.min(Math.max(limit / 4, 10), 10_000);
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    const ms = Math.round(now - last);
    last = now;
    if (ms - every < limit) return;
    const names = atWork();
    const more = names.length > NAMED ? `, and ${names.length - NAMED} more` : "";
    log.error(
      { ms, actors: names.slice(0, NAMED) },
      `the event loop has been stuck for ${ms} ms, longer than stallLimit (${limit} ms): other processes may have this one's actors by now. At work were ${names.slice(0, NAMED).join(", ") || "none"}${more}`,
    );
  }, every).unref();
  return () => clearInterval(timer);
}
