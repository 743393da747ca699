import type { WorkflowErrorEvent } from "@rivetkit/workflow-engine";
import { expect, test } from "vitest";
import { Case, forEachEngine, gate, pass, rejection, START } from "./harness.ts";

forEachEngine("a step", (engine) => {
  test("runs once, and a later run answers from history", async () => {
    const the = new Case(engine);
    let ran = 0;
    const workflow = async (ctx: Ctx) => ctx.step("once", async () => `ran ${(ran += 1)}`);
    expect(await the.run(workflow)).toEqual({ state: "completed", output: "ran 1" });
    expect(await the.run(workflow)).toEqual({ state: "completed", output: "ran 1" });
    expect(ran).toBe(1);
  });

  test("that returns nothing is not run again", async () => {
    const the = new Case(engine);
    let ran = 0;
    const workflow = async (ctx: Ctx) => ctx.step("void", async () => void (ran += 1));
    await the.run(workflow);
    await the.run(workflow);
    expect(ran).toBe(1);
  });

  test("two ephemeral ones, a durable one and the return are exactly two batches", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => {
      await ctx.step({ name: "a", ephemeral: true, run: async () => 1 });
      await ctx.step({ name: "b", ephemeral: true, run: async () => 2 });
      await ctx.step("c", async () => 3);
    });
    expect(the.driver.count("batch")).toBe(2);
  });

  test("that fails puts the run to sleep until its backoff, doubled with each attempt, is over", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) => ctx.step("fails", async () => Promise.reject(new Error("step failed")));
    for (const backoff of [200, 400, 800]) {
      const result = await the.run(workflow);
      expect(result).toMatchObject({ state: "sleeping", sleepUntil: Date.now() + backoff });
      expect(the.host.alarm).toBe(Date.now() + backoff);
      pass(backoff);
    }
    const error = await rejection(the.run(workflow));
    expect(error).toBeInstanceOf(engine.StepExhaustedError);
    expect(error.message).toBe('Step "fails" exhausted retries: Error: step failed');
    expect(error).toMatchObject({ stepName: "fails", lastError: "Error: step failed" });
    expect(the.host.state).toBe("failed");
  });

  test("that is run early stays asleep with the same alarm and does not run its body", async () => {
    const the = new Case(engine);
    let ran = 0;
    const workflow = async (ctx: Ctx) => ctx.step("fails", async () => Promise.reject(new Error(`${(ran += 1)}`)));
    await the.run(workflow);
    pass(100);
    expect(await the.run(workflow)).toMatchObject({ state: "sleeping", sleepUntil: START + 200 });
    expect(ran).toBe(1);
  });

  test("backs off no longer than retryBackoffMax", async () => {
    const the = new Case(engine);
    const run = () => Promise.reject(new Error("no"));
    const result = await the.run(async (ctx) =>
      ctx.step({ name: "s", run, retryBackoffBase: 100, retryBackoffMax: 150 }),
    );
    expect(result.sleepUntil).toBe(START + 150);
  });

  test("keeps the text of its error in its entry", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => ctx.step("s", () => Promise.reject(new Error("step failed"))));
    const entry = [...(await engine.loadStorage(the.driver)).history.entries.values()][0];
    expect(entry?.kind).toEqual({ type: "step", data: { output: undefined, error: "Error: step failed" } });
  });

  test("that throws a CriticalError is not retried, and the same object comes out", async () => {
    const the = new Case(engine);
    const critical = new engine.CriticalError("for good");
    expect(await rejection(the.run(async (ctx) => ctx.step("s", () => Promise.reject(critical))))).toBe(critical);
  });

  test("that times out fails critically with a text that says so", async () => {
    const the = new Case(engine);
    const run = () => new Promise<never>(() => {});
    const error = await rejection(the.run(async (ctx) => ctx.step({ name: "slow", timeout: 5, run })));
    expect(error).toBeInstanceOf(engine.CriticalError);
    expect(error.message).toBe('Step "slow" timed out after 5ms');
  });

  test("that times out with retryOnTimeout is retried, then exhausted", async () => {
    const the = new Case(engine);
    const run = () => new Promise<never>(() => {});
    const workflow = async (ctx: Ctx) =>
      ctx.step({ name: "slow", timeout: 2, retryOnTimeout: true, maxRetries: 1, run });
    expect((await the.run(workflow)).state).toBe("sleeping");
    pass(1000);
    expect(await rejection(the.run(workflow))).toBeInstanceOf(engine.StepExhaustedError);
  });

  test("has no time limit if its timeout is 0", async () => {
    const the = new Case(engine);
    const run = () => new Promise<string>((resolve) => setTimeout(() => resolve("slow"), 10));
    expect((await the.run(async (ctx) => ctx.step({ name: "s", timeout: 0, run }))).output).toBe("slow");
  });

  test("that is not awaited is found out by the next operation", async () => {
    const the = new Case(engine);
    const error = await rejection(
      the.run(async (ctx) => {
        ctx.step("a", async () => 1).catch(() => {});
        await ctx.step("b", async () => 2);
      }),
    );
    expect(error).toBeInstanceOf(engine.EntryInProgressError);
    expect(error.message).toBe(
      "Cannot start a new workflow entry while another is in progress. Did you forget to await the previous step/loop/sleep?",
    );
  });

  test("with a name that is taken diverges, of whatever kind the other is", async () => {
    const the = new Case(engine);
    const error = await rejection(
      the.run(async (ctx) => {
        await ctx.step("twice", async () => 1);
        await ctx.sleep("twice", 1);
      }),
    );
    expect(error).toBeInstanceOf(engine.HistoryDivergedError);
    // The location is that of the scope; the root's is empty.
    expect(error.message).toBe(
      'Duplicate entry name "twice" at location "". Each step/loop/sleep/queue.next/join/race must have a unique name within its scope.',
    );
  });

  test("with a name that is taken in a branch, a round or a try block says in which", async () => {
    const twice = async (ctx: Ctx) => {
      await ctx.step("twice", async () => 1);
      await ctx.step("twice", async () => 1);
    };
    const places: [string, (ctx: Ctx) => Promise<unknown>][] = [
      ["rounds/~0", (ctx) => ctx.loop("rounds", async (ctx) => void (await twice(ctx)))],
      ["block", (ctx) => ctx.try("block", twice)],
      ["both/left", (ctx) => ctx.join("both", { left: { run: twice } })],
      ["l/~0/t", (ctx) => ctx.loop("l", async (ctx) => void (await ctx.try("t", twice)))],
    ];
    for (const [place, workflow] of places) {
      const error = await rejection(new Case(engine).run(workflow));
      expect(error.message, place).toContain(`Duplicate entry name "twice" at location "${place}".`);
    }
  });

  test("that is misused in a branch ends the run, and the branch has not failed", async () => {
    const misuses: [string, (ctx: Ctx) => Promise<unknown>][] = [
      [
        "EntryInProgressError",
        (ctx) => {
          void ctx.step("a", async () => 1);
          return ctx.step("b", async () => 2);
        },
      ],
      ["RollbackCheckpointError", (ctx) => ctx.step({ name: "a", run: async () => 1, rollback: async () => {} })],
    ];
    for (const [name, misuse] of misuses) {
      const the = new Case(engine);
      const join = (run: (ctx: Ctx) => Promise<unknown>) => (ctx: Ctx) =>
        ctx.join("both", { left: { run }, right: { run: async () => "right" } });
      expect((await rejection(the.run(join(misuse)))).name, name).toBe(name);
      expect((await the.run(join((ctx) => ctx.step("a", async () => 1)))).output).toEqual({ left: 1, right: "right" });
      const race = new Case(engine).run((ctx) => ctx.race("first", [{ name: "one", run: misuse }]));
      expect((await rejection(race)).name, name).toBe(name);
    }
  });

  test("where history has something else diverges", async () => {
    const the = new Case(engine);
    await the.run(async (ctx) => ctx.sleep("x", 1000));
    const error = await rejection(the.run(async (ctx) => ctx.step("x", async () => 1)));
    expect(error).toBeInstanceOf(engine.HistoryDivergedError);
    expect(error.message).toBe('Expected step "x" at x, found sleep');
  });
});

