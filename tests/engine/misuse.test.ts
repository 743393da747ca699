/** Misuse, and rows that cannot be read: each with its exact error (engine behaviour 1.5, 3.1), on both engines where both have it. */
import { expect, test } from "vitest";
import { pawl } from "./engines.ts";
import { Case, type Ctx, forEachEngine, gate, rejection } from "./harness.ts";

const IN_PROGRESS =
  "Cannot start a new workflow entry while another is in progress. Did you forget to await the previous step/loop/sleep?";

/** Every operation that is checked, by its method. */
const OPERATIONS: Readonly<Record<string, (ctx: Ctx) => Promise<unknown>>> = {
  step: (ctx) => ctx.step("second", async () => 1),
  tryStep: (ctx) => ctx.tryStep("second", async () => 1),
  try: (ctx) => ctx.try("second", async () => 1),
  loop: (ctx) => ctx.loop("second", async () => ({ break: true, value: 1 }) as const),
  sleep: (ctx) => ctx.sleep("second", 0),
  sleepUntil: (ctx) => ctx.sleepUntil("second", 0),
  rollbackCheckpoint: (ctx) => ctx.rollbackCheckpoint("second"),
  join: (ctx) => ctx.join("second", { a: { run: async () => 1 } }),
  race: (ctx) => ctx.race("second", [{ name: "a", run: async () => 1 }]),
  removed: (ctx) => ctx.removed("second", "step"),
  getVersion: (ctx) => ctx.getVersion("second", 1),
  "queue.next": (ctx) => ctx.queue.next("second"),
  "queue.nextBatch": (ctx) => ctx.queue.nextBatch("second"),
};
const METHODS = Object.keys(OPERATIONS);

function operation(method: string): (ctx: Ctx) => Promise<unknown> {
  const found = OPERATIONS[method];
  if (found === undefined) throw new Error(`no operation ${method}`);
  return found;
}

forEachEngine("an entry beside one that is in progress", (engine) => {
  test.each(METHODS)("%s", async (method) => {
    const { opened, open } = gate();
    const error = await rejection(
      new Case(engine).run(async (ctx) => {
        const first = ctx.step("first", () => opened);
        await operation(method)(ctx).finally(() => open());
        await first;
      }),
    );
    expect([error instanceof engine.EntryInProgressError, error.name, error.message]).toEqual([
      true,
      "EntryInProgressError",
      IN_PROGRESS,
    ]);
  });

  test.each(["loop", "join", "race", "try"])("on the outer context, in a callback of a %s", async (scope) => {
    const inside: Readonly<Record<string, (ctx: Ctx, body: () => Promise<undefined>) => Promise<unknown>>> = {
      loop: (ctx, body) => ctx.loop("scope", body),
      join: (ctx, body) => ctx.join("scope", { a: { run: body } }),
      race: (ctx, body) => ctx.race("scope", [{ name: "a", run: body }]),
      try: (ctx, body) => ctx.try("scope", body),
    };
    const error = await rejection(
      new Case(engine).run(async (ctx) =>
        inside[scope]?.(ctx, async () => ctx.step("s", async () => 1).then(() => undefined)),
      ),
    );
    expect([error.name, error.message]).toEqual(["EntryInProgressError", IN_PROGRESS]);
  });

  test("of a step that is not awaited", async () => {
    const error = await rejection(
      new Case(engine).run(async (ctx) => {
        void ctx.step("first", async () => 1);
        await ctx.step("second", async () => 2);
      }),
    );
    expect(error).toBeInstanceOf(engine.EntryInProgressError);
  });

  test("comes before a name that is used twice", async () => {
    const error = await rejection(
      new Case(engine).run(async (ctx) => {
        void ctx.step("same", async () => 1);
        await ctx.step("same", async () => 2);
      }),
    );
    expect(error.message).toBe(IN_PROGRESS);
  });
});

