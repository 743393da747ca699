import { expect, test } from "vitest";
import { actor, type PawlError, type } from "../../src/index.ts";
import { createTestRuntime, type TestOptions, type TestRuntime } from "../../src/testing/index.ts";

const mailed: string[] = [];

const order = actor("order", {
  input: type<{ to: string }>(),
  messages: { paid: type<{ cents: number }>() },
  state: ({ to }) => ({ to, receipts: [] as string[] }),
  vars: () => ({ mail: (to: string) => void mailed.push(to) }),
  workflow: async (ctx, { to }) => {
    const { body } = await ctx.queue.next("paid");
    const receipt = await ctx.step("receipt", (): string => {
      throw new Error("must not run");
    });
    await ctx.step("keep", (c) => void c.state.receipts.push(receipt));
    await ctx.step("mail", (c) => c.vars.mail(to));
    c.log(ctx);
    return `${receipt} for ${body.cents}`;
  },
});
const c = { log: (_: unknown) => {} };

test("steps are replaced by name, with the context of the step, and vars by type", async () => {
  const sent: string[] = [];
  const t = createTestRuntime({
    actors: [order],
    steps: { order: { receipt: (c) => `receipt ${c.state.to} ${c.attempt}` } },
    vars: { order: () => ({ mail: (to) => void sent.push(to) }) },
  });
  const handle = await t.create(order, "1", { to: "ann@example.org" });
  await handle.send("paid", { cents: 5 });
  expect(await handle.result()).toBe("receipt ann@example.org 1 for 5");
  expect([sent, mailed]).toEqual([["ann@example.org"], []]);
  expect(await t.state("order", "1")).toEqual({ to: "ann@example.org", receipts: ["receipt ann@example.org 1"] });
});

test("a replaced step fails and is tried again as any step", async () => {
  const t = createTestRuntime({
    actors: [order],
    steps: { order: { receipt: (c) => (c.attempt < 3 ? Promise.reject(new Error("busy")) : "third"), mail: () => {} } },
  });
  const handle = await t.create(order, "1", { to: "ann@example.org" });
  await handle.send("paid", { cents: 5 });
  await t.advance("1m");
  expect(await handle.result()).toBe("third for 5");
  const [receipt] = (await t.history("order", "1")).filter(({ path }) => path === "receipt");
  expect(receipt).toMatchObject({ kind: "step", status: "completed", attempts: 3, output: "third" });
});

test("the history, the inbox and the log can be asserted on", async () => {
  const t = createTestRuntime({
    actors: [order],
    steps: { order: { receipt: () => Promise.reject(new Error("busy")), lost: () => 1 } },
  });
  const handle = await t.create(order, "1", { to: "ann@example.org" });
  expect(await t.history("order", "1")).toEqual([]);
  await handle.send("paid", { cents: 5 });
  await handle.send("paid", { cents: 6 });
  await t.idle();
  expect(await t.history("order", "1")).toEqual([
    { id: expect.any(String), path: "paid:count", kind: "message", status: "completed", attempts: 0, output: 1 },
    {
      id: expect.any(String),
      path: "paid:0",
      kind: "message",
      status: "completed",
      attempts: 0,
      output: { id: expect.any(String), name: "paid", body: { cents: 5 }, sentAt: t.now() },
    },
    {
      id: expect.any(String),
      path: "receipt",
      kind: "step",
      status: "failed",
      attempts: 1,
      at: t.now(),
      error: { name: "Error", message: "busy", stack: expect.any(String) },
    },
  ]);
  const waiting = { id: expect.any(String), name: "paid", body: { cents: 6 }, sentAt: t.now() };
  expect(await t.inbox("order", "1")).toEqual([waiting]);
  const line = { level: "warn", fields: expect.objectContaining({ step: "receipt", attempt: 1 }) };
  expect(t.logs).toEqual([expect.objectContaining(line)]);
  await t.close();
  expect(t.logs.at(-1)).toMatchObject({ level: "warn", message: expect.stringContaining("order.lost") });
});

