/** What a host hands over that is not what a call takes: refused at the call, with what was found and what is expected, and nothing is written. */
import type { EngineDriver, Storage } from "@rivetkit/workflow-engine";
import { describe, expect, test } from "vitest";
import { pawl } from "./engines.ts";
import { Host, HostDriver } from "./host.ts";

/** What is thrown, or what a promise rejects with, as text; what else happens, too. */
async function refusal(call: () => unknown): Promise<string> {
  try {
    return `gave ${JSON.stringify(await call())}`;
  } catch (error) {
    return error instanceof Error && "code" in error ? `${String(error.code)}: ${error.message}` : String(error);
  }
}

/** As a program without types would hand it over. */
const as = <T>(value: unknown): T => value as T;
const idle = async () => "done";
const withMember = (name: string, value: unknown): HostDriver =>
  Object.assign(new HostDriver(new Host()), { [name]: value });
const { openActor } = as<{
  readonly openActor: (driver: unknown, options: unknown) => Promise<{ close(): Promise<void> }>;
}>(pawl);

const MEMBERS = ["get", "set", "delete", "deletePrefix", "deleteRange", "list", "batch", "setAlarm", "clearAlarm"];

describe("a driver that is none, or lacks a member, is refused at the call", () => {
  const calls: Readonly<Record<string, (driver: EngineDriver) => unknown>> = {
    runWorkflow: (driver) => pawl.runWorkflow("w", idle, undefined, driver),
    replayWorkflowFromStep: (driver) => pawl.replayWorkflowFromStep("w", driver),
    loadStorage: (driver) => pawl.loadStorage(driver),
    flush: (driver) => pawl.flush(as<Storage>({ ...pawl.createStorage(), state: "running" }), driver),
    openActor: (driver) => openActor(driver, { id: "a", cells: {} }),
  };
  for (const [name, call] of Object.entries(calls)) {
    test.each([null, undefined, 5, "driver", {}, []])(`${name}(%j)`, async (driver) => {
      expect(await refusal(() => call(as(driver)))).toMatch(
        new RegExp(`^bad_argument: ${name}\\(\\) was given a driver that it cannot use\\.\\n  found `),
      );
    });
  }

  test.each(MEMBERS)("a run without %s, which it may need only later", async (member) => {
    const driver = withMember(member, undefined);
    expect(() => pawl.runWorkflow("w", idle, undefined, driver)).toThrow(`found     ${member}: undefined`);
    expect(driver.calls).toEqual([]);
  });

  test.each(["addMessage", "receiveMessages", "completeMessage"])("a run whose queue lacks %s", (member) => {
    const driver = new HostDriver(new Host());
    Object.assign(driver.messageDriver, { [member]: 5 });
    expect(() => pawl.runWorkflow("w", idle, undefined, driver)).toThrow(`found     messageDriver.${member}: 5`);
  });

  test("a live run that cannot wait for messages; one that yields need not", async () => {
    const driver = withMember("waitForMessages", undefined);
    expect(() => pawl.runWorkflow("w", idle, undefined, driver, { mode: "live" })).toThrow("waitForMessages");
    expect((await pawl.runWorkflow("w", idle, undefined, driver).result).output).toBe("done");
  });

  test.each([
    ["limits", 5],
    ["limits", { rows: 0, bytes: 1 }],
    ["limits", { rows: 10 }],
    ["workerPollInterval", Number.NaN],
    ["workerPollInterval", "100"],
    ["commit", 5],
  ])("whose %s is %j", (member, value) => {
    expect(() => pawl.runWorkflow("w", idle, undefined, withMember(member, value))).toThrow(member);
  });

  test("a control driver without messages can be replayed on", async () => {
    const driver = withMember("messageDriver", undefined);
    expect((await pawl.replayWorkflowFromStep("w", as(driver))).entries).toEqual([]);
  });
});

