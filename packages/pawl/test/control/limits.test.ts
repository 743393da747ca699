import { expect, test } from "vitest";
import { AppError, Loop } from "../../src/index.ts";
import { type Ctx, failureOf, Gates, playing, rejection, resultOf } from "./harness.ts";

test("a run keeps up to 10,000 handlers; the step that would be one more fails, and what is kept is undone", async () => {
  let undone = 0;
  const { handle, t } = playing((ctx) =>
    ctx.map(
      "m",
      Array.from({ length: 10_001 }, (_, i) => i),
      (ctx, item) => ctx.step({ name: "s", run: () => item, rollback: () => void (undone += 1) }),
      { concurrency: 500 },
    ),
  );
  const error = await failureOf(handle.result());
  expect(error).toMatchObject({ code: "map_failed", cause: { code: "compensation_limit" } });
  expect(undone).toBe(10_000);
  await t.idle();
});

test("steps of one name have different idempotency keys in different scopes, rounds and items", async () => {
  const keys: string[] = [];
  const note = (ctx: Ctx) => ctx.step("s", (c) => void keys.push(c.idempotencyKey));
  await resultOf(async (ctx) => {
    await note(ctx);
    await ctx.join("j", { a: note, b: note });
    await ctx.map("m", [1, 2], (ctx) => note(ctx));
    await ctx.try("t", note);
    await ctx.loop({
      name: "l",
      state: 0,
      run: async (ctx, round) => {
        await note(ctx);
        return round === 1 ? Loop.break() : Loop.continue(round + 1);
      },
    });
  });
  expect(keys).toHaveLength(8);
  expect(new Set(keys).size).toBe(8);
});

test("a run that was undone and is tried again draws anew; a replay from a step does not", async () => {
  const drawn: string[] = [];
  let works = false;
  const { handle, t } = playing(async (ctx) => {
    drawn.push(ctx.uuid());
    await ctx.step({ name: "s", run: () => 1, rollback: () => {} });
    if (!works) throw new Error("no");
  });
  await failureOf(handle.result());
  works = true;
  await t.admin.retry("job", "1");
  await handle.result();
  expect(drawn[1]).not.toBe(drawn[0]);
  const { history } = await t.admin.show("job", "1");
  await t.admin.replay("job", "1", { entry: history[0]?.id ?? "" });
  await handle.result();
  expect(drawn[2]).toBe(drawn[1]);
});

test("a run that is stuck in a handler is named so by its verbs, and keeps waiting whatever else is tried", async () => {
  const { handle, t, job } = playing(async (ctx) => {
    await ctx.step({ name: "s", maxRetries: 0, run: () => 1, rollback: () => Promise.reject(new Error("closed")) });
    throw new AppError("why", "so");
  });
  await t.create(job, "1");
  await t.idle();
  const { history } = await t.admin.show("job", "1");
  expect(await rejection(t.admin.replay("job", "1", { entry: history[0]?.id ?? "" }))).toMatchObject({
    code: "bad_argument",
    message: expect.stringMatching(/undone/),
  });
  expect(await rejection(handle.cancel())).toMatchObject({ code: "bad_argument" });
  expect(await handle.actions.notes()).toEqual([]);
  await t.crash();
  await t.idle();
  expect(await rejection(handle.cancel())).toMatchObject({ code: "bad_argument" });
});

test("Promise.all over entries is refused, in branches, too", async () => {
  for (const around of ["workflow", "branch"]) {
    const both = (ctx: Ctx) => Promise.all([ctx.step("a", () => 1), ctx.step("b", () => 2)]);
    const error = await failureOf(resultOf((ctx) => (around === "branch" ? ctx.join("j", { both }) : both(ctx))));
    const refused = around === "branch" ? (error.cause as typeof error) : error;
    expect(refused).toMatchObject({
      code: "entry_in_progress",
      message: expect.stringMatching(/Promise\.all over entries is not supported: use join or map/),
    });
  }
});

test("a body that a workflow awaits beside its entries does not stop a rebuild for handlers", async () => {
  const gates = new Gates();
  const { handle, t, job } = playing(async (ctx) => {
    await ctx.step({ name: "a", run: () => 1, rollback: (c) => void c.state.notes.push("-a") });
    await new Promise((resolve) => setTimeout(resolve, 10));
    await ctx.step({
      name: "b",
      run: () => 1,
      rollback: async (c) => {
        await gates.pass("b");
        c.state.notes.push("-b");
      },
    });
    throw new AppError("why", "so");
  });
  await t.create(job, "1");
  const result = failureOf(handle.result());
  await new Promise((resolve) => setTimeout(resolve, 30));
  await t.idle();
  await t.crash();
  gates.open("b");
  expect(await result).toMatchObject({ code: "why" });
  expect(await t.state("job", "1")).toEqual({ notes: ["-b", "-a"] });
});

test("a join of a list is refused, with what to give", async () => {
  const error = await failureOf(resultOf((ctx) => ctx.join("j", [async () => 1] as never)));
  expect(error).toMatchObject({ code: "bad_argument", message: expect.stringMatching(/an object of functions/) });
  expect(await failureOf(resultOf((ctx) => ctx.join("j", { "": async () => 1 })))).toMatchObject({
    code: "bad_argument",
  });
  expect(await failureOf(resultOf((ctx) => ctx.join("j", { a: 5 as never })))).toMatchObject({ code: "bad_argument" });
});
