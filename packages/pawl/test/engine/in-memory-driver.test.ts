import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EvictedError, InMemoryDriver, type KVWrite, type Message } from "../../src/engine/testing.ts";

const key = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const message = (id: string, name = "n"): Message => ({ id, name, data: id, sentAt: 1 });
const ids = (messages: readonly Message[]): string[] => messages.map(({ id }) => id);

function fast(): InMemoryDriver {
  const driver = new InMemoryDriver();
  driver.latency = 0;
  return driver;
}

describe("rows", () => {
  test("are set, read, deleted and overwritten", async () => {
    const driver = fast();
    expect(await driver.get(key(1))).toBeNull();
    await driver.set(key(1), key(9));
    await driver.batch([
      { key: key(1), value: key(8) },
      { key: key(0xab), value: key() },
    ]);
    expect(await driver.get(key(1))).toEqual(key(8));
    expect(driver.keys()).toEqual(["01", "ab"]);
    await driver.delete(key(1));
    expect(driver.snapshot()).toEqual({ kv: { ab: key() }, alarms: {} });
  });

  test("are listed and deleted by prefix, in the order of bytes", async () => {
    const driver = fast();
    const keys = [key(2), key(1, 255), key(1), key(1, 0), key(1, 2, 3)];
    await driver.batch(keys.map((key) => ({ key, value: key })));
    const listed = await driver.list(key(1));
    expect(listed.map((row) => row.key)).toEqual([key(1), key(1, 0), key(1, 2, 3), key(1, 255)]);
    await driver.deletePrefix(key(1, 2));
    expect(await driver.list(key(1, 2))).toEqual([]);
    await driver.batchDelete([key(1, 0), key(7)]);
    expect(driver.keys().sort()).toEqual(["01", "01ff", "02"]);
  });

  test("of a range are deleted up to, and without, its end", async () => {
    const driver = fast();
    for (const byte of [1, 2, 3, 4]) await driver.set(key(byte), key(byte));
    await driver.set(key(2, 9), key());
    await driver.deleteRange(key(2), key(4));
    expect(driver.keys()).toEqual(["01", "04"]);
  });
});

describe("latency", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test.each<[string, (driver: InMemoryDriver) => Promise<unknown>]>([
    ["get", (driver) => driver.get(key(1))],
    ["set", (driver) => driver.set(key(1), key())],
    ["delete", (driver) => driver.delete(key(1))],
    ["deletePrefix", (driver) => driver.deletePrefix(key(1))],
    ["deleteRange", (driver) => driver.deleteRange(key(1), key(2))],
    ["list", (driver) => driver.list(key(1))],
    ["batch", (driver) => driver.batch([])],
    ["setAlarm", (driver) => driver.setAlarm("w", 1)],
    ["clearAlarm", (driver) => driver.clearAlarm("w")],
  ])("%s takes it, also if it is 0", async (_, operation) => {
    for (const latency of [10, 0]) {
      const driver = new InMemoryDriver();
      expect(driver.latency).toBe(10);
      driver.latency = latency;
      const done = vi.fn();
      void operation(driver).then(done);
      await Promise.resolve();
      expect(vi.getTimerCount()).toBe(1);
      if (latency > 0) await vi.advanceTimersByTimeAsync(latency - 1);
      expect(done).toHaveBeenCalledTimes(0);
      await vi.advanceTimersByTimeAsync(1);
      expect(done).toHaveBeenCalled();
    }
  });
});

test("alarms are kept by workflow, and due from their time on", async () => {
  const driver = fast();
  await driver.setAlarm("past", Date.now() - 1);
  await driver.setAlarm("future", Date.now() + 60_000);
  expect(driver.getAlarm("past")).toBeLessThan(Date.now());
  expect(driver.getDueAlarms()).toEqual(["past"]);
  await driver.clearAlarm("past");
  expect(driver.getAlarm("past")).toBeUndefined();
  expect(Object.keys(driver.snapshot().alarms)).toEqual(["future"]);
  driver.clear();
  expect(driver.snapshot()).toEqual({ kv: {}, alarms: {} });
});

