import { describe, expect, test } from "vitest";
import { actor, Loop, PawlError, RAW_STATE, type } from "../../src/index.ts";
import { difference } from "../values/exact.ts";
import { ACCEPTED, REFUSED } from "../values/poison.ts";
import { crash, type Kind, quiet, until, World } from "./harness.ts";
import { refusal } from "./refusal.ts";

/** All but the deepest, which leaves no room for what is put around it. */
const WRAPPED = ACCEPTED.filter(({ name }) => !name.startsWith("nesting of 255"));

/** Where values of the user go in and come out. */
interface Channels {
  readonly input: unknown;
  readonly output: unknown;
  readonly state: unknown;
  readonly loop: unknown;
  readonly message: unknown;
}

/** Sends what `make` makes through every channel, twice: as it happens, and out of the store. */
async function throughEverything(kind: Kind, make: () => unknown): Promise<Record<string, unknown>> {
  const world = new World(kind);
  const runs: Channels[] = [];
  const box = actor("box", {
    input: type<unknown>(),
    messages: { put: type<unknown>(), end: type<void>() },
    state: (input) => ({ first: input, second: undefined as unknown }),
    actions: {
      echo: (_, ...args: [unknown, unknown]) => args[1],
      put: (c, value: unknown) => void (c.state.second = value),
      state: (c) => c[RAW_STATE](),
    },
    workflow: async (ctx, input) => {
      const output = await ctx.step("make", () => make());
      const state = await ctx.step("keep", (c) => {
        c.state.second = make();
        return c[RAW_STATE]().second;
      });
      const loop = await ctx.loop({
        name: "once round",
        state: make(),
        run: async (ctx, state) => {
          const again = await ctx.step("again", (c) => c.attempt);
          return again === 1 ? Loop.break(state) : Loop.continue(state);
        },
      });
      const message = (await ctx.queue.next("put")).body;
      runs.push({ input, output, state, loop, message });
      await ctx.queue.next("end");
      return make();
    },
  });
  const first = world.open([box]);
  const handle = await first.create(box, "1", make());
  await handle.send("put", make());
  await until(() => runs.length === 1);
  const echo = await handle.actions.echo(1, make());
  await handle.actions.put(make());
  const put = await handle.actions.state();
  await quiet(first);
  crash(first);
  const again = world.open([box]);
  const reopened = again.get(box, "1");
  const stored = await reopened.actions.state();
  await reopened.send("end", undefined);
  const result = await reopened.result();
  const [live, replayed] = runs as [Channels, Channels];
  return {
    ...Object.fromEntries(Object.entries(live).map(([channel, value]) => [`${channel}, live`, value])),
    ...Object.fromEntries(Object.entries(replayed).map(([channel, value]) => [`${channel}, replayed`, value])),
    "reply and argument": echo,
    "state, as written": put.second,
    "first state, stored": stored.first,
    "state, stored": stored.second,
    "output of the workflow": result,
  };
}

describe("P13 a value comes back as it went in, live and replayed, through outputs, state, messages, inputs, arguments and loops", () => {
  test.each(WRAPPED)("$name", async ({ make }) => {
    for (const [channel, value] of Object.entries(await throughEverything("memory", make)))
      expect(difference(value, make()), channel).toBeUndefined();
  });

  test("all of them at once, on SQLite", async () => {
    const make = () => Object.fromEntries(WRAPPED.map(({ name, make }) => [name, make()]));
    for (const [channel, value] of Object.entries(await throughEverything("sqlite", make)))
      expect(difference(value, make()), channel).toBeUndefined();
  });
});

test("P13 every channel is by value: nobody sees what the giver changes afterwards", async () => {
  const world = new World("memory");
  const seen: unknown[] = [];
  const box = actor("box", {
    input: type<{ list: number[] }>(),
    messages: { put: type<{ list: number[] }>() },
    state: (input) => ({ list: input.list, other: [] as number[] }),
    actions: {
      echo: (c, value: { list: number[] }) => {
        c.state.other = value.list;
        value.list.push(9);
        return value;
      },
      state: (c) => c[RAW_STATE](),
    },
    workflow: async (ctx, input) => {
      const given = { list: [1] };
      const output = await ctx.step("make", () => given);
      given.list.push(9);
      seen.push(input, output);
      const proxied = await ctx.step("proxied", (c) => c.state.list);
      proxied.push(9);
      seen.push(await ctx.step("after", (c) => c[RAW_STATE]().list));
      const kept = { list: [1] };
      seen.push(
        await ctx.loop({
          name: "once",
          state: kept,
          run: async (ctx, state) => {
            kept.list.push(9);
            await ctx.step("nothing", () => {});
            return Loop.break(state);
          },
        }),
      );
      seen.push((await ctx.queue.next("put")).body);
    },
  });
  const given = { list: [1] };
  const runtime = world.open([box]);
  const creating = runtime.create(box, "1", given);
  given.list.push(9);
  const handle = await creating;
  const sent = { list: [1] };
  const sending = handle.send("put", sent);
  sent.list.push(9);
  await sending;
  await handle.result();
  expect(seen).toEqual([{ list: [1] }, { list: [1] }, [1], { list: [1] }, { list: [1] }]);
  const argument = { list: [1] };
  const reply = handle.actions.echo(argument);
  argument.list.push(5);
  expect(await reply).toEqual({ list: [1, 9] });
  expect(argument).toEqual({ list: [1, 5] });
  expect(await handle.actions.state()).toEqual({ list: [1], other: [1] });
});

