/** Messages that handlers take: one after another, each in a transaction that takes it. */
import { expect, test } from "vitest";
import { actor, ask, CriticalError, type ErrorEvent, type } from "../../src/index.ts";
import { crashEverywhere, createTestRuntime } from "../../src/testing/index.ts";
import { rejection } from "../control/harness.ts";

interface Book {
  lines: string[];
  failures: string[];
}

function book(options: { fails?: (body: string, attempt: number) => unknown; maxRetries?: number } = {}) {
  return actor("book", {
    messages: { line: type<string>(), count: ask(type<string>(), type<number>()), other: type<string>() },
    state: (): Book => ({ lines: [], failures: [] }),
    actions: { book: (c): Book => ({ lines: [...c.state.lines], failures: [...c.state.failures] }) },
    receive: {
      line: (c, body) => {
        c.state.lines.push(body);
        const error = options.fails?.(body, c.attempt);
        if (error !== undefined) throw error;
      },
      count: async (c, body) => {
        const error = options.fails?.(body, c.attempt);
        if (error !== undefined) throw error;
        return c.state.lines.filter((line) => line.startsWith(body)).length;
      },
    },
    onError: (c, event: ErrorEvent) => {
      const { kind, name, attempt, willRetry } = event;
      c.state.failures.push(`${kind} ${name} ${attempt} ${willRetry ? "again" : "for good"}`);
    },
    steps: { maxRetries: options.maxRetries ?? 2, retryBackoffBase: "1s" },
  });
}

/** Sends lines to a book, one step each. */
function writer(of: ReturnType<typeof book>) {
  return actor("writer", {
    workflow: async (ctx) => {
      for (let i = 0; i < 3; i++) await ctx.step(`line ${i}`, (c) => c.get(of, "b").send("line", `${ctx.key} ${i}`));
    },
  });
}

test("a handler takes a message in the transaction that does what it asks for", async () => {
  const of = book();
  await using t = createTestRuntime({ actors: [of] });
  await t.get(of, "b").send("line", "one");
  await t.get(of, "b").send("line", "two");
  await t.idle();
  expect(await t.get(of, "b").actions.book()).toEqual({ lines: ["one", "two"], failures: [] });
  expect(await t.inbox("book", "b")).toEqual([]);
});

test("a message that is asked is answered with what its handler returns", async () => {
  const of = book();
  await using t = createTestRuntime({ actors: [of] });
  await t.get(of, "b").send("line", "one");
  expect(await t.get(of, "b").ask("count", "on")).toBe(1);
});

test("a handler that fails leaves nothing, is tried again, and later messages of that sender wait", async () => {
  const of = book({ fails: (body, attempt) => (body === "one" && attempt < 3 ? new Error("not yet") : undefined) });
  await using t = createTestRuntime({ actors: [of] });
  await t.get(of, "b").send("line", "one");
  await t.get(of, "b").send("line", "two");
  await t.idle();
  expect((await t.get(of, "b").actions.book()).lines).toEqual([]);
  await t.crash();
  await t.advance("10s");
  expect(await t.get(of, "b").actions.book()).toEqual({
    lines: ["one", "two"],
    failures: ["receive line 1 again", "receive line 2 again"],
  });
});

test("a message that fails for good is set aside, visibly, and retry tries it again", async () => {
  let broken = true;
  const of = book({ fails: (body) => (broken && body === "bad" ? new CriticalError("no") : undefined) });
  await using t = createTestRuntime({ actors: [of] });
  await t.get(of, "b").send("line", "bad");
  await t.get(of, "b").send("line", "good");
  await t.idle();
  expect((await t.get(of, "b").actions.book()).lines).toEqual(["good"]);
  expect((await t.admin.show("book", "b")).inbox).toMatchObject([{ body: "bad", undeliverable: { message: "no" } }]);
  await t.crash();
  await t.idle();
  expect((await t.admin.show("book", "b")).inbox).toMatchObject([{ body: "bad", undeliverable: { message: "no" } }]);
  broken = false;
  await t.admin.retry("book", "b");
  await t.idle();
  expect((await t.get(of, "b").actions.book()).lines).toEqual(["good", "bad"]);
  expect(await t.inbox("book", "b")).toEqual([]);
});

