import { expect, test } from "vitest";
import { AppError, CriticalError, Loop } from "../../src/index.ts";
import { crashing, failureOf, Gates, playing, rejection } from "./harness.ts";

test("cancel ends a run that waits, between two commits, for good", async () => {
  const { handle, t, job } = playing((ctx) => ctx.queue.next("go"));
  await t.create(job, "1");
  const result = rejection(handle.result());
  await t.until("job", "1", { message: "go" });
  await handle.cancel();
  expect(await result).toMatchObject({ code: "cancelled", message: "the workflow of job/1 was cancelled" });
  expect(await rejection(handle.send("go", ""))).toMatchObject({ code: "workflow_ended" });
  expect(await handle.actions.notes(), "its actions go on").toEqual([]);
  await t.crash();
  expect(await rejection(handle.result())).toMatchObject({ code: "cancelled" });
});

test("cancel ends a run whose step runs: the attempt is dead, and nothing that it wrote is kept", async () => {
  const gates = new Gates();
  const seen: string[] = [];
  const { handle, t, job } = playing(async (ctx) => {
    try {
      await ctx.step("s", async (c) => {
        c.state.notes.push("early");
        await gates.pass("s");
        try {
          c.state.notes.push("late");
        } catch (error) {
          seen.push((error as { code: string }).code);
        }
      });
    } catch {
      seen.push("caught");
    } finally {
      seen.push("finally");
    }
  });
  await t.create(job, "1");
  await t.until("job", "1", { step: "s" });
  await handle.cancel();
  gates.open("s");
  await t.idle();
  expect(seen).toEqual(["stale_step"]);
  expect(await t.state("job", "1")).toEqual({ notes: [] });
});

test("cancel ends a run that waits for a retry, one in a loop, and one that is parked", async () => {
  const retrying = playing((ctx) =>
    ctx.loop("l", async (ctx) => void (await ctx.step({ name: "s", run: () => Promise.reject(new Error("no")) }))),
  );
  await retrying.t.create(retrying.job, "1");
  await retrying.t.idle();
  await retrying.handle.cancel();
  expect(await rejection(retrying.handle.result())).toMatchObject({ code: "cancelled" });

  const parked = playing(async (ctx) => {
    await ctx.step("a", () => 1);
    await ctx.queue.next("go");
  });
  await parked.t.create(parked.job, "1");
  await parked.t.until("job", "1", { message: "go" });
  parked.code.flow = (ctx) => ctx.step("other", () => 1);
  await parked.t.crash();
  expect(await rejection(parked.handle.result())).toMatchObject({ code: "history_diverged" });
  await parked.handle.cancel();
  expect(await rejection(parked.handle.result())).toMatchObject({ code: "cancelled" });
});

test("cancel of a run that has ended changes nothing, and says so; so does a second cancel", async () => {
  const { handle, t } = playing(async () => "done");
  expect(await handle.result()).toBe("done");
  expect(await rejection(handle.cancel())).toMatchObject({
    code: "bad_argument",
    message: expect.stringMatching(/job\/1.*ended/),
  });
  expect(await handle.result()).toBe("done");
  const other = playing((ctx) => ctx.queue.next("go"));
  await other.t.create(other.job, "1");
  await Promise.allSettled([other.handle.cancel({ reason: "first" }), other.handle.cancel({ reason: "second" })]);
  expect(await rejection(other.handle.result())).toMatchObject({ code: "cancelled", data: { reason: "first" } });
  await t.idle();
});

test("cancel refuses options that it does not know, or that are of the wrong kind", async () => {
  const { handle } = playing((ctx) => ctx.queue.next("go"));
  for (const options of [{ compensate: "no" }, { reason: 5 }, { force: true }])
    expect(await rejection(handle.cancel(options as never))).toMatchObject({ code: "bad_argument" });
});

test("cancel while handlers run lets them end; cancel of a run that is stuck in one does not lose it", async () => {
  const gates = new Gates();
  const { handle, t, job } = playing(async (ctx) => {
    await ctx.step({
      name: "s",
      run: () => 1,
      rollback: async (c) => {
        await gates.pass("undo");
        c.state.notes.push("undone");
      },
    });
    throw new AppError("why", "so");
  });
  await t.create(job, "1");
  const result = rejection(handle.result());
  await t.idle();
  await handle
    .cancel({ reason: "too late" })
    .catch((error: { code: string }) => expect(error.code).toBe("bad_argument"));
  gates.open("undo");
  expect(await result).toMatchObject({ code: "workflow_failed", cause: { code: "why" } });
  expect(await t.state("job", "1")).toEqual({ notes: ["undone"] });
});