describe("a run is refused at the call", () => {
  const driver = () => new HostDriver(new Host());
  test.each([null, undefined, 5, "x", {}])("whose workflow is %j", (fn) => {
    expect(() => pawl.runWorkflow("w", as<never>(fn), undefined, driver())).toThrow("no function as the workflow");
  });

  test.each([null, undefined, 5, {}])("whose id is %j", (id) => {
    expect(() => pawl.runWorkflow(as(id), idle, undefined, driver())).toThrow("runWorkflow() was given no id");
  });

  test.each([
    null,
    5,
    { mode: "banana" },
    { divergence: "x" },
    { poisonGuard: "yes" },
    { onError: 5 },
    { onHistoryUpdated: 5 },
    { logger: {} },
    { context: 5 },
    { epoch: 5 },
    { actor: {} },
  ])("whose options are %j", (options) => {
    expect(() => pawl.runWorkflow("w", idle, undefined, driver(), as(options))).toThrow(
      /^runWorkflow\(\) was given an/,
    );
  });

  test("for an actor that is closed, or is open on another driver", async () => {
    const its = driver();
    const actor = await openActor(its, { id: "a", cells: {} });
    const run = (on: HostDriver) => pawl.runWorkflow("w", idle, undefined, on, as({ actor }));
    expect(() => run(driver())).toThrow("closed, or open on another driver");
    expect((await run(its).result).output).toBe("done");
    await actor.close();
    expect(() => run(its)).toThrow("closed, or open on another driver");
  });

  test("but any text is an id, half a character, too, and options that nobody knows are left alone", async () => {
    const { result } = pawl.runWorkflow("\ud800", idle, undefined, driver(), as({ ofTomorrow: 1 }));
    expect((await result).output).toBe("done");
  });
});

describe("an actor is refused, and nothing is written", () => {
  test.each([
    ["no options", undefined, "no id"],
    ["no id", { cells: {} }, "no id"],
    ["no cells", { id: "a" }, "cannot open: cells"],
    ["a cell that is none", { id: "a", cells: { x: 1 } }, 'cell "x"'],
    ["a cell without a first value", { id: "a", cells: { x: {} } }, 'no function as the first value of cell "x"'],
    ["limits that nothing fits", { id: "a", cells: {}, limits: { rows: 0, bytes: 0 } }, "rows: 0"],
    ["an epoch that is none", { id: "a", cells: {}, epoch: 1 }, "a bigint"],
    ["a first value that cannot be stored", { id: "a", cells: { x: { initial: () => () => 1 } } }, "function"],
    ["a first value that is to come", { id: "a", cells: { x: { initial: async () => 1 } } }, "await it"],
    [
      "a first value that throws",
      { id: "a", cells: { w: { initial: () => 1 }, x: { initial: fails } } },
      "no value today",
    ],
  ])("with %s", async (_what, options, said) => {
    const host = new Host();
    expect(await refusal(() => openActor(new HostDriver(host), options))).toContain(said);
    expect(host.rows.size).toBe(0);
    const actor = await openActor(new HostDriver(host), { id: "a", cells: {} });
    await actor.close();
  });
});

function fails(): never {
  throw new Error("no value today");
}

describe("a driver's answer", () => {
  const answers: readonly unknown[] = [undefined, null, 5, "rows", {}, [null], [5], [{}], [{ key: [21], value: [1] }]];
  test.each(answers)("to list that is %j is refused by name", async (answer) => {
    const driver = withMember("list", async () => answer);
    expect(await refusal(() => pawl.runWorkflow("w", idle, undefined, driver).result)).toMatch(
      /^driver_answer: .*list gave/,
    );
    expect(await refusal(() => pawl.loadStorage(driver))).toMatch(/^driver_answer: .*list gave/);
  });

  test.each([5, "row", [1, 2], {}, new ArrayBuffer(2)])("to get that is %j is refused by name", async (answer) => {
    const driver = withMember("get", async () => answer);
    for (const call of [
      () => pawl.runWorkflow("w", idle, undefined, driver).result,
      () => pawl.loadStorage(driver),
      () => read(driver),
    ])
      expect(await refusal(call)).toMatch(/^driver_answer: .*get gave/);
  });

  test("to receiveMessages that holds no messages is refused by name", async () => {
    for (const answer of [null, [null], [5], [{ id: 1, name: "n", sentAt: 1 }], [{ id: "i", name: "n" }]]) {
      const driver = new HostDriver(new Host());
      Object.assign(driver.messageDriver, { receiveMessages: async () => answer });
      const run = () => pawl.runWorkflow("w", async (ctx) => ctx.queue.next("q"), undefined, driver).result;
      expect(await refusal(run)).toMatch(/^driver_answer: .*receiveMessages gave/);
    }
  });

  test("may be unsorted, come twice, or hold what was not asked for", async () => {
    const host = new Host();
    const workflow = async (ctx: import("@rivetkit/workflow-engine").WorkflowContextInterface) => {
      await ctx.step("a", idle);
      await ctx.step("b", idle);
      await ctx.sleep("nap", 1e6);
    };
    await pawl.runWorkflow("w", workflow, undefined, new HostDriver(host)).result;
    const whole = await pawl.loadStorage(new HostDriver(host));
    for (const odd of [
      (rows: readonly object[]) => [...rows].reverse(),
      (rows: readonly object[]) => [...rows, ...rows],
    ]) {
      const driver = new HostDriver(host);
      const list = driver.list.bind(driver);
      driver.list = async (prefix) => as(odd(await list(prefix)));
      expect(await pawl.loadStorage(driver)).toEqual(whole);
      expect((await pawl.runWorkflow("w", workflow, undefined, driver).result).state).toBe("sleeping");
    }
    const driver = new HostDriver(host);
    const list = driver.list.bind(driver);
    driver.list = async () => list(new Uint8Array(0));
    expect(await pawl.loadStorage(driver)).toEqual(whole);
    expect((await pawl.runWorkflow("w", workflow, undefined, driver).result).state).toBe("sleeping");
  });

  test("that is a failure without a word is told as one", async () => {
    const driver = withMember("list", () => Promise.reject());
    expect(await refusal(() => pawl.runWorkflow("w", idle, undefined, driver).result)).toContain("did not say why");
  });
});

