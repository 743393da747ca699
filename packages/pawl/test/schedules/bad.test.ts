/** Schedules that are none are refused where they are defined: what was found, what was expected, and where. */
import { expect, test } from "vitest";
import { actor, PawlError } from "../../src/index.ts";

function refusal(schedules: unknown): PawlError {
  try {
    actor("robot", { schedules: schedules as {} });
  } catch (error) {
    if (error instanceof PawlError) return error;
  }
  throw new Error("it was not refused");
}

const run = () => {};

test.each([
  [
    { a: { cron: "61 * * * *", run } },
    /schedules\.a\.cron of actor "robot"/,
    /"61" as its minute/,
    /minutes from 0 to 59/,
  ],
  [{ a: { cron: "* 24 * * *", run } }, /schedules\.a\.cron/, /"24" as its hour/, /hours from 0 to 23/],
  [{ a: { cron: "0 0 0 * *", run } }, /schedules\.a\.cron/, /"0" as its day of month/, /days from 1 to 31/],
  [{ a: { cron: "0 0 * FOO *", run } }, /schedules\.a\.cron/, /"FOO" as its month/, /JAN to DEC/],
  [{ a: { cron: "0 0 * * 9", run } }, /schedules\.a\.cron/, /"9" as its day of week/, /SUN to SAT/],
  [{ a: { cron: "* * * *", run } }, /schedules\.a\.cron/, /4 fields/, /five fields/],
  [{ a: { cron: "0 * * * * *", run } }, /schedules\.a\.cron/, /6 fields/, /five fields/],
  [{ a: { cron: "@daily", run } }, /schedules\.a\.cron/, /one field/, /five fields/],
  [{ a: { cron: "", run } }, /schedules\.a\.cron/, /0 fields/, /five fields/],
  [{ a: { cron: 5, run } }, /schedules\.a\.cron/, /found {5}5/, /text of five fields/],
  [{ a: { cron: "0 0 30 2 *", run } }, /schedules\.a\.cron/, /never due/, /a day that there is/],
  [{ a: { cron: "0 3 * * *", timezone: "Europe/Atlantis", run } }, /schedules\.a\.timezone/, /Atlantis/, /IANA/],
  [{ a: { cron: "0 3 * * *", timezone: "+02:00", run } }, /schedules\.a\.timezone/, /\+02:00/, /IANA/],
  [{ a: { cron: "0 3 * * *", timezone: 2, run } }, /schedules\.a\.timezone/, /found {5}2/, /IANA/],
  [{ a: { every: 0, run } }, /schedules\.a\.every/, /found {5}0/, /from 1 ms/],
  [{ a: { every: "0s", run } }, /schedules\.a\.every/, /"0s"/, /from 1 ms/],
  [{ a: { every: -5, run } }, /schedules\.a\.every/, /-5/, /milliseconds/],
  [{ a: { every: "5 minutes", run } }, /schedules\.a\.every/, /5 minutes/, /"5m"/],
  [{ a: { every: Number.NaN, run } }, /schedules\.a\.every/, /NaN/, /milliseconds/],
  [{ a: { every: "101000d", run } }, /schedules\.a\.every/, /101000d/, /100 years/],
  [{ a: { every: "1h", timezone: "UTC", run } }, /schedules\.a/, /`timezone` beside `every`/, /`cron` alone/],
  [{ a: { every: "1h", cron: "0 3 * * *", run } }, /schedules\.a/, /`cron` and `every`/, /one of them/],
  [{ a: { run } }, /schedules\.a/, /neither/, /one of them/],
  [{ a: { every: "1h", missed: "twice", run } }, /schedules\.a\.missed/, /"twice"/, /"once", "skip" or "all"/],
  [{ a: { every: "1h" } }, /schedules\.a\.run/, /undefined/, /a function/],
  [{ a: { every: "1h", run, at: 5 } }, /schedules\.a/, /the member `at`/, /cron, timezone, every, missed, run/],
  [{ a: null }, /schedules\.a/, /null/, /run: \(c\)/],
  [{ "": { every: "1h", run } }, /a schedule of actor "robot"/, /""/, /1 to 512 bytes/],
  [5, /definition of actor "robot"/, /`schedules` that is 5/, /by their names/],
])("%j is refused", (schedules, where, found, expected) => {
  const error = refusal(schedules);
  expect(error.code).toBe("bad_argument");
  expect(error.message).toMatch(where);
  expect(error.message).toMatch(found);
  expect(error.message).toMatch(expected);
});