/** An actor whose workflow gives a value to each channel, and what it is told. */
function giving(make: () => unknown) {
  let bodies = 0;
  const errors: Record<string, unknown> = {};
  const box = actor("box", {
    messages: { put: type<unknown>() },
    state: () => ({
      value: 1 as unknown,
      list: [1] as unknown[],
      map: new Map<unknown, unknown>(),
      set: new Set<unknown>(),
      error: Object.assign(new Error("kept"), { stack: "kept" }),
    }),
    actions: { state: (c) => c[RAW_STATE](), bodies: () => bodies },
    steps: { retryBackoffBase: 0, retryBackoffMax: 0 },
    workflow: async (ctx) => {
      errors["output"] = await ctx.tryStep("output", () => {
        bodies += 1;
        return make();
      });
      await ctx.step("state", (c) => {
        c.state.value = 2;
        const uses = {
          assigned: () => (c.state.value = make()),
          inside: () => (c.state = { ...c.state, value: { deep: [make()] } }),
          pushed: () => c.state.list.push({ good: 1 }, make()),
          spliced: () => c.state.list.splice(0, 1, 2, make()),
          filled: () => c.state.list.fill(make()),
          entry: () => c.state.map.set("odd", make()),
          key: () => c.state.map.set([make()], 1),
          member: () => c.state.set.add([make()]),
          several: () => Object.assign(c.state.list, [{ good: 1 }, make()]),
          sent: () => c.queue.send("put", make()),
        };
        for (const [channel, use] of Object.entries(uses)) {
          try {
            use();
            errors[channel] = "allowed";
          } catch (error) {
            errors[channel] = error;
          }
        }
      });
      errors["leaf"] = await ctx.tryStep("leaf", (c) => void Object.assign(c.state.error, { odd: make() }));
      errors["loop"] = await ctx
        .loop({ name: "loop", state: make(), run: async () => Loop.break() })
        .catch((error: unknown) => error);
      errors["round"] = await ctx
        .loop({ name: "round", state: undefined as unknown, run: async () => Loop.continue(make()) })
        .catch((error: unknown) => error);
      return make();
    },
  });
  return { box, errors };
}

/** The same, by calls. */
function desk(make: () => unknown) {
  return actor("desk", {
    messages: { put: type<unknown>() },
    state: () => ({ value: 1 as unknown }),
    actions: {
      take: (c, value: unknown) => void (c.state.value = value),
      reply: (c) => {
        c.state.value = 3;
        return make();
      },
      put: (c) => void (c.state.value = make()),
      send: (c) => {
        c.state.value = 3;
        c.queue.send("put", make());
      },
      state: (c) => c.state.value,
    },
  });
}

/** Whoever returns one of these has it asked for `then`, as JavaScript asks, and that throws. */
const THROWS_WHEN_RETURNED = new Set(["object whose prototype is a Proxy", "Proxy of an array", "revoked Proxy"]);

function isRefused(error: unknown, path: string): void {
  expect(error).toBeInstanceOf(PawlError);
  expect((error as PawlError).code).toMatch(/^value_(not_storable|too_large)$/);
  expect((error as PawlError).data).toMatchObject({ path });
}

