import { expect, test } from "vitest";
import { actor, type } from "../../src/index.ts";
import { crashEverywhere, createTestRuntime } from "../../src/testing/index.ts";

const account = actor("account", {
  input: type<{ balance: number }>(),
  state: ({ balance }) => ({ balance, entries: [] as string[] }),
  messages: { close: type<string>() },
  actions: {
    deposit: (c, amount: number, note: string) => {
      c.state.balance += amount;
      c.state.entries.push(note);
      return c.state.balance;
    },
    balance: (c) => c.state.balance,
  },
  workflow: async (ctx) => {
    const { body } = await ctx.queue.next("close");
    await ctx.sleep("cool off", "14d");
    return ctx.step("pay out", (c) => {
      const { balance } = c.state;
      c.state.balance = 0;
      return `${body}: ${balance}`;
    });
  },
});

test("after a crash the store has what was durable, and handles go on working", async () => {
  const t = createTestRuntime({ actors: [account] });
  const handle = await t.create(account, "a", { balance: 1 });
  const patient = handle.with({ timeout: "1h" });
  await handle.actions.deposit(2, "two");
  await t.crash();
  expect(await handle.actions.deposit(4, "four")).toBe(7);
  expect(await patient.actions.balance()).toBe(7);
  expect(await t.get("account", "a").actions.balance()).toBe(7);
  await t.crash();
  await handle.send("close", "closed");
  await t.until("account", "a", { sleep: "cool off" });
  await t.crash();
  await t.skip();
  expect(await handle.result()).toBe("closed: 7");
});

test("whoever waits for a result while the process crashes goes on waiting, and gets it", async () => {
  const t = createTestRuntime({ actors: [account] });
  const handle = await t.create(account, "a", { balance: 1 });
  const result = handle.result();
  await handle.send("close", "closed");
  await t.crash();
  await t.crash();
  await t.advance("14d");
  expect(await result).toBe("closed: 1");
});

test("a step that runs when the process crashes runs again, and commits once", async () => {
  const bodies: number[] = [];
  const job = actor("job", {
    state: () => ({ done: 0 }),
    workflow: (ctx) =>
      ctx.step("work", async (c) => {
        bodies.push(c.attempt);
        c.state.done += 1;
        if (bodies.length === 1) await new Promise(() => {});
        return "worked";
      }),
  });
  const t = createTestRuntime({ actors: [job] });
  const handle = await t.create(job, "1");
  await t.until("job", "1", { step: "work" });
  expect(await t.state("job", "1")).toEqual({ done: 0 });
  await t.crash();
  expect(await handle.result()).toBe("worked");
  expect(bodies).toHaveLength(2);
  expect(await t.state("job", "1")).toEqual({ done: 1 });
});

test("crash(n) loses the nth batch from now, and the runtime opens again by itself", async () => {
  const t = createTestRuntime({ actors: [account] });
  const handle = await t.create(account, "a", { balance: 0 });
  let made = 0;
  const counted = actor("counted", {
    vars: () => ({ made: ++made }),
    state: () => ({ n: 0 }),
    actions: { add: (c) => [++c.state.n, c.vars.made] },
  });
  const u = createTestRuntime({ actors: [counted] });
  await u.get(counted, "1").actions.add();
  expect(made).toBe(1);
  await u.crash(2);
  expect(await u.get(counted, "1").actions.add()).toEqual([2, 2]);
  expect(await u.get(counted, "1").actions.add(), "in the third process, and once").toEqual([3, 3]);
  expect(await u.get(counted, "1").actions.add()).toEqual([4, 3]);
  expect(await handle.actions.balance()).toBe(0);
});

test("a call that a crash cuts off takes the arguments as they were, and is made again", async () => {
  const t = createTestRuntime({ actors: [account] });
  const handle = await t.create(account, "a", { balance: 1 });
  const body = { text: "first" };
  const notes = actor("notes", {
    messages: { note: type<{ text: string }>() },
    workflow: async (ctx) => (await ctx.queue.next("note")).body.text,
  });
  const u = createTestRuntime({ actors: [notes] });
  const noted = u.get(notes, "1").send("note", body);
  body.text = "second";
  await noted;
  expect(await u.get(notes, "1").result()).toBe("first");
  const deposit = handle.actions.deposit(2, "two");
  const crashed = t.crash();
  expect(await deposit).toBe(3);
  await crashed;
  expect(await t.state("account", "a")).toEqual({ balance: 3, entries: ["two"] });
});

test("a body may end its own process", async () => {
  const lives: number[] = [];
  const job = actor("job", {
    workflow: (ctx) =>
      ctx.step("work", async () => {
        if (lives.push(lives.length) === 1) await t.crash();
        return lives.length;
      }),
  });
  const t = createTestRuntime({ actors: [job] });
  expect(await t.get(job, "1").result()).toBe(2);
  expect(lives).toEqual([0, 1]);
});

