import { describe, expect, it } from "vitest";
import { attempts } from "../src/engines/attempts.ts";
import { durable } from "../src/engines/durable.ts";
import { embedded } from "../src/engines/embedded.ts";
import { memory } from "../src/engines/memory.ts";
import { pawl } from "../src/engines/pawl.ts";
import { PlainDriver } from "../src/engines/plain-driver.ts";
import { resume } from "../src/engines/resume.ts";
import { cloning, immer } from "../src/engines/rivals.ts";
import { rivet } from "../src/engines/rivet.ts";
import { state } from "../src/engines/state.ts";
import { stateMemory } from "../src/engines/state-memory.ts";
import { waiting } from "../src/engines/waiting.ts";
import { databaseIn, inNewFolder } from "../src/engines/written.ts";
import { addonBytes, lifeOf, PROGRAMS } from "../src/scenarios/import.ts";

describe.each([
  ["pawl", pawl],
  ["pawl on a host's driver", embedded],
  ["the peer", rivet],
])("%s", (_, engine) => {
  it("runs every program to the result that the bench expects", async () => {
    expect(await engine.sequentialSteps(2, 5)).toBeGreaterThan(0);
    expect(await engine.loop(30)).toBeGreaterThan(0);
    expect(await engine.queue(30)).toBeGreaterThan(0);
    expect(await engine.replay(30)).toBeGreaterThan(0);
    expect(await engine.join(30)).toBeGreaterThan(0);
  });
});

describe("the benches of state", () => {
  it("time each step but the first ones, for each size, and count what a step moves and adds to the file", async () => {
    const found = await state.stateSteps("sqlite", "field", [1_000, 20_000], 60, "creation");
    expect(found).toHaveLength(2);
    for (const { times, first, crossedBytes, keptBytes } of found) {
      expect(times).toHaveLength(60);
      expect(first).toBeGreaterThan(0);
      expect(crossedBytes).toBeGreaterThan(20);
      expect(crossedBytes).toBeLessThan(2_000);
      expect(keptBytes).toBeGreaterThan(0);
      expect(keptBytes).toBeLessThan(2_000);
    }
  });

  it.each(["field", "push", "set"] as const)("run without a disk, too: %s", async (change) => {
    const found = await state.stateSteps("memory", change, [20, 200], 10, "creation");
    expect(found.map(({ times }) => times.length)).toEqual([10, 10]);
  });

  it.each(["objects", "object", "keys"] as const)("mutate a state and a plain object in turn: %s", async (kind) => {
    const { state, plain } = await attempts.manyMutations(kind, 2_000, 4);
    expect([state.length, plain.length]).toEqual([4, 4]);
  });

  it("roll back, open and read", async () => {
    expect(await attempts.rollbacks(2_000, [10, 20], 3)).toHaveLength(2);
    expect(await attempts.openings([1_000, 2_000], 3)).toHaveLength(2);
    const reads = await attempts.reads(200);
    for (const ns of Object.values(reads)) expect(ns).toBeGreaterThan(0);
  });

  it("tell what is held of a state", async () => {
    await inNewFolder(async (folder) => {
      const { url } = databaseIn(folder, "store");
      const encoded = await stateMemory.make(url, 20_000);
      expect(encoded).toBeGreaterThan(10_000);
      const held = await stateMemory.hold(url, 20_000);
      expect(held.plain).toBeGreaterThan(10_000);
    });
  });

  it.each([
    ["structuredClone", cloning],
    ["immer", immer],
  ])("do the same by other means: %s", async (_, rival) => {
    expect(await rival.oneField(2_000, 5)).toHaveLength(5);
    for (const kind of ["objects", "object", "keys"] as const)
      expect(await rival.manyMutations(kind, 2_000, 3)).toHaveLength(3);
  });
});

it.each(["memory", "sqlite"] as const)(
  "the bench of memory looks at the process as often as it is asked to: %s",
  async (store) => {
    const held = await memory.loopMemory(store, 100, 10);
    expect(held).toHaveLength(10);
    for (const { heap, resident } of held) expect(resident).toBeGreaterThan(heap);
  },
);

it("the bench of going on from disk finishes what was recorded, whatever has closed", async () => {
  await inNewFolder(async (folder) => {
    await resume.record(folder, 200);
    const { ms, stored } = await resume.resume(folder, folder);
    expect(ms).toBeGreaterThan(0);
    expect(stored).toBeGreaterThan(10_000);
  });
});

describe("the benches of durable steps", () => {
  it("count the syncs and the calls of a step", async () => {
    await inNewFolder(async (folder) => {
      const disk = await durable.steps(folder, 20);
      expect(disk.ms).toBeGreaterThan(0);
      expect(disk.transactions).toBeGreaterThanOrEqual(1);
      expect(disk.crossings).toBeGreaterThanOrEqual(1);
    });
    expect((await durable.steps(undefined, 20)).transactions).toBeGreaterThan(0);
  });

  it("tell what of many workflows is whose", async () => {
    await inNewFolder(async (folder) => {
      const { rate, cpu, ...parts } = await durable.many(folder, 50, 10);
      expect(rate).toBeGreaterThan(0);
      expect(cpu).toBeGreaterThan(0);
      expect(Object.keys(parts)).toEqual(["javascript", "boundary", "core", "sqlite", "others"]);
      for (const part of Object.values(parts)) expect(part).toBeGreaterThanOrEqual(0);
    });
  });
});

it("the bench of waiting runs wakes each of them as often as it is asked to", async () => {
  const found = await waiting.wake([3, 30], 5);
  expect(found).toHaveLength(2);
  for (const us of found) expect(us).toBeGreaterThan(0);
});

it.each([embedded, rivet])("the time in the driver is less than the whole of a replay", async (engine) => {
  expect(await engine.replayLessDriver(30)).toBeGreaterThan(0);
});

it.each(Object.entries(PROGRAMS))("the bench of the import runs its process: %s", (_, args) => {
  expect(lifeOf(args)).toBeGreaterThan(0);
  expect(addonBytes()).toBeGreaterThan(100_000);
});

describe("the peer's plain driver", () => {
  const key = (...bytes: number[]): Uint8Array => new Uint8Array(bytes);
  const value = key(1);

  it("lists by prefix, in the order of the bytes", async () => {
    const driver = new PlainDriver();
    await driver.batch([key(1, 255), key(1, 2, 9), key(2), key(1)].map((key) => ({ key, value })));
    expect((await driver.list(key(1))).map((entry) => [...entry.key])).toEqual([[1], [1, 2, 9], [1, 255]]);
  });

  it("deletes a range without its end, a prefix, and single keys", async () => {
    const driver = new PlainDriver();
    const left = async () => (await driver.list(key())).map((entry) => entry.key[0]);
    await driver.batch([1, 2, 3, 4, 5].map((byte) => ({ key: key(byte), value })));
    await driver.deleteRange(key(1), key(3));
    await driver.deletePrefix(key(3));
    await driver.batchDelete([key(4)]);
    expect(await left()).toEqual([5]);
    expect(await driver.get(key(4))).toBeNull();
  });
});
