/** State as it was, and replays that take it back. */
import { expect, test } from "vitest";
import { actor, Loop, type } from "../../src/index.ts";
import { createTestRuntime } from "../../src/testing/index.ts";
import { crashing, type Flow, playing, rejection } from "./harness.ts";

/** The id of the entry at a path. */
async function idOf(t: ReturnType<typeof playing>["t"], path: string): Promise<string> {
  const { history } = await t.admin.show("job", "1");
  const entry = history.find((entry) => entry.path === path);
  return entry?.id ?? expect.fail(`no entry at ${path}`);
}

/** Steps that each note their own name. */
const noting =
  (...names: string[]): Flow =>
  async (ctx) => {
    for (const name of names) await ctx.step(name, (c) => void c.state.notes.push(name));
    return "done";
  };

test("stateAt gives the state after any committed step, also after a crash, and not what came later", async () => {
  const { handle, t } = playing(noting("a", "b", "c"));
  await handle.result();
  await handle.actions.note("later");
  for (const _ of [1, 2]) {
    const at = async (path: string) => t.admin.stateAt("job", "1", await idOf(t, path));
    expect(await at("a")).toEqual({ notes: ["a"] });
    expect(await at("b")).toEqual({ notes: ["a", "b"] });
    expect(await at("c")).toEqual({ notes: ["a", "b", "c"] });
    await t.crash();
  }
});

test("stateAt of a step that was undone since gives the state after it was done", async () => {
  const { handle, t } = playing(async (ctx) => {
    await ctx.step({
      name: "s",
      run: (c) => void c.state.notes.push("done"),
      rollback: (c) => void c.state.notes.push("undone"),
    });
    await ctx.step("after", (c) => void c.state.notes.push("after"));
    return ctx.rollback("taken back");
  });
  expect(await handle.result()).toBe("taken back");
  for (const _ of [1, 2]) {
    expect(await t.admin.stateAt("job", "1", await idOf(t, "s"))).toEqual({ notes: ["done"] });
    expect(await t.admin.stateAt("job", "1", await idOf(t, "after"))).toEqual({ notes: ["done", "after"] });
    await t.crash();
  }
});

test("stateAt is refused for what is no entry, what has not committed, and for an actor that is not there", async () => {
  const { handle, t } = playing((ctx) => ctx.step({ name: "s", run: () => Promise.reject(new Error("no")) }));
  await handle.actions.notes();
  await t.idle();
  const pending = await idOf(t, "s");
  for (const entry of [pending, "00000000-0000-4000-8000-000000000000", 5 as never])
    expect(await rejection(t.admin.stateAt("job", "1", entry)), String(entry)).toMatchObject({ code: "bad_argument" });
  expect(await rejection(t.admin.stateAt("nobody", "1", pending))).toMatchObject({ code: "unknown_actor" });
});

test("a replay that rewinds takes back what the steps that are taken away wrote, and nothing else", async () => {
  const seen: string[][] = [];
  const { handle, t } = playing(async (ctx) => {
    await ctx.step("a", (c) => void c.state.notes.push("a"));
    await ctx.step("b", (c) => {
      seen.push([...c.state.notes]);
      c.state.notes.push("b");
    });
    await ctx.step("c", (c) => void c.state.notes.push("c"));
  });
  await handle.result();
  const taken = await t.admin.replay("job", "1", { entry: await idOf(t, "b"), state: "rewind" });
  expect(taken.map(({ path }) => path)).toEqual(["b", "c"]);
  await handle.result();
  expect(seen, "the body sees the state as it was").toEqual([["a"], ["a"]]);
  expect(await t.state("job", "1")).toEqual({ notes: ["a", "b", "c"] });
  await t.crash();
  expect(await t.state("job", "1")).toEqual({ notes: ["a", "b", "c"] });
});

