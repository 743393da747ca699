import { describe, expect, test } from "vitest";
import { loadStorage, type Storage } from "../../src/engine/index.ts";
import { recoverWorkflow } from "../../src/engine/recover.ts";
import { add, step, stored, trace } from "./story.ts";

function failed(storage: Storage): void {
  Object.assign(storage, { state: "failed", error: { name: "E", message: "m" } });
  step(storage, "done", 1);
  const metadata = { error: "Error: x", attempts: 4, lastAttemptAt: 5, createdAt: 5 };
  add(storage, "out", { type: "step", data: { error: "Error: x" } }, { ...metadata, status: "exhausted" });
  add(storage, "bad", { type: "step", data: { error: "Error: x" } }, { ...metadata, status: "failed" });
}

describe("recovering", () => {
  test("gives failed steps their retries back, forgets the error, and lets the workflow run", async () => {
    const driver = await stored(failed);
    const before = await loadStorage(driver);
    const calls = trace(driver);
    expect(await recoverWorkflow("w", driver)).toBe(true);
    expect(calls.filter((call) => !/^(get|list)/.test(call)).map((call) => call.split(" ").slice(0, 2))).toEqual([
      ["batch", "2"],
      ["delete", "15031503"],
      ["set", "15031501"],
      ["setAlarm", "w"],
    ]);
    const after = await loadStorage(driver);
    expect([after.state, after.error]).toEqual(["sleeping", undefined]);
    expect(after.history).toEqual(before.history);
    expect(after.entryMetadata.get("done")).toEqual(before.entryMetadata.get("done"));
    for (const id of ["out", "bad"]) {
      expect(after.entryMetadata.get(id)).toEqual({
        status: "pending",
        attempts: 0,
        lastAttemptAt: 0,
        createdAt: 5,
        dirty: false,
      });
    }
  });

  test("does nothing to a workflow that has not failed", async () => {
    const driver = await stored((storage) => {
      failed(storage);
      storage.state = "sleeping";
    });
    const calls = trace(driver);
    expect(await recoverWorkflow("w", driver)).toBe(false);
    expect(calls).toEqual(["get 15031501"]);
  });

  test("sets no alarm where none is wanted", async () => {
    const driver = await stored(failed);
    await recoverWorkflow("w", driver, { scheduleAlarm: false });
    expect(driver.getAlarm("w")).toBeUndefined();
  });

  test("starts failed branches of joins and undecided races anew, and no others", async () => {
    const driver = await stored((storage) => {
      storage.state = "failed";
      const branches = { a: { status: "failed", error: "Error: x" }, b: { status: "completed", output: 1 } } as const;
      add(storage, "join", { type: "join", data: { branches } });
      add(storage, "lost", { type: "race", data: { winner: null, branches: { a: branches.a } } });
      add(storage, "won", { type: "race", data: { winner: "b", branches } });
    });
    const before = (await loadStorage(driver)).history.entries.get("won");
    await recoverWorkflow("w", driver);
    const { entries } = (await loadStorage(driver)).history;
    expect(entries.get("join")?.kind.data).toEqual({
      branches: { a: { status: "pending" }, b: { status: "completed", output: 1 } },
    });
    expect(entries.get("lost")?.kind.data).toEqual({ winner: null, branches: { a: { status: "pending" } } });
    expect(entries.get("won")).toEqual(before);
  });

  test("forgets that a step could not be undone", async () => {
    const driver = await stored((storage) => {
      storage.state = "failed";
      step(storage, "a", 1);
      Object.assign(storage.entryMetadata.get("a") ?? {}, { rollbackError: "Error: x" });
    });
    await recoverWorkflow("w", driver);
    const metadata = (await loadStorage(driver)).entryMetadata.get("a");
    expect(metadata).toEqual(expect.objectContaining({ status: "completed", completedAt: 1 }));
    expect(metadata).not.toHaveProperty("rollbackError");
  });

  test("removes the oldest step that was undone, and what came after it", async () => {
    const driver = await stored((storage) => {
      storage.state = "failed";
      step(storage, "kept", 1);
      for (const [name, time] of [
        ["a", 10],
        ["b", 20],
        ["c", 30],
      ] as const)
        step(storage, name, time);
      Object.assign(storage.entryMetadata.get("c") ?? {}, { rollbackCompletedAt: 40 });
      Object.assign(storage.entryMetadata.get("b") ?? {}, { rollbackCompletedAt: 50 });
    });
    await recoverWorkflow("w", driver);
    const after = await loadStorage(driver);
    expect([...after.history.entries.keys()]).toEqual(["kept", "a"]);
    expect(after.state).toBe("sleeping");
  });

  test("can be called again after any of its writes has failed", async () => {
    for (let fatal = 0; ; fatal++) {
      const driver = await stored((storage) => {
        failed(storage);
        step(storage, "undone", 70);
        step(storage, "later", 80);
        Object.assign(storage.entryMetadata.get("undone") ?? {}, { rollbackCompletedAt: 90 });
      });
      let writes = 0;
      for (const method of ["batch", "set", "delete"] as const) {
        const original = driver[method].bind(driver) as (...args: unknown[]) => Promise<void>;
        const failing = async (...args: unknown[]): Promise<void> => {
          if (writes++ === fatal) throw new Error("refused");
          await original(...args);
        };
        Object.assign(driver, { [method]: failing });
      }
      const first = await recoverWorkflow("w", driver).catch((error: unknown) => error);
      if (first === true) return expect(fatal).toBeGreaterThan(5);
      await new Promise((resolve) => setTimeout(resolve, 5));
      await recoverWorkflow("w", driver);
      const after = await loadStorage(driver);
      expect([after.state, [...after.history.entries.keys()]], `after write ${fatal}`).toEqual([
        "sleeping",
        ["done", "out", "bad"],
      ]);
      expect(after.entryMetadata.get("bad")?.status).toBe("pending");
    }
  });
});
