import { expect, test } from "vitest";
import { actor, Loop, type } from "../../src/index.ts";
import { createTestRuntime } from "../../src/testing/index.ts";

const job = actor("job", {
  messages: { go: type<string>(), stop: type<void>() },
  workflow: async (ctx) => {
    await ctx.step("first", () => 1);
    await ctx.sleep("nap", "1d");
    await ctx.step("second", () => 2);
    await ctx.queue.next("either", { names: ["go", "stop"], timeout: "1d" });
    await ctx.queue.next("go");
    return ctx.step("last", () => 3);
  },
});

test("until a step lets time pass until its body begins", async () => {
  const t = createTestRuntime({ actors: [job] });
  await t.create(job, "1");
  const began = t.now();
  await t.until("job", "1", { step: "first" });
  expect(t.now()).toBe(began);
  await t.until("job", "1", { step: "second" });
  expect(t.now()).toBe(began + 86_400_000);
  await t.until("job", "1", { step: "first" });
});

test("until a step does not wait for its body", async () => {
  const ran: string[] = [];
  const slow = actor("slow", {
    workflow: (ctx) =>
      ctx.step("work", async () => {
        ran.push("begun");
        await new Promise(() => {});
      }),
  });
  const t = createTestRuntime({ actors: [slow], patience: "1h" });
  await t.create(slow, "1");
  await t.until("slow", "1", { step: "work" });
  expect(ran).toEqual(["begun"]);
});

test("until a sleep stops at the sleep, and until a message at the wait for it", async () => {
  const t = createTestRuntime({ actors: [job] });
  const handle = await t.create(job, "1");
  const began = t.now();
  await t.until("job", "1", { sleep: "nap" });
  expect(t.now()).toBe(began);
  await t.until("job", "1", { message: "stop" });
  expect(t.now()).toBe(began + 86_400_000);
  await handle.send("stop", undefined);
  await t.until("job", "1", { message: "go" });
  expect(t.now()).toBe(began + 86_400_000);
  await handle.send("go", "on");
  expect(await handle.result()).toBe(3);
});

test("until finds a run again after a crash", async () => {
  const t = createTestRuntime({ actors: [job] });
  await t.create(job, "1");
  await t.until("job", "1", { sleep: "nap" });
  await t.crash();
  await t.until("job", "1", { sleep: "nap" });
  await t.until("job", "1", { step: "second" });
  await t.crash();
  await t.until("job", "1", { step: "second" });
  await t.until("job", "1", { message: "go" });
});

const NEVER: [string, (t: ReturnType<typeof runtime>) => Promise<void>, RegExp][] = [
  ["has completed", (t) => t.until("done", "1", { step: "never" }), /found +a run that has completed/],
  ["has failed", (t) => t.until("fails", "1", { sleep: "never" }), /found +a run that has failed: .*no such card/],
  ["waits for a message", (t) => t.until("waits", "1", { step: "never" }), /found +a run that waits for message "go"/],
  ["does not exist", (t) => t.until("waits", "2", { step: "never" }), /found +no such actor: create it first/],
  ["goes in circles", (t) => t.until("circles", "1", { message: "go" }), /found +10000 alarms/],
];

const done = actor("done", { workflow: async () => "done" });
const fails = actor("fails", { workflow: (ctx) => ctx.step({ name: "pay", maxRetries: 0, run: refuse }) });
const waits = actor("waits", { messages: { go: type<void>() }, workflow: (ctx) => ctx.queue.next("go") });
const circles = actor("circles", {
  messages: { go: type<void>() },
  workflow: (ctx) => ctx.loop("rounds", (ctx) => ctx.sleep("nap", "1d")),
});

function refuse(): never {
  throw new Error("no such card");
}

function runtime() {
  return createTestRuntime({ actors: [done, fails, waits, circles] });
}

test.each(NEVER)("until says so when the run %s", { timeout: 60_000 }, async (_, reach, found) => {
  const t = runtime();
  for (const one of [done, fails, waits]) await t.create(one, "1");
  if (found.source.includes("10000")) await t.create(circles, "1");
  const never = reach(t);
  await expect(never).rejects.toMatchObject({ code: "not_reached" });
  await expect(never).rejects.toThrow(found);
});

test("until says so when the run is parked", async () => {
  let changed = false;
  const order = actor("order", {
    messages: { go: type<void>() },
    workflow: async (ctx) => {
      await ctx.step(changed ? "pay" : "charge", () => 1);
      await ctx.queue.next("go");
    },
  });
  const t = createTestRuntime({ actors: [order] });
  await t.create(order, "1");
  await t.until("order", "1", { message: "go" });
  changed = true;
  await t.crash();
  const parked = t.until("order", "1", { message: "go" });
  await expect(parked).rejects.toMatchObject({ code: "not_reached" });
  await expect(parked).rejects.toThrow("does not match what order/1 has recorded");
});

test("until refuses to wait for nothing, for two things, and for what does not exist", async () => {
  const t = runtime();
  for (const reached of [{}, { step: "a", sleep: "b" }, { steps: "a" }, { step: "" }, undefined])
    await expect(t.until("waits", "1", reached as object)).rejects.toMatchObject({ code: "bad_argument" });
  await expect(t.until("weights" as "waits", "1", { step: "a" })).rejects.toMatchObject({ code: "unknown_actor" });
});

test("a sleep in a loop is reached in each round", async () => {
  const rounds = actor("rounds", {
    workflow: (ctx) =>
      ctx.loop({
        name: "rounds",
        state: 0,
        run: async (ctx, n) => {
          await ctx.sleep("nap", "1h");
          return n === 2 ? Loop.break(n) : Loop.continue(n + 1);
        },
      }),
  });
  const t = createTestRuntime({ actors: [rounds] });
  const handle = await t.create(rounds, "1");
  const began = t.now();
  for (let hour = 0; hour < 3; hour++) {
    await t.until("rounds", "1", { sleep: "nap" });
    expect(t.now()).toBe(began + hour * 3_600_000);
    await t.skip();
  }
  expect(await handle.result()).toBe(2);
});
