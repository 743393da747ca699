/** The engine that `pawl/engine` stands in for, run as it is on npm: what either writes, the other reads. */
import * as peer from "@rivetkit/workflow-engine";
import { InMemoryDriver as PeerDriver } from "@rivetkit/workflow-engine/testing";
import { describe, expect, test } from "vitest";
import * as engine from "../../src/engine/index.ts";
import { recoverWorkflow } from "../../src/engine/recover.ts";
import { InMemoryDriver } from "../../src/engine/testing.ts";
import { PROGRAMS, type Program } from "./peer-programs.ts";

type Rows = Readonly<Record<string, Uint8Array>>;

function fast<T extends { latency: number; workerPollInterval: number }>(driver: T): T {
  return Object.assign(driver, { latency: 0, workerPollInterval: 5 });
}

/** Runs `program` with the other engine on `driver`, however it ends. */
async function run({ run, messages = [], runs = 1 }: Program, driver: peer.EngineDriver): Promise<void> {
  for (const [i, name] of messages.entries()) {
    await driver.messageDriver.addMessage({ id: `m${i}`, name, data: { i }, sentAt: 1_000 + i });
  }
  for (let i = 0; i < runs; i++) await peer.runWorkflow("w", run, { input: 1 }, driver).result.catch(() => {});
}

async function leftBy(program: Program): Promise<PeerDriver> {
  const driver = fast(new PeerDriver());
  await run(program, driver);
  return driver;
}

function hexOf(rows: Rows): Record<string, string> {
  return Object.fromEntries(Object.entries(rows).map(([key, value]) => [key, Buffer.from(value).toString("hex")]));
}

/** Every row decoded and encoded again, with our own codecs. */
function rewritten(rows: Rows): Record<string, string> {
  const entries = Object.entries(rows).map(([key, value]) => [key, rewrittenRow(key, value)] as const);
  return hexOf(Object.fromEntries(entries));
}

function rewrittenRow(key: string, value: Uint8Array): Uint8Array {
  if (key.startsWith("1502")) return engine.encodeEntry(engine.decodeEntry(value));
  if (key.startsWith("1504")) return engine.encodeMetadata(engine.decodeMetadata(value));
  if (key.startsWith("1503") && key !== "15031501") return engine.encodeValue(engine.decodeValue(value));
  return new TextEncoder().encode(new TextDecoder().decode(value));
}

describe.each(PROGRAMS)("the rows of: $name", (program) => {
  test("load into the same storage and snapshot", async () => {
    const driver = await leftBy(program);
    const [ours, theirs] = [await engine.loadStorage(driver), await peer.loadStorage(driver)];
    expect(Object.keys(driver.snapshot().kv)).not.toHaveLength(0);
    expect(ours).toEqual(theirs);
    expect([...ours.history.entries.keys()]).toEqual([...theirs.history.entries.keys()]);
    expect(engine.createHistorySnapshot(ours)).toEqual(peer.createHistorySnapshot(theirs));
  });

  test("are encoded to the same bytes, row by row", async () => {
    const rows = (await leftBy(program)).snapshot().kv;
    expect(rewritten(rows)).toEqual(hexOf(rows));
  });

  test("are written again by a flush, and no others", async () => {
    const driver = await leftBy(program);
    const storage = await engine.loadStorage(driver);
    const nothing = { flushedState: undefined, flushedOutput: undefined, flushedError: undefined };
    Object.assign(storage, nothing, { flushedNameCount: 0 });
    for (const entry of storage.history.entries.values()) entry.dirty = true;
    for (const metadata of storage.entryMetadata.values()) metadata.dirty = true;
    const copy = fast(new InMemoryDriver());
    await engine.flush(storage, copy);
    const { "15031504": _input, ...expected } = hexOf(driver.snapshot().kv);
    expect(hexOf(copy.snapshot().kv)).toEqual(expected);
  });

  test("have the keys that our builders make, and our parsers read", async () => {
    const driver = await leftBy(program);
    const storage = await engine.loadStorage(driver);
    const keys = [
      ...storage.nameRegistry.map((_, index) => engine.nameKey(index)),
      ...[...storage.history.entries.values()].map(({ location }) => engine.historyKey(location)),
      ...[...storage.entryMetadata.keys()].map(engine.metadataKey),
    ];
    const stored = driver.keys().filter((key) => !key.startsWith("1503"));
    expect(keys.map(engine.keyToHex).sort()).toEqual(stored.sort());
  });

  test("come out of our in-memory host as of theirs", async () => {
    const driver = fast(new InMemoryDriver());
    await run(program, driver);
    const theirs = await leftBy(program);
    const shape = (rows: Rows): string[] =>
      Object.keys(rows)
        .filter((key) => !key.startsWith("1504"))
        .sort();
    expect(shape(driver.snapshot().kv)).toEqual(shape(theirs.snapshot().kv));
    expect(Object.keys(driver.snapshot().alarms)).toEqual(Object.keys(theirs.snapshot().alarms));
  });
});

const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 3));

async function copyOf(driver: PeerDriver): Promise<PeerDriver> {
  const copy = fast(new PeerDriver());
  const rows = Object.entries(driver.snapshot().kv);
  await copy.batch(rows.map(([key, value]) => ({ key: Uint8Array.from(Buffer.from(key, "hex")), value })));
  return copy;
}

