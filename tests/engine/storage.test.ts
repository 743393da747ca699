import { expect, test } from "vitest";
import { Case, forEachEngine, Host, HostDriver, rejection } from "./harness.ts";

forEachEngine("storage as plain data", (engine) => {
  const filled = (writes: number) => {
    const storage = engine.createStorage();
    for (let n = 0; n < writes; n += 1) engine.registerName(storage, `name ${n}`);
    storage.flushedState = storage.state;
    return storage;
  };

  test("of 129 writes is flushed in one batch to an atomic driver, and in 128 and 1 to another", async () => {
    const sizes = async (atomicBatch: boolean) => {
      const driver = new HostDriver(new Host(), { atomicBatch });
      await engine.flush(filled(129), driver);
      return driver.calls.filter(({ operation }) => operation === "batch").map(({ writes }) => writes.length);
    };
    expect(await sizes(true)).toEqual([129]);
    expect(await sizes(false)).toEqual([128, 1]);
  });

  test("with nothing to write calls nothing", async () => {
    const driver = new HostDriver(new Host());
    await engine.flush(filled(0), driver);
    expect(driver.calls).toEqual([]);
  });

  test("refuses a write above the limit before anything is written", async () => {
    const driver = new HostDriver(new Host(), { atomicBatch: false });
    const storage = engine.createStorage();
    engine.registerName(storage, "x".repeat(1_000_000));
    const error = await rejection(engine.flush(storage, driver));
    expect(error.message).toMatch(/^KV batch write is \d+ bytes, exceeding the 999424 byte limit$/);
    expect(driver.count("batch")).toBe(0);
  });

  test("stays dirty if a batch fails, and is written whole the next time", async () => {
    const driver = new HostDriver(new Host());
    const storage = engine.createStorage();
    const location = engine.appendName(storage, engine.emptyLocation(), "a");
    engine.setEntry(storage, location, engine.createEntry(location, { type: "step", data: { output: 1 } }));
    driver.before = () => Promise.reject(new Error("disk"));
    await rejection(engine.flush(storage, driver));
    driver.before = () => {};
    await engine.flush(storage, driver);
    expect((await engine.loadStorage(driver)).history.entries.get("a")?.kind.data).toEqual({
      output: 1,
      error: undefined,
    });
  });

  test("names and locations read as paths", () => {
    const storage = engine.createStorage();
    const loop = engine.appendName(storage, engine.emptyLocation(), "loop");
    const iteration = engine.appendLoopIteration(storage, loop, "loop", 5);
    const step = engine.appendName(storage, iteration, "step");
    expect(engine.locationToKey(storage, step)).toBe("loop/~5/step");
    expect(engine.parentLocation(step)).toEqual(iteration);
    expect(engine.isLocationPrefix(loop, step)).toBe(true);
    expect(engine.isLocationPrefix(step, step)).toBe(true);
    expect(engine.isLocationPrefix(step, loop)).toBe(false);
    expect(engine.locationsEqual(step, [...step])).toBe(true);
    expect(engine.registerName(storage, "loop")).toBe(0);
    expect(() => engine.resolveName(storage, 9)).toThrow("Name index 9 not found in registry");
  });

  test("is loaded with what a run wrote", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => ctx.step("a", async () => ({ n: 1 })));
    const storage = await engine.loadStorage(the.driver);
    expect(storage).toMatchObject({ state: "completed", output: { n: 1 }, nameRegistry: ["a"] });
    const entry = storage.history.entries.get("a");
    const metadata = await engine.loadMetadata(storage, the.driver, entry?.id ?? "");
    expect(metadata).toMatchObject({ status: "completed", attempts: 1 });
  });

  test("deletes the entries under a prefix", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => {
      await ctx.try("block", async (inner) => inner.step("a", async () => 1));
      await ctx.step("b", async () => 2);
    });
    const storage = await engine.loadStorage(the.driver);
    await engine.deleteEntriesWithPrefix(storage, the.driver, [storage.nameRegistry.indexOf("block")]);
    expect([...(await engine.loadStorage(the.driver)).history.entries.keys()]).toEqual(["b"]);
  });
});

forEachEngine("errors as data", (engine) => {
  test("keep name, message, stack and the plain properties", () => {
    const error = Object.assign(new RangeError("far"), { code: 7, ok: true, nothing: null, deep: { x: 1 } });
    expect(engine.extractErrorInfo(error)).toEqual({
      name: "RangeError",
      message: "far",
      stack: error.stack,
      metadata: { code: 7, ok: true, nothing: null },
    });
    expect(engine.extractErrorInfo("text")).toEqual({ name: "Error", message: "text" });
  });

  test("have the texts and fields of the contract", () => {
    expect(new engine.SleepError(5, ["a", "b"]).message).toBe("Sleeping until 5 or messages: a, b");
    expect(new engine.SleepError(5).message).toBe("Sleeping until 5");
    expect(new engine.MessageWaitError(["a", "b"]).message).toBe("Waiting for messages: a, b");
    expect(new engine.EvictedError().message).toBe("Workflow evicted");
    expect(new engine.CancelledError().message).toBe("Branch cancelled");
    expect(new engine.StepExhaustedError("s").message).toBe('Step "s" exhausted retries: unknown error');
    const cause = new Error("x");
    expect(new engine.StepFailedError("s", cause, 2, 9)).toMatchObject({
      message: 'Step "s" failed (attempt 2)',
      cause,
      attempts: 2,
      retryAt: 9,
    });
    expect(new engine.RaceError("All branches failed", []).name).toBe("RaceError");
  });

  test("of defaults are the defaults of the contract", () => {
    expect([
      engine.DEFAULT_MAX_RETRIES,
      engine.DEFAULT_RETRY_BACKOFF_BASE,
      engine.DEFAULT_RETRY_BACKOFF_MAX,
      engine.DEFAULT_LOOP_HISTORY_PRUNE_INTERVAL,
      engine.DEFAULT_STEP_TIMEOUT,
    ]).toEqual([3, 100, 30_000, 20, 30_000]);
  });
});
