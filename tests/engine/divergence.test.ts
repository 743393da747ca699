/** What the code is told where it does not match the history (engine behaviour 4.11), word for word on both engines. */
import type { EntryKindType } from "@rivetkit/workflow-engine";
import { expect, test } from "vitest";
import { Case, type Ctx, entriesUnder, forEachEngine, hex, pass, rejection } from "./harness.ts";

/** One operation of each kind under the name `n`, as it is recorded and as the code may find it. */
const OPERATIONS: Readonly<Record<string, (ctx: Ctx) => Promise<unknown>>> = {
  step: (ctx) => ctx.step("n", async () => 1),
  loop: (ctx) => ctx.loop("n", async () => ({ break: true, value: 1 }) as const),
  sleep: (ctx) => ctx.sleep("n", 0),
  rollback_checkpoint: (ctx) => ctx.rollbackCheckpoint("n"),
  join: (ctx) => ctx.join("n", { a: { run: async () => 1 } }),
  race: (ctx) => ctx.race("n", [{ name: "a", run: async () => 1 }]),
  version_check: (ctx) => ctx.getVersion("n", 2),
};
const KINDS = Object.keys(OPERATIONS);

/** What code that calls one kind is told of another one that is recorded. */
function told(kind: string, place: string, found: string): string {
  if (kind === "version_check") return `Expected version_check at ${place}, found ${found}`;
  return `Expected ${kind === "rollback_checkpoint" ? "rollback checkpoint" : kind} "n" at ${place}, found ${found}`;
}

/** Runs an operation and then sleeps; and again with another one in its place. The error of the second run. */
async function replaced(the: Case, first: (ctx: Ctx) => Promise<unknown>, second: (ctx: Ctx) => Promise<unknown>) {
  await the.run(async (ctx) => first(ctx).then(async () => ctx.sleep("nap", 1000)));
  return await rejection(the.run(async (ctx) => second(ctx).then(async () => ctx.sleep("nap", 1000))));
}

forEachEngine("an operation where another kind is recorded", (engine) => {
  const pairs = KINDS.flatMap((recorded) => KINDS.filter((code) => code !== recorded).map((code) => [code, recorded]));
  test.each(pairs)("%s, where a %s is", async (code = "", recorded = "") => {
    const [first, second] = [OPERATIONS[recorded], OPERATIONS[code]];
    if (first === undefined || second === undefined) throw new Error("a pair of two kinds");
    const root = await replaced(new Case(engine), first, second);
    expect([root instanceof engine.HistoryDivergedError, root.message]).toEqual([true, told(code, "n", recorded)]);
    const inner = await replaced(
      new Case(engine),
      (ctx) =>
        ctx.loop("rounds", async (round) =>
          first(round)
            .then(() => round.sleep("inner", 1000))
            .then(() => undefined),
        ),
      (ctx) => ctx.loop("rounds", async (round) => second(round).then(() => undefined)),
    );
    expect(inner.message).toBe(told(code, "rounds/~0/n", recorded));
  });

  test.each(KINDS)("removed as another kind than the %s that is recorded", async (recorded) => {
    const first = OPERATIONS[recorded];
    if (first === undefined) throw new Error("a kind");
    const other: EntryKindType = recorded === "step" ? "loop" : "step";
    const error = await replaced(new Case(engine), first, (ctx) => ctx.removed("n", other));
    expect([error.name, error.message]).toEqual([
      "HistoryDivergedError",
      `Expected ${other} or removed at n, found ${recorded}`,
    ]);
  });

  test.each(KINDS)("%s, where a placeholder of something removed is", async (code) => {
    const second = OPERATIONS[code];
    if (second === undefined) throw new Error("a kind");
    const other: EntryKindType = code === "step" ? "loop" : "step";
    const error = await replaced(new Case(engine), (ctx) => ctx.removed("n", other), second);
    expect([error.name, error.message]).toEqual(["HistoryDivergedError", told(code, "n", "removed")]);
  });
});

forEachEngine("rows that are not as a wait left them", (engine) => {
  const waiting = async (ctx: Ctx) => {
    const [message] = await ctx.queue.nextBatch("w", { names: ["m"] });
    await ctx.sleep("nap", 1000);
    return message?.body;
  };

  test("a message that its count promises", async () => {
    const the = new Case(engine);
    the.host.send("m", 1);
    await the.run(waiting);
    await dropEntry(the, "w:0");
    const error = await rejection(the.run(waiting));
    expect([error.name, error.message]).toEqual(["HistoryDivergedError", 'Expected queue message "w:0" in history']);
  });
});

forEachEngine("names that are used twice in a scope", (engine) => {
  const twice: Readonly<Record<string, (ctx: Ctx) => Promise<unknown>>> = {
    ...OPERATIONS,
    "queue.next": (ctx) => ctx.queue.nextBatch("n", { timeout: 0 }),
    removed: (ctx) => ctx.removed("n", "step"),
    try: (ctx) => ctx.try("n", async () => 1),
    tryStep: (ctx) => ctx.tryStep("n", async () => 1),
  };
  const pairs = Object.keys(twice).flatMap((first) => Object.keys(twice).map((second) => [first, second]));
  test.each(pairs)("%s and %s", async (one = "", other = "") => {
    const [first, second] = [twice[one], twice[other]];
    if (first === undefined || second === undefined) throw new Error("a pair of two kinds");
    const message = (place: string) =>
      `Duplicate entry name "n" at location "${place}". Each step/loop/sleep/queue.next/join/race must have a unique name within its scope.`;
    const both = async (ctx: Ctx) => first(ctx).then(() => second(ctx));
    const root = await rejection(new Case(engine).run(both));
    expect([root instanceof engine.HistoryDivergedError, root.message]).toEqual([true, message("")]);
    const inner = await rejection(new Case(engine).run(async (ctx) => ctx.loop("l", both as () => Promise<undefined>)));
    expect(inner.message).toBe(message("l/~0"));
  });
});

async function dropEntry(the: Case, path: string): Promise<void> {
  const storage = await the.engine.loadStorage(the.driver);
  const entry = storage.history.entries.get(path);
  if (entry === undefined) throw new Error(`there is no entry ${path}`);
  const found = entriesUnder(the.host.rows, "1502").find(({ value }) => Buffer.from(value).includes(entry.id));
  if (found === undefined) throw new Error(`there is no row of ${path}`);
  the.host.rows.delete(hex(found.key));
  // What Pawl knows beside the rows names the entry, too: another engine would not have it.
  for (const key of [...the.host.rows.keys()]) if (key.startsWith("1509")) the.host.rows.delete(key);
  pass(0);
}
