/** Cron lines against instants that are known: a time that clocks skip, one that they show twice, and the calendar. */
import { expect, test } from "vitest";
import { CronLine } from "../../src/schedules/cron.ts";
import { Zone } from "../../src/schedules/zone.ts";

/** The first instants after `from` at which a line is due, as UTC. */
function due(line: string, zone: string, from: string, count: number): string[] {
  const cron = new CronLine(line, zone);
  const found: string[] = [];
  for (let at = Date.parse(from); found.length < count; ) {
    at = cron.after(at);
    found.push(new Date(at).toISOString().replace(":00.000Z", "Z"));
  }
  return found;
}

test.each([
  ["0 3 * * *", "2024-01-01T03:00:00Z", ["2024-01-02T03:00Z", "2024-01-03T03:00Z"]],
  ["*/20 9-10 * * *", "2024-01-01T10:20:00Z", ["2024-01-01T10:40Z", "2024-01-02T09:00Z"]],
  ["0 0 29 2 *", "2023-01-01T00:00:00Z", ["2024-02-29T00:00Z", "2028-02-29T00:00Z"]],
  ["0 0 L * *", "2023-02-01T00:00:00Z", ["2023-02-28T00:00Z", "2023-03-31T00:00Z"]],
  ["30 8 * * MON-FRI", "2024-06-07T12:00:00Z", ["2024-06-10T08:30Z", "2024-06-11T08:30Z"]],
  ["0 12 * * 1#2", "2024-06-01T00:00:00Z", ["2024-06-10T12:00Z", "2024-07-08T12:00Z"]],
  // As cron has it: either day counts where both are given.
  ["0 0 13 * 5", "2024-09-07T00:00:00Z", ["2024-09-13T00:00Z", "2024-09-20T00:00Z"]],
])("%s is due when the calendar says", (line, from, expected) => {
  expect(due(line, "UTC", from, expected.length)).toEqual(expected);
});

test.each([
  // 2024-03-31 02:00 CET is 03:00 CEST.
  [
    "Europe/Berlin",
    "30 2 * * *",
    "2024-03-29T12:00:00Z",
    ["2024-03-30T01:30Z", "2024-03-31T01:00Z", "2024-04-01T00:30Z"],
  ],
  // 2024-03-10 02:00 EST is 03:00 EDT.
  ["America/New_York", "15,45 2 * * *", "2024-03-09T12:00:00Z", ["2024-03-10T07:00Z", "2024-03-11T06:15Z"]],
  // 2024-10-06 02:00 is 02:30 at Lord Howe: half an hour.
  ["Australia/Lord_Howe", "10 2 * * *", "2024-10-04T20:00:00Z", ["2024-10-05T15:30Z", "2024-10-06T15:10Z"]],
  // 2018-11-04 began at 01:00 in Sao Paulo.
  ["America/Sao_Paulo", "0 0 * * *", "2018-11-03T12:00:00Z", ["2018-11-04T03:00Z", "2018-11-05T02:00Z"]],
  // There was no 2011-12-30 in Samoa.
  ["Pacific/Apia", "0 12 30 12 *", "2011-01-01T00:00:00Z", ["2011-12-30T10:00Z", "2012-12-29T22:00Z"]],
])("in %s, a time that clocks skip is due at the first instant after the gap, once", (zone, line, from, expected) => {
  expect(due(line, zone, from, expected.length)).toEqual(expected);
});

test.each([
  // 2024-10-27 03:00 CEST is 02:00 CET.
  ["Europe/Berlin", "30 2 * * *", "2024-10-26T12:00:00Z", ["2024-10-27T00:30Z", "2024-10-28T01:30Z"]],
  [
    "Europe/Berlin",
    "0,30 2,3 * * *",
    "2024-10-26T12:00:00Z",
    ["2024-10-27T00:00Z", "2024-10-27T00:30Z", "2024-10-27T02:00Z"],
  ],
  // 2024-11-03 02:00 EDT is 01:00 EST.
  ["America/New_York", "30 1 * * *", "2024-11-02T12:00:00Z", ["2024-11-03T05:30Z", "2024-11-04T06:30Z"]],
  // 2024-04-07 02:00 is 01:30 at Lord Howe.
  ["Australia/Lord_Howe", "45 1 * * *", "2024-04-06T00:00:00Z", ["2024-04-06T14:45Z", "2024-04-07T15:15Z"]],
])("in %s, a time that clocks show twice is due the first time alone", (zone, line, from, expected) => {
  expect(due(line, zone, from, expected.length)).toEqual(expected);
});

test("asked in the second pass of an hour, a line is not due again in it", () => {
  expect(due("*/30 * * * *", "Europe/Berlin", "2024-10-27T01:10:00Z", 1)).toEqual(["2024-10-27T02:00Z"]);
});

test("zones without summer time, with odd offsets and with none are as they are", () => {
  expect(due("0 9 * * *", "Asia/Kathmandu", "2024-05-01T00:00:00Z", 2)).toEqual([
    "2024-05-01T03:15Z",
    "2024-05-02T03:15Z",
  ]);
  expect(due("0 9 * * *", "Asia/Tokyo", "2024-05-01T00:00:00Z", 1)).toEqual(["2024-05-02T00:00Z"]);
});

test("local time there and back is the same instant, but in the second pass of an hour", () => {
  const changes = {
    "Europe/Berlin": "2024-10-27",
    "America/New_York": "2024-03-10",
    "Australia/Lord_Howe": "2024-04-06",
  };
  for (const [name, day] of Object.entries(changes)) {
    const zone = new Zone(name);
    const twice: number[] = [];
    for (let at = Date.parse(day) - 86_400_000; at < Date.parse(day) + 2 * 86_400_000; at += 1_800_000) {
      const back = zone.instantOf(zone.localAt(at));
      if (back === at) continue;
      twice.push(at);
      expect([back < at, zone.localAt(back)]).toEqual([true, zone.localAt(at)]);
    }
    expect([name, twice.length]).toEqual([name, { "Europe/Berlin": 2, "Australia/Lord_Howe": 1 }[name] ?? 0]);
  }
});
