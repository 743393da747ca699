import { describe, expect, test, vi } from "vitest";
import {
  createEntry,
  createHistorySnapshot,
  createStorage,
  deleteEntriesWithPrefix,
  encodeEntry,
  encodeMetadata,
  encodeValue,
  flush,
  generateId,
  getEntry,
  getOrCreateMetadata,
  Loop,
  loadMetadata,
  loadStorage,
  metadataKey,
  setEntry,
} from "../../src/engine/index.ts";
import type { InMemoryDriver } from "../../src/engine/testing.ts";
import { PawlError } from "../../src/errors.ts";
import { add, at, fastDriver, paths, step, stored, trace } from "./story.ts";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

async function rows(content: Readonly<Record<string, Uint8Array>>): Promise<InMemoryDriver> {
  const driver = fastDriver();
  for (const [key, value] of Object.entries(content)) await driver.set(bytes(key), value);
  return driver;
}

const voidStep = encodeEntry({ id: "id", location: [0], kind: { type: "step", data: {} } });

describe("a storage", () => {
  test("starts empty and pending", () => {
    expect(createStorage()).toEqual({
      nameRegistry: [],
      flushedNameCount: 0,
      history: { entries: new Map() },
      entryMetadata: new Map(),
      state: "pending",
    });
  });

  test("holds entries by the text of their location", () => {
    const storage = createStorage();
    const location = at(storage, "a/b");
    const entry = createEntry(location, { type: "step", data: {} });
    expect(entry).toEqual({ id: expect.stringMatching(UUID_V4), location, kind: entry.kind, dirty: true });
    expect(getEntry(storage, location)).toBeUndefined();
    setEntry(storage, location, entry);
    expect(getEntry(storage, at(storage, "a/b"))).toBe(entry);
    expect([...storage.history.entries.keys()]).toEqual(["a/b"]);
  });

  test("makes metadata once", () => {
    const storage = createStorage();
    const before = Date.now();
    const metadata = getOrCreateMetadata(storage, "x");
    expect(metadata).toMatchObject({ status: "pending", attempts: 0, lastAttemptAt: 0, dirty: true });
    expect(metadata.createdAt).toBeGreaterThanOrEqual(before);
    expect(getOrCreateMetadata(storage, "x")).toBe(metadata);
  });

  test("has ids and loop results of the usual shapes", () => {
    expect(generateId()).toMatch(UUID_V4);
    expect([Loop.continue(1), Loop.break(2)]).toEqual([
      { continue: true, state: 1 },
      { break: true, value: 2 },
    ]);
  });
});

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("loading", () => {
  test("asks for names, history, metadata, state, output and error, in this order", async () => {
    const driver = fastDriver();
    const calls = trace(driver);
    expect(await loadStorage(driver)).toEqual(createStorage());
    expect(calls).toEqual(["list 1501", "list 1502", "list 1504", "get 15031501", "get 15031502", "get 15031503"]);
  });

  test("gives back what was stored, and nothing of it is dirty", async () => {
    const storage = createStorage();
    for (let i = 0; i < 300; i++) step(storage, `loop/~${i}/step ${i % 7}`, i);
    Object.assign(storage, { state: "failed", output: { a: 1 }, error: { name: "E", message: "m", stack: "s" } });
    const driver = fastDriver();
    await flush(storage, driver);
    const loaded = await loadStorage(driver);
    expect(loaded).toEqual(storage);
    const calls = trace(driver);
    await flush(loaded, driver);
    expect(calls).toEqual([]);
  });

  test("ignores rows of Pawl's own, and the input", async () => {
    const driver = await rows({ "150914": bytes("ff"), "1509150115ff": bytes("00"), "15031504": bytes("01") });
    expect(await loadStorage(driver)).toEqual(createStorage());
  });

  test("keeps two entries whose locations have one text", async () => {
    const driver = await stored((storage) => {
      step(storage, "a/b", 1);
      const location = [storage.nameRegistry.push("a/b") - 1];
      const twin = createEntry(location, { type: "step", data: { output: "twin" } });
      storage.history.entries.set("twin", twin);
    });
    const loaded = await loadStorage(driver);
    expect([...loaded.history.entries.values()].map(({ kind }) => kind.data)).toEqual([
      { output: "a/b" },
      { output: "twin" },
    ]);
  });

  test.each<[string, Record<string, Uint8Array>, string, string]>([
    ["an unknown state", { "15031501": Buffer.from("nope") }, "15031501", "Invalid workflow state: nope"],
    ["an output cut short", { "15031502": bytes("82") }, "15031502", "Failed to deserialize workflow output: found"],
    ["an error that is none", { "15031503": encodeValue(5) }, "15031503", "WorkflowError: expected object, got number"],
    [
      "an error without a name",
      { "15031503": encodeValue({}) },
      "15031503",
      "WorkflowError.name: expected string, got undefined",
    ],
    [
      "an error without a message",
      { "15031503": encodeValue({ name: "E", message: 2 }) },
      "15031503",
      "WorkflowError.message: expected string, got number",
    ],
    ["a name that is no UTF-8", { "150114": bytes("ff") }, "150114", "found a name that is no UTF-8"],
    ["a name under another key", { "1501": bytes("61") }, "1501", "Invalid name key"],
    ["an entry of a newer version", { "150214": bytes("0200") }, "150214", "Unknown Entry version 2"],
    ["an entry cut short", { "150214": voidStep.subarray(0, 9) }, "150214", "found 2 bytes, expected 4"],
    ["an entry in another's place", { "15021501": voidStep }, "15021501", "found an entry for [0], expected [1]"],
    ["metadata under another key", { "1504": bytes("00") }, "1504", "Invalid entry metadata key"],
    ["metadata of a newer version", { "15040200": bytes("0900") }, "15040200", "Unknown EntryMetadata version 9"],
  ])("refuses %s, and names the row", async (_, content, key, message) => {
    const refused = loadStorage(await rows({ ...(!("150114" in content) && { "150114": bytes("61") }), ...content }));
    const error = await refused.catch((error: unknown) => error);
    expect(error).toBeInstanceOf(PawlError);
    const { code, message: found, data } = error as PawlError;
    expect(code).toMatch(/^record_/);
    expect(found).toContain(message);
    expect(found).toContain(`of the row with the key ${key}`);
    expect(data).toMatchObject({ key, offset: expect.any(Number) });
  });

  test("refuses an entry whose name is missing", async () => {
    await expect(loadStorage(await rows({ "150214": voidStep }))).rejects.toThrow("Name index 0 not found in registry");
  });
});

