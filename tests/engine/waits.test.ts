import { expect, test } from "vitest";
import { Case, forEachEngine, pass, rejection, START } from "./harness.ts";

type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;

forEachEngine("a sleep", (engine) => {
  const workflow = async (ctx: Ctx) => {
    await ctx.sleep("nap", 5000);
    return "awake";
  };

  test("ends the run with an alarm, and the run after it goes on", async () => {
    const the = new Case(engine);
    expect(await the.run(workflow)).toMatchObject({ state: "sleeping", sleepUntil: START + 5000 });
    expect(the.host.alarm).toBe(START + 5000);
    expect(the.host.state).toBe("sleeping");
    pass(5000);
    expect(await the.run(workflow)).toEqual({ state: "completed", output: "awake" });
    expect(the.host.alarm).toBeNull();
  });

  test("keeps its first deadline when it is run early", async () => {
    const the = new Case(engine);
    await the.run(workflow);
    pass(1000);
    expect((await the.run(workflow)).sleepUntil).toBe(START + 5000);
  });

  test("shorter than the driver's poll interval is waited for in memory, without an alarm", async () => {
    const the = new Case(engine);
    the.driver.workerPollInterval = 100;
    const result = await the.run(async (ctx) => ctx.sleep("nap", 5));
    expect(result.state).toBe("completed");
    expect(the.driver.count("setAlarm")).toBe(0);
  });

  test("until a moment that has passed ends at once", async () => {
    const result = await new Case(engine).run(async (ctx) => ctx.sleepUntil("past", START - 1));
    expect(result.state).toBe("completed");
  });
});

forEachEngine("a queue wait", (engine) => {
  test("names what it waits for, and takes it when it is there", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) => (await ctx.queue.next<number>("w", { names: ["a", "b", "a"] })).body;
    expect(await the.run(workflow)).toMatchObject({ state: "sleeping", waitingForMessages: ["a", "b"] });
    expect(the.host.alarm).toBeNull();
    the.host.send("b", 42);
    expect((await the.run(workflow)).output).toBe(42);
    expect(the.host.messages).toEqual([]);
    expect((await the.run(workflow)).output).toBe(42);
  });

  test("takes messages in order and leaves those of other names", async () => {
    const the = new Case(engine);
    for (const [name, body] of [
      ["a", 1],
      ["x", 9],
      ["a", 2],
      ["a", 3],
    ] as const)
      the.host.send(name, body);
    const { output } = await the.run(async (ctx) => {
      const batch = await ctx.queue.nextBatch("w", { names: ["a"], count: 2 });
      return batch.map(({ body }) => body);
    });
    expect(output).toEqual([1, 2]);
    expect(the.host.messages.map(({ data }) => data)).toEqual([9, 3]);
  });

  test("without names takes any message", async () => {
    const the = new Case(engine);
    the.host.send("whatever", 1);
    expect((await the.run(async (ctx) => (await ctx.queue.next("w")).name)).output).toBe("whatever");
  });

  test("does not wait for a batch to be full", async () => {
    const the = new Case(engine);
    the.host.send("a", 1);
    expect((await the.run(async (ctx) => (await ctx.queue.nextBatch("w", { count: 10 })).length)).output).toBe(1);
  });

  test("of a batch gives an empty one when its time is over", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) => ctx.queue.nextBatch("w", { names: ["a"], timeout: 1000 });
    expect(await the.run(workflow)).toMatchObject({ sleepUntil: START + 1000, waitingForMessages: ["a"] });
    pass(1000);
    expect((await the.run(workflow)).output).toEqual([]);
  });

  test("does not take a message that comes after its time", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) => ctx.queue.nextBatch("w", { names: ["a"], timeout: 1000 });
    await the.run(workflow);
    pass(2000);
    the.host.send("a", 1);
    expect((await the.run(workflow)).output).toEqual([]);
    expect(the.host.messages).toHaveLength(1);
  });

  test("for one message fails when its time is over, and again on every run", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) => ctx.queue.next("w", { names: ["a"], timeout: 1000 });
    await the.run(workflow);
    pass(1000);
    const text =
      'queue.next("w") timed out before receiving a message. Use queue.nextBatch(...) for optional/time-limited reads.';
    expect((await rejection(the.run(workflow))).message).toBe(text);
    expect((await rejection(the.run(workflow))).message).toBe(text);
  });

  test("writes its message rows, its count and its deadline under names of its own", async () => {
    const the = new Case(engine);
    the.host.send("a", "body");
    await the.run(async (ctx) => ctx.queue.nextBatch("w", { names: ["a", "b"], timeout: 1000, count: 2 }));
    const entries = (await engine.loadStorage(the.driver)).history.entries;
    expect([...entries.keys()].sort()).toEqual(["w:0", "w:count", "w:deadline"]);
    expect(entries.get("w:count")?.kind).toEqual({ type: "message", data: { name: "a|b:count", data: 1 } });
    expect(entries.get("w:deadline")?.kind).toEqual({
      type: "sleep",
      data: { deadline: START + 1000, state: "interrupted" },
    });
    expect(entries.get("w:0")?.kind.data).toMatchObject({
      name: "a",
      data: { __rivetWorkflowQueueMessage: 1, name: "a", body: "body", createdAt: START },
    });
  });

  test("wakes the run that handle.message writes to", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) => (await ctx.queue.next("w", { names: ["a"] })).body;
    const handle = the.start(workflow);
    await handle.result;
    await handle.message("a", "hello");
    expect(the.host.alarm).toBeNull();
    expect((await the.run(workflow)).output).toBe("hello");
  });
});

forEachEngine("a completable message", (engine) => {
  const wait = (ctx: Ctx, name: string) => ctx.queue.next(name, { names: ["a"], completable: true });

  test("stays in the queue until it is completed", async () => {
    const the = new Case(engine);
    the.host.send("a", 1);
    await the.run(async (ctx) => {
      const message = await wait(ctx, "w");
      expect(the.host.messages).toHaveLength(1);
      await message.complete?.("answer");
    });
    expect(the.host.messages).toEqual([]);
  });

  test("that is left uncompleted makes the next wait fail", async () => {
    const the = new Case(engine);
    the.host.send("a", 1);
    const error = await rejection(
      the.run(async (ctx) => {
        await wait(ctx, "w");
        await wait(ctx, "v");
      }),
    );
    expect(error.message).toBe(
      "Previous completable queue message is not completed. Call `message.complete(...)` before receiving the next message.",
    );
  });

  test("refuses to be completed twice", async () => {
    const the = new Case(engine);
    the.host.send("a", 1);
    const error = await rejection(
      the.run(async (ctx) => {
        const message = await wait(ctx, "w");
        await message.complete?.();
        await message.complete?.();
      }),
    );
    expect(error.message).toBe("Queue message already completed");
  });

  test("may be completed again if the host failed to", async () => {
    const the = new Case(engine);
    the.host.send("a", 1);
    let failures = 1;
    the.driver.before = ({ operation }) => {
      if (operation === "completeMessage" && failures-- > 0) throw new Error("the host is busy");
    };
    const { output } = await the.run(async (ctx) => {
      const message = await wait(ctx, "w");
      await message.complete?.().catch(() => message.complete?.());
      return "done";
    });
    expect(output).toBe("done");
    expect(the.host.messages).toEqual([]);
  });
});
