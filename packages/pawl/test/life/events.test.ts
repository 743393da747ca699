/** Events: what is broadcast leaves with the commit; what is declared live, at once. */
import { expect, expectTypeOf, test } from "vitest";
import { action, actor, CriticalError, type EventMeta, live, type Schema, type } from "../../src/index.ts";
import { createTestRuntime } from "../../src/testing/index.ts";
import { rejection } from "../control/harness.ts";
import { COUNTING, World } from "../runtime/harness.ts";

/** A schema that lets in texts of at most 10, trimmed. */
const short: Schema<string, string> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value === "string" && value.trim().length <= 10
        ? { value: value.trim() }
        : { issues: [{ message: "expected a short text", path: ["line"] }] },
  },
};

/** The same, but it takes its time. */
const slow: Schema<string, string> = {
  "~standard": { ...short["~standard"], validate: async (value) => short["~standard"].validate(value) },
};

const room = actor("room", {
  messages: { go: type<string>() },
  events: { said: short, typing: live(type<{ text: string }>()), late: slow },
  state: () => ({ lines: [] as string[] }),
  actions: {
    say: (c, line: string) => {
      c.state.lines.push(line);
      c.broadcast("said", line);
    },
    look: (c) => c.broadcast("said", String(c.state.lines.length)),
    fail: (c) => {
      c.broadcast("said", "never");
      c.broadcast("typing", { text: "at once" });
      throw new Error("no");
    },
    wrong: (c, what: string) => {
      if (what === "event") c.broadcast("nothing" as "said", "x");
      if (what === "payload") c.broadcast("said", "much too long a line");
      if (what === "value") c.broadcast("typing", { text: (() => {}) as unknown as string });
      if (what === "time") c.broadcast("late", "x");
    },
    checked: action(short, (c: { state: { lines: string[] } }, line) => {
      expectTypeOf(line).toEqualTypeOf<string>();
      c.state.lines.push(line);
      return line;
    }),
    slowly: action(slow, (_: unknown, line) => line),
    lines: (c) => [...c.state.lines],
  },
  workflow: async (ctx) => {
    const { body } = await ctx.queue.next("go");
    await ctx.step("speak", (c) => {
      c.broadcast("typing", { text: `${body}?` });
      c.broadcast("said", body);
      if (c.attempt < 3) throw new Error("once more");
    });
  },
});

interface Heard {
  readonly payload: unknown;
  readonly meta: EventMeta;
}

test("what an action broadcasts is heard once its commit is durable, in order and by value", async () => {
  const world = new World("sqlite");
  const runtime = world.open([room]);
  const heard: string[] = [];
  const handle = runtime.get(room, "a");
  handle.on("said", (line, { seq }) => heard.push(`${seq} ${line}`));
  await handle.actions.say("one");
  await handle.actions.say(" two ");
  await handle.actions.look();
  expect(heard).toEqual(["1 one", "2 two", "3 2"]);
});

test("nothing is heard before the commit, and nothing of one that is lost", async () => {
  const world = new World("memory");
  const runtime = world.open([room], { ...COUNTING, fault: { kind: "unknown_not_written", at: 2 } });
  const handle = runtime.get(room, "a");
  await handle.actions.lines();
  const heard: string[] = [];
  handle.on("said", (line) => heard.push(line));
  expect((await rejection(handle.actions.say("lost"))).code).toBeDefined();
  expect(heard).toEqual([]);
  await handle.actions.say("kept");
  expect(heard).toEqual(["kept"]);
});

test("an attempt that fails has said only what is live", async () => {
  await using t = createTestRuntime({ actors: [room] });
  const handle = t.get(room, "a");
  const heard: Heard[] = [];
  handle.on("said", (payload, meta) => heard.push({ payload, meta }));
  handle.on("typing", (payload, meta) => heard.push({ payload, meta }));
  await rejection(handle.actions.fail());
  expect(heard).toMatchObject([{ payload: { text: "at once" }, meta: { attempt: 1 } }]);
  await handle.send("go", "hello");
  await t.advance("1s");
  expect(heard.slice(1)).toMatchObject([
    { payload: { text: "hello?" }, meta: { step: "speak", attempt: 1 } },
    { payload: { text: "hello?" }, meta: { step: "speak", attempt: 2 } },
    { payload: { text: "hello?" }, meta: { step: "speak", attempt: 3 } },
    { payload: "hello" },
  ]);
  expect(heard.map(({ meta }) => meta.seq)).toEqual([1, 2, 3, 4, 5]);
});

test("whoever has stopped listening hears nothing; one who throws keeps nobody from hearing", async () => {
  await using t = createTestRuntime({ actors: [room] });
  const handle = t.get(room, "a");
  const heard: string[] = [];
  handle.on("said", () => {
    throw new CriticalError("a bad listener");
  });
  const stop = handle.on("said", (line) => heard.push(line));
  await handle.actions.say("one");
  stop();
  stop();
  await handle.actions.say("two");
  expect(heard).toEqual(["one"]);
  expect(t.logs.map(({ message }) => message)).toContain("whoever listens to an event threw");
});

test("whoever listens stays, across the death of a process", async () => {
  await using t = createTestRuntime({ actors: [room] });
  const heard: string[] = [];
  t.get(room, "a").on("said", (line) => heard.push(line));
  await t.get(room, "a").actions.say("one");
  await t.crash();
  await t.get(room, "a").actions.say("two");
  expect(heard).toEqual(["one", "two"]);
});

test.each([
  ["event", "unknown_event"],
  ["payload", "invalid_payload"],
  ["value", "value_not_storable"],
  ["time", "bad_argument"],
])("what is wrong with a %s is told at the call of broadcast", async (what, code) => {
  await using t = createTestRuntime({ actors: [room] });
  expect((await rejection(t.get(room, "a").actions.wrong(what))).code).toBe(code);
});

test("listening to an event that does not exist is refused", async () => {
  await using t = createTestRuntime({ actors: [room] });
  expect(() => t.get(room, "a").on("nothing" as "said", () => {})).toThrow(/has no event "nothing"/);
  expect(() => t.get(room, "a").on("said", undefined as unknown as () => void)).toThrow(/no function/);
  expect(() => actor("bad", { events: { x: 5 as unknown as Schema } })).toThrow(/event "x" that is no schema/);
});

test("the argument of an action is checked where it is called, and nothing is applied", async () => {
  await using t = createTestRuntime({ actors: [room] });
  const { actions } = t.get(room, "a");
  expect(await actions.checked("  hi ")).toBe("hi");
  const error = await rejection(actions.checked("much too long a line"));
  expect(error).toMatchObject({ code: "invalid_payload", data: { issues: [{ path: ".line: " }] } });
  expect(await actions.slowly(" late ")).toBe("late");
  expect((await rejection(actions.slowly("much too long a line"))).code).toBe("invalid_payload");
  expect(await actions.lines()).toEqual(["hi"]);
  expect(() => action(5 as unknown as Schema, () => {})).toThrow(/schema and a function/);
});

test("the types of events flow from the definition", () => {
  const { on } = createTestRuntime({ actors: [room] }).get(room, "a");
  on("typing", (payload, meta) => {
    expectTypeOf(payload).toEqualTypeOf<{ text: string }>();
    expectTypeOf(meta).toEqualTypeOf<EventMeta>();
  });
  // @ts-expect-error: there is no such event.
  expect(() => on("typo", () => {})).toThrow();
});
