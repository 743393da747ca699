/** What a workflow waits for of other actors: children, and answers. */
import { expect, expectTypeOf, test } from "vitest";
import { actor, ask, CriticalError, type } from "../../src/index.ts";
import { crashEverywhere, createTestRuntime } from "../../src/testing/index.ts";
import { rejection } from "../control/harness.ts";

const child = actor("child", {
  input: type<{ how: string }>(),
  messages: { go: type<string>() },
  state: () => ({ log: [] as string[] }),
  actions: { log: (c) => [...c.state.log] },
  workflow: async (ctx, { how }): Promise<string> => {
    await ctx.step({
      name: "begin",
      run: (c) => void c.state.log.push("begun"),
      rollback: (c) => void c.state.log.push("undone"),
    });
    if (how === "wait") return (await ctx.queue.next("go")).body;
    if (how === "fail")
      await ctx.step("fail", () => {
        throw new CriticalError("broke");
      });
    await ctx.sleep("nap", "1h");
    return `${ctx.key} has ${how}`;
  },
});

const parent = actor("parent", {
  input: type<{ how: string }>(),
  workflow: async (ctx, { how }) => {
    const tried = await ctx.try("try", async (ctx) => {
      const output = await ctx.child("first", child, `${ctx.key}-1`, { how });
      expectTypeOf(output).toEqualTypeOf<string>();
      return output;
    });
    return tried.ok ? tried.value : `${tried.failure.kind} ${tried.failure.name}: ${tried.failure.error.code}`;
  },
});

const oracle = actor("oracle", {
  messages: { guess: ask(type<number>(), type<string>()), wish: ask(type<string>(), type<string>()) },
  state: () => ({ asked: 0 }),
  receive: {
    guess: (c, body) => {
      c.state.asked += 1;
      if (body < 0) throw new CriticalError("no such number");
      return `${body} it is`;
    },
  },
  workflow: async (ctx) => {
    const { body, complete } = await ctx.queue.next("wish");
    await ctx.sleep("think", "1h");
    await complete(`granted: ${body}`);
  },
});

const asker = actor("asker", {
  input: type<{ what: "guess" | "wish" | "late" | "wrong" }>(),
  workflow: async (ctx, { what }) => {
    if (what === "guess") return ctx.ask("guess", { actor: oracle, key: "o", message: "guess", body: 7 });
    if (what === "wish") return ctx.ask("wish", { actor: oracle, key: "o", message: "wish", body: ctx.key });
    if (what === "wrong") return ctx.ask("guess", { actor: oracle, key: "o", message: "guess", body: -1 });
    const tried = await ctx.try("late", (ctx) =>
      ctx.ask("wish", { actor: oracle, key: "o", message: "wish", body: ctx.key, timeout: "1m" }),
    );
    return tried.ok ? tried.value : `${tried.failure.kind} ${tried.failure.name}: ${tried.failure.error.code}`;
  },
});
const actors = [child, parent, oracle, asker] as const;

test("a parent makes a child and waits for its output, across a crash", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(parent, "p", { how: "slept" });
  await t.idle();
  await t.crash();
  await t.advance("2h");
  expect(await handle.result()).toBe("p-1 has slept");
});

test("a child that fails rejects with child_failed, which a try block catches as a child's", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(parent, "p", { how: "fail" });
  expect(await handle.result()).toBe("child first: child_failed");
  await t.crash();
  expect(await handle.result()).toBe("child first: child_failed");
});

test("a child that exists already is waited for as it is", async () => {
  await using t = createTestRuntime({ actors });
  await t.create(child, "p-1", { how: "been there" });
  await t.advance("2h");
  const handle = await t.create(parent, "p", { how: "slept" });
  expect(await handle.result()).toBe("p-1 has been there");
});

test("a child is cancelled with its parent, and undoes what it did; one that others made is not", async () => {
  await using t = createTestRuntime({ actors });
  const own = await t.create(parent, "p", { how: "wait" });
  await t.create(child, "q-1", { how: "wait" });
  const other = await t.create(parent, "q", { how: "wait" });
  await t.idle();
  await t.crash();
  await t.idle();
  await own.cancel();
  await other.cancel();
  await t.idle();
  expect(await t.get(child, "p-1").actions.log()).toEqual(["begun", "undone"]);
  expect(await rejection(t.get(child, "p-1").result())).toMatchObject({ code: "cancelled" });
  await t.get(child, "q-1").send("go", "on");
  expect(await t.get(child, "q-1").result()).toBe("on");
});

