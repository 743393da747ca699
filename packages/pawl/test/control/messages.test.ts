import { expect, test } from "vitest";
import { type Ctx, crashing, failureOf, Gates, playing, rejection, replayed, resultOf } from "./harness.ts";

const bodies = (taken: readonly { body: string }[]) => taken.map(({ body }) => body);

test("nextBatch takes what is there, up to a count, in the order in which it was sent; the rest stays", async () => {
  const { handle, t } = playing(async (ctx) => {
    await ctx.sleep("nap", "1h");
    const first = await ctx.queue.nextBatch("first", { names: ["go", "on"], count: 3 });
    const none = await ctx.queue.nextBatch("none", { names: ["question"], count: 3, timeout: 0 });
    const rest = await ctx.queue.nextBatch("rest", { names: ["on"], count: 10 });
    return [bodies(first), none, bodies(rest), first.map(({ name }) => name)];
  });
  for (const [name, body] of [
    ["go", "1"],
    ["on", "2"],
    ["go", "3"],
    ["go", "4"],
    ["on", "5"],
  ] as const)
    await handle.send(name, body);
  const result = handle.result();
  await t.advance("1h");
  expect(await result).toEqual([["1", "2", "3"], [], ["5"], ["go", "on", "go"]]);
  expect((await t.inbox("job", "1")).map(({ body }) => body)).toEqual(["4"]);
});

test("nextBatch waits for the first to come, and gives none when its time is over, after a crash at any batch", async () => {
  await crashing(
    () => async (ctx) => {
      const first = await ctx.queue.nextBatch("first", { names: ["go"], count: 5, timeout: "1h" });
      const second = await ctx.queue.nextBatch("second", { names: ["go"], count: 5, timeout: "1h" });
      await ctx.step("s", (c) => void c.state.notes.push("after"));
      return [bodies(first), bodies(second)];
    },
    async (t, handle) => {
      await t.until("job", "1", { message: "go" });
      const result = handle.result();
      await t.advance("1h");
      await handle.send("go", "in time");
      await t.advance("2h");
      expect(await result).toEqual([[], ["in time"]]);
      expect(await t.inbox("job", "1")).toEqual([]);
    },
  );
});

test.each<[string, (ctx: Ctx) => Promise<unknown>, string]>([
  ["no count", (ctx) => ctx.queue.nextBatch("b", { names: ["go"] } as never), "bad_argument"],
  ["a count of 0", (ctx) => ctx.queue.nextBatch("b", { names: ["go"], count: 0 }), "bad_argument"],
  ["no names", (ctx) => ctx.queue.nextBatch("b", { names: [], count: 1 }), "bad_argument"],
  ["no options", (ctx) => ctx.queue.nextBatch("b", undefined as never), "bad_argument"],
  ["an unknown message", (ctx) => ctx.queue.nextBatch("b", { names: ["come"] as never, count: 1 }), "unknown_message"],
  [
    "an unknown option",
    (ctx) => ctx.queue.nextBatch("b", { names: ["go"], count: 1, completable: true } as never),
    "bad_argument",
  ],
])("nextBatch with %s says so", async (_, flow, code) => {
  expect(await failureOf(resultOf(flow))).toMatchObject({ code });
});

test.each(["message first", "timer first", "at once"])(
  "a race of a message and a timer loses neither: %s, after a crash at any batch",
  async (order) => {
    await crashing(
      () => async (ctx) => {
        const first = await ctx.race("race", {
          message: async (ctx) => (await ctx.queue.next("go")).body,
          timer: async (ctx) => ctx.sleep("nap", "1h"),
        });
        const later = await ctx.queue.next("go", { timeout: "2h" });
        return [first.winner, later?.body];
      },
      async (t, handle) => {
        await t.until("job", "1", { sleep: "nap" });
        const result = handle.result();
        if (order === "message first") await handle.send("go", "it");
        if (order === "at once") {
          const moved = t.advance("1h");
          await handle.send("go", "it");
          await moved;
        } else await t.advance("1h");
        if (order === "timer first") await handle.send("go", "it");
        await t.advance("3h");
        const [winner, later] = (await result) as [string, string | undefined];
        if (order === "message first") expect([winner, later]).toEqual(["message", undefined]);
        else if (order === "timer first") expect([winner, later]).toEqual(["timer", "it"]);
        else expect(winner === "message" ? later : later).toBe(winner === "message" ? undefined : "it");
        expect(await t.inbox("job", "1")).toEqual([]);
      },
    );
  },
);

test("a message that a losing branch waited for stays for whoever asks next", async () => {
  const { handle, t, job } = playing(async (ctx) => {
    await ctx.race("race", { loser: (ctx) => ctx.queue.next("go"), winner: (ctx) => ctx.sleep("nap", "1h") });
    return (await ctx.queue.next("go")).body;
  });
  await t.create(job, "1");
  await t.advance("1h");
  await handle.send("go", "kept");
  expect(await handle.result()).toBe("kept");
});

test("branches that wait for the same message take one each, in the order in which they asked", async () => {
  const { handle, t, job } = playing((ctx) =>
    ctx.map("m", [0, 1, 2], async (ctx) => (await ctx.queue.next("go")).body, { concurrency: 3 }),
  );
  await t.create(job, "1");
  await t.until("job", "1", { message: "go" });
  for (const body of ["a", "b", "c"]) await handle.send("go", body);
  expect(await handle.result()).toEqual(["a", "b", "c"]);
});