test("methods can be overridden, and replaced on the instance", async () => {
  const sizes: number[] = [];
  class Counting extends InMemoryDriver {
    override async batch(writes: KVWrite[]): Promise<void> {
      sizes.push(writes.length);
      await super.batch(writes);
    }
  }
  const driver = new Counting();
  driver.latency = 0;
  await driver.batch([{ key: key(1), value: key(1) }]);
  const batch = driver.batch.bind(driver);
  driver.batch = async (writes) => {
    sizes.push(-1);
    await batch(writes);
  };
  await driver.batch([]);
  expect(sizes).toEqual([1, -1, 0]);
  expect(driver.keys()).toEqual(["01"]);
  expect(driver.workerPollInterval).toBe(100);
});

describe("messages", () => {
  test("leave in the order in which they came, up to a count, by name", async () => {
    const { messageDriver } = fast();
    for (const [id, name] of [
      ["1", "a"],
      ["2", "b"],
      ["3", "a"],
      ["4", "a"],
    ] as const) {
      await messageDriver.addMessage(message(id, name));
    }
    expect(ids(await messageDriver.receiveMessages({ names: ["a"], count: 2, completable: false }))).toEqual([
      "1",
      "3",
    ]);
    expect(ids(await messageDriver.receiveMessages({ names: [], count: 0, completable: false }))).toEqual(["2"]);
    expect(ids(await messageDriver.receiveMessages({ count: 9, completable: false }))).toEqual(["4"]);
    expect(await messageDriver.receiveMessages({ count: 1, completable: false })).toEqual([]);
  });

  test("stay until they are completed if they are completable", async () => {
    const { messageDriver } = fast();
    await messageDriver.addMessage(message("1"));
    const request = { count: 1, completable: true };
    const [first] = await messageDriver.receiveMessages(request);
    expect(ids(await messageDriver.receiveMessages(request))).toEqual(["1"]);
    await messageDriver.completeMessage("unknown");
    await first?.complete?.("response");
    expect(await messageDriver.receiveMessages(request)).toEqual([]);
  });
});

describe("waiting for messages", () => {
  test("ends at once where one is there, and with the next one otherwise", async () => {
    const driver = fast();
    await driver.messageDriver.addMessage(message("1", "a"));
    await driver.waitForMessages(["a"], new AbortController().signal);
    await driver.waitForMessages([], new AbortController().signal);
    const done = vi.fn();
    const waiting = driver.waitForMessages(["b"], new AbortController().signal).then(done);
    await driver.messageDriver.addMessage(message("2", "a"));
    expect(done).not.toHaveBeenCalled();
    await driver.messageDriver.addMessage(message("3", "b"));
    await waiting;
  });

  test("rejects when it is aborted, before or meanwhile, and listens no longer", async () => {
    const driver = fast();
    await expect(driver.waitForMessages([], AbortSignal.abort())).rejects.toBeInstanceOf(EvictedError);
    const controller = new AbortController();
    const removed = vi.spyOn(controller.signal, "removeEventListener");
    const waiting = driver.waitForMessages([], controller.signal);
    controller.abort();
    await expect(waiting).rejects.toBeInstanceOf(EvictedError);
    expect(removed).toHaveBeenCalled();
  });

  test("rejects when everything is cleared", async () => {
    const driver = fast();
    const waiting = driver.waitForMessages([], new AbortController().signal);
    driver.clear();
    await expect(waiting).rejects.toEqual(new Error("cleared"));
  });

  test("asks another message driver again and again", async () => {
    const driver = fast();
    const requests: unknown[] = [];
    driver.messageDriver = {
      addMessage: async () => {},
      completeMessage: async () => {},
      receiveMessages: async (request) => (requests.push(request) < 3 ? [] : [message("1")]),
    };
    await driver.waitForMessages(["a"], new AbortController().signal);
    expect(requests).toEqual(new Array(3).fill({ names: ["a"], count: 1, completable: true }));
    const controller = new AbortController();
    driver.messageDriver.receiveMessages = async () => [];
    driver.latency = 60_000;
    const waiting = driver.waitForMessages([], controller.signal);
    controller.abort();
    await expect(waiting).rejects.toBeInstanceOf(EvictedError);
  });
});
