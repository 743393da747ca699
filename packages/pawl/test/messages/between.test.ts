/** Messages between actors: part of the sender's commit, once, in order, whether the receiver is loaded or not. */
import { expect, test } from "vitest";
import { actor, type Handle, PawlError, type } from "../../src/index.ts";
import { crashEverywhere, createTestRuntime } from "../../src/testing/index.ts";
import { rejection } from "../control/harness.ts";

interface Mail {
  got: string[];
}

/** Notes every message that comes, in a loop of its workflow. */
const reader = actor("reader", {
  messages: { line: type<string>() },
  state: (): Mail => ({ got: [] }),
  actions: { got: (c) => [...c.state.got] },
  workflow: async (ctx) => {
    await ctx.loop("lines", async (ctx) => {
      const { body } = await ctx.queue.next("line");
      await ctx.step("note", (c) => void c.state.got.push(body));
    });
  },
});

/** Takes what it is sent, but has to be created. */
const guarded = actor("guarded", {
  input: type<string>(),
  messages: { line: type<string>() },
  workflow: async (ctx, input) => `${input}: ${(await ctx.queue.next("line")).body}`,
});

const writer = actor("writer", {
  messages: { go: type<number>() },
  state: () => ({ sent: 0 }),
  actions: {
    write: (c, to: string, ...lines: string[]) => {
      for (const line of lines) c.get(reader, to).send("line", line);
      c.state.sent += lines.length;
    },
    later: (c, to: string, line: string) => c.get(reader, to).send("line", line, { delay: "1m" }),
    greet: (c, to: string, line: string) => c.get(guarded, to).send("line", line),
    fail: (c, to: string, line: string) => {
      c.get(reader, to).send("line", line);
      throw new Error("changed my mind");
    },
    flood: (c, to: string, count: number) => {
      for (let i = 0; i < count; i++) c.get(guarded, to).send("line", String(i));
    },
    wrong: (c, what: string) => {
      if (what === "message") c.get(reader, "a").send("lines" as "line", "x");
      if (what === "body") c.get(reader, "a").send("line", (() => {}) as unknown as string);
      if (what === "actor") c.get(stranger, "a");
      if (what === "key") c.get(reader, "");
      if (what === "delay") c.get(reader, "a").send("line", "x", { delay: -1 });
      if (what === "option") c.get(reader, "a").send("line", "x", { after: 5 } as object);
    },
  },
  workflow: async (ctx) => {
    const { body: lines } = await ctx.queue.next("go");
    for (let line = 0; line < lines; line++)
      await ctx.step(`line ${line}`, (c) => {
        c.get(reader, "a").send("line", `${ctx.key} ${line}`);
        if (c.attempt === 1 && line % 2 === 1) throw new Error("once");
      });
  },
});
const stranger = actor("stranger", {});
const actors = [reader, writer, guarded] as const;

test("a message of an action arrives, at an actor that it makes", async () => {
  await using t = createTestRuntime({ actors });
  await t.get(writer, "w").actions.write("a", "one", "two");
  await t.idle();
  expect(await t.get(reader, "a").actions.got()).toEqual(["one", "two"]);
});

test("an attempt that fails has sent nothing", async () => {
  await using t = createTestRuntime({ actors });
  await rejection(t.get(writer, "w").actions.fail("a", "one"));
  await t.get(writer, "w").actions.write("a", "two");
  await t.idle();
  expect(await t.get(reader, "a").actions.got()).toEqual(["two"]);
});

test("messages that workflows send to one actor arrive once, each sender's in order, wherever a process dies", async () => {
  const count = 2;
  const { batches } = await crashEverywhere(
    () => ({ actors, patience: 40 }),
    async (t) => {
      for (const key of ["v", "w"]) {
        await t.create(writer, key);
        await sendOnce(t.get(writer, key), count);
      }
      await t.advance("1s");
      const got = (await t.state("reader", "a")) as Mail;
      const of = (key: string) => got.got.filter((line) => line.startsWith(key));
      for (const key of ["v", "w"])
        expect(of(key), key).toEqual(Array.from({ length: count }, (_, line) => `${key} ${line}`));
      expect(await t.inbox("reader", "a")).toEqual([]);
    },
  );
  expect(batches).toBeGreaterThan(12);
}, 120_000);

/** A call of a test is made again if the process dies: a second "go" stays in the inbox, and nobody takes it. */
function sendOnce(handle: Handle<typeof writer>, count: number): Promise<void> {
  return handle.send("go", count).catch((error: unknown) => {
    if (!(error instanceof PawlError) || error.code !== "workflow_ended") throw error;
  });
}

test("a message with a delay is not seen before its time, also when the process dies meanwhile", async () => {
  await using t = createTestRuntime({ actors });
  await t.get(writer, "w").actions.later("a", "late");
  await t.get(writer, "w").actions.write("a", "early");
  await t.advance("59s");
  expect(await t.get(reader, "a").actions.got()).toEqual(["early"]);
  expect(await t.inbox("reader", "a")).toMatchObject([{ body: "late" }]);
  await t.crash();
  await t.advance("1s");
  expect(await t.get(reader, "a").actions.got()).toEqual(["early", "late"]);
});

test("a message from outside may be delayed, too", async () => {
  await using t = createTestRuntime({ actors });
  await t.get(reader, "a").send("line", "late", { delay: "1h" });
  expect(await t.get(reader, "a").actions.got()).toEqual([]);
  await t.skip();
  expect(await t.get(reader, "a").actions.got()).toEqual(["late"]);
});

test("a message to an actor that must be created waits for that", async () => {
  await using t = createTestRuntime({ actors });
  await t.get(writer, "w").actions.greet("g", "hello");
  await t.crash();
  await t.idle();
  await t.create(guarded, "g", "input");
  expect(await t.get(guarded, "g").result()).toBe("input: hello");
});

test("a full inbox refuses at the call of send, and takes again what fits", async () => {
  await using t = createTestRuntime({ actors });
  const { actions } = t.get(writer, "w");
  expect((await rejection(actions.flood("g", 10_001))).code).toBe("inbox_full");
  await actions.flood("g", 9_999);
  await t.idle();
  expect(await rejection(actions.flood("g", 2))).toMatchObject({ code: "inbox_full", retryable: true });
  await actions.flood("g", 1);
  await t.crash();
  await t.idle();
  expect((await rejection(actions.flood("g", 1))).code).toBe("inbox_full");
});

test.each([
  ["message", "unknown_message"],
  ["body", "value_not_storable"],
  ["actor", "unknown_actor"],
  ["key", "bad_argument"],
  ["delay", "bad_argument"],
  ["option", "bad_argument"],
])("what is wrong with a %s is told at the call of get or send", async (what, code) => {
  await using t = createTestRuntime({ actors });
  expect((await rejection(t.get(writer, "w").actions.wrong(what))).code).toBe(code);
});
