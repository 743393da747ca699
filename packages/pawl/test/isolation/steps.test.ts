/** `exclusive` and `apply` of steps, and what an attempt that cannot commit any more is told. */
import { describe, expect, test } from "vitest";
import { actor, RAW_STATE } from "../../src/index.ts";
import { crash, type Gate, gate, KINDS, turns, until, World, watch } from "../runtime/harness.ts";

interface Counters {
  n: number;
  log: string[];
}

const zero = (): Counters => ({ n: 0, log: [] });

describe.each(KINDS)("on %s", (kind) => {
  test("apply writes what run returned into the newest state, and run is never repeated for it", async () => {
    const world = new World(kind);
    const runs: string[] = [];
    const goOn = gate();
    const counter = actor("counter", {
      state: zero,
      actions: { add: (c, by: number) => void (c.state.n += by), state: (c) => c[RAW_STATE]() },
      workflow: (ctx) =>
        ctx.step({
          name: "slow",
          run: async (c) => {
            runs.push(`run ${c.state.n}`);
            await goOn.promise;
            return { by: 100 };
          },
          apply: (c, output) => {
            runs.push(`apply ${c.state.n}`);
            c.state.n += output.by;
            c.state.log.push("slow");
          },
        }),
    });
    const runtime = world.open([counter]);
    const handle = await runtime.create(counter, "1");
    await until(() => runs.length === 1);
    for (let i = 0; i < 5; i++) await handle.actions.add(1);
    goOn.open();
    expect(await handle.result()).toEqual({ by: 100 });
    expect(runs).toEqual(["run 0", "apply 5"]);
    crash(runtime);
    const again = world.open([counter]).get(counter, "1");
    expect(await again.actions.state()).toEqual({ n: 105, log: ["slow"] });
    expect(await again.result()).toEqual({ by: 100 });
  });

  test("an exclusive step holds the commits of the actor's other attempts, and not their bodies", async () => {
    const world = new World(kind);
    const bodies: string[] = [];
    const goOn = gate();
    const counter = actor("counter", {
      state: zero,
      actions: {
        add: (c) => {
          bodies.push("add");
          c.state.n += 1;
          c.state.log.push("add");
        },
        look: (c) => c.state.n,
      },
      workflow: (ctx) =>
        ctx.step({
          name: "alone",
          exclusive: true,
          run: async (c) => {
            bodies.push("alone");
            const { n } = c.state;
            await goOn.promise;
            c.state.n = n + 100;
            c.state.log.push("alone");
            return [...c.state.log];
          },
        }),
    });
    const handle = await world.open([counter]).create(counter, "1");
    await until(() => bodies.includes("alone"));
    const held = [watch(handle.actions.add()), watch(handle.actions.add())];
    await turns();
    expect(bodies.slice(0, 3)).toEqual(["alone", "add", "add"]);
    expect(held.map(({ state }) => state)).toEqual(["pending", "pending"]);
    expect(await handle.actions.look(), "who only reads does not wait").toBe(0);
    goOn.open();
    expect(await handle.result()).toEqual(["alone"]);
    await until(() => held.every(({ state }) => state === "resolved"));
    expect(await handle.actions.look()).toBe(102);
    expect(bodies.filter((body) => body === "alone")).toHaveLength(1);
  });
});

/** A workflow of two exclusive steps side by side. */
function pair() {
  const begun: string[] = [];
  const gates: Record<string, Gate> = { a: gate(), b: gate() };
  const counter = actor("counter", {
    state: zero,
    actions: { add: (c) => void (c.state.n += 1), state: (c) => c[RAW_STATE]() },
    workflow: async (ctx) => {
      const one = (name: string) => (inner: typeof ctx) =>
        inner.step({
          name,
          exclusive: true,
          timeout: 1_000,
          maxRetries: 0,
          run: async (c) => {
            begun.push(name);
            const { n } = c.state;
            await gates[name]?.promise;
            c.state.n = n + 1;
            c.state.log.push(name);
          },
        });
      await ctx.join("both", { a: one("a"), b: one("b") });
    },
  });
  return { begun, gates, counter };
}

