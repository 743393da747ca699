import { expect, test } from "vitest";
import { AppError, CriticalError, Loop, RollbackError } from "../../src/index.ts";
import { type Ctx, crashing, failureOf, Gates, playing, rejection } from "./harness.ts";

const undoable = (ctx: Ctx, name: string, body: () => unknown = () => 1) =>
  ctx.step({
    name,
    run: async (c) => {
      await body();
      c.state.notes.push(`+${name}`);
    },
    rollback: (c) => void c.state.notes.push(`-${name}`),
  });

test("a loser's step that commits while the race is decided is undone with the run, after a crash at any batch", async () => {
  await crashing(
    () => async (ctx) => {
      await ctx.race("r", {
        winner: (ctx) => ctx.step("w", () => 1),
        loser: (ctx) => undoable(ctx, "l"),
      });
      throw new AppError("end", "end");
    },
    async (t, handle) => {
      expect(await failureOf(handle.result())).toMatchObject({ code: "end" });
      const { notes } = (await t.state("job", "1")) as { notes: string[] };
      expect([[], ["+l", "-l"]]).toContainEqual(notes);
    },
  );
});

test("a sibling's step that commits while another branch asks for rollback is undone, too", async () => {
  await crashing(
    () => (ctx) =>
      ctx.join("j", {
        a: (ctx) => undoable(ctx, "a"),
        b: (ctx) => undoable(ctx, "b"),
        c: async (ctx) => {
          await ctx.step("c", () => 1);
          await ctx.rollback("out");
        },
      }),
    async (t, handle) => {
      expect(await handle.result()).toBe("out");
      const { notes } = (await t.state("job", "1")) as { notes: string[] };
      for (const name of ["a", "b"])
        expect(notes.filter((note) => note === `+${name}`).length).toBe(
          notes.filter((note) => note === `-${name}`).length,
        );
    },
  );
});

test("the failure of a map stops items whose steps run; those that commit meanwhile are undone with the run", async () => {
  await crashing(
    () => (ctx) =>
      ctx.map(
        "m",
        [0, 1, 2, 3, 4, 5],
        async (ctx, item) => {
          await undoable(ctx, `i${item}`);
          if (item === 3) throw new CriticalError("three");
        },
        { concurrency: 3 },
      ),
    async (t, handle) => {
      expect(await failureOf(handle.result())).toMatchObject({ code: "map_failed" });
      const { notes } = (await t.state("job", "1")) as { notes: string[] };
      const done = notes.filter((note) => note.startsWith("+")).map((note) => note.slice(1));
      const undone = notes.filter((note) => note.startsWith("-")).map((note) => note.slice(1));
      expect(undone).toEqual([...done].reverse());
      expect(done).toContain("i3");
    },
  );
});

test("a RollbackError inside a branch fails the join, and the run is undone", async () => {
  const { handle } = playing(async (ctx) => {
    await undoable(ctx, "a");
    await ctx.join("j", {
      b: async (ctx) => {
        await undoable(ctx, "b");
        throw new RollbackError("stop");
      },
      c: (ctx) => undoable(ctx, "c"),
    });
  });
  const error = await failureOf(handle.result());
  expect([error.code, error.cause]).toMatchObject(["join_failed", { code: "rollback" }]);
  const notes = await handle.actions.notes();
  expect([...notes.slice(3)].sort()).toEqual(["-a", "-b", "-c"]);
  expect(notes.at(-1)).toBe("-a");
});

test("a run whose workflow fails while a branch is being cancelled is undone once it has ended", async () => {
  const gates = new Gates();
  const { handle, t, job } = playing(async (ctx) => {
    await ctx.race("r", {
      loser: (ctx) => undoable(ctx, "loser", () => gates.pass("loser")),
      winner: (ctx) => undoable(ctx, "winner"),
    });
    throw new AppError("end", "end");
  });
  await t.create(job, "1");
  expect(await failureOf(handle.result())).toMatchObject({ code: "end" });
  gates.open("loser");
  await t.idle();
  expect(await t.state("job", "1")).toEqual({ notes: ["+winner", "-winner"] });
});

test("admin.retry of a join whose branches failed one after another runs again those that ended it, all of them", async () => {
  let works = false;
  const runs: string[] = [];
  const branch = (name: string) => (ctx: Ctx) =>
    ctx.step({
      name: "s",
      maxRetries: 0,
      run: () => {
        runs.push(name);
        if (!works) throw new Error(name);
        return name;
      },
    });
  const { handle, t } = playing((ctx) => ctx.join("j", { a: branch("a"), b: branch("b"), c: async () => "c" }));
  expect(await failureOf(handle.result())).toMatchObject({ code: "join_failed" });
  works = true;
  await t.crash();
  await t.admin.retry("job", "1");
  expect(await handle.result()).toEqual({ a: "a", b: "b", c: "c" });
  expect(runs.sort()).toEqual(["a", "a", "b", "b"]);
});

