import { describe, expect, test } from "vitest";
import { creationOrder } from "../../src/engine/creation-order.ts";
import { createStorage, loadStorage, replayWorkflowFromStep, type Storage } from "../../src/engine/index.ts";
import { replayInOrder } from "../../src/engine/replay.ts";
import { add, paths, step, stored, trace } from "./story.ts";

const message = (path: string, createdAt = 0) =>
  [path, { type: "message", data: { name: path, data: { createdAt } } }] as const;
const sleep = (path: string) => [path, { type: "sleep", data: { deadline: 1, state: "completed" } }] as const;
const version = (path: string) => [path, { type: "version_check", data: { resolved: 2, latest: 2 } }] as const;

/** Everything a sequential workflow may record, in the order of its creation. */
function sequence(storage: Storage): void {
  add(storage, ...version("gate"));
  step(storage, "first", 10);
  add(storage, ...sleep("pause"));
  add(storage, "cp", { type: "rollback_checkpoint", data: { name: "cp" } });
  add(storage, ...message("mail:count"));
  add(storage, ...sleep("mail:deadline"));
  add(storage, ...message("mail:0", 12));
  step(storage, "second", 20);
  add(storage, ...sleep("rest"));
  step(storage, "third", 20);
  add(storage, ...version("late"));
}

describe("the order of creation", () => {
  test("is told by times, by names, and by what lies in what", () => {
    const storage = createStorage();
    sequence(storage);
    expect(creationOrder(storage).map(({ id }) => id)).toEqual([
      "gate",
      "first",
      "pause",
      "cp",
      "mail:count",
      "mail:deadline",
      "mail:0",
      "second",
      "rest",
      "third",
      "late",
    ]);
  });

  test("of steps is that of their times, whatever their names", () => {
    const storage = createStorage();
    step(storage, "b", 30);
    step(storage, "a", 10);
    step(storage, "c", 20);
    expect(creationOrder(storage).map(({ id }) => id)).toEqual(["a", "c", "b"]);
  });

  test("puts a join before what is in it, and a branch without times at its start", () => {
    const storage = createStorage();
    step(storage, "before", 5);
    add(storage, "join", { type: "join", data: { branches: {} } });
    step(storage, "join/x/one", 10);
    step(storage, "join/x/two", 30);
    add(storage, ...sleep("join/y/wait"));
    add(storage, ...sleep("after"));
    expect(creationOrder(storage).map(({ id }) => id)).toEqual([
      "before",
      "join",
      "join/y/wait",
      "join/x/one",
      "join/x/two",
      "after",
    ]);
  });

  test("puts a wait in an iteration between what surrounds it there", () => {
    const storage = createStorage();
    const metadata = { status: "running", createdAt: 1 } as const;
    add(storage, "loop", { type: "loop", data: { state: 2, iteration: 2 } }, metadata);
    for (const [i, time] of [
      [0, 10],
      [1, 20],
      [2, 30],
    ] as const) {
      step(storage, `loop/~${i}/a`, time);
      add(storage, ...sleep(`loop/~${i}/s`));
      step(storage, `loop/~${i}/b`, time + 5);
    }
    expect(creationOrder(storage).map(({ id }) => id)).toEqual([
      "loop",
      ...[0, 1, 2].flatMap((i) => ["a", "s", "b"].map((name) => `loop/~${i}/${name}`)),
    ]);
  });

  test("never puts a message before it was sent", () => {
    const storage = createStorage();
    step(storage, "a", 10);
    add(storage, ...message("w:0", 50));
    add(storage, ...message("w:count"));
    step(storage, "elsewhere/b", 30);
    const order = creationOrder(storage).map(({ id }) => id);
    expect(order).toEqual(["a", "w:0", "w:count", "elsewhere/b"]); // its name is older, so the clocks differ
  });
});

