/** The wall clock jumps: a machine wakes up, or somebody sets the time. No timer is lost for it. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { actor, createRuntime } from "../../packages/pawl/src/index.ts";

const [MINUTE, HOUR] = [60_000, 3_600_000];
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const TEN_YEARS = 10 * 365 * 24 * HOUR;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"], now: Date.UTC(2000, 0, 1) }));
afterEach(() => void vi.useRealTimers());

/** Time passes, by every clock. */
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** The wall clock is set; what timers count goes on as before. */
const jump = (ms: number) => vi.setSystemTime(Date.now() + ms);

/** Whether a promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

const sleeper = actor("sleeper", {
  workflow: async (ctx) => {
    await ctx.sleep("nap", "1h");
  },
});

const flaky = actor("flaky", {
  steps: { retryBackoffBase: "1s" },
  workflow: async (ctx) =>
    ctx.step("twice", (c) => {
      if (c.attempt === 1) throw new Error("again");
    }),
});

test("a timer fires at its time, and not before", async () => {
  const runtime = createRuntime({ actors: [sleeper], store: "memory:" });
  const result = (await runtime.create(sleeper, "one")).result();
  await pass(HOUR - 1);
  expect(await isSettled(result)).toBe(false);
  await pass(1);
  expect(await isSettled(result)).toBe(true);
  await runtime.close();
});

test("a clock that jumps ahead is noticed within a minute, whatever is waited for", async () => {
  const runtime = createRuntime({ actors: [sleeper], store: "memory:" });
  const result = (await runtime.create(sleeper, "one")).result();
  expect(await isSettled(result)).toBe(false);
  jump(TEN_YEARS);
  await pass(MINUTE);
  expect(await isSettled(result)).toBe(true);
  await runtime.close();
});

test("a timer that slept through a jump does not hold up the ones that are set after it", async () => {
  const runtime = createRuntime({ actors: [sleeper, flaky], store: "memory:", logger: SILENT });
  const asleep = (await runtime.create(sleeper, "one")).result();
  expect(await isSettled(asleep)).toBe(false);
  jump(TEN_YEARS);
  const retried = (await runtime.create(flaky, "one")).result();
  expect(await isSettled(asleep)).toBe(true);
  await pass(2_000);
  expect(await isSettled(retried)).toBe(true);
  await runtime.close();
});
