/** Schedules at work, on a virtual clock: once for each time, whatever happens to the process. */
import { expect, test } from "vitest";
import { actor, CriticalError, type ErrorEvent, type } from "../../src/index.ts";
import { crashEverywhere, createTestRuntime } from "../../src/testing/index.ts";

const HOUR = 3_600_000;
const START = Date.UTC(2000, 0, 1);

interface Diary {
  ran: string[];
  keys: string[];
}

/** An actor that notes in its state when it ran; `vars.now` is the clock. */
function diary(schedules: (note: (c: { state: Diary; idempotencyKey: string }, what: string) => void) => object) {
  const clock = { now: () => START };
  const of = actor("diary", {
    messages: { note: type<string>() },
    state: (): Diary => ({ ran: [], keys: [] }),
    actions: { ran: (c) => [...c.state.ran], keys: (c) => [...c.state.keys] },
    receive: { note: (c, body) => void c.state.ran.push(body) },
    schedules: schedules((c, what) => {
      c.state.ran.push(`${what} ${(clock.now() - START) / HOUR}`);
      c.state.keys.push(c.idempotencyKey);
    }) as {},
  });
  return { of, clock };
}

test("an interval runs at the same distances from the actor's making, however long it takes", async () => {
  const { of, clock } = diary((note) => ({ beat: { every: "2h", run: (c: never) => note(c, "beat") } }));
  await using t = createTestRuntime({ actors: [of] });
  clock.now = t.now;
  await t.create(of, "d");
  await t.advance("7h");
  expect(await t.get(of, "d").actions.ran()).toEqual(["beat 2", "beat 4", "beat 6"]);
});

test("a cron line runs in its zone, also of an actor that was put to sleep, or whose process was killed", async () => {
  const { of, clock } = diary((note) => ({
    night: { cron: "0 3 * * *", timezone: "Europe/Berlin", run: (c: never) => note(c, "night") },
    noon: { cron: "0 12 * * *", run: async (c: never) => note(c, "noon") },
  }));
  await using t = createTestRuntime({ actors: [of] });
  clock.now = t.now;
  await t.create(of, "d");
  await t.advance("1d");
  await t.crash();
  await t.advance("1d");
  expect(await t.get(of, "d").actions.ran()).toEqual(["night 2", "noon 12", "night 26", "noon 36"]);
  const keys = await t.get(of, "d").actions.keys();
  expect(new Set(keys).size).toBe(4);
});

test("an actor without any other work is woken: nothing but its next time is needed", async () => {
  const { of, clock } = diary((note) => ({ beat: { every: "1d", run: (c: never) => note(c, "beat") } }));
  await using t = createTestRuntime({ actors: [of] });
  clock.now = t.now;
  await t.create(of, "d");
  for (let day = 1; day <= 3; day++) {
    await t.crash();
    expect(await t.skip()).toBe(START + day * 24 * HOUR);
  }
  expect(await t.get(of, "d").actions.ran()).toEqual(["beat 24", "beat 48", "beat 72"]);
});

test("one that fails leaves nothing, is tried again under the same key, then left until it is next due", async () => {
  const keys: string[] = [];
  const failures: string[] = [];
  const of = actor("d", {
    state: () => ({ ran: 0 }),
    schedules: {
      beat: {
        every: "1h",
        run: (c) => {
          c.state.ran += 1;
          keys.push(c.idempotencyKey);
          if (keys.length < 4) throw new Error("not yet");
        },
      },
    },
    onError: (_, event: ErrorEvent) =>
      void failures.push(`${event.kind} ${event.name} ${event.attempt} ${event.willRetry}`),
    steps: { maxRetries: 2, retryBackoffBase: "1s" },
  });
  await using t = createTestRuntime({ actors: [of] });
  await t.create(of, "d");
  await t.advance("90m");
  expect(failures).toEqual(["schedule beat 1 true", "schedule beat 2 true", "schedule beat 3 false"]);
  expect([new Set(keys).size, await t.state("d", "d")]).toEqual([1, { ran: 0 }]);
  await t.crash();
  await t.advance("1h");
  expect([new Set(keys).size, await t.state("d", "d")]).toEqual([2, { ran: 1 }]);
  expect(failures).toHaveLength(3);
});

test("one that hangs is given up at its timeout, and counts for nothing", async () => {
  let runs = 0;
  const of = actor("d", {
    state: () => ({ ran: 0 }),
    schedules: {
      beat: {
        every: "1h",
        run: async (c) => {
          runs += 1;
          if (runs === 1) await new Promise(() => {});
          c.state.ran += 1;
        },
      },
    },
    steps: { timeout: "1m", retryBackoffBase: "1s" },
  });
  await using t = createTestRuntime({ actors: [of], patience: 40 });
  await t.create(of, "d");
  await t.advance("62m");
  expect([runs, await t.state("d", "d")]).toEqual([2, { ran: 1 }]);
});

