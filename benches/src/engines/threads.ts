/** What the threads of this process have computed, by what they are for. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

/** Microseconds of processor time. */
export interface Computed {
  /** JavaScript's thread. */
  readonly main: number;
  /** The thread that writes the store. */
  readonly writer: number;
  /** The others: V8's collector and compiler, libuv's. */
  readonly others: number;
}

/** The store's writer, as `crates/store` names it. */
const WRITER = "pawl-store";

/** So far. Elsewhere than on Linux all of it counts as JavaScript's. */
export function computed(): Computed {
  const all = { main: 0, writer: 0, others: 0 };
  for (const task of tasks()) {
    const time = timeOf(task);
    if (task === String(process.pid)) all.main += time;
    else if (nameOf(task) === WRITER) all.writer += time;
    else all.others += time;
  }
  if (all.main > 0) return all;
  const { user, system } = process.cpuUsage();
  return { main: user + system, writer: 0, others: 0 };
}

export function since(before: Computed): Computed {
  const now = computed();
  return { main: now.main - before.main, writer: now.writer - before.writer, others: now.others - before.others };
}

/**
 * Calls `use` with a clock that tells what JavaScript's thread has computed so far, in microseconds; elsewhere than on Linux it is the
 * time. The system brings it up to date at its ticks: one difference says little, the sum of many what it should.
 */
export async function withThreadClock<R>(use: (clock: () => number) => Promise<R>): Promise<R> {
  const path = `/proc/self/task/${process.pid}/schedstat`;
  if (read(String(process.pid), "schedstat") === "") return use(() => performance.now() * 1_000);
  const file = openSync(path, "r");
  const text = Buffer.alloc(64);
  try {
    return await use(() => {
      const length = readSync(file, text, 0, text.length, 0);
      return Number.parseInt(text.toString("latin1", 0, length), 10) / 1_000;
    });
  } finally {
    closeSync(file);
  }
}

function tasks(): string[] {
  try {
    return readdirSync("/proc/self/task");
  } catch {
    return [];
  }
}

/** The first number of `schedstat` is nanoseconds on a processor (Linux, Documentation/scheduler/sched-stats). A thread that has ended has none. */
function timeOf(task: string): number {
  return Number(read(task, "schedstat").split(" ")[0] ?? 0) / 1_000;
}

function nameOf(task: string): string {
  return read(task, "comm").trim();
}

function read(task: string, file: string): string {
  try {
    return readFileSync(`/proc/self/task/${task}/${file}`, "utf8");
  } catch {
    return "";
  }
}