test("an ask is answered by complete, once its answer is durable, across a crash at any batch", async () => {
  await crashing(
    () => async (ctx) => {
      const question = await ctx.queue.next("question");
      await ctx.step("think", (c) => void c.state.notes.push(question.body));
      await question.complete({ answer: `to ${question.body}` });
      await ctx.queue.next("go");
      return "end";
    },
    async (t, handle) => {
      const reply = handle.with({ timeout: "1d" }).ask("question", "why");
      expect(await reply).toEqual({ answer: "to why" });
      await t.until("job", "1", { message: "go" });
      await handle.send("go", "");
      expect(await handle.result()).toBe("end");
      expect((await t.state("job", "1")) as object).toEqual({ notes: ["why"] });
    },
  );
});

test("a run that crashes between receive and complete answers whoever asked", async () => {
  const gates = new Gates();
  const { handle, t, job } = playing(async (ctx) => {
    const question = await ctx.queue.next("question");
    await ctx.step("think", () => gates.pass("thought"));
    await question.complete({ answer: "at last" });
  });
  await t.create(job, "1");
  const reply = handle.with({ timeout: "1d" }).ask("question", "why");
  await t.until("job", "1", { step: "think" });
  await t.crash();
  gates.open("thought");
  expect(await reply).toEqual({ answer: "at last" });
});

test("an answer is checked, must be storable, and is given once", async () => {
  const seen: unknown[] = [];
  const { handle, t } = playing(async (ctx) => {
    const question = await ctx.queue.next("question");
    const complete = question.complete as (reply: unknown) => Promise<void>;
    for (const reply of [{ answer: () => 1 }, { answer: "yes" }, { answer: "no" }])
      await complete(reply).then(
        () => seen.push("given"),
        (error: { code: string }) => seen.push(error.code),
      );
    await ctx.queue.next("go");
    await complete({ answer: "late" }).catch((error: { code: string }) => seen.push(error.code));
    return seen;
  });
  expect(await handle.ask("question", "q")).toEqual({ answer: "yes" });
  await handle.send("go", "");
  expect(await handle.result()).toEqual(["value_not_storable", "given", "bad_argument", "bad_argument"]);
  await t.idle();
});

test("what was refused and what was answered is so again on replay", async () => {
  const seen: string[][] = [];
  const { handle, t } = playing(async (ctx) => {
    const answers: string[] = [];
    const question = await ctx.queue.next("question");
    const complete = question.complete as (reply: unknown) => Promise<void>;
    for (const reply of [{ answer: () => 1 }, { answer: "yes" }, { answer: "no" }])
      await complete(reply).then(
        () => answers.push("given"),
        (error: { code: string }) => answers.push(error.code),
      );
    seen.push(answers);
    await ctx.queue.next("go");
  });
  expect(await handle.ask("question", "q")).toEqual({ answer: "yes" });
  await replayed(t);
  expect(seen).toEqual([
    ["value_not_storable", "given", "bad_argument"],
    ["value_not_storable", "given", "bad_argument"],
  ]);
});

test("a run that is being undone answers nothing, also when its code is looked through for handlers", async () => {
  const { handle, t, job } = playing(async (ctx) => {
    const question = await ctx.queue.next("question");
    await ctx.step({ name: "s", run: () => 1, rollback: () => gates.pass("undone") });
    await ctx.queue.next("go");
    await question.complete({ answer: "never" });
  });
  const gates = new Gates();
  await t.create(job, "1");
  const asked = rejection(handle.with({ timeout: "1d" }).ask("question", "q"));
  await t.until("job", "1", { message: "go" });
  await handle.send("on", "");
  const cancelled = handle.cancel();
  await t.idle();
  await t.crash();
  gates.open("undone");
  await cancelled;
  expect(await asked).toMatchObject({ code: "workflow_ended" });
  expect(await rejection(handle.result())).toMatchObject({ code: "cancelled" });
});

test("an ask that nobody answers before the run ends fails, and says so", async () => {
  const { handle } = playing(async (ctx) => {
    await ctx.queue.next("question");
    return "rude";
  });
  expect(await rejection(handle.ask("question", "q"))).toMatchObject({ code: "workflow_ended" });
  expect(await handle.result()).toBe("rude");
});

test("an ask whose run is cancelled fails; one that nobody takes times out", async () => {
  const { handle, t, job } = playing((ctx) => ctx.queue.next("go"));
  await t.create(job, "1");
  const short = handle.with({ timeout: "1m" }).ask("question", "q");
  const long = handle.with({ timeout: "1d" }).ask("question", "q");
  const ended = [rejection(short), rejection(long)];
  await t.advance("1m");
  expect(await ended[0]).toMatchObject({ code: "call_timeout" });
  await handle.cancel();
  expect(await ended[1]).toMatchObject({ code: "workflow_ended" });
});

test("messages that are asked come in batches with complete, too", async () => {
  const { handle, t } = playing(async (ctx) => {
    await ctx.sleep("nap", "1s");
    const batch = await ctx.queue.nextBatch("b", { names: ["question", "go"], count: 10 });
    for (const message of batch) if (message.name === "question") await message.complete({ answer: message.body });
    return batch.length;
  });
  const asked = [handle.ask("question", "1"), handle.ask("question", "2")];
  await handle.send("go", "x");
  await t.advance("1s");
  expect(await Promise.all(asked)).toEqual([{ answer: "1" }, { answer: "2" }]);
  expect(await handle.result()).toBe(3);
});