forEachEngine("the events of a step", (engine) => {
  test("count attempts from 1 and say when the next one is", async () => {
    const { events, onError } = collect();
    await new Case(engine).run(async (ctx) => ctx.step("s", () => Promise.reject(new Error("boom"))), { onError });
    expect(events).toEqual([
      {
        step: {
          workflowId: "workflow",
          stepName: "s",
          attempt: 1,
          maxRetries: 3,
          remainingRetries: 3,
          willRetry: true,
          retryDelay: 200,
          retryAt: START + 200,
          error: expect.objectContaining({ name: "Error", message: "boom" }),
        },
      },
    ]);
  });

  test("of a critical failure leave all retries and will use none", async () => {
    const { events, onError } = collect();
    const workflow = async (ctx: Ctx) => ctx.step("s", () => Promise.reject(new engine.CriticalError("no")));
    await rejection(new Case(engine).run(workflow, { onError }));
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ step: { attempt: 1, remainingRetries: 3, willRetry: false } });
  });

  test("of an exhausting attempt carry the original error, and a run after it says nothing more", async () => {
    const { events, onError } = collect();
    const the = new Case(engine);
    const workflow = async (ctx: Ctx) =>
      ctx.step({ name: "s", maxRetries: 0, run: () => Promise.reject(new RangeError("far")) });
    await rejection(the.run(workflow, { onError }));
    await rejection(the.run(workflow, { onError }));
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ step: { willRetry: false, error: { name: "RangeError", message: "far" } } });
  });

  test("do not exist for an error outside a step, which is the workflow's", async () => {
    const { events, onError } = collect();
    await rejection(new Case(engine).run(async () => Promise.reject(new Error("outside")), { onError }));
    expect(events).toEqual([
      { workflow: { workflowId: "workflow", error: expect.objectContaining({ message: "outside" }) } },
    ]);
  });

  test("may be refused by a hook that throws, and nothing comes of it", async () => {
    const onError = () => {
      throw new Error("the hook throws");
    };
    const result = await new Case(engine).run(async (ctx) => ctx.step("s", () => Promise.reject(new Error("x"))), {
      onError,
    });
    expect(result.state).toBe("sleeping");
  });
});

