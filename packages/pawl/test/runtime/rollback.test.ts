import { describe, expect, test } from "vitest";
import { actor, CriticalError, PawlError, RAW_STATE, type } from "../../src/index.ts";
import { batches, COUNTING, crash, gate, KINDS, turns, World } from "./harness.ts";

interface Cart {
  items: string[];
  status: string;
}

const first = (): Cart => ({ items: ["pear"], status: "new" });

describe.each(KINDS)("on %s", (kind) => {
  test("P2 a failed attempt leaves state, RAW_STATE and the file as they were", async () => {
    const world = new World(kind);
    const seen: unknown[] = [];
    const cart = actor("cart", {
      state: first,
      actions: { state: (c) => c[RAW_STATE]() },
      workflow: async (ctx) => {
        const tried = await ctx.tryStep({
          name: "pay",
          maxRetries: 0,
          run: (c) => {
            c.state.status = "paid";
            c.state.items.push("plum");
            c.state.items = [...c.state.items, "fig"];
            seen.push(c[RAW_STATE]());
            throw new Error("no funds");
          },
        });
        await ctx.step("look", (c) => void seen.push({ ...c.state, items: [...c.state.items] }, c[RAW_STATE]()));
        return tried.ok;
      },
    });
    const runtime = world.open([cart]);
    expect(await runtime.get(cart, "1").result()).toBe(false);
    expect(seen).toEqual([{ items: ["pear", "plum", "fig"], status: "paid" }, first(), first()]);
    expect(await runtime.get(cart, "1").actions.state()).toEqual(first());
    crash(runtime);
    expect(await world.open([cart]).get(cart, "1").actions.state()).toEqual(first());
  });

  test("P2 the failure record is the only thing that a failed attempt writes", async () => {
    const world = new World(kind);
    const failing = gate();
    const counts: number[] = [];
    const cart = actor("cart", {
      state: first,
      messages: { more: type<string>() },
      workflow: async (ctx) => {
        await ctx.step("begin", () => {});
        await ctx.tryStep({
          name: "pay",
          maxRetries: 0,
          run: async (c) => {
            await failing.promise;
            c.state.status = "paid";
            c.queue.send("more", "of the same");
            counts.push(batches(runtime));
            throw new Error("no funds");
          },
        });
        counts.push(batches(runtime));
        return ctx.queue.next("more", { timeout: 0 });
      },
    });
    const runtime = world.open([cart], COUNTING);
    const result = runtime.get(cart, "1").result();
    failing.open();
    expect(await result, "what a failed attempt sends does not arrive").toBeUndefined();
    const [before = 0, after = 0] = counts;
    expect(after - before).toBe(1);
  });

  test("P2 rolling back an action that throws writes nothing at all", async () => {
    const world = new World(kind);
    const cart = actor("cart", {
      state: first,
      actions: {
        break: (c) => {
          c.state.status = "broken";
          c.state.items.length = 0;
          throw new Error("half-way");
        },
        state: (c) => c[RAW_STATE](),
      },
    });
    const runtime = world.open([cart], COUNTING);
    const handle = await runtime.create(cart, "1");
    const before = batches(runtime);
    await expect(handle.actions.break()).rejects.toThrow("half-way");
    expect(await handle.actions.state()).toEqual(first());
    expect(batches(runtime)).toBe(before);
  });

  test("P2 an attempt that crashes half-way leaves nothing, and is tried again as the same attempt", async () => {
    const world = new World(kind);
    const reached = gate();
    const attempts: [number, string][] = [];
    const cartThat = (body: () => Promise<void>) =>
      actor("cart", {
        state: first,
        workflow: (ctx) =>
          ctx.step("pay", async (c) => {
            attempts.push([c.attempt, c.state.status]);
            c.state.status = "half";
            await body();
            return c.state.status;
          }),
      });
    const dying = cartThat(async () => {
      reached.open();
      await new Promise(() => {});
    });
    const runtime = world.open([dying]);
    await runtime.create(dying, "1");
    await reached.promise;
    crash(runtime);
    const living = cartThat(async () => {});
    expect(await world.open([living]).get(living, "1").result()).toBe("half");
    expect(attempts).toEqual([
      [1, "new"],
      [1, "new"],
    ]);
  });

  test("P2 P5 a timed-out step that goes on writing changes nothing: stale_step", async () => {
    const world = new World(kind);
    const goOn = gate();
    const caught: unknown[] = [];
    let overrun = Promise.resolve();
    const cart = actor("cart", {
      state: first,
      messages: { more: type<string>() },
      actions: { state: (c) => c[RAW_STATE]() },
      workflow: async (ctx) => {
        const tried = await ctx.tryStep({
          name: "pay",
          timeout: "1s",
          retryOnTimeout: false,
          run: (c) => {
            const { items } = c.state;
            c.state.status = "half";
            const writes: (() => unknown)[] = [
              () => Object.assign(c.state, { status: "late" }),
              () => items.push("late"),
              () => items[0],
              () => c.queue.send("more", "late"),
              () => c.afterCommit(() => {}),
              () => c[RAW_STATE](),
            ];
            overrun = goOn.promise.then(() => {
              for (const write of writes) caught.push(outcomeOf(write));
            });
            started.open();
            return overrun;
          },
        });
        return tried.ok ? "ok" : tried.failure.kind;
      },
    });
    const started = gate();
    const runtime = world.open([cart]);
    const result = runtime.get(cart, "1").result();
    await started.promise;
    world.clock.advance(999);
    await turns();
    world.clock.advance(1);
    expect(await result).toBe("timeout");
    goOn.open();
    await overrun;
    expect(caught).toEqual(Array(6).fill("stale_step"));
    expect(await runtime.get(cart, "1").actions.state()).toEqual(first());
    crash(runtime);
    expect(await world.open([cart]).get(cart, "1").actions.state()).toEqual(first());
  });
});

