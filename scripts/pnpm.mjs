// Runs the pinned pnpm, fetched from npm: node scripts/pnpm.mjs add -D x --filter pawl
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT, run } from "./processes.mjs";

/** Runs pnpm, at the version that `packageManager` in package.json names, with `args`. */
export function pnpm(args) {
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const exec = ["exec", "--yes", `--package=${packageManager}`, "--", "pnpm", ...args];
  const npm = process.env.npm_execpath;
  return npm?.endsWith("npm-cli.js") ? run(process.execPath, [npm, ...exec]) : run("npm", exec);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = (await pnpm(process.argv.slice(2))).code;
