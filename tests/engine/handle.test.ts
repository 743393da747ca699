import { expect, test } from "vitest";
import { Case, forEachEngine, gate, pass, rejection, START, until } from "./harness.ts";

type Ctx = import("@rivetkit/workflow-engine").WorkflowContextInterface;

forEachEngine("a handle", (engine) => {
  const naps = async (ctx: Ctx) => ctx.sleep("nap", 5000);

  test("tells state and output, also before and without any", async () => {
    const the = new Case(engine);
    const waiting = the.start(naps);
    await waiting.result;
    expect(await waiting.getState()).toBe("sleeping");
    expect(await waiting.getOutput()).toBeUndefined();
    const other = new Case(engine);
    const done = other.start(async () => "out");
    await done.result;
    expect(await done.getState()).toBe("completed");
    expect(await done.getOutput()).toBe("out");
  });

  test("gives later runs the input of the first one", async () => {
    const the = new Case(engine);
    const workflow = async (ctx: Ctx, input: string) => {
      await ctx.sleep("nap", 1000);
      return input;
    };
    await the.start(workflow, {}, "first").result;
    pass(1000);
    expect((await the.start(workflow, {}, "second").result).output).toBe("first");
  });

  test("wake sets the alarm to now, and it is there when the promise resolves", async () => {
    const the = new Case(engine);
    const handle = the.start(naps);
    await handle.result;
    pass(10);
    await handle.wake();
    expect(the.host.alarm).toBe(START + 10);
  });

  test("evict lets a function that has not started start", async () => {
    const the = new Case(engine);
    let started = false;
    const handle = the.start(async () => void (started = true));
    handle.evict();
    await handle.result;
    expect(started).toBe(true);
  });

  test("evict ends the run with its state unchanged, and a later run goes on", async () => {
    const the = new Case(engine);
    const [inside, go] = [gate(), gate()];
    const workflow = async (ctx: Ctx) => {
      await ctx.step("first", async () => {
        inside.open();
        await go.opened;
      });
      return ctx.step("second", async () => "done");
    };
    const handle = the.start(workflow);
    await inside.opened;
    handle.evict();
    go.open();
    expect((await handle.result).state).toBe("running");
    expect((await the.run(workflow)).output).toBe("done");
  });

  test("evict shows in isEvicted and in the signal", async () => {
    const the = new Case(engine);
    const inside = gate();
    let seen: unknown;
    const handle = the.start(async (ctx) => {
      inside.open();
      await new Promise((resolve) => ctx.abortSignal.addEventListener("abort", resolve));
      seen = [ctx.isEvicted(), ctx.abortSignal.reason instanceof engine.EvictedError];
    });
    await inside.opened;
    handle.evict();
    await handle.result.catch(() => {});
    expect(seen).toEqual([true, true]);
  });

  test("cancel clears the alarm, and every later run rejects", async () => {
    const the = new Case(engine);
    const handle = the.start(naps);
    await handle.result;
    await handle.cancel();
    expect(the.host.alarm).toBeNull();
    expect(the.host.state).toBe("cancelled");
    expect(await rejection(the.run(naps))).toBeInstanceOf(engine.EvictedError);
  });

  test("recover lets a failed workflow try again", async () => {
    const the = new Case(engine);
    let broken = true;
    const workflow = async (ctx: Ctx) =>
      ctx.step({ name: "s", maxRetries: 0, run: async () => (broken ? Promise.reject(new Error("x")) : "fixed") });
    const handle = the.start(workflow);
    await rejection(handle.result);
    await handle.recover();
    expect(the.host.state).toBe("sleeping");
    expect(the.host.alarm).toBe(START);
    expect(the.host.rows.has("15031503")).toBe(false);
    broken = false;
    expect((await the.run(workflow)).output).toBe("fixed");
  });

  test("recover does nothing to a workflow that has not failed", async () => {
    const the = new Case(engine);
    const handle = the.start(async () => "out");
    await handle.result;
    await handle.recover();
    expect(the.host.state).toBe("completed");
  });

  test("runs completed and failed workflows again when asked to", async () => {
    const the = new Case(engine);
    let ran = 0;
    const workflow = async (ctx: Ctx) => {
      ran += 1;
      return ctx.step("s", async () => "out");
    };
    await the.run(workflow);
    expect((await the.run(workflow)).output).toBe("out");
    expect(ran).toBe(2);
  });
});

forEachEngine("notifications of history", (engine) => {
  test("come once at the start and once for each write of history", async () => {
    const sizes: number[] = [];
    const onHistoryUpdated = (snapshot: { entries: readonly unknown[] }) => void sizes.push(snapshot.entries.length);
    await new Case(engine).run(
      async (ctx) => ctx.step("a", async () => 1).then(async () => ctx.step("b", async () => 2)),
      { onHistoryUpdated },
    );
    await until(() => sizes.at(-1) === 2);
    expect(sizes).toEqual([0, 1, 2]);
  });

  test("carry entries sorted by location, without what is the engine's own", async () => {
    const snapshots: { entries: readonly object[] }[] = [];
    const onHistoryUpdated = (snapshot: { entries: readonly object[] }) => void snapshots.push(snapshot);
    await new Case(engine).run(
      async (ctx) => ctx.step("b", async () => 1).then(async () => ctx.step("a", async () => 2)),
      { onHistoryUpdated },
    );
    const entries = snapshots.at(-1)?.entries ?? [];
    expect(entries).toMatchObject([{ kind: { data: { output: 2 } } }, { kind: { data: { output: 1 } } }]);
    expect(entries.every((entry) => !("dirty" in entry))).toBe(true);
  });
});