forEachEngine("a handler without a checkpoint", (engine) => {
  const step = { name: "s", run: async () => 1, rollback: async () => {} };

  test("is refused, before the name is looked at, and undoes nothing", async () => {
    const the = new Case(engine);
    const error = await rejection(the.run(async (ctx) => ctx.step("s", async () => 1).then(() => ctx.step(step))));
    expect([error instanceof engine.RollbackCheckpointError, error.message]).toEqual([
      true,
      "Rollback requires a checkpoint before any rollback step",
    ]);
    expect(the.host.state).toBe("failed");
  });

  test("is refused where the checkpoint is in a scope beside it", async () => {
    const error = await rejection(
      new Case(engine).run(async (ctx) => {
        await ctx.try("block", async (inner) => inner.rollbackCheckpoint("point"));
        await ctx.step(step);
      }),
    );
    expect(error.name).toBe("RollbackCheckpointError");
  });
});

forEachEngine("a hook that throws", (engine) => {
  test.each(["throws", "rejects"])("that %s is logged, and changes nothing", async (how) => {
    const logged: unknown[] = [];
    const logger = Object.fromEntries(
      ["trace", "debug", "info", "error", "fatal"].map((level) => [level, () => {}]),
    ) as object;
    const warn = (...args: unknown[]) => void logged.push(...args.filter((arg) => typeof arg === "string"));
    const onError = () => {
      if (how === "throws") throw new Error("hook");
      return Promise.reject(new Error("hook"));
    };
    const the = new Case(engine);
    const options = { onError, logger: { ...logger, warn } as never };
    const result = await the.run(async (ctx) => ctx.step("s", async () => Promise.reject(new Error("x"))), options);
    expect(result.state).toBe("sleeping");
    // The peer does not say so.
    if (engine.name === "pawl") expect(logged).toContain("workflow error hook failed");
  });
});

forEachEngine("rows of the run that cannot be read", (engine) => {
  const ROWS = { state: "15031501", output: "15031502", error: "15031503", input: "15031504" } as const;
  const cases: readonly (readonly [keyof typeof ROWS, readonly number[], RegExp])[] = [
    ["state", [...Buffer.from("dozing")], /Invalid workflow state: dozing/],
    ["output", [0x1c], /Failed to deserialize workflow output: /],
    ["input", [0x1c], /Failed to deserialize workflow input: /],
    ["error", [0x01], /WorkflowError: expected object, got number/],
    ["error", [0xa1, 0x64, ...Buffer.from("name"), 0x01], /WorkflowError.name: expected string, got number/],
    [
      "error",
      [0xa2, 0x64, ...Buffer.from("name"), 0x61, 0x65, 0x67, ...Buffer.from("message"), 0x01],
      /WorkflowError.message: expected string, got number/,
    ],
  ];
  test.each(cases)("%s %#", async (row, bytes, message) => {
    const the = new Case(engine);
    await the.run(async (ctx) => ctx.step("s", async () => 1).then(async () => ctx.sleep("nap", 1000)));
    the.host.rows.set(ROWS[row], Uint8Array.from(bytes));
    const before = [...the.host.rows];
    const error = await rejection(the.run(async (ctx) => ctx.step("s", async () => 1)));
    expect(error.message).toMatch(message);
    expect([...the.host.rows]).toEqual(before);
  });

  test("an undo that is resumed without its error says that the workflow failed", async () => {
    const the = new Case(engine);
    const { opened, open } = gate();
    const workflow = async (ctx: Ctx) => {
      await ctx.rollbackCheckpoint("point");
      await ctx.step({ name: "s", run: async () => 1, rollback: async () => opened });
      throw new Error("why");
    };
    const handle = the.start(workflow);
    await expect.poll(() => the.host.state).toBe("rolling_back");
    handle.evict();
    await handle.result;
    open();
    the.host.rows.delete("15031503");
    // Pawl keeps the error beside that row, too.
    for (const key of [...the.host.rows.keys()]) if (key.startsWith("1509")) the.host.rows.delete(key);
    the.restart();
    const error = await rejection(the.run(workflow));
    expect([error.name, error.message]).toEqual(["Error", "Workflow failed"]);
  });
});

