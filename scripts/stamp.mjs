// Remembers what a build step was made from, so that the step is left out while nothing has changed.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./processes.mjs";

/** Where stamps and generated files that are not committed live. It goes with `node_modules`. */
export const CACHE = join(ROOT, "node_modules", ".cache", "pawl");

const SKIPPED = new Set(["node_modules", "dist", "target"]);

/** A digest of the contents of `inputs` (files, or folders with all that is in them) and of the strings in `extra`. */
export function digest(inputs, extra = []) {
  const hash = createHash("sha256").update(JSON.stringify(extra));
  for (const file of inputs.flatMap(files)) hash.update(`\0${file}\0`).update(readFileSync(join(ROOT, file)));
  return hash.digest("hex");
}

/** Whether the step `name` last succeeded with this digest, and what it made is still there. */
export function isFresh(name, digest, outputs) {
  const stamp = join(CACHE, `${name}.stamp`);
  return (
    existsSync(stamp) && readFileSync(stamp, "utf8") === digest && outputs.every((file) => existsSync(join(ROOT, file)))
  );
}

/** Notes that the step `name` succeeded with this digest; `null` forgets it. */
export function stamp(name, digest) {
  mkdirSync(CACHE, { recursive: true });
  if (digest === null) rmSync(join(CACHE, `${name}.stamp`), { force: true });
  else writeFileSync(join(CACHE, `${name}.stamp`), digest);
}

function files(path) {
  if (!existsSync(join(ROOT, path))) return [];
  if (!statSync(join(ROOT, path)).isDirectory()) return [path];
  const names = readdirSync(join(ROOT, path)).filter((name) => !SKIPPED.has(name) && !name.startsWith("."));
  return names.sort().flatMap((name) => files(`${path}/${name}`));
}
