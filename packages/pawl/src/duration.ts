/** Durations and points in time. */
import { badArgument, shown } from "./messages.ts";

/** A number is milliseconds; a string is a number and a unit: `"250ms"`, `"1.5h"`, `"1d"`. `m` is minutes. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;
/** A number is milliseconds since the epoch. */
export type Time = number | Date;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const FORM = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h|d)$/;
/** 100 years. */
const LONGEST_MS: number = 100 * 365.25 * 86_400_000;

/** Milliseconds. Throws `bad_argument` for anything negative, not finite, longer than 100 years, or of another form. */
export function milliseconds(duration: Duration, what: string): number {
  const ms = typeof duration === "string" ? parsed(duration) : duration;
  if (typeof ms === "number" && ms >= 0 && ms <= LONGEST_MS) return ms;
  throw badArgument(`${what} is not a duration.
  found     ${shown(duration)}
  expected  milliseconds from 0 to 100 years, or a string like "250ms", "30s", "5m", "1.5h", "1d"`);
}

/** Milliseconds since the epoch. Throws `bad_argument` for an invalid date, or one over 100 years ahead. */
export function pointInTime(time: Time, what: string, now: number): number {
  const ms = time instanceof Date ? time.getTime() : time;
  if (typeof ms === "number" && ms >= 0 && ms - now <= LONGEST_MS) return ms;
  throw badArgument(`${what} is not a point in time.
  found     ${shown(time)}
  expected  a Date, or milliseconds since 1970, at most 100 years ahead`);
}

function parsed(text: string): number {
  const [, count, unit] = FORM.exec(text) ?? [];
  return count === undefined || unit === undefined ? Number.NaN : Number(count) * (UNITS[unit] ?? Number.NaN);
}