test("admin.cancel undoes as a handle's does", async () => {
  const { handle, t, job } = playing(async (ctx) => {
    await ctx.step({ name: "s", run: () => 1, rollback: (c) => void c.state.notes.push("undone") });
    await ctx.queue.next("go");
  });
  await t.create(job, "1");
  await t.until("job", "1", { message: "go" });
  await t.admin.cancel("job", "1");
  expect(await rejection(handle.result())).toMatchObject({ code: "cancelled" });
  expect(await t.state("job", "1")).toEqual({ notes: ["undone"] });
});

test("admin.retry tries again what ended the run: in a join, in a loop, in a try; siblings that are done stay", async () => {
  const runs: string[] = [];
  let works = false;
  const { handle, t } = playing(async (ctx) => {
    await ctx.loop({
      name: "rounds",
      state: 0,
      run: async (ctx, round) => {
        await ctx.join("j", {
          fine: (ctx) => ctx.step("fine", () => void runs.push(`fine ${round}`)),
          breaks: (ctx) =>
            ctx.step({
              name: "breaks",
              maxRetries: 1,
              retryBackoffBase: 1,
              run: () => {
                runs.push(`breaks ${round}`);
                if (round === 1 && !works) throw new CriticalError("not yet");
              },
            }),
        });
        return round === 2 ? Loop.break() : Loop.continue(round + 1);
      },
    });
    return "end";
  });
  expect(await failureOf(handle.result())).toMatchObject({ code: "join_failed" });
  expect(runs.sort()).toEqual(["breaks 0", "breaks 1", "fine 0", "fine 1"]);
  runs.length = 0;
  works = true;
  await t.crash();
  await t.admin.retry("job", "1");
  expect(await handle.result()).toBe("end");
  expect(runs.sort()).toEqual(["breaks 1", "breaks 2", "fine 2"]);
});

test("admin.retry leaves a caught failure caught", async () => {
  let caught = 0;
  let works = false;
  const { handle, t } = playing(async (ctx) => {
    const tried = await ctx.try("t", (ctx) =>
      ctx.step("caught", () => {
        caught += 1;
        throw new CriticalError("for ever");
      }),
    );
    await ctx.step({
      name: "ends it",
      maxRetries: 0,
      run: () => {
        if (!works) throw new Error("not yet");
      },
    });
    return tried.ok;
  });
  await failureOf(handle.result());
  works = true;
  await t.admin.retry("job", "1");
  expect(await handle.result()).toBe(false);
  expect(caught).toBe(1);
});

test("admin.retry of an error that code threw runs the code again from what is recorded", async () => {
  let works = false;
  let runs = 0;
  const { handle, t } = playing(async (ctx) => {
    await ctx.step("s", () => void (runs += 1));
    if (!works) throw new TypeError("a bug");
    return "fixed";
  });
  expect(await failureOf(handle.result())).toMatchObject({ name: "TypeError" });
  works = true;
  await t.crash();
  await t.admin.retry("job", "1");
  expect(await handle.result()).toBe("fixed");
  expect(runs).toBe(1);
});

test.each<[string, (ctx: Parameters<Parameters<typeof playing>[0]>[0]) => Promise<unknown>]>([
  ["has completed", async () => "done"],
  ["waits", (ctx) => ctx.queue.next("go")],
])("admin.retry of a run that %s is refused, and changes nothing", async (_, flow) => {
  const { t, job } = playing(flow);
  await t.create(job, "1");
  await t.idle();
  const before = await t.history("job", "1");
  expect(await rejection(t.admin.retry("job", "1"))).toMatchObject({ code: "bad_argument" });
  expect(await t.history("job", "1")).toEqual(before);
});

test("a run that was undone and is tried again begins after its oldest undone step, under new keys", async () => {
  const keys: string[] = [];
  let works = false;
  const { handle, t } = playing(async (ctx) => {
    await ctx.step("kept", (c) => void c.state.notes.push("kept"));
    await ctx.step({
      name: "charge",
      run: (c) => {
        keys.push(c.idempotencyKey);
        c.state.notes.push("+charge");
      },
      rollback: (c) => void c.state.notes.push("-charge"),
    });
    if (!works) throw new Error("no");
    return "end";
  });
  await failureOf(handle.result());
  works = true;
  await t.admin.retry("job", "1");
  expect(await handle.result()).toBe("end");
  expect(await t.state("job", "1")).toEqual({ notes: ["kept", "+charge", "-charge", "+charge"] });
  expect(keys).toHaveLength(2);
  expect(keys[1]).not.toBe(keys[0]);
});