test("whoever asks is told of a failure for good", async () => {
  const of = book({ fails: () => new CriticalError("cannot count") });
  await using t = createTestRuntime({ actors: [of] });
  expect(await rejection(t.get(of, "b").ask("count", "x"))).toMatchObject({ message: "cannot count" });
  expect(await t.inbox("book", "b")).toEqual([]);
});

test("a handler that takes too long is given up and tried again, and what it still does counts for nothing", async () => {
  let go = () => {};
  let tries = 0;
  const late = new Promise<void>((resolve) => {
    go = resolve;
  });
  const slow = actor("slow", {
    messages: { line: type<string>() },
    state: () => ({ lines: [] as string[] }),
    receive: {
      line: async (c, body) => {
        tries += 1;
        if (c.attempt === 1) await late;
        c.state.lines.push(`${body} ${c.attempt}`);
      },
    },
    steps: { timeout: "1m", retryBackoffBase: "1s" },
  });
  await using t = createTestRuntime({ actors: [slow], patience: 40 });
  await t.get(slow, "s").send("line", "x");
  await t.idle();
  await t.advance("2m");
  go();
  await t.idle();
  expect([tries, await t.state("slow", "s")]).toEqual([2, { lines: ["x 2"] }]);
});

test("an actor may have handlers and a workflow, and its handlers outlive the workflow", async () => {
  const both = actor("both", {
    messages: { note: type<string>(), go: type<string>() },
    state: () => ({ notes: [] as string[] }),
    receive: { note: (c, body) => void c.state.notes.push(body) },
    workflow: async (ctx) => (await ctx.queue.next("go")).body,
  });
  await using t = createTestRuntime({ actors: [both] });
  await t.get(both, "b").send("note", "before");
  await t.get(both, "b").send("go", "done");
  expect(await t.get(both, "b").result()).toBe("done");
  await t.get(both, "b").send("note", "after");
  await t.idle();
  expect(await t.state("both", "b")).toEqual({ notes: ["before", "after"] });
});

test("handlers of what is not declared, and waits for what a handler takes, are refused", async () => {
  expect(() => actor("a", { messages: {}, receive: { x: () => {} } as never })).toThrow(/not declared/);
  expect(() => actor("a", { messages: { x: type<void>() }, receive: { x: 5 } as never })).toThrow(/a function/);
  const both = actor("both", {
    messages: { note: type<string>() },
    receive: { note: () => {} },
    workflow: async (ctx) => void (await ctx.queue.next("note")),
  });
  await using t = createTestRuntime({ actors: [both] });
  const error = await rejection(t.get(both, "b").result());
  expect(error.message).toMatch(/a message that is handled is taken by its handler/);
});

test("whatever batch the process dies at, each message is handled once, those of a sender in order", async () => {
  const of = book({ fails: (body, attempt) => (body.endsWith("1") && attempt === 1 ? new Error("once") : undefined) });
  const by = writer(of);
  const { batches } = await crashEverywhere(
    () => ({ actors: [of, by] as const, patience: 40 }),
    async (t) => {
      for (const key of ["v", "w"]) await t.create(by, key);
      await t.advance("1m");
      const { lines } = (await t.state("book", "b")) as Book;
      for (const key of ["v", "w"])
        expect(lines.filter((line) => line.startsWith(key))).toEqual([`${key} 0`, `${key} 1`, `${key} 2`]);
      expect(await t.inbox("book", "b")).toEqual([]);
    },
  );
  expect(batches).toBeGreaterThan(8);
}, 120_000);