test("admin.retry of a race and of a map that failed goes on with them", async () => {
  let works = false;
  const fails = (name: string) => async (ctx: Ctx) =>
    ctx.step({ name, maxRetries: 0, run: () => (works ? name : Promise.reject(new Error(name))) });
  const race = playing((ctx) => ctx.race("r", { a: fails("a"), b: fails("b") }));
  expect(await failureOf(race.handle.result())).toMatchObject({ code: "race_failed" });
  const map = playing((ctx) => ctx.map("m", [1, 2, 3], (ctx, item) => fails(`s${item}`)(ctx), { concurrency: 1 }));
  expect(await failureOf(map.handle.result())).toMatchObject({ code: "map_failed" });
  works = true;
  await race.t.admin.retry("job", "1");
  await map.t.admin.retry("job", "1");
  expect(await race.handle.result()).toMatchObject({ winner: expect.stringMatching(/^[ab]$/) });
  expect(await map.handle.result()).toEqual(["s1", "s2", "s3"]);
});

test("replay from a step inside a join runs it and what came after it again", async () => {
  const runs: string[] = [];
  const note = (name: string) => (ctx: Ctx) => ctx.step(name, () => void runs.push(name));
  const { handle, t } = playing(async (ctx) => {
    await note("before")(ctx);
    await ctx.join("j", { a: note("a"), b: async (ctx) => note("b")(ctx) });
    await note("after")(ctx);
    return "end";
  });
  await handle.result();
  const { history } = await t.admin.show("job", "1");
  const entry = history.find(({ path }) => path === "j/b/b")?.id ?? "";
  await t.admin.replay("job", "1", { entry });
  expect(await handle.result()).toBe("end");
  expect(runs).toEqual(["before", "a", "b", "after", "b", "after"]);
});

test("names that look like the engine's own are names like others", async () => {
  await crashing(
    () => async (ctx) => {
      const names = ["#0", "a/b", "go:0", "go:count", 'j" of "x', "__proto__", "constructor", "\u{1F600}", " "];
      const joined = await ctx.join(
        "j",
        Object.fromEntries(names.map((name) => [name, (ctx: Ctx) => ctx.step(name, () => name)])),
      );
      await ctx.loop("#0", async (ctx) => {
        await ctx.step("#0", () => 1);
        return Loop.break();
      });
      await ctx.sleep("nap", "1h");
      return Object.entries(joined).map(([name, value]) => name === value);
    },
    async (t, handle) => {
      await t.until("job", "1", { sleep: "nap" });
      await t.advance("1h");
      expect(await handle.result()).toEqual(new Array(9).fill(true));
    },
  );
});

test("a deep nest of scopes is undone and replayed as a flat one", async () => {
  const nest = async (ctx: Ctx, depth: number): Promise<number> => {
    await undoable(ctx, `d${depth}`);
    if (depth === 12) throw new CriticalError("deep enough");
    const kinds = [
      () => ctx.join("n", { n: (ctx) => nest(ctx, depth + 1) }).then(({ n }) => n),
      () => ctx.race("n", { n: (ctx) => nest(ctx, depth + 1) }).then(({ value }) => value),
      () => ctx.map("n", [1], (ctx) => nest(ctx, depth + 1)).then(([n = 0]) => n),
      () => ctx.loop("n", async (ctx) => Loop.break(await nest(ctx, depth + 1))),
    ];
    return (kinds[depth % 4] as () => Promise<number>)();
  };
  await crashing(
    () => (ctx) => nest(ctx, 0),
    async (t, handle) => {
      await failureOf(handle.result());
      const names = Array.from({ length: 13 }, (_, i) => `d${i}`);
      expect(await t.state("job", "1")).toEqual({
        notes: [...names.map((name) => `+${name}`), ...names.reverse().map((name) => `-${name}`)],
      });
    },
  );
});

test("cancel of one run leaves the other runs of its type alone", async () => {
  const { t, job } = playing((ctx) => ctx.queue.next("go"));
  const [one, other] = [await t.create(job, "1"), await t.create(job, "2")];
  await one.cancel();
  await other.send("go", "on");
  expect(await rejection(one.result())).toMatchObject({ code: "cancelled" });
  expect(await other.result()).toMatchObject({ body: "on" });
});

test("a handler behind a loop that threw and was caught is found again after a crash at any batch", async () => {
  await crashing(
    () => async (ctx) => {
      await ctx.try("t", (ctx) =>
        ctx.loop({
          name: "l",
          state: 0,
          run: async (ctx, round) => {
            await ctx.step("s", () => 1);
            if (round === 1) await ctx.step("breaks", () => Promise.reject(new CriticalError("no")));
            return Loop.continue(round + 1);
          },
        }),
      );
      await undoable(ctx, "a");
      await undoable(ctx, "b");
      throw new AppError("end", "end");
    },
    async (t, handle) => {
      expect(await failureOf(handle.result())).toMatchObject({ code: "end" });
      expect(await t.state("job", "1")).toEqual({ notes: ["+a", "+b", "-b", "-a"] });
    },
  );
});

test("a handler behind entries that are not undone is found again in rounds that are pruned, after a crash at any batch", async () => {
  await crashing(
    () => async (ctx) => {
      await ctx.loop({
        name: "l",
        state: 0,
        keep: 1,
        run: async (ctx, round) => {
          await ctx.step("plain", () => 1);
          await ctx.sleep("nap", 0);
          await undoable(ctx, "a");
          return round === 2 ? Loop.break() : Loop.continue(round + 1);
        },
      });
      throw new AppError("end", "end");
    },
    async (t, handle) => {
      expect(await failureOf(handle.result())).toMatchObject({ code: "end" });
      expect(await t.state("job", "1")).toEqual({ notes: ["+a", "+a", "+a", "-a", "-a", "-a"] });
    },
  );
});
