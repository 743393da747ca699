import { describe, expect, test } from "vitest";
import {
  CriticalError,
  type EngineAttempt,
  type EngineDriver,
  openActor,
  runWorkflow,
  StateBehindHistoryError,
  type WorkflowContextInterface,
} from "../../../src/engine/index.ts";
import { InMemoryDriver } from "../../../src/engine/testing.ts";
import { RAW_STATE } from "../../../src/index.ts";

interface Counters {
  state: { count: number; log: string[] };
  connection: { open: boolean };
}

const cells = {
  state: { initial: () => ({ count: 0, log: [] as string[] }) },
  connection: { initial: () => ({ open: false }) },
};

function driverOf(): InMemoryDriver & EngineDriver {
  const driver = new InMemoryDriver();
  driver.latency = 0;
  return driver;
}

type Ctx = WorkflowContextInterface<EngineAttempt<Counters>>;

const open = (driver: EngineDriver) => openActor(driver, { id: "actor", cells });
const all = (attempt: EngineAttempt<Counters>) => attempt;

describe("transactions on cells", () => {
  test("write several cells and a row of the host's own in one batch, and what they returned comes when it is durable", async () => {
    const driver = driverOf();
    const batches: number[] = [];
    const batch = driver.batch.bind(driver);
    driver.batch = async (writes) => {
      batches.push(writes.length);
      return batch(writes);
    };
    const actor = await open(driver);
    const before = batches.length;
    const key = Uint8Array.of(0xff, 1);
    const count = await actor.transaction(all, (c) => {
      c.cells.state.count += 1;
      c.cells.connection.open = true;
      c.write({ key, value: Uint8Array.of(7) });
      return c.cells.state.count;
    });
    expect(count).toBe(1);
    expect(batches.length - before).toBe(1);
    expect(await driver.get(key)).toEqual(Uint8Array.of(7));
    await actor.close();
    const again = await open(driver);
    expect(await again.export()).toEqual({ state: { count: 1, log: [] }, connection: { open: true } });
    await again.close();
  });

  test("leave no trace when they throw", async () => {
    const driver = driverOf();
    const actor = await open(driver);
    const failing = actor.transaction(all, (c) => {
      c.cells.state.count = 9;
      c.cells.connection.open = true;
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await actor.export()).toEqual({ state: { count: 0, log: [] }, connection: { open: false } });
    await actor.close();
  });

  test("that touch the same slot side by side count as one after another", async () => {
    const actor = await open(driverOf());
    const add = () =>
      actor.transaction(all, async (c) => {
        const { count } = c.cells.state;
        await Promise.resolve();
        c.cells.state.count = count + 1;
      });
    await Promise.all(Array.from({ length: 20 }, add));
    expect((await actor.export()).state.count).toBe(20);
    await actor.close();
  });

  test("take further cells, and give plain copies", async () => {
    const actor = await open(driverOf());
    const guest = await actor.cell("guest:1", { initial: () => ({ name: "ada" }) });
    const seen = await actor.transaction(all, (c) => {
      c.open(guest).value.name += "!";
      const raw: { name: string } = c.open(guest)[RAW_STATE]();
      raw.name += "?";
      return [c.open(guest).value.name, raw, c.raw("state")];
    });
    expect(seen).toEqual(["ada!", { name: "ada!?" }, { count: 0, log: [] }]);
    await actor.close();
  });
});

describe("a workflow with an actor", () => {
  const workflow = async (ctx: Ctx, input: { by: number }) => {
    await ctx.step("add", async (c) => {
      c.cells.state.count += input.by;
      c.cells.state.log.push("added");
    });
    await ctx.sleep("pause", 200);
    return ctx.step("read", async (c) => c.cells.state.count);
  };

  test("changes cells with the steps that do, and its failed attempts leave no trace", async () => {
    const driver = driverOf();
    const actor = await open(driver);
    let attempts = 0;
    const flaky = async (ctx: Ctx) =>
      ctx.step({
        name: "flaky",
        retryBackoffBase: 1,
        run: async (c) => {
          c.cells.state.count += 1;
          attempts += 1;
          if (attempts < 3) throw new Error("not yet");
          return c.cells.state.count;
        },
      });
    const options = { mode: "live", actor, context: all } as const;
    const { output } = await runWorkflow("actor", flaky, undefined, driver, options).result;
    expect([output, attempts, (await actor.export()).state.count]).toEqual([1, 3, 1]);
    await actor.close();
  });

  test("goes on in the next process, with its input and its cells", async () => {
    const driver = driverOf();
    const actor = await open(driver);
    const first = await runWorkflow("actor", workflow, { by: 5 }, driver, { actor, context: all }).result;
    expect(first.state).toBe("sleeping");
    await actor.transaction(all, (c) => {
      c.cells.state.count += 100;
    });
    await actor.close();
    const again = await open(driver);
    const second = await runWorkflow("actor", workflow, { by: 999 }, driver, {
      mode: "live",
      actor: again,
      context: all,
    }).result;
    expect(second).toEqual({ state: "completed", output: 105 });
    expect((await again.export()).state.log).toEqual(["added"]);
    await again.close();
  });

  test("is run again on the same actor, from where it waits", async () => {
    const driver = driverOf();
    const actor = await open(driver);
    const options = { actor, context: all } as const;
    const first = await runWorkflow("actor", workflow, { by: 1 }, driver, options).result;
    expect(first.state).toBe("sleeping");
    const second = await runWorkflow("actor", workflow, { by: 1 }, driver, { ...options, mode: "live" }).result;
    expect(second).toEqual({ state: "completed", output: 1 });
    await actor.close();
  });

  test("undoes with its cells", async () => {
    const driver = driverOf();
    const actor = await open(driver);
    const undoing = async (ctx: Ctx) => {
      await ctx.rollbackCheckpoint("begin");
      await ctx.step({
        name: "take",
        run: async (c) => {
          c.cells.state.count -= 3;
        },
        rollback: async (c) => {
          c.cells.state.count += 3;
          c.cells.state.log.push("given back");
        },
      });
      await ctx.step("fail", async () => {
        throw new CriticalError("no");
      });
    };
    const { result } = runWorkflow("actor", undoing, undefined, driver, { actor, context: all });
    await expect(result).rejects.toThrow("no");
    expect((await actor.export()).state).toEqual({ count: 0, log: ["given back"] });
    await actor.close();
  });
});

test("a write that fails fails the transaction, and the actor is read back", async () => {
  const driver = driverOf();
  const actor = await open(driver);
  await actor.transaction(all, (c) => {
    c.cells.state.count = 1;
  });
  const batch = driver.batch.bind(driver);
  driver.batch = async (writes) => {
    driver.batch = batch;
    await batch(writes);
    throw new Error("the line is dead");
  };
  const lost = actor.transaction(all, (c) => {
    c.cells.state.count += 1;
  });
  await expect(lost).rejects.toThrow("the line is dead");
  // It had been written: whoever asks again sees it.
  const seen = await actor.transaction(all, (c) => c.cells.state.count);
  expect(seen).toBe(2);
  await actor.close();
});

test("cells that are older than the history are refused until they are adopted", async () => {
  const driver = driverOf();
  const actor = await open(driver);
  await runWorkflow("actor", async (ctx) => ctx.step("one", async () => 1), undefined, driver, { actor }).result;
  await actor.transaction(all, (c) => {
    c.cells.state.count = 1;
  });
  await actor.close();
  // Another engine writes: an entry is gone.
  for (const { key } of await driver.list(Uint8Array.of(0x15, 2))) await driver.delete(key);
  const again = await open(driver);
  const refused = again.transaction(all, (c) => c.cells.state.count);
  await expect(refused).rejects.toBeInstanceOf(StateBehindHistoryError);
  await again.adopt({ state: { count: 7, log: [] }, connection: { open: true } });
  expect(await again.transaction(all, (c) => c.cells.state.count)).toBe(7);
  await again.close();
});

test("a transaction that returns a proxy gives a plain copy of it", async () => {
  const actor = await open(driverOf());
  const state = await actor.transaction(all, (c) => {
    c.cells.state.count = 3;
    return c.cells.state;
  });
  expect(state).toEqual({ count: 3, log: [] });
  await actor.close();
});

test("rows that are gone, and changes that are too large, are errors with a code that name the workflow", async () => {
  const driver = driverOf();
  const actor = await openActor(driver, { id: "actor", cells, limits: { rows: 128, bytes: 5000 } });
  const large = actor.transaction(all, (c) => void c.cells.state.log.push("x".repeat(100_000)));
  await expect(large).rejects.toMatchObject({
    code: "change_too_large",
    message: expect.stringContaining('of workflow "actor"'),
  });
  expect(await actor.transaction(all, (c) => (c.cells.state.count += 1))).toBe(1);
  await actor.close();
  const rows = await driver.list(Uint8Array.of(0x15, 9));
  for (const { key } of rows.slice(-1)) await driver.delete(key);
  await expect(open(driver)).rejects.toMatchObject({
    code: "record_corrupt",
    message: expect.stringContaining('of workflow "actor"'),
  });
});

describe("an actor with a run", () => {
  const slow = async (ctx: Ctx) =>
    ctx.step("slow", async (c) => {
      c.cells.state.count += 1;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return c.cells.state.count;
    });

  test("is closed when the step that is at work has ended, and the run with it", async () => {
    const driver = driverOf();
    const actor = await open(driver);
    const { result } = runWorkflow("actor", slow, undefined, driver, { mode: "live", actor, context: all });
    await new Promise((resolve) => setTimeout(resolve, 30));
    await actor.close();
    expect(await result).toEqual({ state: "completed", output: 1 });
    const again = await open(driver);
    expect((await again.export()).state.count).toBe(1);
    await again.close();
  });

  test("answers a transaction and a cancellation side by side, each its own", async () => {
    const driver = driverOf();
    const actor = await open(driver);
    const run = runWorkflow("actor", slow, undefined, driver, { mode: "live", actor, context: all });
    const adding = actor.transaction(all, async (c) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      c.cells.state.count += 10;
      return c.cells.state.count;
    });
    await run.cancel();
    await expect(run.result).rejects.toThrow("evicted");
    expect(await adding).toBe(10);
    expect(await run.getState()).toBe("cancelled");
    await actor.close();
  });

  test("knows that its workflow was told to try again, or was cancelled, after a run", async () => {
    const driver = driverOf();
    const actor = await open(driver);
    let isBroken = true;
    const flaky = async (ctx: Ctx) => {
      const run = async (c: EngineAttempt<Counters>) => {
        c.cells.state.count += 1;
        if (isBroken) throw new Error("no");
      };
      await ctx.step({ name: "flaky", maxRetries: 0, run });
      await ctx.sleep("pause", 60_000);
    };
    const options = { actor, context: all } as const;
    const failed = runWorkflow("actor", flaky, undefined, driver, options);
    await expect(failed.result).rejects.toThrow("no");
    isBroken = false;
    await failed.recover();
    const sleeping = runWorkflow("actor", flaky, undefined, driver, options);
    expect((await sleeping.result).state).toBe("sleeping");
    expect((await actor.export()).state.count).toBe(1);
    await sleeping.cancel();
    await expect(runWorkflow("actor", flaky, undefined, driver, options).result).rejects.toThrow("evicted");
    await actor.close();
  });
});
