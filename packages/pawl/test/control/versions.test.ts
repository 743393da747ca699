import { expect, test } from "vitest";
import { Loop } from "../../src/index.ts";
import { says } from "../runtime/refusal.ts";
import { type Ctx, crashing, type Flow, failureOf, playing, rejection, resultOf } from "./harness.ts";

const step = (ctx: Ctx, name: string) => ctx.step(name, (c) => void c.state.notes.push(name));

/** Runs `before` until it waits for "go", deploys `after`, sends "go", and gives what the run comes to. */
async function overChange(before: Flow, after: Flow) {
  const played = playing(before);
  const { t, code, job, handle } = played;
  await t.create(job, "1");
  await t.until("job", "1", { message: "go" });
  code.flow = after;
  await t.crash();
  await handle.send("go", "").catch(() => {});
  return { ...played, result: handle.result() };
}

test("getVersion gives the newest version to runs that have not come past it, and 1 to those that have", async () => {
  const flow =
    (versions: readonly string[]): Flow =>
    async (ctx) => {
      const seen: unknown[] = [];
      for (const name of versions) seen.push(await ctx.getVersion(name, 3));
      await step(ctx, "a");
      await ctx.queue.next("go");
      seen.push(await ctx.getVersion("later", 2));
      return seen;
    };
  const { result } = await overChange(flow([]), flow(["new"]));
  expect(await result).toEqual([1, 2]);
  const { handle, t } = playing(flow(["new"]));
  await handle.send("go", "");
  expect(await handle.result()).toEqual([3, 2]);
  await t.idle();
});

test("a version that was given once is given again by newer code, and in each round of a loop for itself", async () => {
  const flow =
    (latest: number): Flow =>
    (ctx) =>
      ctx.loop({
        name: "rounds",
        state: [] as number[],
        run: async (ctx, seen) => {
          const version = await ctx.getVersion("change", latest);
          await step(ctx, "a");
          if (seen.length === 1) await ctx.queue.next("go");
          const next = [...seen, version];
          return next.length === 3 ? Loop.break(next) : Loop.continue(next);
        },
      });
  const { result } = await overChange(flow(2), flow(5));
  expect(await result).toEqual([2, 2, 5]);
});

test("a step that was added behind getVersion leaves old runs on the old path, and fresh ones on the new", async () => {
  const before: Flow = async (ctx) => {
    await step(ctx, "a");
    await step(ctx, "b");
    await ctx.queue.next("go");
    await step(ctx, "c");
  };
  const after: Flow = async (ctx) => {
    await step(ctx, "a");
    if ((await ctx.getVersion("with check", 2)) >= 2) await step(ctx, "check");
    await step(ctx, "b");
    await ctx.queue.next("go");
    await step(ctx, "c");
  };
  const old = await overChange(before, after);
  await old.result;
  expect(await old.t.state("job", "1")).toEqual({ notes: ["a", "b", "c"] });
  const fresh = playing(after);
  await fresh.handle.send("go", "");
  await fresh.handle.result();
  expect(await fresh.t.state("job", "1")).toEqual({ notes: ["a", "check", "b", "c"] });
  const retired = await overChange(after, async (ctx) => {
    await step(ctx, "a");
    await ctx.removed("with check", "version_check");
    await step(ctx, "check");
    await step(ctx, "b");
    await ctx.queue.next("go");
    await step(ctx, "c");
  });
  await retired.result;
  expect(await retired.t.state("job", "1")).toEqual({ notes: ["a", "check", "b", "c"] });
});

test("removed lets runs go on that have recorded what the code has no more, of each kind; fresh runs, too", async () => {
  const before: Flow = async (ctx) => {
    await step(ctx, "step");
    await ctx.loop("loop", async (ctx) => {
      await step(ctx, "in loop");
      return Loop.break();
    });
    await ctx.sleep("sleep", 0);
    await ctx.queue.next("wait", { names: ["on"], timeout: 0 });
    await ctx.queue.next("on", { timeout: 0 });
    await ctx.join("join", { a: (ctx) => step(ctx, "in join") });
    await ctx.race("race", { a: (ctx) => step(ctx, "in race") });
    await ctx.map("map", [1], (ctx) => step(ctx, "in map"));
    await ctx.try("try", (ctx) => step(ctx, "in try"));
    await ctx.getVersion("version", 2);
    await ctx.queue.next("go");
    return "before";
  };
  const after: Flow = async (ctx) => {
    for (const kind of ["step", "loop", "sleep", "join", "race", "map", "try"] as const) await ctx.removed(kind, kind);
    await ctx.removed("version", "version_check");
    await ctx.removed("wait", "message");
    await ctx.removed("on", "message");
    await step(ctx, "instead");
    await ctx.queue.next("go");
    return "after";
  };
  const old = await overChange(before, after);
  expect(await old.result).toBe("after");
  const fresh = playing(after);
  await fresh.handle.send("go", "");
  expect(await fresh.handle.result()).toBe("after");
});

