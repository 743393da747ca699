/** The end of an actor: nothing of it stays but that it was. */
import { expect, test } from "vitest";
import { actor, ask, type } from "../../src/index.ts";
import { crashEverywhere, createTestRuntime } from "../../src/testing/index.ts";
import { rejection } from "../control/harness.ts";

const person = actor("person", {
  messages: { note: type<string>(), question: ask(type<string>(), type<string>()) },
  state: () => ({ notes: [] as string[] }),
  actions: {
    note: (c, text: string) => {
      c.state.notes.push(text);
      return c.idempotencyKey;
    },
    notes: (c) => [...c.state.notes],
    leave: (c) => {
      c.destroy();
      return "gone";
    },
  },
  workflow: async (ctx) => {
    await ctx.step("arrive", (c) => void c.state.notes.push("arrived"));
    await ctx.queue.next("note");
  },
});

const friend = actor("friend", {
  actions: {
    write: (c, to: string) => c.get(person, to).send("note", "hello"),
    meet: (c, key: string) => void c.create(person, key),
    stop: (c, key: string) => c.get(person, key).cancel(),
  },
  workflow: async (ctx) => {
    const tried = await ctx.try("ask", (ctx) =>
      ctx.ask("ask", { actor: person, key: "p", message: "question", body: "?" }),
    );
    return tried.ok ? tried.value : tried.failure.error.code;
  },
});
const actors = [person, friend] as const;

test("a destroyed actor is refused to everyone, also after a crash, and leaves no messages behind", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(person, "p");
  await t.idle();
  await handle.destroy();
  expect(await rejection(handle.actions.notes())).toMatchObject({ code: "actor_destroyed" });
  expect(await rejection(handle.send("note", "x"))).toMatchObject({ code: "actor_destroyed" });
  await t.get(friend, "f").actions.write("p");
  await t.idle();
  await t.crash();
  expect(await rejection(handle.result())).toMatchObject({ code: "actor_destroyed" });
  await handle.destroy();
});

test("made anew, it is another one: nothing is left of the first, not even a key", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(person, "p");
  const keyed = () => handle.with({ idempotencyKey: "k" }).actions.note("once");
  const key = await keyed();
  await handle.destroy();
  await t.create(person, "p");
  await t.idle();
  expect(await handle.actions.notes()).toEqual(["arrived"]);
  expect(await keyed()).not.toBe(key);
  await t.crash();
  expect(await handle.actions.notes()).toEqual(["arrived", "once"]);
});

test("an action may end its own actor, and is answered", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(person, "p");
  expect(await handle.actions.leave()).toBe("gone");
  await t.idle();
  expect(await rejection(handle.actions.notes())).toMatchObject({ code: "actor_destroyed" });
});

test("whoever waits for an answer of an actor that is destroyed is told", async () => {
  await using t = createTestRuntime({ actors });
  const handle = await t.create(person, "p");
  const asking = await t.create(friend, "f");
  await t.idle();
  await handle.destroy();
  expect(await asking.result()).toBe("actor_destroyed");
});

test("attempts make and cancel other actors with their commit", async () => {
  await using t = createTestRuntime({ actors });
  await t.get(friend, "f").actions.meet("q");
  await t.idle();
  expect(await t.get(person, "q").actions.notes()).toEqual(["arrived"]);
  await t.get(friend, "f").actions.stop("q");
  await t.idle();
  expect(await rejection(t.get(person, "q").result())).toMatchObject({ code: "cancelled" });
});

test("whatever batch the process dies at, a destroyed actor is gone and its successor is whole", async () => {
  await crashEverywhere(
    () => ({ actors, patience: 40 }),
    async (t) => {
      const handle = await t.create(person, "p");
      await t.idle();
      await handle.destroy();
      await t.create(person, "p");
      await t.idle();
      expect(await handle.actions.notes()).toEqual(["arrived"]);
    },
  );
}, 120_000);