describe("P13 a value that cannot be stored is refused at the call, with its path, and nothing is changed", () => {
  test.each(REFUSED)("in a workflow: $name", async ({ name, make, path }) => {
    const { box, errors } = giving(make);
    const handle = new World("memory").open([box]).get(box, "1");
    const code = expect.stringMatching(/^value_/);
    const result = await handle.result().catch((error: unknown) => error);
    if (!THROWS_WHEN_RETURNED.has(name)) {
      expect(result).toMatchObject({ code: "workflow_failed", data: { error: { code } } });
      const failure = { name: "output", kind: "critical", attempts: 1, error: { code, data: { path } } };
      expect(errors["output"]).toMatchObject({ ok: false, failure });
      expect(await handle.actions.bodies(), "the body is not run again").toBe(1);
    }
    isRefused(errors["assigned"], `state.value${path}`);
    isRefused(errors["inside"], `state.value.deep[0]${path}`);
    isRefused(errors["pushed"], `state.list[2]${path}`);
    isRefused(errors["spliced"], `state.list[1]${path}`);
    isRefused(errors["filled"], `state.list[0]${path}`);
    isRefused(errors["entry"], `state.map.get("odd")${path}`);
    isRefused(errors["key"], `state.map.keys()[0][0]${path}`);
    isRefused(errors["member"], `state.set.values()[0][0]${path}`);
    isRefused(errors["several"], `state.list[1]${path}`);
    isRefused(errors["sent"], path);
    expect(errors["leaf"]).toMatchObject({ ok: false, failure: { kind: "critical", attempts: 1, error: { code } } });
    isRefused(errors["loop"], path);
    isRefused(errors["round"], path);
    const error = Object.assign(new Error("kept"), { stack: "kept" });
    // `Object.assign` wrote its first slot before it came to the second, as it would on a plain array.
    expect(await handle.actions.state()).toEqual({
      value: 2,
      list: [{ good: 1 }],
      map: new Map(),
      set: new Set(),
      error,
    });
  });

  test.each(REFUSED)("by a call: $name", async ({ name, make, path }) => {
    const actor = desk(make);
    const { actions } = new World("memory").open([actor]).get(actor, "1");
    isRefused(await actions.take(make()).catch((error: unknown) => error), `[0]${path}`);
    isRefused(await actions.put().catch((error: unknown) => error), `state.value${path}`);
    isRefused(await actions.send().catch((error: unknown) => error), path);
    const reply = await actions.reply().catch((error: unknown) => error);
    if (!THROWS_WHEN_RETURNED.has(name)) isRefused(reply, path);
    expect(await actions.state(), "nothing of it is kept").toBe(1);
  });

  test("an input, a first state and a message from outside, too; the actor is not made", async () => {
    const box = actor("box", {
      input: type<unknown>(),
      messages: { put: type<unknown>() },
      state: (input) => (input === "function" ? { run: () => {} } : { input }),
    });
    const runtime = new World("memory").open([box]);
    const wording = { found: /a function/, expected: /plain objects/, do: /plain data/, where: /box\/1/ };
    await refusal(() => runtime.create(box, "1", { run: () => {} }), "value_not_storable", wording);
    await refusal(() => runtime.create(box, "1", "function"), "value_not_storable", {
      ...wording,
      found: /a function at \.run/,
    });
    await refusal(() => runtime.get(box, "1").send("put", "x"), "actor_not_found");
    const handle = await runtime.create(box, "1", "data");
    await refusal(() => handle.send("put", { deep: [() => {}] }), "value_not_storable", {
      ...wording,
      found: /at \.deep\[0\]/,
    });
  });
});

describe("P13 a value over the limit is refused as well: value_too_large", () => {
  const long = "x".repeat(2_000);
  const limits = { valueBytes: 1_000, messageBytes: 500 };

  test("in every channel, and what is within it passes", async () => {
    const { box, errors } = giving(() => long);
    const runtime = new World("memory").open([box, desk(() => long)], {}, { limits });
    await expect(runtime.get(box, "1").result()).rejects.toMatchObject({
      data: { error: { code: "value_too_large" } },
    });
    for (const channel of ["assigned", "inside", "sent", "loop", "round"])
      expect(errors[channel], channel).toMatchObject({ code: "value_too_large" });
    const failure = { kind: "critical", attempts: 1, error: { code: "value_too_large" } };
    for (const channel of ["output", "leaf"]) expect(errors[channel], channel).toMatchObject({ failure });
    const wording = { expected: /limits/, do: /raise the limit/, where: /desk\/1/ };
    const { actions } = runtime.get("desk", "1");
    for (const call of [() => actions.take(long), () => actions.reply(), () => actions.put(), () => actions.send()])
      await refusal(call, "value_too_large", wording);
    await actions.take("x".repeat(900));
    expect(await actions.state()).toBe("x".repeat(900));
  });

  test("a message has a limit of its own", async () => {
    const box = actor("box", {
      messages: { put: type<string>() },
      actions: { send: (c, body: string) => c.queue.send("put", body) },
    });
    const handle = new World("memory").open([box], {}, { limits }).get(box, "1");
    for (const send of [(body: string) => handle.send("put", body), (body: string) => handle.actions.send(body)]) {
      await refusal(() => send("x".repeat(501)), "value_too_large", { where: /message "put" to box\/1/ });
      await send("x".repeat(400));
    }
  });
});