describe("replay from a step", () => {
  test("removes it and what came after it; earlier waits, versions and messages stay", async () => {
    const driver = await stored(sequence);
    const snapshot = await replayWorkflowFromStep("w", driver, "second");
    expect(paths(snapshot)).toEqual(["cp", "first", "gate", "mail:0", "mail:count", "mail:deadline", "pause"]);
    const loaded = await loadStorage(driver);
    expect([...loaded.history.entries.keys()].sort()).toEqual(paths(snapshot));
    expect([...loaded.entryMetadata.keys()]).toEqual(["first"]);
    expect(loaded.nameRegistry).toHaveLength(11);
  });

  test("of two steps of one millisecond keeps the one whose name came first", async () => {
    const snapshot = await replayWorkflowFromStep("w", await stored(sequence), "third");
    expect(paths(snapshot)).toContain("second");
    expect(paths(snapshot)).toContain("rest");
    expect(paths(snapshot)).not.toContain("late");
  });

  test("follows the order that it is given", async () => {
    const driver = await stored((storage) => {
      for (const name of ["a", "b", "c"]) step(storage, name, 10);
      step(storage, "foreign", 1);
    });
    const order = new Map([
      ["c", 1],
      ["b", 2],
      ["a", 3],
    ]);
    expect(paths(await replayInOrder("w", driver, "b", { order }))).toEqual(["c"]);
  });

  test("forgets output and error, sleeps, and sets the alarm unless it is not wanted", async () => {
    const build = (storage: Storage): void => {
      step(storage, "a", 1);
      Object.assign(storage, { state: "completed", output: 1, error: { name: "E", message: "m" } });
    };
    const driver = await stored(build);
    const before = Date.now();
    await replayWorkflowFromStep("w", driver);
    expect(driver.getAlarm("w")).toBeGreaterThanOrEqual(before);
    const loaded = await loadStorage(driver);
    expect(loaded.state).toBe("sleeping");
    expect([loaded.output, loaded.error, loaded.history.entries.size, loaded.entryMetadata.size]).toEqual([
      undefined,
      undefined,
      0,
      0,
    ]);
    const quiet = await stored(build);
    await replayWorkflowFromStep("w", quiet, "a", { scheduleAlarm: false });
    expect(quiet.getAlarm("w")).toBeUndefined();
  });

  test("refuses what is no step, what is not there, and a step that is running", async () => {
    const driver = await stored((storage) => {
      add(storage, ...sleep("pause"));
      add(storage, "busy", { type: "step", data: {} }, { status: "running", createdAt: 1 });
      step(storage, "a", 10);
    });
    const calls = trace(driver);
    await expect(replayWorkflowFromStep("w", driver, "nope")).rejects.toEqual(
      new Error("Workflow step not found: nope"),
    );
    await expect(replayWorkflowFromStep("w", driver, "pause")).rejects.toEqual(
      new Error("Workflow replay target must be a step"),
    );
    await expect(replayWorkflowFromStep("w", driver, "a")).rejects.toEqual(
      new Error("Cannot replay a workflow while a step is currently running"),
    );
    expect(calls.filter((call) => !/^(get|list)/.test(call))).toEqual([]);
    expect(paths(await replayWorkflowFromStep("w", driver, "busy"))).toEqual(["pause"]);
  });

  test("can be called again after any of its writes has failed", async () => {
    for (let fatal = 0; ; fatal++) {
      const driver = await stored((storage) => {
        step(storage, "a", 1);
        loop(storage, "loop", 0);
        for (const name of ["b", "c", "d"]) step(storage, `loop/~0/${name}`, 20);
        storage.state = "completed";
      });
      let writes = 0;
      for (const method of ["batch", "set", "delete", "setAlarm"] as const) {
        const original = driver[method].bind(driver) as (...args: unknown[]) => Promise<void>;
        const failing = async (...args: unknown[]): Promise<void> => {
          if (writes++ === fatal) throw new Error("refused");
          await original(...args);
        };
        Object.assign(driver, { [method]: failing });
      }
      const first = await replayWorkflowFromStep("w", driver, "loop/~0/c").catch((error: unknown) => error);
      if (!(first instanceof Error)) return expect(fatal).toBeGreaterThan(8);
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (driver.getAlarm("w") === undefined) await replayWorkflowFromStep("w", driver, "loop/~0/c").catch(() => {});
      const loaded = await loadStorage(driver);
      expect([...loaded.history.entries.keys()], `after write ${fatal}`).toEqual(["a"]);
      expect(loaded.state).toBe("sleeping");
    }
  });
});

function loop(storage: Storage, path: string, iteration: number, output?: unknown, createdAt = 10): void {
  const status = output === undefined ? "running" : "completed";
  const ended = output === undefined ? {} : { completedAt: 90 };
  const data = { state: iteration, iteration, ...(output !== undefined && { output }) };
  add(storage, path, { type: "loop", data }, { status, createdAt, ...ended });
}

