import { describe, expect, test } from "vitest";
import { actor, Loop, type } from "../../src/index.ts";
import { COUNTING, crash, gate, KINDS, quiet, turns, until, World, watch } from "./harness.ts";
import { refusal } from "./refusal.ts";

const messages = { go: type<string>() };

describe.each(KINDS)("on %s", (kind) => {
  test("P12 start() resumes every actor that has work, without being asked for any of them", async () => {
    const world = new World(kind);
    const done: string[] = [];
    let dying = true;
    const job = actor("job", {
      messages,
      workflow: async (ctx) => {
        await ctx.step("work", async (c) => {
          if (dying) await new Promise(() => {});
          done.push(c.key);
        });
      },
    });
    const waits = actor("waits", {
      messages,
      workflow: async (ctx) => {
        done.push(`${ctx.key} got ${(await ctx.queue.next("go")).body}`);
      },
    });
    const keys = Array.from({ length: 20 }, (_, i) => `k/${i}`);
    const runtime = world.open([job, waits]);
    for (const key of keys) await runtime.create(job, key);
    await runtime.create(waits, "with a message");
    await runtime.create(waits, "without");
    crash(runtime);
    // Its message came in and was durable; nobody took it.
    const sender = world.open([actor("waits", { messages })]);
    await sender.get("waits", "with a message").send("go", "on");
    crash(sender);
    dying = false;
    const again = world.open([job, waits]);
    await again.start();
    await until(() => done.length === 21);
    await quiet(again);
    expect(done.sort()).toEqual([...keys, "with a message got on"].sort());
  });

  test("P12 sleeping and retrying actors, and waits with a timeout, wake when they are due, and not before", async () => {
    const world = new World(kind);
    const events: string[] = [];
    const sleeper = actor("sleeper", {
      messages,
      workflow: async (ctx) => {
        await ctx.sleep("nap", "1h");
        events.push("slept");
      },
    });
    const waiter = actor("waiter", {
      messages,
      workflow: async (ctx) => {
        events.push(`timed out: ${await ctx.queue.next("go", { timeout: "2h" })}`);
      },
    });
    const retrier = actor("retrier", {
      workflow: (ctx) =>
        ctx.step({
          name: "call",
          retryBackoffBase: "90m",
          retryBackoffMax: "1d",
          run: (c) => {
            events.push(`attempt ${c.attempt}`);
            if (c.attempt === 1) throw new Error("once");
          },
        }),
    });
    const types = [sleeper, waiter, retrier] as const;
    const runtime = world.open(types);
    for (const type of types) await runtime.create(type, "1");
    await quiet(runtime);
    crash(runtime);
    expect(events.splice(0)).toEqual(["attempt 1"]);

    const HOUR = 3_600_000;
    const due: [number, string[]][] = [
      [HOUR - 1, []],
      [1, ["slept"]],
      [HOUR - 1, []],
      [1, ["timed out: undefined"]],
      [HOUR - 1, []],
      [1, ["attempt 2"]],
    ];
    const again = world.open(types);
    await again.start();
    for (const [ms, expected] of due) {
      world.clock.advance(ms);
      await turns();
      await quiet(again);
      expect(events.splice(0)).toEqual(expected);
    }
  });

  test("P12 what fell due while nobody ran happens at start()", async () => {
    const world = new World(kind);
    const sleeper = actor("sleeper", {
      workflow: async (ctx) => {
        await ctx.sleep("nap", "1h");
        woken.open();
      },
    });
    const woken = gate();
    const runtime = world.open([sleeper]);
    await runtime.create(sleeper, "1");
    await quiet(runtime);
    crash(runtime);
    world.clock.now += 7_200_000;
    await world.open([sleeper]).start();
    await woken.promise;
  });

  test("P12 an ended run is not run again, and its output is kept", async () => {
    const world = new World(kind);
    let calls = 0;
    const job = actor("job", {
      messages,
      workflow: async () => {
        calls += 1;
        return { at: new Date(5), of: new Map([["a", 1n]]) };
      },
    });
    const runtime = world.open([job]);
    const output = await runtime.get(job, "1").result();
    crash(runtime);
    const again = world.open([job]);
    await again.start();
    expect(await again.get(job, "1").result()).toEqual(output);
    expect(calls).toBe(1);
    await expect(again.get(job, "1").send("go", "late")).rejects.toMatchObject({ code: "workflow_ended" });
  });

  test("P12 a loop goes on in the round in which it was, with the state that it had", async () => {
    const world = new World(kind);
    const rounds: string[] = [];
    const job = actor("job", {
      messages,
      workflow: (ctx) =>
        ctx.loop({
          name: "rounds",
          state: 0,
          run: async (ctx, sum) => {
            rounds.push(`round ${sum}`);
            const { body } = await ctx.queue.next("go");
            await ctx.step("note", () => void rounds.push(`step ${body}`));
            return body === "end" ? Loop.break(sum) : Loop.continue(sum + 1);
          },
        }),
    });
    for (const body of ["a", "b", "end"]) {
      const runtime = world.open([job]);
      const handle = await runtime.create(job, "1");
      await handle.send("go", body);
      await until(() => rounds.includes(`step ${body}`));
      if (body === "end") expect(await handle.result()).toBe(2);
      await quiet(runtime);
      crash(runtime);
    }
    expect(rounds.filter((round) => round.startsWith("step"))).toEqual(["step a", "step b", "step end"]);
  });

  test("P2 close() lets running bodies end and commit, starts nothing new, and drops what goes on past its grace", async () => {
    const world = new World(kind);
    const goOn = gate();
    const reached = gate();
    const events: string[] = [];
    const job = actor("job", {
      state: () => ({ log: [] as string[] }),
      actions: { log: (c) => [...c.state.log] },
      workflow: async (ctx) => {
        await ctx.step("one", async (c) => {
          reached.open();
          await goOn.promise;
          c.state.log.push("one");
        });
        events.push("after one");
        await ctx.step("two", (c) => {
          events.push("two");
          c.state.log.push("two");
        });
      },
    });
    const hangs = actor("hangs", {
      state: () => ({ log: [] as string[] }),
      actions: { log: (c) => [...c.state.log] },
      workflow: (ctx) =>
        ctx.step("for ever", async (c) => {
          c.state.log.push("half");
          await new Promise(() => {});
        }),
    });
    const runtime = world.open([job, hangs], COUNTING);
    await runtime.create(job, "1");
    await reached.promise;
    const closing = watch(runtime.close({ grace: "1h" }));
    await turns();
    expect(closing.state).toBe("pending");
    goOn.open();
    await until(() => closing.state === "resolved");
    expect(events).toEqual(["after one"]);

    const second = world.open([job, hangs]);
    expect(await second.get(job, "1").result()).toBeUndefined();
    expect(await second.get(job, "1").actions.log()).toEqual(["one", "two"]);
    await second.create(hangs, "1");
    await quietStore();
    await second.close({ grace: 1 });
    const third = world.open([
      actor("hangs", { state: () => ({ log: [] as string[] }), actions: { log: (c) => [...c.state.log] } }),
    ]);
    expect(await third.get("hangs", "1").actions.log()).toEqual([]);
  });

  test("P11 a runtime that was closed refuses every use: runtime_closed", async () => {
    const world = new World(kind);
    const job = actor("job", {
      messages,
      state: () => 1,
      actions: { one: (c) => c.state },
      workflow: (ctx) => ctx.queue.next("go"),
    });
    const runtime = world.open([job]);
    const handle = await runtime.create(job, "1");
    const waiting = watch(handle.result());
    await runtime.close();
    await until(() => waiting.state === "rejected");
    expect(waiting.value).toMatchObject({ code: "runtime_closed" });
    const uses = [
      () => runtime.start(),
      () => runtime.create(job, "2"),
      () => handle.actions.one(),
      () => handle.send("go", ""),
      () => handle.result(),
    ];
    for (const use of uses) await expect(use()).rejects.toMatchObject({ code: "runtime_closed", outcome: "no" });
    await runtime.close();
    expect(runtime.get(job, "1").key, "asking for a handle does nothing").toBe("1");
  });
});

