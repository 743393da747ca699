import { expect, test } from "vitest";
import { audit, type Call, readCalls } from "../src/claims-log.ts";
import type { Flight } from "../src/flights.ts";

const flights: Flight[] = [10, 120, 509].map((delay, row) => ({ row, delay, date: "", origin: "A", destination: "B" }));

function calls(...described: [row: number, key: string, outcome: Call["outcome"]][]): Call[] {
  return described.map(([row, key, outcome], index) => ({ call: index + 1, row, key, outcome }));
}

test("every due claim accepted once under its key is well, however often it was refused or repeated", () => {
  const log = calls([1, "a", "refused"], [2, "b", "accepted"], [1, "a", "accepted"], [1, "a", "repeated"]);
  const judged = audit(log, flights);
  expect(judged).toMatchObject({ problems: [], claims: 2, keys: 2, calls: 4, refused: 1, repeated: 1 });
  expect([...judged.claimsByCalls]).toEqual([
    [3, 1],
    [1, 1],
  ]);
});

test.each([
  ["never arrived", calls([1, "a", "accepted"])],
  ["accepted 0 times", calls([1, "a", "accepted"], [2, "b", "refused"])],
  ["came under 2 keys", calls([1, "a", "accepted"], [1, "c", "accepted"], [2, "b", "accepted"])],
  ["came without a key", calls([1, "a", "accepted"], [2, "", "invalid"])],
  ["flight 0 was claimed, and is not due", calls([0, "x", "accepted"], [1, "a", "accepted"], [2, "b", "accepted"])],
  ["key a was used for several flights", calls([1, "a", "accepted"], [2, "a", "repeated"])],
])("a claim that %s is a problem", (problem, log) => {
  expect(audit(log, flights).problems.join()).toContain(problem);
});

test("a log is read up to its last whole line", () => {
  const [first, second] = calls([1, "a", "accepted"], [2, "b", "accepted"]).map((call) => JSON.stringify(call));
  expect(readCalls(`${first}\n${second?.slice(0, 9)}`)).toEqual(calls([1, "a", "accepted"]));
  expect(readCalls("")).toEqual([]);
});
