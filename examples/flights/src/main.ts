/**
 * 20,000 flights, 59 airports, one kill.
 *
 *   npm start                    in a fresh temporary folder
 *   npm start -- --keep DIR      in a folder of your choice, which must be new or empty
 *
 * Exits with 0 if the actors' figures are those of the file, and every claim arrived under one key; otherwise with 1.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { audit, readCalls } from "./claims-log.ts";
import { differences, table } from "./comparison.ts";
import { byOrigin, readFlights } from "./flights.ts";
import { placeIn, run } from "./job.ts";
import { reference } from "./reference.ts";
import { display, paint } from "./terminal.ts";
import { summary, verdict } from "./verdict.ts";

async function main(): Promise<number> {
  const folder = workFolder();
  const flights = readFlights();
  const place = placeIn(folder);
  const began = Date.now();
  console.log(
    `${flights.length} flights from ${byOrigin(flights).size} airports, one actor each. Working in ${folder}\n`,
  );

  const shown = display(flights.length);
  const { figures, problems } = await run(place, flights.length, shown).finally(() => shown.end());
  const expected = reference(flights);
  const claims = audit(readCalls(readFileSync(place.claimsLog, "utf8")), flights);

  console.log(`\n${table(figures, expected)}\n`);
  console.log(summary(claims));
  console.log(`look into the store: sqlite3 -readonly ${place.store} "select id, status, seq from actor"\n`);
  const { text, exitCode } = verdict(
    [...problems, ...differences(figures, expected), ...claims.problems],
    Date.now() - began,
  );
  console.log(text);
  return exitCode;
}

function workFolder(): string {
  const { keep } = parseArgs({ options: { keep: { type: "string" } } }).values;
  if (keep === undefined) return mkdtempSync(join(tmpdir(), "pawl-flights-"));
  // npm runs this in the package's folder: INIT_CWD is where the user is.
  const folder = resolve(process.env["INIT_CWD"] ?? ".", keep);
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty: --keep takes a new or an empty folder`);
  return folder;
}

// The processes that this one has started end with it: see child.ts.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

process.exitCode = await main().catch((error: unknown) => {
  console.error(`${paint("red", "failed")}: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
});