async function quietStore(): Promise<void> {
  await turns(20);
}

test("P3 close() waits for onError: nobody would call it again", async () => {
  const world = new World("sqlite");
  const goOn = gate();
  const reached = gate();
  const job = actor("job", {
    state: () => ({ failures: [] as string[] }),
    actions: { failures: (c) => [...c.state.failures] },
    onError: async (c, event) => {
      reached.open();
      await goOn.promise;
      c.state.failures.push(event.error.message);
      c.afterCommit(() => told.push("durable"));
    },
    workflow: async (ctx) => {
      await ctx.tryStep({ name: "work", maxRetries: 0, run: () => Promise.reject(new Error("no line")) });
    },
  });
  const told: string[] = [];
  const runtime = world.open([job]);
  await runtime.create(job, "1");
  await reached.promise;
  const closing = watch(runtime.close({ grace: "1h" }));
  await turns();
  expect(closing.state).toBe("pending");
  goOn.open();
  await until(() => closing.state === "resolved");
  expect(told).toEqual(["durable"]);
  expect(await world.open([job]).get(job, "1").actions.failures()).toEqual(["no line"]);
});

test("P12 start() leaves actors alone that only wait for messages, or have ended", async () => {
  const world = new World("memory");
  const loads: string[] = [];
  const job = actor("job", {
    messages,
    vars: ({ key }) => void loads.push(key),
    workflow: async (ctx) => {
      if (ctx.key !== "ended") await ctx.queue.next("go", ctx.key === "timeout" ? { timeout: "1h" } : {});
    },
  });
  const runtime = world.open([job]);
  for (const key of ["waits", "timeout", "ended"]) await runtime.create(job, key);
  await quiet(runtime);
  await runtime.close();
  expect(loads.splice(0)).toHaveLength(3);
  const again = world.open([job]);
  await again.start();
  await quiet(again);
  expect(loads).toEqual([]);
  world.clock.advance(3_600_000);
  await until(() => loads.length > 0);
  await quiet(again);
  expect(loads).toEqual(["timeout"]);
});

test("P12 an actor that was made when its type had no workflow has no result, and says so", async () => {
  const world = new World("memory");
  const before = actor("job", { messages });
  const first = world.open([before]);
  await first.create(before, "1");
  crash(first);
  const after = actor("job", { messages, workflow: async () => "done" });
  const runtime = world.open([after]);
  await refusal(() => runtime.get(after, "1").result(), "bad_argument", { found: /without a run/, where: /job\/1/ });
  expect(await runtime.get(after, "2").result()).toBe("done");
});
