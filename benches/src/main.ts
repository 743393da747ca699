/**
 * Measures Pawl, beside the peer where there is one.
 *
 *   npm run bench                     every scenario, 5 rounds
 *   npm run bench -- --full           10 rounds
 *   npm run bench -- --only A1,B      some scenarios
 *   npm run bench -- --check          exits with 1 if a bar is missed
 *   npm run bench -- --rounds 3 --json FILE
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { growthChart, ratioChart } from "./charts.ts";
import { origin } from "./machine.ts";
import { barText, sectionText, yardstickText } from "./report.ts";
import { scenarios } from "./scenarios/index.ts";
import type { Effort, Progress, Section } from "./section.ts";
import { yardsticks } from "./yardsticks.ts";

const RESULTS = fileURLToPath(new URL("../results", import.meta.url));

async function main(): Promise<number> {
  const { check, names, effort, json } = command();
  const from = origin();
  console.log(`Pawl ${from.pawl} (${from.commit ?? "no commit"}) beside ${from.peer}`);
  console.log(
    `Node ${from.node} on ${from.cores} x ${from.cpu}, ${from.memoryGiB} GiB, ${from.system}; load ${from.load}`,
  );
  console.log(`${effort.rounds} rounds, in turn; shown are medians, and the least and the most\n`);

  const before = await yardsticks(effort, progress, say);
  const sections: Section[] = [];
  for (const name of names) {
    const section = await scenarios[name]?.(effort, (what) => progress(`${name}: ${what}`));
    if (section === undefined) continue;
    sections.push(section);
    say(`${sectionText(section)}\n`);
  }
  const after = await yardsticks(effort, progress, () => {});
  say(`${yardstickText(before, after)}\n`);

  mkdirSync(dirname(json), { recursive: true });
  writeFileSync(
    json,
    `${JSON.stringify({ version: 1, origin: from, effort, yardsticks: { before, after }, sections }, null, 2)}\n`,
  );
  for (const [name, chart] of [
    ["ratios", ratioChart(sections)],
    ["growth", growthChart(sections)],
  ] as const)
    if (chart !== undefined) writeFileSync(json.replace(/(\.json)?$/, `-${name}.svg`), chart);
  const bars = sections.flatMap((section) => section.bars);
  const missed = bars.filter((bar) => !bar.holds);
  for (const bar of missed) console.log(barText(bar));
  console.log(`${bars.length - missed.length} of ${bars.length} bars hold; written to ${json}`);
  return check && missed.length > 0 ? 1 : 0;
}

interface Command {
  readonly check: boolean;
  readonly names: readonly string[];
  readonly effort: Effort;
  readonly json: string;
}

function command(): Command {
  const { values } = parseArgs({
    options: {
      full: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string" },
      json: { type: "string" },
    },
  });
  const known = Object.keys(scenarios);
  const names = values.only?.toUpperCase().split(",") ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new Error(`--only: there is no scenario ${unknown}; expected some of ${known.join(",")}`);
  const rounds = Number(values.rounds ?? (values.full ? 10 : 5));
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: found ${values.rounds}, expected a count from 1`);
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  // npm runs this in the package's folder: INIT_CWD is where the user is.
  const json =
    values.json === undefined ? join(RESULTS, `${stamp}.json`) : resolve(process.env["INIT_CWD"] ?? ".", values.json);
  return { check: values.check, names, effort: { rounds, divisor: 1 }, json };
}

/** On a terminal, the line at the bottom; elsewhere nothing. */
const progress: Progress = (what) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`);
};

function say(text: string): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  console.log(text);
}

process.exitCode = await main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  return 2;
});