test.each<[string, Flow, Flow, RegExp, RegExp]>([
  [
    "a step before others",
    async (ctx) => {
      await step(ctx, "a");
      await step(ctx, "b");
      await ctx.queue.next("go");
    },
    async (ctx) => {
      await step(ctx, "a");
      await step(ctx, "new");
      await step(ctx, "b");
      await ctx.queue.next("go");
    },
    /recorded {2}1 step "a" {4}2 step "b"\n/,
    /code {6}1 step "a" {4}2 step "new" {4}<- new, before entries/,
  ],
  [
    "a step in a branch of a join",
    async (ctx) => {
      await ctx.join("j", {
        x: async (ctx) => {
          await step(ctx, "a");
          await ctx.queue.next("go");
        },
      });
    },
    async (ctx) => {
      await ctx.join("j", {
        x: async (ctx) => {
          await step(ctx, "new");
          await step(ctx, "a");
          await ctx.queue.next("go");
        },
      });
    },
    /recorded {2}1 step "a".* {4}\(in j\/x\)/,
    /step "new" {4}<- new/,
  ],
  [
    "a branch that is gone",
    async (ctx) => {
      await ctx.join("j", { x: (ctx) => step(ctx, "a"), y: async (ctx) => void (await ctx.queue.next("go")) });
    },
    async (ctx) => {
      await ctx.join("j", { y: async (ctx) => void (await ctx.queue.next("go")) });
    },
    /recorded {2}1 join "j" of "x", "y"/,
    /code {6}1 join "j" of "y" {4}<- other branches than recorded; it has not run\n.*getVersion\("branches of j", 2\)/,
  ],
  [
    "another kind of entry",
    async (ctx) => {
      await ctx.join("both", { x: (ctx) => step(ctx, "a") });
      await ctx.queue.next("go");
    },
    async (ctx) => {
      await ctx.race("both", { x: (ctx) => step(ctx, "a") });
      await ctx.queue.next("go");
    },
    /recorded {2}1 join "both"/,
    /<- another kind than recorded/,
  ],
  [
    "an end before what is recorded",
    async (ctx) => {
      await step(ctx, "a");
      await step(ctx, "b");
      await ctx.queue.next("go");
    },
    (ctx) => step(ctx, "a"),
    /2 step "b"/,
    /<- ends here, before entries that are recorded/,
  ],
  [
    "a step in a try block",
    async (ctx) => {
      await ctx.try("t", async (ctx) => {
        await step(ctx, "a");
        await ctx.queue.next("go");
      });
    },
    async (ctx) => {
      await ctx.try("t", async (ctx) => {
        await step(ctx, "new");
        await step(ctx, "a");
        await ctx.queue.next("go");
      });
    },
    /step "a"/,
    /step "new"/,
  ],
  [
    "a step in a map",
    async (ctx) => {
      await ctx.map("m", [1, 2], async (ctx) => {
        await step(ctx, "a");
        await ctx.queue.next("go");
      });
    },
    async (ctx) => {
      await ctx.map("m", [1, 2], async (ctx) => {
        await step(ctx, "new");
        await step(ctx, "a");
        await ctx.queue.next("go");
      });
    },
    /step "a".*in m\/0/,
    /step "new"/,
  ],
])(
  "%s: the run is parked before anything runs or is written, and goes on with matching code",
  async (_, before, after, recorded, found) => {
    const { t, code, handle, result } = await overChange(before, after);
    const error = await rejection(result);
    expect(error).toMatchObject({ code: "history_diverged" });
    expect(error.message).toMatch(
      /^the code of "job" does not match what job\/1 has recorded. The actor is parked, undamaged./,
    );
    expect(error.message).toMatch(recorded);
    expect(error.message).toMatch(found);
    expect((await t.state("job", "1")) as object).not.toMatchObject({ notes: expect.arrayContaining(["new"]) });
    code.flow = before;
    await t.crash();
    await handle.send("go", "").catch((late: { code: string }) => expect(late.code).toBe("workflow_ended"));
    await handle.result();
  },
);

test("the order of branches is not recorded: it may change", async () => {
  const branches = (names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, (ctx: Ctx) => step(ctx, name)]));
  const flow =
    (names: readonly string[]): Flow =>
    (ctx) =>
      ctx.join("j", { waits: async (ctx) => void (await ctx.queue.next("go")), ...branches(names) });
  const { result, t } = await overChange(flow(["a", "b"]), flow(["b", "a"]));
  expect(await result).toEqual({ waits: undefined, a: undefined, b: undefined });
  expect(await t.state("job", "1")).toEqual({ notes: ["a", "b"] });
});

