/**
 * `better-sqlite3`, which only a yardstick needs, so that it is no dependency: it is installed once, beside the benches.
 *
 * From 13 on it brings its binaries along and needs Node 22. Before, it is compiled here, which takes a minute or two and may
 * fail for the want of a compiler or of Node's headers.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Progress } from "./section.ts";

const CACHE = fileURLToPath(new URL("../node_modules/.cache", import.meta.url));
const PATIENCE_MS = 15 * 60_000;

/** The folder from which it can be required, or why there is none. */
export function betterSqlite3(progress: Progress): { readonly folder: string } | { readonly missing: string } {
  const version = Number(process.versions.node.split(".")[0]) >= 22 ? "13.2.0" : "12.11.1";
  const folder = join(CACHE, `better-sqlite3-${version}-${process.versions.modules}`);
  const [installed, failed] = [join(folder, "installed"), join(folder, "failed")];
  if (existsSync(installed)) return { folder };
  const missing = { missing: `better-sqlite3 ${version} could not be installed here; to try again, remove ${folder}` };
  if (existsSync(failed)) return missing;
  progress(`installing better-sqlite3 ${version} for a yardstick, once`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}\n");
  const env = { ...process.env, npm_config_build_from_source: "true" };
  const install = ["install", "--no-audit", "--no-fund", "--save-exact", `better-sqlite3@${version}`];
  const { status } = spawnSync("npm", install, {
    cwd: folder,
    env,
    stdio: "ignore",
    timeout: PATIENCE_MS,
    shell: process.platform === "win32",
  });
  writeFileSync(status === 0 ? installed : failed, "");
  return status === 0 ? { folder } : missing;
}
