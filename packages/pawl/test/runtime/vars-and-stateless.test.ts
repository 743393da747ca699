import { once } from "node:events";
import { type AddressInfo, connect as connectTo, createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { actor, PawlError, RAW_STATE, type } from "../../src/index.ts";
import { createTestRuntime } from "../../src/testing/index.ts";
import { gate, KINDS, turns, World } from "./harness.ts";

const AT_ONCE = { retryBackoffBase: 0, retryBackoffMax: 0 } as const;

describe.each(KINDS)("on %s", (kind) => {
  test("P6 an actor without state runs every kind of step, failing ones too", async () => {
    const world = new World(kind);
    const seen: unknown[] = [];
    const bare = actor("bare", {
      messages: { go: type<number>() },
      actions: { echo: (c, text: string) => `${c.key}: ${text}`, raw: (c) => c[RAW_STATE]() },
      onError: (c, event) => void seen.push([event.attempt, c[RAW_STATE]()]),
      steps: { ...AT_ONCE, maxRetries: 1 },
      workflow: async (ctx) => {
        const retried = await ctx.step("retried", (c) => {
          if (c.attempt === 1) throw new Error("once");
          return c.attempt;
        });
        const exhausted = await ctx.tryStep("exhausted", () => {
          throw new Error("always");
        });
        const slow = await ctx.tryStep({
          name: "slow",
          timeout: 1_000,
          retryOnTimeout: false,
          run: () => {
            queueMicrotask(() => world.clock.advance(1_000));
            return new Promise(() => {});
          },
        });
        const sum = await ctx.loop({
          name: "sum",
          state: 0,
          run: async (ctx, sum) => {
            const { body } = await ctx.queue.next("go");
            return body === 0 ? { break: true, value: sum } : { continue: true, state: sum + body };
          },
        });
        return [retried, exhausted.ok, slow.ok, sum];
      },
    });
    const handle = await world.open([bare]).create(bare, "b");
    for (const body of [1, 2, 0]) await handle.send("go", body);
    expect(await handle.result()).toEqual([2, false, false, 3]);
    expect(seen).toEqual([1, 1, 2, 1].map((attempt) => [attempt, undefined]));
    expect(await handle.actions.echo("hello")).toBe("b: hello");
    expect(await handle.actions.raw()).toBeUndefined();
  });
});

test("P6 touching c.state of an actor without state says what to do; c[RAW_STATE]() is undefined", async () => {
  const errors: unknown[] = [];
  const bare = actor("bare", {
    workflow: (ctx) =>
      ctx.step("touch", (c) => {
        for (const use of [() => c.state, () => Object.assign(c, { state: {} })]) {
          try {
            use();
          } catch (error) {
            errors.push(error);
          }
        }
        return c[RAW_STATE]();
      }),
  });
  const raw = await createTestRuntime({ actors: [bare] })
    .get(bare, "1")
    .result();
  expect(raw).toBeUndefined();
  expect(errors).toHaveLength(2);
  for (const error of errors) {
    expect(error).toBeInstanceOf(PawlError);
    expect(error).toMatchObject({
      code: "no_state",
      message: expect.stringMatching(/"bare" declares no state[\s\S]*state: \(\) =>/),
    });
  }
});

test("P7 vars may hold a socket, functions, instances and more: they are the same things in every attempt", async () => {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  class Counter {
    #count = 0;
    next = (): number => ++this.#count;
  }
  const made: Record<string, unknown>[] = [];
  const seen: unknown[][] = [];
  const echoed: string[] = [];
  const peer = actor("peer", {
    state: () => ({ sent: 0 }),
    vars: () => {
      const vars = {
        socket: connectTo((server.address() as AddressInfo).port, "127.0.0.1"),
        counter: new Counter(),
        shout: (text: string) => text.toUpperCase(),
        symbol: Symbol("s"),
        promise: Promise.resolve(7),
        weak: new WeakMap<object, number>(),
        map: new Map([["handler", () => 1]]),
      };
      made.push(vars);
      return vars;
    },
    steps: AT_ONCE,
    workflow: async (ctx) => {
      await ctx.step("talk", async (c) => {
        const { socket, counter, shout, symbol, promise, weak, map } = c.vars;
        seen.push([socket, counter, shout, symbol, promise, weak, map]);
        socket.write(shout("hi"));
        const [data] = await once(socket, "data");
        echoed.push(`${counter.next()}: ${data} ${await promise} ${map.get("handler")?.()}`);
        c.state.sent += 1;
        if (c.attempt === 1) throw new Error("once more");
      });
    },
  });
  const runtime = createTestRuntime({ actors: [peer] });
  onTestFinished(() => void (made[0]?.["socket"] as Socket | undefined)?.destroy());
  await runtime.get(peer, "1").result();
  expect(made).toHaveLength(1);
  expect(echoed).toEqual(["1: HI 7 1", "2: HI 7 1"]);
  const things = Object.values(made[0] ?? {});
  for (const attempt of seen) for (const [i, thing] of attempt.entries()) expect(thing).toBe(things[i]);
});

test("P7 what a failed attempt wrote to plain vars is undone, unless someone else has written there since", async () => {
  const goOn = gate();
  const cache = actor("cache", {
    vars: () => ({ hits: 0, last: "none", deep: { list: [1] } as { list: number[]; extra?: string } }),
    actions: {
      break: async (c) => {
        c.vars.hits += 1;
        c.vars.last = "broken";
        c.vars.deep.list.push(2);
        c.vars.deep.extra = "new";
        await goOn.promise;
        throw new Error("broken");
      },
      touch: (c, last: string) => void (c.vars.last = last),
      vars: (c) =>
        structuredClone({
          hits: c.vars.hits,
          last: c.vars.last,
          list: [...c.vars.deep.list],
          extra: c.vars.deep.extra,
        }),
    },
  });
  const { actions } = await createTestRuntime({ actors: [cache] }).create(cache, "1");
  const breaking = actions.break();
  await turns(2);
  await actions.touch("theirs");
  goOn.open();
  await expect(breaking).rejects.toThrow("broken");
  expect(await actions.vars()).toEqual({ hits: 0, last: "theirs", list: [1], extra: undefined });
});

test("P7 vars stay usable through the context of an attempt that succeeded, and are refused through one that failed", async () => {
  type Vars = { readonly vars: { events: string[] } };
  const escaped: Record<string, Vars> = {};
  const listener = actor("listener", {
    vars: () => ({ events: [] as string[] }),
    actions: {
      listen: (c, how: string) => {
        escaped[how] = c;
        if (how === "bad") throw new Error("bad");
      },
      events: (c) => [...c.vars.events],
    },
  });
  const { actions } = await createTestRuntime({ actors: [listener] }).create(listener, "1");
  await actions.listen("good");
  await expect(actions.listen("bad")).rejects.toThrow("bad");
  escaped["good"]?.vars.events.push("heard");
  expect(() => escaped["bad"]?.vars).toThrow(expect.objectContaining({ code: "stale_step" }));
  expect(await actions.events()).toEqual(["heard"]);
});

test("P7 vars are made at each load, with the key and a log, and a failure of `vars` is told to every caller", async () => {
  let broken = false;
  const keys: string[] = [];
  const client = actor("client", {
    vars: ({ key, log }) => {
      keys.push(key);
      log.info({ key }, "connecting");
      if (broken) throw new Error("no route to host");
      return { connected: true };
    },
    actions: { connected: (c) => c.vars.connected },
  });
  const t = createTestRuntime({ actors: [client] });
  expect(await t.get(client, "a").actions.connected()).toBe(true);
  await t.crash();
  broken = true;
  for (const key of ["a", "b", "b"])
    await expect(t.get(client, key).actions.connected()).rejects.toThrow("no route to host");
  broken = false;
  expect(await t.get(client, "a").actions.connected()).toBe(true);
  expect(await t.get(client, "b").actions.connected()).toBe(true);
  expect(keys.filter((key) => key === "a")).toHaveLength(3);
  expect(t.logs).toContainEqual({ level: "info", fields: { key: "b" }, message: "connecting" });
});
