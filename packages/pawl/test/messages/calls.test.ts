/** Actions that attempts call of other actors: transactions of their own, at once. */
import { expect, expectTypeOf, test } from "vitest";
import { actor, type Handle, type } from "../../src/index.ts";
import { createTestRuntime } from "../../src/testing/index.ts";
import { rejection } from "../control/harness.ts";

const stock = actor("stock", {
  state: () => ({ left: 3 }),
  actions: {
    reserve: (c, count: number) => {
      if (c.state.left < count) throw new Error(`only ${c.state.left} left`);
      c.state.left -= count;
      return { left: c.state.left };
    },
    left: (c) => c.state.left,
  },
});

const order = actor("order", {
  input: type<number>(),
  state: () => ({ log: [] as string[] }),
  actions: {
    look: async (c, at: string) => {
      const left = await c.get(stock, at).actions.left();
      c.state.log.push(`saw ${left}`);
      return left;
    },
    log: (c) => [...c.state.log],
    // A function that refers to its own actor has to say what it returns.
    own: async (c): Promise<unknown> =>
      await (c.get(order, c.key) as unknown as { actions: { log(): Promise<unknown> } }).actions.log(),
    unknown: async (c) => {
      await (c.get(stock, "s").actions as unknown as { sell(): Promise<void> }).sell();
    },
    refused: async (c) => {
      await c.get(stock, "s").actions.reserve((() => 1) as unknown as number);
    },
  },
  workflow: async (ctx, count) =>
    ctx.step({
      name: "reserve",
      maxRetries: 0,
      run: async (c) => {
        const reply = await c.get(stock, "s").actions.reserve(count);
        expectTypeOf(reply).toEqualTypeOf<{ left: number }>();
        c.state.log.push(`reserved ${count}`);
        return reply.left;
      },
    }),
});
const actors = [stock, order] as const;

test("a step calls an action of another actor and gets its reply", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(order, "o", 2);
  expect(await handle.result()).toBe(1);
  expect(await handle.actions.log()).toEqual(["reserved 2"]);
  expect(await t.get(stock, "s").actions.left()).toBe(1);
});

test("what the action throws reaches the step, and the action has changed nothing", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(order, "o", 4);
  expect(await rejection(handle.result())).toMatchObject({ code: "workflow_failed", message: /only 3 left/ });
  expect(await handle.actions.log()).toEqual([]);
  expect(await t.get(stock, "s").actions.left()).toBe(3);
});

test("an action calls one of another actor", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(order, "o", 1);
  expect(await handle.actions.look("elsewhere")).toBe(3);
});

test("calls that cannot be made are refused, and nothing happens", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(order, "o", 1);
  expect(await rejection(handle.actions.own())).toMatchObject({ code: "self_call", message: /c\.queue\.send/ });
  expect(await rejection(handle.actions.unknown())).toMatchObject({ code: "unknown_action" });
  expect(await rejection(handle.actions.refused())).toMatchObject({ code: "value_not_storable" });
});

test("a call that nobody answers times out, and its outcome is unknown", async () => {
  let answer = () => {};
  const slow = actor("slow", {
    actions: {
      wait: () =>
        new Promise<void>((resolve) => {
          answer = resolve;
        }),
    },
  });
  const caller = actor("caller", { actions: { call: async (c) => c.get(slow, "s").actions.wait() } });
  await using t = createTestRuntime({ actors: [slow, caller] });
  const call: Handle<typeof caller>["actions"] = t.get(caller, "c").with({ timeout: "5m" }).actions;
  const called = rejection(call.call());
  await t.idle();
  await t.advance("31s");
  expect(await called).toMatchObject({ code: "call_timeout", outcome: "unknown", message: /"wait" of slow\/s/ });
  answer();
});

test("an attempt that is still running while the runtime is closed may call others", async () => {
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const caller = actor("caller", {
    actions: {
      call: async (c) => {
        await gate;
        return c.get(stock, "s").actions.reserve(1);
      },
    },
  });
  const { createRuntime } = await import("../../src/index.ts");
  const runtime = createRuntime({ actors: [stock, caller], store: "memory:" });
  const called = runtime.get(caller, "c").actions.call();
  await runtime.get(stock, "s").actions.left();
  const closed = runtime.close();
  go();
  expect(await called).toEqual({ left: 2 });
  await closed;
});