describe("exclusive steps", () => {
  test("begin one after another, and the wait to be alone does not count for the timeout", async () => {
    const { begun, gates, counter } = pair();
    const world = new World("memory");
    const handle = await world.open([counter]).create(counter, "1");
    await until(() => begun.length === 1);
    world.clock.advance(900);
    await turns();
    expect(begun).toEqual(["a"]);
    gates["a"]?.open();
    await until(() => begun.length === 2);
    world.clock.advance(900);
    await turns();
    gates["b"]?.open();
    await handle.result();
    expect(await handle.actions.state()).toEqual({ n: 2, log: ["a", "b"] });
  });

  test("that is timed out lets go of the others", async () => {
    const { begun, gates, counter } = pair();
    const world = new World("memory");
    const handle = await world.open([counter]).create(counter, "1");
    await until(() => begun.length === 1);
    const held = watch(handle.actions.add());
    await turns();
    expect(held.state).toBe("pending");
    world.clock.advance(1_000);
    await until(() => begun.length === 2);
    gates["b"]?.open();
    await until(() => held.state === "resolved");
    await expect(handle.result()).rejects.toMatchObject({ code: "workflow_failed" });
    expect(await handle.actions.state()).toEqual({ n: 2, log: ["b"] });
  });

  test("that waits for its turn when the workflow is cancelled never begins, and holds nobody", async () => {
    const { begun, gates, counter } = pair();
    const handle = await new World("memory").open([counter]).create(counter, "1");
    await until(() => begun.length === 1);
    await handle.cancel();
    gates["a"]?.open();
    await handle.actions.add();
    expect([begun, await handle.actions.state()]).toEqual([["a"], { n: 1, log: [] }]);
  });

  test("hold an action for ten seconds at most: actor_busy, on the clock of the runtime", async () => {
    const goOn = gate();
    const counter = actor("counter", {
      state: zero,
      actions: { add: (c) => void (c.state.n += 1), state: (c) => c[RAW_STATE]() },
      workflow: (ctx) => ctx.step({ name: "alone", exclusive: true, timeout: 0, run: () => goOn.promise }),
    });
    const world = new World("memory");
    const handle = await world.open([counter]).create(counter, "1");
    const held = watch(handle.actions.add());
    await turns();
    world.clock.advance(9_999);
    await turns();
    expect(held.state).toBe("pending");
    world.clock.advance(1);
    await until(() => held.state === "rejected");
    expect(held.value).toMatchObject({ code: "actor_busy", retryable: true });
    goOn.open();
    await handle.result();
    expect(await handle.actions.state()).toEqual(zero());
  });
});

describe("apply", () => {
  test("is dropped with everything else when it throws: the attempt has failed, and run is tried again", async () => {
    const runs: string[] = [];
    const counter = actor("counter", {
      state: zero,
      vars: () => ({ seen: 0 }),
      actions: { state: (c) => c[RAW_STATE](), seen: (c) => c.vars.seen },
      workflow: (ctx) =>
        ctx.step({
          name: "once",
          retryBackoffBase: 0,
          run: (c) => {
            runs.push("run");
            c.vars.seen += 1;
            return c.attempt;
          },
          apply: (c, attempt) => {
            runs.push("apply");
            c.state.n += 1;
            c.vars.seen += 10;
            if (attempt === 1) throw new Error("not yet");
          },
        }),
    });
    const handle = await new World("memory").open([counter]).create(counter, "1");
    expect(await handle.result()).toBe(2);
    expect(runs).toEqual(["run", "apply", "run", "apply"]);
    expect([await handle.actions.state(), await handle.actions.seen()]).toEqual([{ n: 1, log: [] }, 11]);
  });

  test("that is overtaken while it waits to be judged runs again, alone without run, and leaves nothing twice", async () => {
    const runs: string[] = [];
    const goOn = gate();
    const after: string[] = [];
    const counter = actor("counter", {
      state: zero,
      messages: {},
      vars: () => ({ applied: 0 }),
      actions: { state: (c) => c[RAW_STATE](), applied: (c) => c.vars.applied },
      workflow: (ctx) =>
        ctx.join("both", {
          alone: (ctx) =>
            ctx.step({
              name: "alone",
              exclusive: true,
              run: async (c) => {
                runs.push("alone");
                await goOn.promise;
                c.state.n += 1;
              },
            }),
          applied: (ctx) =>
            ctx.step({
              name: "applied",
              run: () => {
                runs.push("run");
                return 100;
              },
              apply: (c, by) => {
                runs.push(`apply ${c.state.n}`);
                c.vars.applied += 1;
                c.afterCommit(() => after.push("applied"));
                c.state.n += by;
              },
            }),
        }),
    });
    const handle = await new World("memory").open([counter]).create(counter, "1");
    await until(() => runs.length === 3);
    goOn.open();
    await handle.result();
    expect(runs).toEqual(["alone", "run", "apply 0", "apply 1"]);
    expect([await handle.actions.state(), await handle.actions.applied(), after]).toEqual([
      { n: 101, log: [] },
      1,
      ["applied"],
    ]);
  });

  test.each<[string, { run: (c: { state: Counters }) => unknown; apply: unknown }, string]>([
    ["run that writes state", { run: (c) => (c.state.n += 1), apply: () => undefined }, "writes state"],
    ["run that changes a part", { run: (c) => c.state.log.push("x"), apply: () => undefined }, "writes state"],
    ["run that replaces it", { run: (c) => void (c.state = zero()), apply: () => undefined }, "writes state"],
    ["an asynchronous apply", { run: () => 1, apply: async () => undefined }, "returned a promise"],
  ])("refuses %s, at once and for good", async (_, { run, apply }, found) => {
    let runs = 0;
    const counter = actor("counter", {
      state: zero,
      actions: { state: (c) => c[RAW_STATE]() },
      workflow: (ctx) =>
        ctx.tryStep({
          name: "wrong",
          run: (c) => {
            runs += 1;
            return run(c as unknown as { state: Counters });
          },
          maxRetries: 0,
          apply: apply as () => void,
        }),
    });
    const handle = await new World("memory").open([counter]).create(counter, "1");
    const tried = await handle.result();
    expect(tried).toMatchObject({ ok: false, failure: { error: { message: expect.stringContaining(found) } } });
    expect([runs, await handle.actions.state()]).toEqual([1, zero()]);
  });

  test("exclusive and apply that are no option of the right kind are refused at the call", async () => {
    const counter = actor("counter", {
      state: zero,
      workflow: async (ctx) => {
        const refused: string[] = [];
        for (const wrong of [{ exclusive: "yes" }, { apply: "no" }])
          await ctx.step({ name: "x", run: () => 1, ...(wrong as object) }).catch((e) => refused.push(e.message));
        return refused;
      },
    });
    const handle = await new World("memory").open([counter]).create(counter, "1");
    expect(await handle.result()).toEqual([
      expect.stringContaining("exclusive of step"),
      expect.stringContaining("apply of step"),
    ]);
  });
});