describe("replay from a step", () => {
  const NAMES = ["a", "b", "c"];
  const sequence: Program = {
    name: "three steps",
    run: async (ctx) => {
      for (const name of NAMES) {
        await ctx.step(name, async () => name);
        await later();
      }
    },
  };

  test("leaves the rows that the other engine leaves, for steps", async () => {
    const driver = await leftBy(sequence);
    const { entries } = engine.createHistorySnapshot(await engine.loadStorage(driver));
    for (const id of [undefined, ...entries.map((entry) => entry.id)]) {
      const [ours, theirs] = [await copyOf(driver), await copyOf(driver)];
      const snapshots = [
        await engine.replayWorkflowFromStep("w", ours, id),
        await peer.replayWorkflowFromStep("w", theirs, id),
      ];
      expect(snapshots[0]).toEqual(snapshots[1]);
      expect(hexOf(ours.snapshot().kv)).toEqual(hexOf(theirs.snapshot().kv));
    }
  });

  test("is carried on by the other engine from there", async () => {
    const ran: string[] = [];
    const program: Program = {
      name: "steps and waits",
      run: async (ctx) => {
        const version = await ctx.getVersion("gate", 2);
        const { a } = await ctx.join("join", { a: { run: (ctx) => body(ctx, "in a") }, b: { run: async () => 1 } });
        const mail = await ctx.queue.next<{ i: number }>("wait", { names: ["mail"] });
        await ctx.sleep("pause", 1);
        await body(ctx, "last");
        return [version, a, mail.body.i];
      },
      messages: ["mail"],
    };
    const body = (ctx: peer.WorkflowContextInterface, name: string): Promise<string> =>
      ctx.step(name, async () => {
        ran.push(name);
        await later();
        return name;
      });
    const driver = await leftBy(program);
    const storage = await engine.loadStorage(driver);
    const idAt = (path: string): string | undefined => storage.history.entries.get(path)?.id;
    expect([ran.splice(0), storage.output]).toEqual([
      ["in a", "last"],
      [2, "in a", 0],
    ]);
    await engine.replayWorkflowFromStep("w", driver, idAt("last"));
    await run({ ...program, messages: [] }, driver);
    expect([ran.splice(0), (await engine.loadStorage(driver)).output]).toEqual([["last"], [2, "in a", 0]]);
    await engine.replayWorkflowFromStep("w", driver, idAt("join/a/in a"));
    await run(program, driver); // the message after the step is gone with it
    expect([ran.splice(0), (await engine.loadStorage(driver)).output]).toEqual([
      ["in a", "last"],
      [2, "in a", 0],
    ]);
  });
});

test("a workflow that failed in a branch is recovered, and carried on by the other engine", async () => {
  let broken = true;
  const program: Program = {
    name: "a join",
    run: (ctx) =>
      ctx.join("join", {
        a: { run: (ctx) => ctx.step({ name: "a", maxRetries: 0, run: () => answer() }) },
        b: { run: (ctx) => ctx.step("b", async () => "b") },
      }),
  };
  const answer = async (): Promise<string> => {
    if (broken) throw new Error("no");
    return "a";
  };
  const driver = await leftBy(program);
  expect((await engine.loadStorage(driver)).state).toBe("failed");
  broken = false;
  expect(await recoverWorkflow("w", driver)).toBe(true);
  await run(program, driver);
  const { state, output } = await engine.loadStorage(driver);
  expect([state, output]).toEqual(["completed", { a: "a", b: "b" }]);
});

describe("functions", () => {
  test("everything that the other engine exports is here", () => {
    const missing = Object.keys(peer).filter((name) => !(name in engine));
    expect(missing).toEqual([]);
    const constants = (exports: object): unknown[] =>
      Object.entries(exports)
        .filter(([name]) => name.startsWith("DEFAULT_"))
        .sort();
    expect(constants(engine)).toEqual(constants(peer));
    expect(constants(engine)).toHaveLength(5);
  });

  test("storages are interchangeable", async () => {
    const [storage, driver] = [engine.createStorage(), fast(new PeerDriver())];
    const location = peer.appendLoopIteration(storage, engine.appendName(storage, [], "loop"), "loop", 3);
    const entry = peer.createEntry(engine.appendName(storage, location, "step"), { type: "step", data: { output: 1 } });
    engine.setEntry(storage, entry.location, entry);
    expect(peer.getEntry(storage, entry.location)).toBe(entry);
    peer.getOrCreateMetadata(storage, entry.id);
    await peer.flush(storage, driver);
    expect(await engine.loadStorage(driver)).toEqual(storage);
    await peer.deleteEntriesWithPrefix(storage, driver, location);
    expect(await engine.loadStorage(driver)).toEqual(storage);
  });

  test("errors say and carry the same", () => {
    const pairs: readonly (readonly [Error, Error])[] = [
      [new engine.SleepError(5, ["a"]), new peer.SleepError(5, ["a"])],
      [new engine.StepExhaustedError("s", "x"), new peer.StepExhaustedError("s", "x")],
      [new engine.StepFailedError("s", 1, 2, 3), new peer.StepFailedError("s", 1, 2, 3)],
      [new engine.JoinError({ a: new Error("x") }), new peer.JoinError({ a: new Error("x") })],
      [new engine.RaceError("m", []), new peer.RaceError("m", [])],
      [new engine.EntryInProgressError(), new peer.EntryInProgressError()],
      [new engine.RollbackCheckpointError(), new peer.RollbackCheckpointError()],
    ];
    for (const [ours, theirs] of pairs) {
      expect([ours.name, ours.message, { ...ours }]).toEqual([theirs.name, theirs.message, { ...theirs }]);
      const { stack: _ours, ...info } = engine.extractErrorInfo(ours);
      const { stack: _theirs, ...expected } = peer.extractErrorInfo(theirs);
      expect(info).toEqual(expected);
    }
  });
});
