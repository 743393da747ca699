/** What a result has to say of where it comes from. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { arch, cpus, loadavg, platform, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Origin {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** How many programs wanted a core, on average over the last minute before the run. */
  readonly load: number;
  readonly node: string;
  readonly pawl: string;
  readonly peer: string;
  /** Of the working tree; with a `+` if it has changes. None outside of a repository. */
  readonly commit: string | undefined;
}

export function origin(): Origin {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    node: process.version,
    pawl: versionOf("pawl"),
    peer: `@rivetkit/workflow-engine ${versionOf("@rivetkit/workflow-engine")}`,
    commit: commit(),
  };
}

/** The version of an installed package, whether or not it exports its manifest. */
function versionOf(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.resolve(name)));
  while (folder !== dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file)) {
      const manifest = JSON.parse(readFileSync(file, "utf8")) as { name?: string; version?: string };
      if (manifest.name === name && manifest.version !== undefined) return manifest.version;
    }
    folder = dirname(folder);
  }
  return "unknown";
}

function commit(): string | undefined {
  const [head, status] = [git("rev-parse", "--short", "HEAD"), git("--no-optional-locks", "status", "--porcelain")];
  return head === undefined ? undefined : head + (status === "" ? "" : "+");
}

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync("git", args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}