test("an actor that cannot be loaded is tried again on the virtual clock, by the process that has failed to", async () => {
  let broken = false;
  let begun = 0;
  const job = actor("job", {
    vars: () => {
      if (broken) throw new Error("no route to host");
    },
    workflow: (ctx) => ctx.step("work", () => (++begun === 1 ? new Promise(() => {}) : begun)),
  });
  const t = createTestRuntime({ actors: [job] });
  const handle = await t.create(job, "1");
  await t.until("job", "1", { step: "work" });
  broken = true;
  await t.crash();
  const crashed = t.now();
  expect(await t.skip()).toBe(crashed + 1_000);
  expect(await t.skip()).toBe(crashed + 3_000);
  broken = false;
  await t.crash();
  expect(await t.skip(), "the dead process tries nothing").toBeUndefined();
  expect(await handle.result()).toBe(2);
});

test("crash refuses a number that numbers no batch", async () => {
  const t = createTestRuntime({ actors: [account] });
  for (const at of [0, -1, 1.5, Number.NaN, "2" as unknown as number])
    await expect(t.crash(at)).rejects.toMatchObject({ code: "bad_argument" });
});

test("nothing works any more when it is closed", async () => {
  const t = createTestRuntime({ actors: [account] });
  const handle = await t.create(account, "a", { balance: 0 });
  const result = handle.result();
  await t.close();
  for (const use of [() => handle.actions.balance(), () => result, () => t.crash(), () => t.start()])
    await expect(use()).rejects.toMatchObject({ code: "runtime_closed" });
  await t.idle();
});

interface Outside {
  charged: Map<string, number>;
}

/** A saga of a charge and a shipment; `keyed` says whether the charge is made once for all attempts. */
function sagaOn(outside: Outside, keyed: boolean) {
  return actor("order", {
    input: type<{ total: number }>(),
    messages: { pack: type<void>() },
    state: () => ({ charges: 0, shipped: false }),
    workflow: async (ctx, { total }) => {
      await ctx.step("charge", (c) => {
        outside.charged.set(keyed ? c.idempotencyKey : `${outside.charged.size}`, total);
        c.state.charges += 1;
      });
      await ctx.queue.next("pack");
      await ctx.sleep("lead time", "2d");
      await ctx.step("ship", (c) => void (c.state.shipped = true));
      return "shipped";
    },
  });
}

function sagaScenario(keyed: boolean) {
  let outside: Outside = { charged: new Map() };
  let order = sagaOn(outside, keyed);
  return crashEverywhere(
    () => {
      outside = { charged: new Map() };
      order = sagaOn(outside, keyed);
      return { actors: [order] };
    },
    async (t) => {
      const handle = await t.create(order, "1", { total: 5 });
      await t.until("order", "1", { message: "pack" });
      await handle.send("pack", undefined);
      await t.until("order", "1", { sleep: "lead time" });
      await t.advance("2d");
      expect(await handle.result()).toBe("shipped");
      expect(await t.state("order", "1")).toEqual({ charges: 1, shipped: true });
      expect([...outside.charged.values()]).toEqual([5]);
    },
  );
}

test("crashEverywhere loses each batch of a saga in turn, and says how many there were", async () => {
  const { batches, runs } = await sagaScenario(true);
  expect(batches).toBeGreaterThanOrEqual(5);
  expect(runs).toBe(batches + 2);
});

test("crashEverywhere finds a charge that is made twice, and says which batch was lost", async () => {
  const failed = await sagaScenario(false).catch((error: unknown) => error as Error);
  expect(failed).toMatchObject({ message: expect.stringMatching(/before batch \d+ is written: expected \[ 5, 5 \]/) });
  expect((failed as Error).cause).toMatchObject({ name: "AssertionError" });
});

test("crashEverywhere loses the batches after a crash of the scenario's own, too", async () => {
  const lost: number[] = [];
  const { batches, runs } = await crashEverywhere(
    () => ({ actors: [account] }),
    async (t) => {
      const handle = await t.create(account, "a", { balance: 1 });
      await t.crash();
      for (const amount of [2, 4, 8]) await handle.actions.deposit(amount, `${amount}`);
      lost.push(await handle.actions.balance());
      expect(await t.state("account", "a")).toMatchObject({ balance: 15, entries: ["2", "4", "8"] });
    },
  );
  expect(batches).toBeGreaterThanOrEqual(4);
  expect([runs, lost.length]).toEqual([batches + 2, batches + 2]);
});

test("crashEverywhere says so when the scenario fails by itself", async () => {
  const failing = crashEverywhere(
    () => ({ actors: [account] }),
    async () => {
      throw new Error("no");
    },
  );
  await expect(failing).rejects.toThrow("the scenario fails while nothing is lost: no");
});

test("crashEverywhere says which of its functions is none", async () => {
  const setup = () => ({ actors: [account] });
  const refused = "`scenario` of crashEverywhere has no function to run.";
  await expect(crashEverywhere(setup, 5 as never)).rejects.toMatchObject({
    code: "bad_argument",
    message: expect.stringContaining(refused),
  });
  await expect(crashEverywhere(undefined as never, async () => {})).rejects.toMatchObject({ code: "bad_argument" });
});