test("a child that a lost branch waits for is cancelled", async () => {
  const racer = actor("racer", {
    workflow: async (ctx) =>
      ctx.race("race", {
        child: (ctx) => ctx.child("slow", child, "c", { how: "wait" }),
        nap: (ctx) => ctx.sleep("nap", "1m"),
      }),
  });
  await using t = createTestRuntime({ actors: [child, racer] });
  const handle = await t.create(racer, "r");
  await t.advance("2m");
  expect(await handle.result()).toMatchObject({ winner: "nap" });
  await t.idle();
  expect(await t.get(child, "c").actions.log()).toEqual(["begun", "undone"]);
});

test("an ask is answered by a handler, or by a workflow", async () => {
  await using t = createTestRuntime({ actors });
  expect(await (await t.create(asker, "a", { what: "guess" })).result()).toBe("7 it is");
  const wish = await t.create(asker, "b", { what: "wish" });
  await t.advance("2h");
  expect(await wish.result()).toBe("granted: b");
});

test("an ask that the other's handler fails at rejects with its error", async () => {
  await using t = createTestRuntime({ actors });
  const error = await rejection((await t.create(asker, "a", { what: "wrong" })).result());
  expect(error).toMatchObject({ code: "workflow_failed", message: expect.stringMatching(/no such number/) });
});

test("an ask times out, also on replay, and the late answer is not kept", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(asker, "a", { what: "late" });
  await t.advance("2m");
  expect(await handle.result()).toBe("ask wish: call_timeout");
  await t.crash();
  await t.advance("2h");
  expect(await handle.result()).toBe("ask wish: call_timeout");
});

test("an ask of a workflow that has ended is refused", async () => {
  await using t = createTestRuntime({ actors });
  const first = await t.create(asker, "a", { what: "wish" });
  await t.advance("2h");
  await first.result();
  const error = await rejection((await t.create(asker, "b", { what: "wish" })).result());
  expect(error).toMatchObject({ code: "workflow_failed", data: { error: { code: "workflow_ended" } } });
});

test("a workflow cannot wait for its own actor, nor ask what is not answered", async () => {
  const odd = actor("odd", {
    input: type<string>(),
    messages: { plain: type<string>() },
    workflow: async (ctx, what): Promise<unknown> => {
      if (what === "self") return ctx.child("self", odd as never, ctx.key, "x" as never);
      return ctx.ask("plain", { actor: odd as never, key: "other", message: "plain" as never, body: "x" as never });
    },
  });
  await using t = createTestRuntime({ actors: [odd] });
  const failures = [];
  for (const what of ["self", "plain"]) failures.push(await rejection((await t.create(odd, what, what)).result()));
  expect(failures[0]).toMatchObject({ data: { error: { code: "self_call" } } });
  expect(failures[1]).toMatchObject({ data: { error: { code: "bad_argument" } } });
});

test("whatever batch the process dies at, each is asked once and answered once", async () => {
  const { batches } = await crashEverywhere(
    () => ({ actors, patience: 40 }),
    async (t) => {
      const made = await t.create(parent, "p", { how: "slept" });
      const guess = await t.create(asker, "a", { what: "guess" });
      const wish = await t.create(asker, "b", { what: "wish" });
      await t.advance("3h");
      expect([await made.result(), await guess.result(), await wish.result()]).toEqual([
        "p-1 has slept",
        "7 it is",
        "granted: b",
      ]);
      expect(await t.state("oracle", "o")).toEqual({ asked: 1 });
      expect((await t.state("child", "p-1")) as object).toEqual({ log: ["begun"] });
      for (const [type, key] of [
        ["parent", "p"],
        ["asker", "a"],
        ["asker", "b"],
        ["oracle", "o"],
      ] as const)
        expect(await t.inbox(type, key)).toEqual([]);
    },
  );
  expect(batches).toBeGreaterThan(12);
}, 120_000);