/** An actor with an action that reads, waits and writes, and tells what its signal said. */
function listening(write: boolean) {
  const goOn = gate();
  const told: unknown[] = [];
  let runs = 0;
  const counter = actor("counter", {
    state: zero,
    actions: {
      slow: async (c) => {
        runs += 1;
        const first = runs === 1;
        if (write) c.state.log.push("slow");
        const { n } = c.state;
        if (!first) return n;
        await new Promise<void>((resolve, reject) => {
          void goOn.promise.then(resolve);
          c.abortSignal.addEventListener("abort", () => {
            told.push(c.abortSignal.reason);
            reject(new Error("given up", { cause: c.abortSignal.reason }));
          });
        });
        return n;
      },
      add: (c) => void (c.state.n += 1),
      say: (c) => void c.state.log.push("other"),
      state: (c) => c[RAW_STATE](),
    },
    workflow: async (ctx) => ctx.sleep("long", "1d"),
  });
  return { goOn, told, counter, runs: () => runs };
}

describe("an attempt that is overtaken while it runs", () => {
  test("is told by its signal as soon as the commit that dooms it is queued, and runs again whatever it throws", async () => {
    const { told, counter, runs } = listening(true);
    const world = new World("memory");
    const runtime = world.open([counter]);
    const { actions } = await runtime.create(counter, "1");
    const slow = actions.slow();
    await until(() => runs() === 1);
    await actions.add();
    expect(told).toEqual([expect.objectContaining({ code: "conflict", retryable: true })]);
    expect(await slow, "what it threw is of no interest: it ran again").toBe(1);
    expect([runs(), await actions.state()]).toEqual([2, { n: 1, log: ["slow"] }]);
    expect(world.log.at("warn").filter((line) => line.startsWith('action "slow" runs again'))).toHaveLength(1);
  });

  test("is not told of what it has not read, nor as long as it has written nothing", async () => {
    for (const write of [true, false]) {
      const { goOn, told, counter, runs } = listening(write);
      const { actions } = await new World("memory").open([counter]).create(counter, "1");
      const slow = actions.slow();
      await until(() => runs() === 1);
      if (!write) await actions.add();
      await turns();
      expect(told).toEqual([]);
      goOn.open();
      expect(await slow).toBe(0);
      expect(runs()).toBe(1);
    }
  });

  test("that asks for its signal too late finds it aborted", async () => {
    const goOn = gate();
    const seen: unknown[] = [];
    const counter = actor("counter", {
      state: zero,
      actions: {
        slow: async (c) => {
          c.state.n += 1;
          if (seen.length === 0) await goOn.promise;
          seen.push(c.abortSignal.aborted);
        },
        add: (c) => void (c.state.n += 1),
      },
    });
    const { actions } = await new World("memory").open([counter]).create(counter, "1");
    const slow = actions.slow();
    await actions.add();
    goOn.open();
    await slow;
    expect(seen).toEqual([true, false]);
  });
});
