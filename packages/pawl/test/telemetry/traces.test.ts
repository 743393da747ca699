/** What OpenTelemetry's SDK is told of actors: spans, how they hang together, and counts. */
import { trace } from "@opentelemetry/api";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { measured, register, Spans, unregister } from "./harness.ts";
import { type Actor, actor, ask, createRuntime, silentLogger, type } from "./pawl.ts";

beforeAll(register);
afterAll(unregister);
beforeEach(() => void new Spans());

let stores = 0;

function start<const A extends readonly Actor[]>(actors: A, store: string = `memory:traces-${stores++}`) {
  const runtime = createRuntime({ actors, store, logger: silentLogger, idleAfter: "20ms" });
  onTestFinished(() => runtime.close({ grace: 0 }));
  return runtime;
}

const SECRET = "4111-1111";

const stock = actor("stock", {
  messages: { reserve: type<string>(), price: ask(type<string>(), type<number>()) },
  state: () => ({ reserved: 0 }),
  actions: { count: (c) => ++c.state.reserved },
  receive: { reserve: (c) => void c.state.reserved++, price: () => 7 },
});

const packing = actor("packing", { input: type<string>(), workflow: async (ctx) => ctx.step("pack", () => "packed") });

const order = actor("order", {
  input: type<string>(),
  messages: { pay: type<string>() },
  state: () => ({ card: "", attempts: 0 }),
  workflow: async (ctx, item): Promise<string> => {
    await ctx.step("reserve", async (c) => {
      c.get(stock, "all").send("reserve", item);
      await c.get(stock, "all").actions.count();
    });
    const price = await ctx.ask("price", { actor: stock, key: "all", message: "price", body: item });
    const { body } = await ctx.queue.next("pay");
    await ctx.step({
      name: "charge",
      retryBackoffBase: 1,
      run: (c) => {
        c.state.card = body;
        if (c.attempt === 1) throw new Error(`no answer for ${body}`);
      },
    });
    return `${await ctx.child("packing", packing, ctx.key, item)} for ${price}`;
  },
});

async function until(reached: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await reached())) await new Promise((resolve) => setTimeout(resolve, 2));
}

test("one trace goes from the caller through steps, calls, questions, messages and children, and holds no values", async () => {
  const runtime = start([order, stock, packing]);
  const tracer = trace.getTracer("the program");
  const root = await tracer.startActiveSpan("request", async (span) => {
    await runtime.create(order, "o", SECRET);
    span.end();
    return span.spanContext();
  });
  const paid = await tracer.startActiveSpan("payment", async (span) => {
    await runtime.get(order, "o").send("pay", SECRET);
    span.end();
    return span.spanContext();
  });
  expect(await runtime.get(order, "o").result()).toBe("packed for 7");
  await runtime.close();
  const spans = new Spans();
  const up = ["workflow order", "request"];
  expect(spans.path(spans.one("workflow order"))).toEqual(up);
  expect(spans.path(spans.one("step reserve"))).toEqual(["step reserve", ...up]);
  expect(spans.path(spans.one("receive reserve"))).toEqual(["receive reserve", "step reserve", ...up]);
  expect(spans.path(spans.one("action count"))).toEqual(["action count", "step reserve", ...up]);
  expect(spans.path(spans.one("receive price"))).toEqual(["receive price", ...up]);
  expect(spans.path(spans.one("step pack"))).toEqual(["step pack", "workflow packing", ...up]);
  const ours = spans.all.filter(({ name }) => name !== "payment");
  expect(new Set(ours.map((span) => span.spanContext().traceId))).toEqual(new Set([root.traceId]));
  // What somebody else has sent is linked to, for it is no part of that.
  const [first, second] = spans.named("step charge");
  expect(first?.links.map((link) => link.context.spanId)).toEqual([paid.spanId]);
  expect([first, second].map((span) => [span?.attributes["pawl.attempt"], span?.status.code])).toEqual([
    [1, 2],
    [2, 0],
  ]);
  expect(first?.attributes).toMatchObject({
    "pawl.actor.type": "order",
    "pawl.actor.key": "o",
    "pawl.entry": "charge",
    "error.type": "Error",
  });
  // Every attempt that has committed has a commit below it.
  const commits = spans.named("commit").map((span) => spans.path(span)[1]);
  expect(commits.sort()).toEqual([
    "action count",
    "receive price",
    "receive reserve",
    "step charge",
    "step pack",
    "step reserve",
  ]);
  expect(
    JSON.stringify(spans.all.map(({ name, attributes, events, status }) => [name, attributes, events, status])),
  ).not.toContain(SECRET);
});