test("ticks are no messages: nobody else sees or takes them, and a schedule may be named as a message is", async () => {
  const of = actor("d", {
    messages: { beat: type<string>(), go: type<string>() },
    state: () => ({ ran: [] as string[] }),
    receive: { beat: (c, body) => void c.state.ran.push(`message ${body}`) },
    schedules: { beat: { every: "1h", run: (c) => void c.state.ran.push("tick") }, go: { every: "1h", run: () => {} } },
    workflow: async (ctx) => (await ctx.queue.next("go")).body,
  });
  await using t = createTestRuntime({ actors: [of] });
  const handle = await t.create(of, "d");
  expect(await t.inbox("d", "d")).toEqual([]);
  await handle.send("beat", "x");
  await t.advance("1h");
  expect([await t.state("d", "d"), await t.inbox("d", "d")]).toEqual([{ ran: ["message x", "tick"] }, []]);
  await handle.send("go", "end");
  expect(await handle.result()).toBe("end");
  await t.advance("1h");
  expect(await t.state("d", "d")).toEqual({ ran: ["message x", "tick", "tick"] });
});

test("a destroyed actor runs nothing more, and one made anew begins anew", async () => {
  const { of, clock } = diary((note) => ({ beat: { every: "2h", run: (c: never) => note(c, "beat") } }));
  await using t = createTestRuntime({ actors: [of] });
  clock.now = t.now;
  const handle = await t.create(of, "d");
  await t.advance("1h");
  await handle.destroy();
  await t.advance("5h");
  expect(await t.skip()).toBeUndefined();
  await t.create(of, "d");
  await t.advance("3h");
  expect(await handle.actions.ran()).toEqual([expect.stringMatching(/^beat 8/)]);
});

test("a schedule may send, make actors and end its own", async () => {
  const other = actor("other", {
    messages: { hi: type<string>() },
    state: () => ({ got: [] as string[] }),
    receive: { hi: (c, body) => void c.state.got.push(body) },
  });
  const of = actor("d", {
    schedules: {
      once: {
        every: "1h",
        run: (c) => {
          c.get(other, "o").send("hi", c.key);
          c.destroy();
        },
      },
    },
  });
  await using t = createTestRuntime({ actors: [of, other] });
  await t.create(of, "d");
  await t.advance("5h");
  expect(await t.state("other", "o")).toEqual({ got: ["d"] });
});

test("whatever batch the process dies at, each time runs once, with what it writes and sends", async () => {
  const other = actor("other", {
    messages: { hi: type<string>() },
    state: () => ({ got: 0 }),
    receive: { hi: (c) => void (c.state.got += 1) },
  });
  const beater = actor("beater", {
    messages: { self: type<string>() },
    state: () => ({ beats: 0, posts: 0, own: 0 }),
    receive: { self: (c) => void (c.state.own += 1) },
    schedules: {
      beat: { every: "1h", run: (c) => void (c.state.beats += 1) },
      post: {
        cron: "30 * * * *",
        run: (c) => {
          if (c.state.posts === 1 && c.attempt === 1) throw new Error("once");
          c.state.posts += 1;
          c.get(other, "o").send("hi", "");
          c.queue.send("self", "");
        },
      },
    },
  });
  const { batches } = await crashEverywhere(
    () => ({ actors: [beater, other] as const, patience: 40 }),
    async (t) => {
      await t.create(beater, "b");
      await t.advance("5h");
      expect(await t.state("beater", "b")).toEqual({ beats: 5, posts: 5, own: 5 });
      expect(await t.state("other", "o")).toEqual({ got: 5 });
    },
  );
  expect(batches).toBeGreaterThan(15);
}, 120_000);

test("a schedule that fails for good at one time runs at the next, whatever batch the process dies at", async () => {
  const bad = actor("bad", {
    state: () => ({ ran: 0 }),
    schedules: {
      beat: {
        every: "1h",
        missed: "all",
        run: (c) => {
          if (c.state.ran === 0 && c.attempt === 1) {
            c.state.ran = 100;
            throw new CriticalError("no");
          }
          c.state.ran += 1;
        },
      },
    },
  });
  await using t = createTestRuntime({ actors: [bad] });
  await t.create(bad, "b");
  await t.advance("3h");
  // The state of the failed attempt is gone, so every one fails, and every one is passed over.
  expect(await t.state("bad", "b")).toEqual({ ran: 0 });
  expect(await t.skip()).toBe(START + 4 * HOUR);
});
