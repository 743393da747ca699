/** What this process has handed to the disk. */
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Bytes that this process has handed to `write` so far; Linux counts them. */
export function bytesWritten(): number | undefined {
  try {
    const found = /^wchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"));
    return found === null ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}

/** Bytes of all files of a folder. */
export function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

/** Does something with a new folder, and removes it. */
export async function inNewFolder<T>(work: (folder: string) => Promise<T>, parent: string = tmpdir()): Promise<T> {
  const folder = await mkdtemp(join(parent, "pawl-bench-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The URL of a database in a folder of its own. */
export function databaseIn(root: string, name: string): { readonly folder: string; readonly url: string } {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  return { folder, url: `sqlite:${join(folder, "bench.db")}` };
}