test("what does not exist has no history, no state and no inbox", async () => {
  const t = createTestRuntime({ actors: [order] });
  for (const ask of [t.history, t.state, t.inbox]) {
    await expect(ask("order", "2")).rejects.toMatchObject({ code: "actor_not_found" });
    await expect(ask("ordre" as "order", "2")).rejects.toMatchObject({ code: "unknown_actor" });
  }
});

test("a logger of one's own hears everything, too", async () => {
  const heard: string[] = [];
  const hear = (_: object, message: string) => void heard.push(message);
  const logger = { debug: hear, info: hear, warn: hear, error: hear };
  const talker = actor("talker", { actions: { talk: (c) => c.log.info({}, "hello") } });
  const t = createTestRuntime({ actors: [talker], logger });
  await t.get(talker, "1").actions.talk();
  expect([heard, t.logs.map(({ message }) => message)]).toEqual([["hello"], ["hello"]]);
});

test("the same seed draws the same ids, and another one others", async () => {
  const job = actor("job", { workflow: (ctx) => ctx.step("work", () => 1) });
  const idWith = async (seed: number) => {
    const t = createTestRuntime({ actors: [job], seed });
    await t.get(job, "1").result();
    return (await t.history("job", "1"))[0]?.id;
  };
  const [first, same, other] = [await idWith(7), await idWith(7), await idWith(8)];
  expect(first).toMatch(/^[0-9a-f-]{36}$/);
  expect(same).toBe(first);
  expect(other).not.toBe(first);
});

const WRONG: [string, Record<string, unknown>, RegExp][] = [
  ["no actors", { actors: undefined }, /was given no actors/],
  ["an actor that is none", { actors: [{ name: "order" }] }, /not an actor/],
  ["an unknown option", { clock: 5 }, /option that does not exist[\s\S]*found {5}clock/],
  ["a seed that is no number", { seed: "1" }, /the seed is not right/],
  ["a time that is none", { now: "now" }, /not a point in time/],
  ["a patience that is no duration", { patience: -1 }, /not a duration/],
  ["steps of an unknown actor", { steps: { odrer: {} } }, /`steps`[\s\S]*found {5}"odrer"\n {2}expected {2}order/],
  ["vars of an unknown actor", { vars: { odrer: () => ({}) } }, /`vars`[\s\S]*found {5}"odrer"/],
  ["steps that are no object", { steps: { order: 5 } }, /steps.order of createTestRuntime is not right/],
  ["a step that is no function", { steps: { order: { mail: "sent" } } }, /steps.order\["mail"\][\s\S]*found {5}"sent"/],
  ["a step without a name", { steps: { order: { "": () => 1 } } }, /no name that can be stored/],
  ["vars that are no function", { vars: { order: {} } }, /vars.order of createTestRuntime is not a function/],
];

test.each(WRONG)("%s is refused at once", (_, wrong, says) => {
  const make = () => createTestRuntime({ actors: [order], ...wrong } as unknown as TestOptions<[typeof order]>);
  expect(make).toThrow(says);
  expect(make).toThrow(expect.objectContaining({ code: "bad_argument" }) as unknown as PawlError);
});

export const mistakes = [
  // @ts-expect-error: no such actor
  () => createTestRuntime({ actors: [order], steps: { odrer: {} } }),
  // @ts-expect-error: no such state
  () => createTestRuntime({ actors: [order], steps: { order: { mail: (c) => c.state.sent } } }),
  // @ts-expect-error: vars of another shape
  () => createTestRuntime({ actors: [order], vars: { order: () => ({ post: () => {} }) } }),
  // @ts-expect-error: no such actor
  (t: TestRuntime<[typeof order]>) => t.until("odrer", "1", { step: "mail" }),
  // @ts-expect-error: no such kind of place
  (t: TestRuntime<[typeof order]>) => t.until("order", "1", { loop: "mail" }),
];
