/** Child processes, seen from the parent: each reports in lines of JSON on its output, and is ended by its own process id. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** How a process ended: by itself with a code, or by a signal. */
export type Ending = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export interface Child {
  readonly pid: number;
  /** Settles when the process is gone and all that it reported has been heard; rejects if it could not be started. */
  readonly ended: Promise<Ending>;
  /** Sends a signal, unless the process is gone. */
  kill(signal: NodeJS.Signals): void;
}

const running = new Set<ChildProcess>();

// Whatever ends this process, an uncaught error too: nothing that it started stays behind.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a module of this folder as a process of its own, and calls `hear` with each report. */
export function start<Report>(module: string, args: readonly string[], hear: (report: Report) => void): Child {
  const file = fileURLToPath(new URL(module, import.meta.url));
  // The child sees the end of its input when this process is gone, even by SIGKILL: see parent.ts.
  const child = spawn(process.execPath, [file, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  running.add(child);
  child.stdin.on("error", () => {}); // a child that was killed no longer reads
  createInterface(child.stdout).on("line", (line) => {
    if (line.startsWith("{") && line.endsWith("}")) hear(JSON.parse(line) as Report);
  });
  const ended = new Promise<Ending>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal }));
  }).finally(() => running.delete(child));
  ended.catch(() => {});
  return { pid: child.pid ?? 0, ended, kill: (signal) => child.kill(signal) };
}

/** Ends a process: kindly, and after three seconds by force. */
export async function stop(child: Child): Promise<void> {
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), 3_000);
  await child.ended.catch(() => {});
  clearTimeout(force);
}
