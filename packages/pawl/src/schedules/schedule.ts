/** The schedules of a definition: what is wrong with them, and when they are due. */
import { milliseconds } from "../duration.ts";
import type { PawlError } from "../errors.ts";
import { badArgument, shown } from "../messages.ts";
import type { ScheduleRecord } from "../wire.ts";
import { CronLine, isZone, problemOf } from "./cron.ts";
import type { AnySchedule, Schedules } from "./types.ts";

/** What is late by no more than this was not missed: a process had to be started, or another one to take over. */
const LATE_MS = 60_000;
const MISSED = ["once", "skip", "all"] as const;
const MEMBERS: readonly string[] = ["cron", "timezone", "every", "missed", "run"];

/** What becomes of a tick. */
export interface Plan {
  /** Whether the schedule runs. */
  readonly runs: boolean;
  /** When it is due next, in milliseconds since the epoch. */
  readonly next: number;
}

export class Schedule {
  readonly name: string;
  readonly run: AnySchedule["run"];
  /** What it is, as it is stored with its ticks: if that changes, it is planned anew. */
  readonly spec: string;
  readonly #missed: (typeof MISSED)[number];
  readonly #after: (instant: number, since: number) => number;

  constructor(name: string, definition: AnySchedule) {
    const { cron, timezone = "UTC", every, missed = "once", run } = definition;
    this.name = name;
    this.run = run;
    this.#missed = missed;
    if (cron !== undefined) {
      const line = new CronLine(cron, timezone);
      this.spec = `cron ${timezone} ${cron}`;
      this.#after = (instant) => line.after(instant);
    } else {
      const period = Math.ceil(milliseconds(every ?? 0, name));
      this.spec = `every ${period}`;
      this.#after = (instant, since) => since + (Math.floor((instant - since) / period) + 1) * period;
    }
  }

  /** When it is first due, of an actor that is told of it now. */
  first(now: number): number {
    return this.#after(now, now);
  }

  /**
   * What becomes of a tick that was due then, `planned` as what the schedule was at the time. Where it was something else, all
   * that it means now is still to come.
   */
  plan(dueAt: number, planned: string, now: number): Plan {
    const latest = Math.max(dueAt, now);
    const all = this.#missed === "all" && planned === this.spec;
    const next = this.#after(all ? dueAt : latest, dueAt);
    return { runs: this.#missed !== "skip" || this.#isFresh(dueAt, latest), next };
  }

  /** Whether it was due within the last minute, this time or another. */
  #isFresh(dueAt: number, now: number): boolean {
    return now - dueAt <= LATE_MS || this.#after(now - LATE_MS - 1, dueAt) <= now;
  }
}

/** The schedules of a definition, which has been checked. */
export function schedulesOf({
  schedules,
}: {
  readonly schedules?: Schedules | undefined;
}): ReadonlyMap<string, Schedule> {
  if (schedules === undefined) return NONE;
  let known = made.get(schedules);
  if (known === undefined) {
    known = new Map(Object.entries(schedules).map(([name, schedule]) => [name, new Schedule(name, schedule)]));
    made.set(schedules, known);
  }
  return known;
}

const NONE: ReadonlyMap<string, Schedule> = new Map();
const made = new WeakMap<Schedules, ReadonlyMap<string, Schedule>>();

/** As the engine is told of them. */
export function planned(schedules: ReadonlyMap<string, Schedule>, now: number): ScheduleRecord[] {
  return Array.from(schedules.values(), (schedule) => ({
    name: schedule.name,
    spec: Buffer.from(schedule.spec),
    nextAt: schedule.first(now),
  }));
}

/** Throws `bad_argument`. */
export function checkSchedule(schedule: AnySchedule, name: string, actor: string): void {
  const at = (member = ""): string => `schedules.${name}${member} of actor "${actor}"`;
  if (typeof schedule !== "object" || schedule === null)
    throw wrong(at(), shown(schedule), '{ cron: "0 3 * * *", run: (c) => ... } or { every: "1h", run: (c) => ... }');
  const unknown = Object.keys(schedule).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined) throw wrong(at(), `the member \`${unknown}\``, MEMBERS.join(", "));
  const { cron, timezone, every, missed = "once", run } = schedule;
  if ((cron === undefined) === (every === undefined))
    throw wrong(at(), cron === undefined ? "neither `cron` nor `every`" : "`cron` and `every`", "one of them");
  const problem = cron === undefined ? undefined : problemOf(cron);
  if (problem !== undefined) throw wrong(at(".cron"), problem.found, problem.expected);
  if (timezone !== undefined && every !== undefined)
    throw wrong(at(), "`timezone` beside `every`", "`timezone` with `cron` alone: an interval is the same everywhere");
  if (timezone !== undefined && !isZone(timezone))
    throw wrong(at(".timezone"), shown(timezone), 'a zone of the IANA database, such as "Europe/Berlin" or "UTC"');
  if (every !== undefined && milliseconds(every, at(".every")) < 1)
    throw wrong(at(".every"), shown(every), "a duration from 1 ms");
  if (!MISSED.includes(missed)) throw wrong(at(".missed"), shown(missed), '"once", "skip" or "all"');
  if (typeof run !== "function") throw wrong(at(".run"), shown(run), "a function");
}

function wrong(where: string, found: string, expected: string): PawlError {
  return badArgument(`a schedule is not right: ${where}.
  found     ${found}
  expected  ${expected}`);
}