type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;

function collect(): { events: WorkflowErrorEvent[]; onError: (event: WorkflowErrorEvent) => void } {
  const events: WorkflowErrorEvent[] = [];
  return { events, onError: (event) => void events.push(event) };
}

forEachEngine("the hook for errors", (engine) => {
  const workflows: Readonly<Record<string, (ctx: Ctx) => Promise<unknown>>> = {
    "a step that is tried again": (ctx) => ctx.step("s", async () => Promise.reject(new Error("x"))),
    "a step that has failed for good": (ctx) =>
      ctx.step("s", async () => Promise.reject(new engine.CriticalError("x"))),
    "the workflow": async () => Promise.reject(new Error("x")),
  };
  test.each(Object.keys(workflows))("has ended before the result is there: for %s", async (what) => {
    const { opened, open } = gate();
    const seen: string[] = [];
    const called = gate();
    const onError = async () => {
      called.open();
      await opened;
      seen.push("the hook has ended");
    };
    const the = new Case(engine);
    const ended = the
      .run(async (ctx) => workflows[what]?.(ctx), { onError })
      .then(
        () => seen.push("result"),
        () => seen.push("result"),
      );
    await called.opened;
    await new Promise((resolve) => setTimeout(resolve, 20));
    open();
    await ended;
    expect(seen).toEqual(["the hook has ended", "result"]);
  });
});
