/** Drivers that answer what they should not: their runs end with an error that says so, and those of others go on. */
import { afterEach, expect, test } from "vitest";
import { type EngineDriver, runWorkflow, type WorkflowContextInterface } from "../../../src/engine/index.ts";
import { errorOf, TestDriver } from "./host.ts";

async function workflow(ctx: WorkflowContextInterface): Promise<unknown> {
  await ctx.step("s", async () => 1);
  return (await ctx.queue.next("m", { names: ["go"] })).body;
}

async function hostWithMessage(): Promise<TestDriver> {
  const driver = new TestDriver();
  await driver.messageDriver.addMessage({ id: "1", name: "go", data: "gone", sentAt: 1 });
  return driver;
}

afterEach(async () => {
  const { output } = await runWorkflow("other", workflow, undefined, await hostWithMessage()).result;
  expect(output).toBe("gone");
});

const bad: readonly (readonly [string, string, unknown])[] = [
  ["list", "nothing", undefined],
  ["list", "text for bytes", [{ key: "text", value: 7 }]],
  ["list", "a row without a value", [{ key: Uint8Array.of(0x15, 1, 0x14) }]],
  ["get", "text", "completed"],
  ["receiveMessages", "nothing", undefined],
  ["receiveMessages", "a message without an id", [{ name: "go", data: 1, sentAt: 1 }]],
  ["receiveMessages", "a message without a time", [{ id: "1", name: "go", data: 1 }]],
];

test.each(bad)("%s that gives %s is named in the error", async (method, _what, answer) => {
  const driver = new TestDriver();
  const of: object = method === "receiveMessages" ? driver.messageDriver : driver;
  Reflect.set(of, method, async () => answer);
  const error = await errorOf(runWorkflow("w", workflow, undefined, driver).result);
  expect(error).toMatchObject({ code: "driver_answer", data: { method } });
});

test("get that gives undefined for what is not there is taken at its word", async () => {
  const driver = await hostWithMessage();
  const get = driver.get.bind(driver);
  Reflect.set(driver, "get", async (key: Uint8Array) => (await get(key)) ?? undefined);
  expect((await runWorkflow("w", workflow, undefined, driver).result).output).toBe("gone");
});

const methods: readonly (keyof EngineDriver)[] = ["get", "list", "batch"];
test.each(methods)("%s that throws at the call, whatever it throws, ends the run", async (method) => {
  for (const thrown of [new Error("disk"), "text", null, undefined]) {
    const driver = new TestDriver();
    Reflect.set(driver, method, () => {
      throw thrown;
    });
    await expect(runWorkflow("w", workflow, undefined, driver).result).rejects.toSatisfy(() => true);
  }
});
