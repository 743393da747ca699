import { describe, expect, test, vi } from "vitest";
import * as errors from "../../src/engine/errors.ts";
import { extractErrorInfo } from "../../src/engine/index.ts";

const original = new Error("boom");
const CASES: readonly (readonly [Error, string, string, object?])[] = [
  [new errors.CriticalError("m"), "CriticalError", "m"],
  [new errors.RollbackError("m"), "RollbackError", "m"],
  [
    new errors.RollbackCheckpointError(),
    "RollbackCheckpointError",
    "Rollback requires a checkpoint before any rollback step",
  ],
  [new errors.SleepError(5), "SleepError", "Sleeping until 5", { deadline: 5 }],
  [new errors.SleepError(5, []), "SleepError", "Sleeping until 5", { deadline: 5, messageNames: [] }],
  [
    new errors.SleepError(5, ["a", "b"]),
    "SleepError",
    "Sleeping until 5 or messages: a, b",
    { messageNames: ["a", "b"] },
  ],
  [
    new errors.MessageWaitError(["a", "b"]),
    "MessageWaitError",
    "Waiting for messages: a, b",
    { messageNames: ["a", "b"] },
  ],
  [new errors.EvictedError(), "EvictedError", "Workflow evicted"],
  [new errors.RollbackStopError(), "RollbackStopError", "Rollback traversal halted"],
  [new errors.HistoryDivergedError("m"), "HistoryDivergedError", "m"],
  [
    new errors.StepExhaustedError("s"),
    "StepExhaustedError",
    'Step "s" exhausted retries: unknown error',
    { stepName: "s", lastError: undefined },
  ],
  [
    new errors.StepExhaustedError("s", "Error: x"),
    "StepExhaustedError",
    'Step "s" exhausted retries: Error: x',
    { lastError: "Error: x" },
  ],
  [
    new errors.StepFailedError("s", original, 2, 9),
    "StepFailedError",
    'Step "s" failed (attempt 2)',
    { stepName: "s", originalError: original, attempts: 2, retryAt: 9, cause: original },
  ],
  [
    new errors.StepTimeoutError("s", 30),
    "StepTimeoutError",
    'Step "s" timed out after 30ms',
    { stepName: "s", timeoutMs: 30 },
  ],
  [
    new errors.JoinError({ a: original, b: original }),
    "JoinError",
    "Join failed: a, b",
    { errors: { a: original, b: original } },
  ],
  [
    new errors.RaceError("All branches failed", [{ name: "a", error: "x" }]),
    "RaceError",
    "All branches failed",
    { errors: [{ name: "a", error: "x" }] },
  ],
  [new errors.CancelledError(), "CancelledError", "Branch cancelled"],
  [
    new errors.EntryInProgressError(),
    "EntryInProgressError",
    "Cannot start a new workflow entry while another is in progress. Did you forget to await the previous step/loop/sleep?",
  ],
];

describe("errors", () => {
  test.each(CASES.map(([error, name, message, fields = {}]) => ({ error, name, message, fields })))(
    "$name: $message",
    ({ error, name, message, fields }) => {
      expect(error).toBeInstanceOf(Error);
      expect([error.name, error.message]).toEqual([name, message]);
      for (const [field, value] of Object.entries(fields)) {
        expect((error as unknown as Record<string, unknown>)[field]).toEqual(value);
      }
    },
  );

  test("each is an instance of its own class only, in another copy of the package, too", async () => {
    vi.resetModules();
    const copy = (await import("../../src/engine/errors.ts")) as typeof errors;
    expect(copy.CriticalError).not.toBe(errors.CriticalError);
    for (const [error, name] of CASES) {
      for (const [other, type] of [...Object.entries(copy), ...Object.entries(errors)]) {
        expect(error instanceof type, `${name} instanceof ${other}`).toBe(other === name);
      }
    }
  });

  test("a subclass of the user's is what it is", () => {
    class Declined extends errors.CriticalError {}
    expect(new Declined("no")).toBeInstanceOf(errors.CriticalError);
    expect(new Declined("no")).toBeInstanceOf(Declined);
    expect(new errors.CriticalError("no")).not.toBeInstanceOf(Declined);
    expect(null as unknown).not.toBeInstanceOf(errors.CriticalError);
  });
});

describe("what is recorded of an error", () => {
  test("name, message and stack, and own scalars as metadata", () => {
    const error = Object.assign(new TypeError("m"), { code: 7, ok: true, none: null, list: [1], big: 1n, text: "t" });
    expect(extractErrorInfo(error)).toEqual({
      name: "TypeError",
      message: "m",
      stack: error.stack,
      metadata: { code: 7, ok: true, none: null, text: "t" },
    });
  });

  test("no metadata where there is none", () => {
    expect(Object.keys(extractErrorInfo(new Error("m")))).toEqual(["name", "message", "stack"]);
  });

  test("the text of what is no error", () => {
    expect(extractErrorInfo(5)).toEqual({ name: "Error", message: "5" });
    expect(extractErrorInfo(undefined)).toEqual({ name: "Error", message: "undefined" });
    expect(extractErrorInfo(Symbol("q"))).toEqual({ name: "Error", message: "Symbol(q)" });
    expect(extractErrorInfo(Object.create(null))).toEqual({ name: "Error", message: "[object Object]" });
  });
});