test("getVersion inside a parallel branch is decided for that branch, after a crash at any batch", async () => {
  await crashing(
    () => (ctx) =>
      ctx.join("both", {
        a: async (ctx) => {
          const version = await ctx.getVersion("v", 2);
          await step(ctx, "a");
          return version;
        },
        b: async (ctx) => {
          await step(ctx, "b");
          return ctx.getVersion("v", 7);
        },
      }),
    async (_, handle) => {
      expect(await handle.result()).toEqual({ a: 2, b: 7 });
    },
  );
});

test("two entries at once say what to write instead", async () => {
  const error = await failureOf(
    resultOf(async (ctx) => {
      const first = ctx.step("charge", () => new Promise((resolve) => setTimeout(resolve, 5)));
      await ctx.join("mails", {}).catch(async (error: unknown) => {
        await first;
        throw error;
      });
    }),
  );
  expect(error).toMatchObject({
    code: "entry_in_progress",
    data: { actor: "job/1", entry: "mails", pending: "charge" },
  });
  says(error.message, {
    found: /two entries at once on one ctx/,
    expected: /one after another/,
    do: /forgotten await\?.*ctx\.step\("charge"[\s\S]*ctx\.join\("both"[\s\S]*ctx\.map\([\s\S]*Promise\.all/,
    where: /join "mails" was started while step "charge" is still running, in job\/1/,
  });
  expect(error.message).toMatch(/at {8}.*versions\.test\.ts:\d+/);
});

test("a name that is used twice says what to do in a loop and over a list", async () => {
  for (const kind of ["step", "join", "try", "getVersion", "sleep"] as const) {
    const error = await failureOf(
      resultOf(async (ctx) => {
        await step(ctx, "twice");
        if (kind === "step") await step(ctx, "twice");
        if (kind === "join") await ctx.join("twice", {});
        if (kind === "try") await ctx.try("twice", async () => {});
        if (kind === "getVersion") await ctx.getVersion("twice", 1);
        if (kind === "sleep") await ctx.sleep("twice", 1);
      }),
    );
    expect(error).toMatchObject({ code: "duplicate_name", data: { entry: "twice" } });
    says(error.message, {
      found: /a second "twice"/,
      do: /ctx\.loop[\s\S]*ctx\.map/,
      where: /in this scope of job\/1/,
    });
  }
});

test("names are free in each scope of its own, also beside a removed one's", async () => {
  const result = await resultOf(async (ctx) => {
    await step(ctx, "same");
    await ctx.join("j", { same: (ctx) => step(ctx, "same"), other: (ctx) => step(ctx, "same") });
    await ctx.map("m", [1, 2], (ctx) => step(ctx, "same"));
    await ctx.try("t", (ctx) => step(ctx, "same"));
    await ctx.loop("l", async (ctx) => {
      await step(ctx, "same");
      return Loop.break();
    });
    return "fine";
  });
  expect(result).toBe("fine");
});

test("a run that is parked says where the code differs, what to write, and how many more wait like it", async () => {
  const { t, code, job, handle } = playing(async (ctx) => {
    await step(ctx, "reserve");
    await step(ctx, "charge");
    await ctx.queue.next("go");
  });
  for (const key of ["1", "2", "3"]) {
    await t.create(job, key);
    await t.until("job", key, { message: "go" });
  }
  code.flow = async (ctx) => {
    await step(ctx, "reserve");
    await ctx.step("fraud check", () => 1);
  };
  await t.crash();
  for (const key of ["2", "3"]) await rejection(t.get(job, key).result());
  const { message, data } = (await rejection(handle.result())) as Error & { data: { others: number } };
  expect(message).toMatch(/^ {2}recorded {2}1 step "reserve" {4}2 step "charge"/m);
  expect(message).toMatch(/^ {2}code {6}1 step "reserve" {4}2 step "fraud check" {4}<- new, before entries/m);
  says(message, {
    do: /if \(await ctx\.getVersion\("with fraud check", 2\) >= 2\) await ctx\.step\("fraud check", \.\.\.\)[\s\S]*await ctx\.removed\("charge", "step"\) {3}before the new code/,
  });
  expect(message).toMatch(/it goes on by itself as soon as matching code is loaded(\. [12] more waits? like this)?\n/);
  expect(message).toMatch(/\n {2}at {8}\/.*versions\.test\.ts:\d+$/);
  expect(data.others).toBeLessThanOrEqual(2);
  // Whoever is parked last knows of all the others.
  await t.advance("2m");
  expect(t.logs.map((line) => line.message).join("\n")).toMatch(/2 more wait like this/);
});
