/** The machine's own figures, before and after a run: a figure of an engine is only worth something beside them. */
import { betterSqlite3 } from "./better-sqlite3.ts";
import type { Effort, Progress } from "./section.ts";
import { Side } from "./side.ts";

export interface Yardsticks {
  /** Appends of 4 KiB, each with an fdatasync, in a second. */
  readonly syncs: number;
  /** Transactions of one row in a second, SQLite with WAL and synchronous=FULL; none if `better-sqlite3` cannot be had. */
  readonly commits: number | undefined;
  /** Nanoseconds. */
  readonly promiseTurn: number;
  /** Milliseconds. */
  readonly integers: number;
}

/** Takes the yardsticks. `say` is told what has to be left out, and why. */
export async function yardsticks(
  { divisor }: Effort,
  progress: Progress,
  say: (line: string) => void,
): Promise<Yardsticks> {
  const side = new Side("machine");
  try {
    progress("yardsticks");
    const syncs = await side.ask("syncs", Math.ceil(1_000 / divisor));
    const promiseTurn = await side.ask("promiseTurn", Math.ceil(2_000_000 / divisor));
    const integers = await side.ask("integers");
    return { syncs, commits: await commits(Math.ceil(1_000 / divisor), progress, say), promiseTurn, integers };
  } finally {
    side.end();
  }
}

/** In a process of its own: a build for another Node can take the process with it. */
async function commits(count: number, progress: Progress, say: (line: string) => void): Promise<number | undefined> {
  const found = betterSqlite3(progress);
  if ("missing" in found) {
    say(`left out: commits of one row through better-sqlite3: ${found.missing}`);
    return undefined;
  }
  const side = new Side("machine");
  try {
    return await side.ask("commits", found.folder, count);
  } catch (error) {
    say(
      `left out: commits of one row through better-sqlite3: ${error instanceof Error ? error.message : String(error)}`,
    );
    return undefined;
  } finally {
    side.end();
  }
}