test("admin.replay goes back to before a step: earlier waits, messages and versions stay, state stays, keys stay", async () => {
  const runs: string[] = [];
  const { handle, t } = playing(async (ctx) => {
    const { body } = await ctx.queue.next("go");
    const version = await ctx.getVersion("v", 2);
    await ctx.sleep("nap", "1h");
    const first = await ctx.step("first", (c) => {
      runs.push(`first ${c.idempotencyKey}`);
      return c.state.notes.push("first");
    });
    const second = await ctx.step("second", (c) => {
      runs.push("second");
      return c.state.notes.push("second");
    });
    return [body, version, first, second];
  });
  await handle.send("go", "hello");
  await t.advance("1h");
  expect(await handle.result()).toEqual(["hello", 2, 1, 2]);
  const { history } = await t.admin.show("job", "1");
  const entry = history.find(({ path }) => path === "first")?.id ?? "";
  await t.admin.replay("job", "1", { entry });
  expect(await handle.result()).toEqual(["hello", 2, 3, 4]);
  expect(runs).toEqual([runs[0], "second", runs[0], "second"]);
  expect(await t.state("job", "1")).toEqual({ notes: ["first", "second", "first", "second"] });
});

test("admin.replay from a step in a loop begins the innermost loop around it anew, and leaves what was before it", async () => {
  const runs: number[] = [];
  const { handle, t } = playing(async (ctx) => {
    await ctx.step("before", () => void runs.push(-1));
    return ctx.loop({
      name: "rounds",
      state: 0,
      run: async (ctx, round) => {
        await ctx.step("s", () => void runs.push(round));
        return round === 3 ? Loop.break("end") : Loop.continue(round + 1);
      },
    });
  });
  expect(await handle.result()).toBe("end");
  const { history } = await t.admin.show("job", "1");
  const entry = history.find(({ path }) => path === "rounds/#2/s")?.id ?? "";
  await t.admin.replay("job", "1", { entry });
  expect(await handle.result()).toBe("end");
  expect(runs).toEqual([-1, 0, 1, 2, 3, 0, 1, 2, 3]);
});

test.each([
  ["nothing", {}],
  ["no text", { entry: 5 }],
  ["an unknown id", { entry: "00000000-0000-4000-8000-000000000000" }],
  ["an unknown option", { entry: "x", state: "rewind" }],
])("admin.replay that is given %s is refused, and changes nothing", async (_, from) => {
  const { handle, t } = playing((ctx) => ctx.step("s", () => 1));
  await handle.result();
  const before = await t.history("job", "1");
  expect(await rejection(t.admin.replay("job", "1", from as never))).toMatchObject({ code: "bad_argument" });
  expect(await t.history("job", "1")).toEqual(before);
  expect(await handle.result()).toBe(1);
});

test("admin.show shows history, state and inbox; of an actor that is not there, nothing", async () => {
  const { handle, t } = playing(async (ctx) => {
    await ctx.join("j", { a: (ctx) => ctx.step("s", (c) => c.state.notes.push("x")) });
    await ctx.queue.next("go");
  });
  await handle.send("on", "waits");
  await t.until("job", "1", { message: "go" });
  const shown = await t.admin.show("job", "1");
  expect(shown).toMatchObject({
    type: "job",
    key: "1",
    actorState: { notes: ["x"] },
    inbox: [{ name: "on", body: "waits" }],
  });
  expect(shown.history.map(({ path, kind, status }) => [path, kind, status])).toEqual([
    ["j", "join", "completed"],
    ["j/a/s", "step", "completed"],
  ]);
  expect(await t.admin.show("job", "nobody")).toMatchObject({ history: [], actorState: undefined, inbox: [] });
});

test("retry, replay and cancel take effect once, after a crash at any batch", async () => {
  let works = false;
  await crashing(
    () => {
      works = false;
      return async (ctx) => {
        await ctx.step("a", (c) => void c.state.notes.push("a"));
        await ctx.step({
          name: "b",
          maxRetries: 0,
          run: (c) => {
            if (!works) throw new Error("not yet");
            c.state.notes.push("b");
          },
        });
        await ctx.queue.next("go");
      };
    },
    async (t, handle) => {
      await failureOf(handle.result());
      works = true;
      await t.admin.retry("job", "1").catch((error: { code: string }) => expect(error.code).toBe("bad_argument"));
      await t.until("job", "1", { message: "go" });
      expect(await handle.actions.notes()).toEqual(["a", "b"]);
      await handle.cancel().catch((error: { code: string }) => expect(error.code).toBe("bad_argument"));
      expect(await rejection(handle.result())).toMatchObject({ code: "cancelled" });
      expect(await handle.actions.notes()).toEqual(["a", "b"]);
    },
  );
});