test("a replay that rewinds is refused when others have written since, lists their commits, and changes nothing", async () => {
  const { handle, t } = playing(noting("a", "b"));
  await handle.result();
  await handle.actions.note("kept");
  const entry = await idOf(t, "b");
  const before = await t.history("job", "1");
  const refused = await rejection(t.admin.replay("job", "1", { entry, state: "rewind" }));
  expect(refused).toMatchObject({
    code: "state_moved",
    data: { commits: [{ seq: expect.any(Number), at: t.now() }] },
    message: expect.stringMatching(/job\/1.*\n.*change \d+/),
  });
  expect(await t.history("job", "1")).toEqual(before);
  expect(await t.state("job", "1")).toEqual({ notes: ["a", "b", "kept"] });

  await t.admin.replay("job", "1", { entry, state: "rewind", force: true });
  await handle.result();
  expect(await t.state("job", "1"), "force takes it back all the same").toEqual({ notes: ["a", "b"] });
});

test("what others wrote before the first step that is taken away stays, whatever happened meanwhile in that step", async () => {
  let fails = true;
  const { handle, t } = playing(async (ctx) => {
    await ctx.step("a", (c) => void c.state.notes.push("a"));
    await ctx.step("b", (c) => {
      if (fails) throw new Error("not yet");
      c.state.notes.push("b");
    });
  });
  await handle.actions.notes();
  await t.idle();
  await handle.actions.note("while b failed");
  fails = false;
  await t.skip();
  await handle.result();
  const entry = await idOf(t, "b");
  await t.admin.replay("job", "1", { entry, state: "rewind" });
  await handle.result();
  expect(await t.state("job", "1")).toEqual({ notes: ["a", "while b failed", "b"] });
});

test("a replay that rewinds past earlier replays takes back what those steps wrote in every life", async () => {
  const { handle, t } = playing(noting("a", "b", "c"));
  await handle.result();
  const rewind = async (path: string, state: "keep" | "rewind") => {
    await t.admin.replay("job", "1", { entry: await idOf(t, path), state });
    await handle.result();
    return ((await t.state("job", "1")) as { notes: string[] }).notes.join("");
  };
  expect(await rewind("b", "keep")).toBe("abcbc");
  expect(await rewind("c", "rewind"), "only the newest life of c is taken back").toBe("abcbc");
  expect(await rewind("b", "rewind"), "only the newest life of b and c").toBe("abcbc");
  expect(await rewind("a", "rewind")).toBe("abc");
});

test("a loop is rewound to before its first round, rounds that were pruned included", async () => {
  const { handle, t } = playing(async (ctx) => {
    await ctx.step("before", (c) => void c.state.notes.push("before"));
    return ctx.loop({
      name: "rounds",
      state: 0,
      keep: 2,
      run: async (ctx, round) => {
        await ctx.step("s", (c) => void c.state.notes.push(`${round}`));
        return round === 60 ? Loop.break("end") : Loop.continue(round + 1);
      },
    });
  });
  await handle.result();
  const all = ["before", ...Array.from({ length: 61 }, (_, round) => `${round}`)];
  expect(await t.state("job", "1")).toEqual({ notes: all });
  await t.admin.replay("job", "1", { entry: await idOf(t, "rounds/#60/s"), state: "rewind" });
  await handle.result();
  expect(await t.state("job", "1"), "not a note twice").toEqual({ notes: all });
});

test("a dry run says what would be taken away or why it cannot be, and does nothing", async () => {
  const { handle, t } = playing(noting("a", "b"));
  await handle.result();
  const entry = await idOf(t, "a");
  const before = await t.history("job", "1");
  for (const state of ["keep", "rewind"] as const) {
    const taken = await t.admin.replay("job", "1", { entry, state, dryRun: true });
    expect(taken.map(({ path }) => path)).toEqual(["a", "b"]);
  }
  await handle.actions.note("kept");
  expect(await rejection(t.admin.replay("job", "1", { entry, state: "rewind", dryRun: true }))).toMatchObject({
    code: "state_moved",
  });
  expect(await t.history("job", "1")).toEqual(before);
  expect(await t.state("job", "1")).toEqual({ notes: ["a", "b", "kept"] });
});

