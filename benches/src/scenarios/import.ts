/** I: what it costs a program to have Pawl: the time of its import, and the size of the addon. */
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { alternate } from "../alternate.ts";
import { bar, type Effort, type Progress, type Section } from "../section.ts";
import { differences, ratios, type Series, series } from "../series.ts";

/** From where `pawl` resolves. */
const FOLDER = fileURLToPath(new URL("../..", import.meta.url));
/** Processes of each kind in a round. */
const PROCESSES = 10;
const MEGABYTE = 1e6;

/** What Node is asked to run. */
export const PROGRAMS = {
  bareEsm: ["--input-type=module", "-e", ""],
  esm: ["--input-type=module", "-e", 'import "pawl";'],
  bareCjs: ["--input-type=commonjs", "-e", ""],
  cjs: ["--input-type=commonjs", "-e", 'require("pawl");'],
} as const;

export async function i({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const measure = (name: keyof typeof PROGRAMS) => async () => lifeOf(PROGRAMS[name]);
  const measures = {
    bareEsm: measure("bareEsm"),
    esm: measure("esm"),
    bareCjs: measure("bareCjs"),
    cjs: measure("cjs"),
  };
  const processes = Math.max(1, Math.ceil(PROCESSES / divisor));
  const found: Record<keyof typeof PROGRAMS, number[]> = { bareEsm: [], esm: [], bareCjs: [], cjs: [] };
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}`);
    const samples = await alternate(measures, processes, () => {}, round === 1 ? "warm up" : "cold");
    for (const name of Object.keys(found) as (keyof typeof PROGRAMS)[]) found[name].push(series(samples[name]).median);
  }
  const of = (name: keyof typeof PROGRAMS) => series(found[name]);
  const [esm, cjs] = [differences(of("esm"), of("bareEsm")), differences(of("cjs"), of("bareCjs"))];
  const row = (what: string, series: Series, unit = "ms") => ({ what, unit, series });
  return {
    id: "I",
    title: "importing pawl",
    timed: `the life of a process that does nothing else; of ${processes} of each kind in turn, the median`,
    rows: [
      row("Node, an empty module", of("bareEsm")),
      row('import "pawl"', of("esm")),
      row("Node, an empty script", of("bareCjs")),
      row('require("pawl")', of("cjs")),
      row("import / empty", ratios(of("esm"), of("bareEsm")), "x"),
      row("require / empty", ratios(of("cjs"), of("bareCjs")), "x"),
    ],
    bars: [
      bar("ms of the import above an empty module", esm, "at most", 30),
      bar("ms of the require above an empty script", cjs, "at most", 30),
      bar("MB of the addon", series([addonBytes() / MEGABYTE]), "at most", 6),
    ],
  };
}

/** Milliseconds of a process, from its start to its end. */
export function lifeOf(args: readonly string[]): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: FOLDER, encoding: "utf8" });
  const took = performance.now() - began;
  if (status !== 0) throw new Error(`node ${args.join(" ")} has ended with ${status}: ${stderr}`);
  return took;
}

/** Of the largest one that was built here. */
export function addonBytes(): number {
  const manifest = createRequire(import.meta.url).resolve("pawl/package.json");
  const folder = join(dirname(manifest), "native");
  const addons = readdirSync(folder).filter((name) => name.endsWith(".node"));
  return Math.max(...addons.map((name) => statSync(join(folder, name)).size));
}
