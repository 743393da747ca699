import { expect, test } from "vitest";
import { forEachEngine, rejection, START } from "./harness.ts";

forEachEngine("the driver in memory", (engine) => {
  const fresh = () => Object.assign(new engine.InMemoryDriver(), { latency: 0 });
  const bytes = (...of: number[]) => Uint8Array.from(of);

  test("has the fields that tests set", () => {
    expect(new engine.InMemoryDriver()).toMatchObject({ latency: 10, workerPollInterval: 100 });
  });

  test("keeps rows, lists them by prefix in order of bytes, and deletes half-open ranges", async () => {
    const driver = fresh();
    for (const key of [bytes(1, 255), bytes(1, 2), bytes(2), bytes(1)]) await driver.set(key, key);
    expect(await driver.get(bytes(9))).toBeNull();
    expect((await driver.list(bytes(1))).map(({ key }) => [...key])).toEqual([[1], [1, 2], [1, 255]]);
    await driver.deleteRange(bytes(1), bytes(1, 255));
    expect(driver.keys().sort()).toEqual(["01ff", "02"]);
    await driver.deletePrefix(bytes(1));
    await driver.delete(bytes(2));
    expect(driver.keys()).toEqual([]);
  });

  test("keeps alarms and tells which are due", async () => {
    const driver = fresh();
    await driver.setAlarm("due", START);
    await driver.setAlarm("later", START + 1);
    expect(driver.getAlarm("later")).toBe(START + 1);
    expect(driver.getDueAlarms()).toEqual(["due"]);
    await driver.clearAlarm("later");
    expect(driver.getAlarm("later")).toBeUndefined();
  });

  test("gives messages in order, and completable ones until they are completed", async () => {
    const { messageDriver } = fresh();
    for (const id of ["1", "2", "3"])
      await messageDriver.addMessage({ id, name: id === "2" ? "b" : "a", data: id, sentAt: 0 });
    const [first] = await messageDriver.receiveMessages({ names: ["a"], count: 1, completable: true });
    expect(await messageDriver.receiveMessages({ names: ["a"], count: 1, completable: true })).toMatchObject([
      { id: "1" },
    ]);
    await first?.complete?.();
    await messageDriver.completeMessage("unknown");
    expect(await messageDriver.receiveMessages({ count: 9, completable: false })).toMatchObject([
      { id: "2" },
      { id: "3" },
    ]);
    expect(await messageDriver.receiveMessages({ count: 9, completable: false })).toEqual([]);
  });

  test("waits for a message, for an abort, or for being cleared", async () => {
    const driver = fresh();
    const controller = new AbortController();
    const heard = driver.waitForMessages(["a"], controller.signal);
    await driver.messageDriver.addMessage({ id: "1", name: "a", data: 1, sentAt: 0 });
    await heard;
    const aborted = rejection(driver.waitForMessages(["b"], controller.signal));
    controller.abort();
    expect(await aborted).toBeInstanceOf(engine.EvictedError);
    const cleared = rejection(driver.waitForMessages(["b"], new AbortController().signal));
    driver.clear();
    expect((await cleared).message).toBe("cleared");
  });

  test("may have its batch overridden", async () => {
    let batches = 0;
    class Counting extends engine.InMemoryDriver {
      override latency = 0;
      override async batch(...call: Parameters<InstanceType<typeof engine.InMemoryDriver>["batch"]>): Promise<void> {
        batches += 1;
        await super.batch(...call);
      }
    }
    const driver = new Counting();
    await engine.runWorkflow("w", async (ctx) => ctx.step("s", async () => 1), undefined, driver).result;
    expect(batches).toBe(2);
    expect(Object.keys(driver.snapshot().kv).length).toBeGreaterThan(3);
  });
});