test("what is done again after a rewind has the idempotency keys that it had", async () => {
  const keys: string[] = [];
  const { handle, t } = playing((ctx) => ctx.step("s", (c) => void keys.push(c.idempotencyKey)));
  await handle.result();
  await t.admin.replay("job", "1", { entry: await idOf(t, "s"), state: "rewind" });
  await handle.result();
  expect(keys).toHaveLength(2);
  expect(keys[1]).toBe(keys[0]);
});

test("an action that runs while the state is taken back runs again on what it is then", async () => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const job = actor("job", {
    state: () => ({ notes: [] as string[] }),
    actions: {
      slow: async (c) => {
        c.state.notes.push("slow");
        await gate;
      },
    },
    workflow: async (ctx) => {
      await ctx.step("s", (c) => void c.state.notes.push("s"));
    },
  });
  const t = createTestRuntime({ actors: [job], patience: 40 });
  const handle = t.get(job, "1");
  await t.create(job, "1");
  await handle.result();
  const slow = handle.actions.slow();
  const { history } = await t.admin.show("job", "1");
  await t.admin.replay("job", "1", { entry: history[0]?.id ?? "", state: "rewind" });
  open();
  await slow;
  await handle.result();
  const { notes } = (await t.state("job", "1")) as { notes: string[] };
  expect([...notes].sort()).toEqual(["s", "slow"]);
});

test("a state whose shape has changed since is migrated again", async () => {
  const old = actor("job", {
    state: () => ({ count: 1 }) as unknown,
    messages: { go: type<void>() },
    workflow: async (ctx) => {
      await ctx.step("s", (c) => void (c.state = { count: 2 }));
      await ctx.queue.next("go");
    },
  });
  const store = `memory:rewind-${process.pid}-${Math.random()}`;
  const { createRuntime } = await import("../../src/index.ts");
  const first = createRuntime({ actors: [old], store });
  await first.create(old, "1");
  await expect.poll(async () => (await first.admin.show("job", "1")).history.length).toBe(1);
  await first.close();
  const young = actor("job", {
    version: 2,
    migrate: (was: unknown) => ({ total: (was as { count: number }).count * 10 }),
    state: () => ({ total: 0 }),
    messages: { go: type<void>() },
    workflow: async (ctx) => {
      await ctx.step("s", (c) => void (c.state.total += 1));
      await ctx.queue.next("go");
    },
  });
  await using second = createRuntime({ actors: [young], store });
  const entry = (await second.admin.show("job", "1")).history[0]?.id ?? "";
  expect(await second.admin.stateAt("job", "1", entry), "in the shape that it had then").toEqual({ count: 2 });
  await expect.poll(async () => (await second.admin.show("job", "1")).actorState).toEqual({ total: 20 });
  await second.admin.replay("job", "1", { entry, state: "rewind" });
  await expect.poll(async () => (await second.admin.show("job", "1")).actorState).toEqual({ total: 11 });
});

test("a replay that rewinds takes effect once and whole, after a crash at any batch", async () => {
  await crashing(
    () => noting("a", "b"),
    async (t, handle) => {
      await handle.result();
      const { history } = await t.admin.show("job", "1");
      const again = history.find(({ path }) => path === "b")?.id ?? "";
      // Made again after a crash, it finds other ids if it has happened.
      await t.admin.replay("job", "1", { entry: again, state: "rewind" }).catch((error: { code: string }) => {
        expect(error.code).toBe("bad_argument");
      });
      await handle.result();
      expect(await t.state("job", "1")).toEqual({ notes: ["a", "b"] });
    },
  );
});

test("a rewind of an actor without state is a replay", async () => {
  const runs: number[] = [];
  const bare = actor("bare", { workflow: (ctx) => ctx.step("s", () => void runs.push(1)) });
  const t = createTestRuntime({ actors: [bare] });
  await t.create(bare, "1");
  await t.get(bare, "1").result();
  const { history } = await t.admin.show("bare", "1");
  await t.admin.replay("bare", "1", { entry: history[0]?.id ?? "", state: "rewind" });
  await t.get(bare, "1").result();
  expect(runs).toHaveLength(2);
  expect(await t.admin.stateAt("bare", "1", (await t.admin.show("bare", "1")).history[0]?.id ?? "")).toBe(undefined);
});