test("a replay makes no second spans, and what follows it belongs to the same trace", async () => {
  const store = `memory:traces-${stores++}`;
  const waits = actor("waits", {
    messages: { go: type<void>() },
    workflow: async (ctx) => {
      await ctx.step("before", () => {});
      await ctx.queue.next("go");
      await ctx.step("after", () => {});
    },
  });
  const first = start([waits], store);
  await first.create(waits, "w");
  await until(async () => (await first.admin.show("waits", "w")).history.length > 0);
  await first.close();
  const second = start([waits], store);
  await second.get(waits, "w").send("go", undefined);
  await second.get(waits, "w").result();
  await second.close();
  const spans = new Spans();
  expect(spans.names()).toEqual(["commit", "commit", "create waits", "step after", "step before", "workflow waits"]);
  expect(new Set(spans.all.map((span) => span.spanContext().traceId)).size).toBe(1);
});

test("what users' bodies trace is below their attempt", async () => {
  const calls = actor("calls", {
    actions: {
      out: async (_c) => {
        await Promise.resolve();
        trace.getTracer("client").startSpan("GET").end();
      },
    },
  });
  const runtime = start([calls]);
  await runtime.get(calls, "c").actions.out();
  const spans = new Spans();
  expect(spans.path(spans.one("GET"))).toEqual(["GET", "action out"]);
});

test("an action that throws, and one that another attempt came between, say so", async () => {
  const busy = actor("busy", {
    state: () => ({ n: 0 }),
    actions: {
      fail: () => {
        throw new TypeError("never");
      },
      slow: async (c) => {
        const { n } = c.state;
        await new Promise((resolve) => setTimeout(resolve, 20));
        c.state.n = n + 1;
      },
    },
  });
  const runtime = start([busy]);
  const { actions } = runtime.get(busy, "b");
  await expect(actions.fail()).rejects.toThrow();
  await Promise.all([actions.slow(), actions.slow()]);
  const spans = new Spans();
  expect(spans.one("action fail")).toMatchObject({ status: { code: 2 }, attributes: { "error.type": "TypeError" } });
  expect(spans.named("action slow")).toHaveLength(3);
  const lost = spans.named("commit").filter(({ attributes }) => attributes["error.type"] === "conflict");
  expect(lost).toHaveLength(1);
});

test("counters and histograms count what has happened", async () => {
  const before = await measured();
  const runtime = start([order, stock, packing]);
  await runtime.create(order, "o", "tea");
  await runtime.get(order, "o").send("pay", "card");
  await runtime.get(order, "o").result();
  await until(async () => ((await measured())["pawl.evictions"] ?? 0) > (before["pawl.evictions"] ?? 0));
  const after = await measured();
  const grown = (name: string) => (after[`pawl.${name}`] ?? 0) - (before[`pawl.${name}`] ?? 0);
  expect(grown("attempts")).toBe(7);
  expect([grown("failures"), grown("retries")]).toEqual([1, 1]);
  expect(grown("commit.duration")).toBe(6);
  expect(after["pawl.commits"]).toBeGreaterThan(3);
  expect(after["pawl.transactions"]).toBeGreaterThan(3);
  expect(grown("inbox.depth")).toBeGreaterThanOrEqual(2);
  expect(after["pawl.conflicts"]).toBe(1);
  expect(after["pawl.reruns"]).toBe(1);
});