forEachEngine("a wait whose time is over when it begins", (engine) => {
  test.each([0, -5])("takes nothing, and the host is not asked: %d ms", async (timeout) => {
    const the = new Case(engine);
    the.host.send("m", 1);
    const { state, output } = await the.run(async (ctx) => ctx.queue.nextBatch("w", { names: ["m"], timeout }));
    expect([state, output]).toEqual(["completed", []]);
    expect(the.driver.count("receiveMessages")).toBe(0);
    expect(the.host.messages).toHaveLength(1);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("is refused where it is no time: %d", async (timeout) => {
    const error = await rejection(new Case(engine).run(async (ctx) => ctx.queue.nextBatch("w", { timeout })));
    expect(error).toBeInstanceOf(RangeError);
  });
});

forEachEngine("branches that the code has no more, or has new", (engine) => {
  const forked = (kind: "join" | "race", names: readonly string[]) => async (ctx: Ctx) => {
    const run = async (branch: Ctx) => branch.sleep("nap", 1000);
    return kind === "join"
      ? ctx.join("f", Object.fromEntries(names.map((name) => [name, { run }])))
      : ctx.race(
          "f",
          names.map((name) => ({ name, run })),
        );
  };
  // The peer leaves an unknown branch of a join out of the result, and says nothing (4.11.4).
  const kinds: readonly ("join" | "race")[] = engine.name === "peer" ? ["race"] : ["join", "race"];
  test.each(kinds)("a new one of a %s", async (kind) => {
    const the = new Case(engine);
    await the.run(forked(kind, ["a", "b"]));
    const error = await rejection(the.run(forked(kind, ["a", "b", "c"])));
    expect([error.name, error.message]).toEqual(["HistoryDivergedError", `Expected ${kind} branch "c" in "f"`]);
  });
});

test("pawl: what is no value is refused where it is given, and no other run of the thread notices", async () => {
  const wrong: Readonly<Record<string, (ctx: Ctx) => Promise<unknown>>> = {
    "a branch's name": (ctx) => ctx.race("r", [{ name: 5 as never, run: async () => 1 }]),
    "a message's name": (ctx) => ctx.queue.nextBatch("w", { names: [5 as never] }),
    "a message's name that is nothing": (ctx) => ctx.queue.nextBatch("w", { names: [null as never] }),
    "a list of names": (ctx) => ctx.queue.nextBatch("w", { names: 5 as never }),
    "a backoff": (ctx) => ctx.step({ name: "s", retryBackoffBase: 5n as never, run: async () => 1 }),
    "a number of retries": (ctx) => ctx.step({ name: "s", maxRetries: Symbol("m") as never, run: async () => 1 }),
    "a kind that is no text": (ctx) => ctx.removed("n", 5 as never),
    "a duration": (ctx) => ctx.sleep("n", "5" as never),
    branches: (ctx) => ctx.join("j", null as never),
    "a name": (ctx) => ctx.sleep(undefined as never, 5),
  };
  for (const [what, misuse] of Object.entries(wrong)) {
    const outcome = await rejection(new Case(pawl).run(misuse)).then(
      () => "refused",
      (error: unknown) => String(error),
    );
    expect([what, outcome]).toEqual([what, "refused"]);
    expect(await new Case(pawl).finish(async (ctx) => ctx.step("fine", async () => 1))).toBe(1);
  }
  const counts = [Number.NaN, -1, Number.POSITIVE_INFINITY, 1.5, 2 ** 40];
  for (const count of counts) {
    const waiting = new Case(pawl).run(async (ctx) => ctx.queue.nextBatch("w", { count, timeout: 0 }));
    expect(await waiting).toMatchObject({ state: "completed", output: [] });
  }
});
