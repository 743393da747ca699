import { describe, expect, test, vi } from "vitest";
import {
  createEntry,
  createStorage,
  type Entry,
  flush,
  getOrCreateMetadata,
  type KVWrite,
  loadStorage,
  type Storage,
  setEntry,
} from "../../src/engine/index.ts";
import type { InMemoryDriver } from "../../src/engine/testing.ts";
import { add, at, fastDriver, trace } from "./story.ts";

const hexKeys = (writes: readonly KVWrite[]): string[] => writes.map(({ key }) => Buffer.from(key).toString("hex"));

/** Holds every batch until it is let go. */
function held(driver: InMemoryDriver): { readonly batches: string[][]; release(error?: Error): Promise<void> } {
  const waiting: ((error?: Error) => void)[] = [];
  const batches: string[][] = [];
  const batch = driver.batch.bind(driver);
  driver.batch = async (writes) => {
    batches.push(hexKeys(writes));
    await new Promise<void>((resolve, reject) => {
      waiting.push((error) => (error === undefined ? resolve() : reject(error)));
    });
    await batch(writes);
  };
  return {
    batches,
    async release(error) {
      waiting.shift()?.(error);
      await new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
}

function withSteps(count: number): Storage {
  const storage = createStorage();
  storage.flushedState = "pending";
  for (let i = 0; i < count; i++) {
    const location = [0, { loop: 0, iteration: i }];
    storage.history.entries.set(`${i}`, createEntry(location, { type: "step", data: {} }));
  }
  return storage;
}

describe("what a flush writes", () => {
  test("names, entries, metadata, state, output, error, in this order, and then nothing", async () => {
    const storage = createStorage();
    const driver = fastDriver();
    const calls = trace(driver);
    const batches: string[][] = [];
    const batch = driver.batch.bind(driver);
    driver.batch = (writes) => {
      batches.push(hexKeys(writes));
      return batch(writes);
    };
    Object.assign(storage, { state: "failed", output: 1, error: { name: "Error", message: "m" } });
    add(storage, "b", { type: "step", data: {} }, {});
    add(storage, "a", { type: "step", data: {} });
    await flush(storage, driver);
    const metadata = `150402${Buffer.from("b").toString("hex")}00`;
    expect(batches).toEqual([
      ["150114", "15011501", "150214", "15021501", metadata, "15031501", "15031502", "15031503"],
    ]);
    expect([storage.flushedNameCount, storage.flushedState, storage.flushedOutput]).toEqual([2, "failed", 1]);
    expect(storage.flushedError).toEqual({ name: "Error", message: "m" });
    calls.length = 0;
    storage.error = { name: "Error", message: "m", stack: "another" };
    await flush(storage, driver);
    expect(calls).toEqual([]);
    expect(await loadStorage(driver)).toEqual({ ...storage, error: storage.flushedError });
  });

  test("is told when the history has changed, not when only the state has", async () => {
    const storage = createStorage();
    const driver = fastDriver();
    const updated = vi.fn();
    await flush(storage, driver, updated);
    expect(updated).not.toHaveBeenCalled();
    at(storage, "name");
    await flush(storage, driver, updated);
    expect(updated).toHaveBeenCalledTimes(1);
    await flush(storage, driver, updated, { prefixes: [], keys: [], ranges: [] });
    expect(updated).toHaveBeenCalledTimes(1);
    await flush(storage, driver, updated, { prefixes: [], keys: [Uint8Array.of(1)], ranges: [] });
    expect(updated).toHaveBeenCalledTimes(2);
  });

  test("goes out within the call", () => {
    const driver = fastDriver();
    const calls = trace(driver);
    void flush(createStorage(), driver);
    expect(calls).toEqual(["batch 1"]);
  });

  test("comes before what it deletes: prefixes, ranges, keys", async () => {
    const driver = fastDriver();
    const calls = trace(driver);
    const one = Uint8Array.of(1);
    const deletions = { prefixes: [one], keys: [Uint8Array.of(2)], ranges: [{ start: one, end: Uint8Array.of(3) }] };
    await flush(createStorage(), driver, undefined, deletions);
    expect(calls).toEqual(["batch 1", "deletePrefix 01", "deleteRange 01 03", "delete 02"]);
  });
});

describe("splitting", () => {
  test("129 rows are two batches, and one on a host whose batches are atomic", async () => {
    for (const [atomicBatch, expected] of [
      [false, ["batch 128", "batch 1"]],
      [true, ["batch 129"]],
    ] as const) {
      const driver = Object.assign(fastDriver(), { atomicBatch });
      const calls = trace(driver);
      await flush(withSteps(129), driver);
      expect(calls).toEqual(expected);
      expect(driver.keys()).toHaveLength(129);
    }
  });

  test("rows stay within 999,424 bytes of keys and values", async () => {
    const driver = fastDriver();
    const calls = trace(driver);
    const storage = withSteps(3);
    for (const { kind } of storage.history.entries.values()) {
      if (kind.type === "step") kind.data.output = "x".repeat(499_600);
    }
    await flush(storage, driver);
    expect(calls).toEqual(["batch 2", "batch 1"]);
  });

  test("a host may state limits of its own", async () => {
    const driver = Object.assign(fastDriver(), { limits: { rows: 2, bytes: 1_000 } });
    const calls = trace(driver);
    await flush(withSteps(5), driver);
    expect(calls).toEqual(["batch 2", "batch 2", "batch 1"]);
  });

  test("a row that is too large is refused before anything is written", async () => {
    const driver = fastDriver();
    const calls = trace(driver);
    const storage = createStorage();
    storage.output = "x".repeat(1_000_000);
    await expect(flush(storage, driver)).rejects.toEqual(
      new Error("KV batch write is 1000009 bytes, exceeding the 999424 byte limit"),
    );
    expect(calls).toEqual([]);
    await flush(storage, Object.assign(driver, { atomicBatch: true }));
    expect(calls).toEqual(["batch 2"]);
  });
});

describe("a flush that fails", () => {
  test("does so over a name that would not come back", async () => {
    const storage = createStorage();
    at(storage, "\ud800");
    await expect(flush(storage, fastDriver())).rejects.toEqual(
      new RangeError('found "\\ud800" as a name, expected text without lone surrogates'),
    );
  });

  test("marks nothing clean: the next one writes everything again", async () => {
    const driver = fastDriver();
    const storage = createStorage();
    const entry = add(storage, "a", { type: "step", data: {} }, {});
    const updated = vi.fn();
    const batch = driver.batch.bind(driver);
    driver.batch = () => Promise.reject(new Error("refused"));
    await expect(flush(storage, driver, updated)).rejects.toThrow("refused");
    expect([entry.dirty, storage.flushedNameCount, storage.flushedState]).toEqual([true, 0, undefined]);
    driver.batch = batch;
    driver.delete = () => Promise.reject(new Error("refused, too"));
    const deletions = { prefixes: [], keys: [Uint8Array.of(1)], ranges: [] };
    await expect(flush(storage, driver, updated, deletions)).rejects.toThrow("refused, too");
    expect(entry.dirty).toBe(true);
    expect(updated).not.toHaveBeenCalled();
    await flush(storage, driver, updated);
    expect(entry.dirty).toBe(false);
    expect(await loadStorage(driver)).toEqual(storage);
  });
});

describe("flushes that overlap", () => {
  test("a name registered meanwhile is written by the next one", async () => {
    const driver = fastDriver();
    const { batches, release } = held(driver);
    const storage = createStorage();
    storage.flushedState = "pending";
    add(storage, "a", { type: "step", data: {} });
    const first = flush(storage, driver);
    add(storage, "b", { type: "step", data: {} });
    const second = flush(storage, driver);
    await release();
    await release();
    await Promise.all([first, second]);
    expect(batches).toEqual([
      ["150114", "150214"],
      ["15011501", "15021501"],
    ]);
    expect(storage.flushedNameCount).toBe(2);
    expect((await loadStorage(driver)).nameRegistry).toEqual(["a", "b"]);
  });

  test("an entry changed meanwhile stays dirty, whether or not somebody says so", async () => {
    const driver = fastDriver();
    const { release } = held(driver);
    const storage = createStorage();
    const entry = add(storage, "a", { type: "join", data: { branches: { x: { status: "pending" } } } }, {});
    const metadata = getOrCreateMetadata(storage, entry.id);
    const flushed = flush(storage, driver);
    if (entry.kind.type === "join") entry.kind.data.branches["x"] = { status: "completed", output: 1 };
    metadata.status = "completed";
    await release();
    await flushed;
    expect([entry.dirty, metadata.dirty]).toEqual([true, true]);
    const again = flush(storage, driver);
    await release();
    await again;
    expect([entry.dirty, metadata.dirty]).toEqual([false, false]);
    expect(await loadStorage(driver)).toEqual(storage);
  });

  test("each ends when what was dirty at its call is stored", async () => {
    const driver = fastDriver();
    const { batches, release } = held(driver);
    const storage = createStorage();
    add(storage, "a", { type: "step", data: {} });
    const first = flush(storage, driver);
    const done = vi.fn();
    const second = flush(storage, driver).then(done);
    const refused = expect(first).rejects.toThrow("refused");
    await release(new Error("refused"));
    await refused;
    expect(done).not.toHaveBeenCalled();
    expect(batches[1]).toEqual(batches[0]);
    await release();
    await second;
    expect(await loadStorage(driver)).toEqual(storage);
  });

  test("the state of a later one is never overwritten by an earlier one", async () => {
    const driver = fastDriver();
    const { release } = held(driver);
    const storage = createStorage();
    storage.state = "running";
    const first = flush(storage, driver);
    storage.state = "completed";
    const second = flush(storage, driver);
    await release();
    await release();
    await Promise.all([first, second]);
    expect((await loadStorage(driver)).state).toBe("completed");
  });

  test("any program of changes and flushes, with batches that end late or fail, loses nothing", async () => {
    for (let seed = 1; seed <= 60; seed++) await program(seed);
  });
});

/** A pseudo-random program, by Lehmer's generator. */
async function program(seed: number): Promise<void> {
  let number = seed * 7919;
  const random = (below: number): number => {
    number = (number * 48_271) % 2_147_483_647;
    return number % below;
  };
  const driver = fastDriver();
  const batch = driver.batch.bind(driver);
  driver.batch = async (writes) => {
    for (let turns = random(4); turns > 0; turns--) await Promise.resolve();
    if (random(5) === 0) throw new Error("refused");
    await batch(writes);
  };
  const storage = createStorage();
  const entries: Entry[] = [];
  const running: Promise<void>[] = [];
  for (let turn = 0; turn < 12; turn++) {
    if (entries.length === 0 || random(2) === 0) entries.push(add(storage, `s${turn}`, { type: "step", data: {} }));
    const entry = entries[random(entries.length)] as Entry;
    if (entry.kind.type === "step") entry.kind.data.output = turn;
    entry.dirty = true;
    setEntry(storage, entry.location, entry);
    if (random(2) === 0) running.push(flush(storage, driver).catch(() => {}));
    await Promise.resolve();
  }
  await Promise.all(running);
  driver.batch = batch;
  await flush(storage, driver);
  expect(await loadStorage(driver)).toEqual(storage);
}