describe("replay from a step in a loop", () => {
  test("takes the innermost loop with it, and leaves the outer one in its iteration", async () => {
    const driver = await stored((storage) => {
      loop(storage, "outer", 1);
      step(storage, "outer/~0/before", 11);
      loop(storage, "outer/~1/inner", 2, "done", 20);
      for (const i of [0, 1, 2]) step(storage, `outer/~1/inner/~${i}/s`, 21 + i);
    });
    const snapshot = await replayWorkflowFromStep("w", driver, "outer/~1/inner/~1/s");
    expect(paths(snapshot)).toEqual(["outer", "outer/~0/before"]);
  });

  test("opens the outer loop again if it broke in that iteration", async () => {
    const driver = await stored((storage) => {
      loop(storage, "outer", 1, "done");
      loop(storage, "outer/~1/inner", 0, "done", 20);
      step(storage, "outer/~1/inner/~0/s", 21);
      step(storage, "after", 95);
    });
    const snapshot = await replayWorkflowFromStep("w", driver, "outer/~1/inner/~0/s");
    expect(paths(snapshot)).toEqual(["outer"]);
    expect(snapshot.entries[0]?.kind.data).toEqual({ state: 1, iteration: 1 });
    expect(snapshot.entryMetadata.get("outer")).toMatchObject({ status: "running" });
    const loaded = await loadStorage(driver);
    expect(loaded.history.entries.get("outer")?.kind.data).toEqual({ state: 1, iteration: 1 });
    expect(loaded.entryMetadata.get("outer")).not.toHaveProperty("completedAt");
  });

  test("takes the outer loop, too, if it has gone on: its state of then is not known", async () => {
    const driver = await stored((storage) => {
      step(storage, "before", 1);
      loop(storage, "outer", 2);
      loop(storage, "outer/~1/inner", 0, "done", 20);
      step(storage, "outer/~1/inner/~0/s", 21);
    });
    expect(paths(await replayWorkflowFromStep("w", driver, "outer/~1/inner/~0/s"))).toEqual(["before"]);
  });
});

describe("replay from a step in a branch", () => {
  test("starts the branch of a join anew, and those that lose entries", async () => {
    const driver = await stored((storage) => {
      const done = { status: "completed", output: 1 } as const;
      add(storage, "join", { type: "join", data: { branches: { x: done, y: done, z: done } } });
      step(storage, "join/x/one", 10);
      step(storage, "join/y/one", 11);
      step(storage, "join/x/two", 20);
      step(storage, "join/z/one", 30);
    });
    const snapshot = await replayWorkflowFromStep("w", driver, "join/x/two");
    expect(paths(snapshot)).toEqual(["join", "join/x/one", "join/y/one"]);
    const branches = {
      x: { status: "pending" },
      y: { status: "completed", output: 1 },
      z: { status: "pending" },
    };
    expect(snapshot.entries[0]?.kind.data).toEqual({ branches });
    expect((await loadStorage(driver)).history.entries.get("join")?.kind.data).toEqual({ branches });
  });

  test("runs a decided race again, losers included", async () => {
    const driver = await stored((storage) => {
      const branches = { x: { status: "completed", output: 1 }, y: { status: "cancelled" } } as const;
      add(storage, "race", { type: "race", data: { winner: "x", branches } });
      step(storage, "race/x/one", 10);
    });
    const snapshot = await replayWorkflowFromStep("w", driver, "race/x/one");
    expect(snapshot.entries[0]?.kind.data).toEqual({
      winner: null,
      branches: { x: { status: "pending" }, y: { status: "pending" } },
    });
  });

  test("removes a wait as a whole", async () => {
    const driver = await stored((storage) => {
      add(storage, "join", {
        type: "join",
        data: { branches: { x: { status: "running" }, y: { status: "running" } } },
      });
      step(storage, "join/x/s", 10);
      add(storage, ...sleep("join/y/w:deadline"));
      add(storage, ...message("join/y/w:count"));
      add(storage, ...message("join/y/w:0", 1));
    });
    const order = new Map(
      ["join", "join/y/w:deadline", "join/x/s", "join/y/w:0", "join/y/w:count"].map((id, i) => [id, i]),
    );
    expect(paths(await replayInOrder("w", driver, "join/x/s", { order }))).toEqual(["join"]);
  });
});
