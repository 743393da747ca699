/**
 * Cron lines: five fields, in local time.
 *
 * The fields are read, and matched, by croner, which is only ever asked about UTC; what local time means is `Zone`'s matter.
 */
import { Cron } from "croner";
import { Zone } from "./zone.ts";

const FIELDS = ["minute", "hour", "day of month", "month", "day of week"] as const;
const ANY = ["*", "*", "*", "*", "*"] as const;
/** A leap year begins then, and a cycle of the calendar: what is never due after it is never due. */
const LONG_AGO: number = Date.UTC(2000, 0, 1) - 1;

/** Why a line is none: what was found, and what was expected there. */
export interface CronProblem {
  readonly found: string;
  readonly expected: string;
}

export class CronLine {
  readonly #cron: Cron;
  readonly #zone: Zone;

  /** The line must be one in which `problemOf` finds nothing. */
  constructor(line: string, zone: string) {
    this.#cron = read(line);
    this.#zone = new Zone(zone);
  }

  /** The first instant after this one that the line means, in milliseconds since the epoch. */
  after(instant: number): number {
    let local = this.#zone.localAt(instant);
    for (;;) {
      const next = this.#cron.nextRun(new Date(local));
      if (next === null) throw new Error("a cron line that was checked is never due");
      local = next.getTime();
      const due = this.#zone.instantOf(local);
      // In the second pass of an hour that comes twice, its times are over.
      if (due > instant) return due;
    }
  }
}

/** What is wrong with a line; nothing if it is one. */
export function problemOf(line: unknown): CronProblem | undefined {
  if (typeof line !== "string") return { found: String(line), expected: 'text of five fields, such as "0 3 * * *"' };
  const fields = line.trim().split(/\s+/).filter(Boolean);
  const found = JSON.stringify(line);
  if (fields.length !== FIELDS.length)
    return { found: `${found}: ${count(fields.length)}`, expected: `five fields: ${FIELDS.join(", ")}` };
  for (const [at, field] of fields.entries()) {
    const problem = fault(() => read(ANY.map((any, other) => (other === at ? field : any)).join(" ")));
    if (problem !== undefined)
      return { found: `${found}: ${JSON.stringify(field)} as its ${FIELDS[at]}`, expected: EXPECTED[at] ?? problem };
  }
  const problem = fault(() => read(line));
  if (problem !== undefined) return { found, expected: `a line that can be read (${problem})` };
  if (read(line).nextRun(new Date(LONG_AGO)) === null)
    return { found: `${found}, which is never due`, expected: "a day that there is" };
  return undefined;
}

/** Whether a zone is one of the IANA database, as far as this Node knows it. */
export function isZone(zone: unknown): zone is string {
  return typeof zone === "string" && /^[A-Za-z]/.test(zone) && fault(() => new Zone(zone)) === undefined;
}

const EXPECTED: readonly string[] = [
  "minutes from 0 to 59: *, 5, 0-30, */15, 0,30",
  "hours from 0 to 23: *, 5, 9-17, */6, 8,20",
  "days from 1 to 31: *, 1, 1-7, 1,15, or L for the last one",
  "months from 1 to 12, or JAN to DEC: *, 3, 6-8, */3",
  "days from 0 (Sunday) to 7, or SUN to SAT: *, 1-5, MON,FRI, or 1#2 for the second Monday",
];

function read(line: string): Cron {
  return new Cron(line.trim().split(/\s+/).join(" "), { mode: "5-part", utcOffset: 0, paused: true });
}

function fault(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function count(fields: number): string {
  return fields === 1 ? "one field" : `${fields} fields`;
}
