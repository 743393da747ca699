/**
 * What the engine's native half holds of one value, in a process that has nothing else: `crates/core/examples/held.rs`, built once.
 *
 * A process of Node keeps memory of its own outside of its heap, which no figure tells from the engine's.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Progress } from "./section.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const EXAMPLE = ["run", "--quiet", "--release", "-p", "pawl-core", "--example", "held", "--"];
const WRITES = 1_000;

/** Values of so many entries that they have the size asked for, by what they are called there. */
export const SHAPES = {
  things: "an array of objects",
  map: "the objects in a Map, by text",
  object: "the objects in an object, by name",
  byId: "the objects in an object, by number",
  numbers: "numbers in a Map, by text",
  set: "texts in a Set",
  mixed: "short texts in a Set, in no order",
  ids: "numbers in a Set",
} as const;

/** Bytes: of the encoded value, and what the system counts for the process beyond what it had before. */
export interface Held {
  readonly encoded: number;
  /** Loaded, and not written into. */
  readonly unread: number;
  /** After writes all over it. */
  readonly written: number;
}

/** None where there is no cargo. */
export function held(shape: keyof typeof SHAPES, bytes: number, progress: Progress): Held | undefined {
  progress(`native: ${SHAPES[shape]}`);
  const run = spawnSync("cargo", [...EXAMPLE, shape, String(bytes), String(WRITES)], { cwd: ROOT, encoding: "utf8" });
  if (run.error !== undefined && "code" in run.error && run.error.code === "ENOENT") return undefined;
  if (run.status !== 0) throw new Error(`found ${run.stderr || String(run.error)}, expected what a cell holds`);
  return JSON.parse(run.stdout) as Held;
}