describe("a dead attempt", () => {
  const HOW = {
    done: (c: Ctx) => void c,
    failed: () => {
      throw new CriticalError("enough");
    },
  };
  interface Ctx {
    readonly idempotencyKey: string;
    state: Cart;
    [RAW_STATE](): Cart;
  }

  test.each(Object.entries(HOW))("P5 that is %s cannot read or write state", async (_, body) => {
    const world = new World("memory");
    let escaped: Ctx | undefined;
    let items: string[] = [];
    const cart = actor("cart", {
      state: first,
      actions: { state: (c) => c[RAW_STATE]() },
      workflow: async (ctx) => {
        await ctx.tryStep("pay", (c) => {
          escaped = c;
          items = c.state.items;
          body(c);
        });
      },
    });
    const runtime = world.open([cart]);
    await runtime.get(cart, "1").result();
    const dead = escaped as Ctx;
    const uses: (() => unknown)[] = [
      () => dead.state,
      () => (dead.state = first()),
      () => items.push("late"),
      () => items.length,
      () => dead[RAW_STATE](),
    ];
    expect(uses.map(outcomeOf)).toEqual(Array(5).fill("stale_step"));
    expect(await runtime.get(cart, "1").actions.state()).toEqual(first());
  });

  test("P5 the context of an action that has returned is dead before its commit is durable", async () => {
    const world = new World("sqlite");
    let late: string | undefined;
    const cart = actor("cart", {
      state: first,
      actions: {
        pay: async (c) => {
          c.state.status = "paid";
          queueMicrotask(() =>
            queueMicrotask(() => queueMicrotask(() => (late = outcomeOf(() => (c.state.status = "late"))))),
          );
        },
        state: (c) => c[RAW_STATE](),
      },
    });
    const handle = await world.open([cart]).create(cart, "1");
    await handle.actions.pay();
    expect(late).toBe("stale_step");
    expect(await handle.actions.state()).toEqual({ ...first(), status: "paid" });
  });

  test("P5 a step given up because its scope ended is aborted, and what it writes changes nothing", async () => {
    const world = new World("memory");
    const goOn = gate();
    const outcomes: string[] = [];
    let reason: unknown;
    let body = Promise.resolve();
    const cart = actor("cart", {
      state: first,
      actions: { state: (c) => c[RAW_STATE]() },
      workflow: async (ctx) => {
        void ctx.step("slow", (c) => {
          c.abortSignal.addEventListener("abort", () => (reason = c.abortSignal.reason));
          body = goOn.promise.then(() => void outcomes.push(outcomeOf(() => (c.state.status = "late"))));
          return body;
        });
        await turns();
        throw new Error("gone");
      },
    });
    const runtime = world.open([cart]);
    await expect(runtime.get(cart, "1").result()).rejects.toThrow("gone");
    expect(reason).toBeInstanceOf(PawlError);
    goOn.open();
    await body;
    expect(outcomes).toEqual(["stale_step"]);
    expect(await runtime.get(cart, "1").actions.state()).toEqual(first());
  });
});

function outcomeOf(use: () => unknown): string {
  try {
    use();
    return "allowed";
  } catch (error) {
    return error instanceof PawlError ? error.code : String(error);
  }
}