describe("metadata", () => {
  test("is asked for once, and made where there is none", async () => {
    const driver = fastDriver();
    const record = { status: "failed", attempts: 2, lastAttemptAt: 3, createdAt: 4 } as const;
    await driver.set(metadataKey("stored"), encodeMetadata(record));
    const storage = createStorage();
    const calls = trace(driver);
    expect(await loadMetadata(storage, driver, "stored")).toEqual({ ...record, dirty: false });
    await loadMetadata(storage, driver, "stored");
    expect(calls).toHaveLength(1);
    expect(await loadMetadata(storage, driver, "new")).toBe(storage.entryMetadata.get("new"));
    expect(storage.entryMetadata.get("new")).toMatchObject({ status: "pending", dirty: true });
  });
});

describe("a snapshot", () => {
  test("is sorted by the text of locations, shares what entries hold, and knows no dirt", () => {
    const storage = createStorage();
    for (const path of ["b", "loop/~2/a", "loop/~10/a", "loop", "a"]) step(storage, path, 1);
    const snapshot = createHistorySnapshot(storage);
    expect(paths(snapshot)).toEqual(["a", "b", "loop", "loop/~10/a", "loop/~2/a"]);
    expect(snapshot.entries[0]?.kind).toBe(storage.history.entries.get("a")?.kind);
    expect(snapshot.entries.some((entry) => "dirty" in entry)).toBe(false);
    expect([...snapshot.entryMetadata.values()].some((metadata) => "dirty" in metadata)).toBe(false);
    at(storage, "later");
    step(storage, "c", 1);
    expect([snapshot.entries.length, snapshot.entryMetadata.size, snapshot.nameRegistry]).toEqual([
      5,
      5,
      ["b", "loop", "a"],
    ]);
  });
});

describe("deleting a scope", () => {
  test("takes its entries and metadata from memory at once, and from the host", async () => {
    const storage = createStorage();
    for (const path of ["a", "a/b", "ab"]) step(storage, path, 1);
    const driver = fastDriver();
    await flush(storage, driver);
    const calls = trace(driver);
    const updated = vi.fn();
    const deleted = deleteEntriesWithPrefix(storage, driver, at(storage, "a"), updated);
    expect([...storage.history.entries.keys()]).toEqual(["ab"]);
    await deleted;
    expect(calls).toEqual(["deletePrefix 150214", "delete 1504026100", "delete 150402612f6200"]);
    expect(updated).toHaveBeenCalledTimes(1);
    expect(await loadStorage(driver)).toEqual(storage);
    await deleteEntriesWithPrefix(storage, driver, at(storage, "none"), updated);
    expect(updated).toHaveBeenCalledTimes(1);
  });

  test("waits for a flush that is on its way, so that nothing is written behind it", async () => {
    const driver = fastDriver();
    const storage = createStorage();
    step(storage, "a", 1);
    const batch = driver.batch.bind(driver);
    driver.batch = async (writes) => {
      await driver.get(Uint8Array.of(0));
      await batch(writes);
    };
    const flushed = flush(storage, driver);
    await deleteEntriesWithPrefix(storage, driver, at(storage, "a"));
    await flushed;
    const loaded = await loadStorage(driver);
    expect([loaded.history.entries.size, loaded.entryMetadata.size]).toEqual([0, 0]);
  });

  test("that the host refuses leaves memory as it was", async () => {
    const driver = fastDriver();
    const storage = createStorage();
    const entry = step(storage, "a", 1);
    driver.deletePrefix = () => Promise.reject(new Error("refused"));
    await expect(deleteEntriesWithPrefix(storage, driver, at(storage, "a"))).rejects.toThrow("refused");
    expect(getEntry(storage, entry.location)).toBe(entry);
    expect(storage.entryMetadata.has("a")).toBe(true);
  });

  test("spares what only looks alike", async () => {
    const storage = createStorage();
    add(storage, "loop/~1/a", { type: "step", data: {} });
    add(storage, "loop/~10/a", { type: "step", data: {} });
    await deleteEntriesWithPrefix(storage, fastDriver(), at(storage, "loop/~1"));
    expect([...storage.history.entries.keys()]).toEqual(["loop/~10/a"]);
  });
});