/** What a handle reads of the driver. */
async function read(driver: HostDriver): Promise<unknown> {
  const handle = pawl.runWorkflow("w", idle, undefined, driver);
  await handle.result.catch(() => {});
  return handle.getState();
}

test("what is wrong in an operation is said where it is called, and no other run of the thread is harmed", async () => {
  type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;
  const wrong: Readonly<Record<string, readonly [(ctx: Ctx) => Promise<unknown>, RegExp]>> = {
    "a step of nothing": [(ctx) => ctx.step(as(undefined)), /^bad_argument: a step was given nothing to do/],
    "a step without a body": [(ctx) => ctx.step(as({ name: "s" })), /^Error: Step run function missing/],
    "a step with a name alone": [(ctx) => ctx.step("s", as(undefined)), /^Error: Step run function missing/],
    "a block without a body": [(ctx) => ctx.try(as<never>({ name: "t" })), /^Error: Try run function missing/],
    "a loop without a body": [(ctx) => ctx.loop(as<never>({ name: "l" })), /^Error: Loop run function missing/],
    "a time limit of text": [
      (ctx) => ctx.step({ name: "s", timeout: as("5"), run: idle }),
      /^RangeError: .*"5" as timeout/,
    ],
    "no number of retries": [(ctx) => ctx.step({ name: "s", maxRetries: Number.NaN, run: idle }), /NaN as maxRetries/],
    "kinds that are no list": [
      (ctx) => ctx.try({ name: "t", catch: as(5), run: async () => Promise.reject(new pawl.RollbackError("x")) }),
      /^bad_argument: "t" does not say what it catches/,
    ],
    "a handler that is none": [
      (ctx) => ctx.rollbackCheckpoint("p").then(() => ctx.step({ name: "s", rollback: as<never>(5), run: idle })),
      /^bad_argument: step "s" cannot be undone/,
    ],
    "a join of nothing": [(ctx) => ctx.join("j", as<never>(undefined)), /^bad_argument: join "j" has no branches/],
    "a race of names": [(ctx) => ctx.race("r", as({ a: { run: idle } })), /^bad_argument: race "r" has branches/],
    "a race without names": [(ctx) => ctx.race("r", [as({ run: idle })]), /^bad_argument: race "r" has branches/],
    "a version that no record holds": [(ctx) => ctx.getVersion("v", 2 ** 33), /latest must be at most 4294967295/],
  };
  for (const [what, [misuse, said]] of Object.entries(wrong)) {
    const run = pawl.runWorkflow("w", misuse, undefined, new HostDriver(new Host()));
    expect([what, await refusal(() => run.result)]).toEqual([what, expect.stringMatching(said)]);
    const after = pawl.runWorkflow("w", async (ctx) => ctx.step("fine", idle), undefined, new HostDriver(new Host()));
    expect((await after.result).output).toBe("done");
  }
});

test("a context is made by runs alone", () => {
  const { WorkflowContextImpl } = as<{ readonly WorkflowContextImpl: new (...args: unknown[]) => object }>(pawl);
  expect(() => new WorkflowContextImpl("w", pawl.createStorage(), new HostDriver(new Host()), {})).toThrow(
    "a WorkflowContextImpl is made by runWorkflow() alone",
  );
});
