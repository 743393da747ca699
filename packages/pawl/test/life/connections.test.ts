/** Connections: who is connected to an actor, with a state of its own that is part of every commit. */
import { expect, test } from "vitest";
import { AppError, actor, type Connection, live, RAW_STATE, type Schema, type TypesOf, type } from "../../src/index.ts";
import { rejection } from "../control/harness.ts";
import { batches, COUNTING, crash, gate, quiet, turns, until, World } from "../runtime/harness.ts";
import { inMemory, LifeWorld } from "./world.ts";

interface Params {
  readonly name: string;
}

/** Parameters with a name that is trimmed, and not empty. */
const params: Schema<Params> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      const name = (value as Params | undefined)?.name?.trim();
      return name ? { value: { name } } : { issues: [{ message: "expected a name", path: ["name"] }] };
    },
  },
};

const held = { gate: gate() };

const room = actor("room", {
  events: { said: type<string>(), welcome: type<string>(), typing: live(type<string>()) },
  state: () => ({ log: [] as string[], open: 0, closed: 0 }),
  connection: {
    params,
    state: ({ name }) => ({ name, lines: 0, tags: new Map<string, number>() }),
    open: (c) => {
      if (c.connection.params.name === "nobody") throw new AppError("banned", "not you");
      c.state.open += 1;
      c.connection.state.tags.set("joined", c.state.open);
      c.connection.send("welcome", c.connection.state.name);
      c.broadcast("said", `+${c.connection.state.name}`, { except: c.connection });
    },
    close: (c) => {
      c.state.closed += 1;
      c.state.log.push(`-${c.connection.state.name}`);
    },
  },
  actions: {
    say: (c, line: string) => {
      const { connection } = c;
      if (connection !== undefined) connection.state.lines += 1;
      c.broadcast("said", `${connection?.state.name ?? "?"}: ${line}`, { except: connection });
    },
    saySlowly: async (c, line: string) => {
      if (c.connection !== undefined) c.connection.state.lines += 1;
      c.state.log.push(line);
      await held.gate.promise;
      throw new Error("after all, no");
    },
    who: (c) =>
      [...c.connections].map(({ state, params: { name } }) => ({ name, lines: state.lines, tags: state.tags.size })),
    raw: (c) => c.connection?.[RAW_STATE](),
    forget: (c) => {
      if (c.connection === undefined) return;
      c.connection.state.tags.clear();
      c.connection.state.tags.set("again", 1);
      throw new AppError("no", `then ${JSON.stringify(c.connection[RAW_STATE]().tags.size)}`);
    },
    kick: (c, name: string, fails = false) => {
      for (const connection of c.connections) if (connection.state.name === name) connection.close();
      if (fails) throw new Error("not yet");
      return [...c.connections].length;
    },
    whisper: (c, name: string, line: string) => {
      for (const connection of c.connections) if (connection.state.name === name) connection.send("said", line);
    },
    tally: (c) => ({ open: c.state.open, closed: c.state.closed, log: [...c.state.log] }),
    end: (c) => c.destroy(),
  },
});

type Heard = readonly [number, string];

for (const kind of ["memory", "sqlite"] as const) {
  test(`each connection has a state of its own, which actions through it write, on ${kind}`, async () => {
    const runtime = new World(kind).open([room]);
    const handle = runtime.get(room, "r");
    const ann = await handle.connect({ name: " ann " });
    const bob = await handle.connect({ name: "bob" });
    await ann.actions.say("hello");
    await ann.actions.say("again");
    await handle.actions.say("from outside");
    expect(await handle.actions.who()).toEqual([
      { name: "ann", lines: 2, tags: 1 },
      { name: "bob", lines: 0, tags: 1 },
    ]);
    expect(await bob.actions.raw()).toEqual({ name: "bob", lines: 0, tags: new Map([["joined", 2]]) });
    expect(await handle.actions.raw()).toBe(undefined);
    expect(ann.connectionId).toMatch(/^[0-9a-f]{32}$/);
  });
}

test("an attempt that fails leaves no trace in the state of a connection", async () => {
  const runtime = new World("sqlite").open([room]);
  const ann = await runtime.get(room, "r").connect({ name: "ann" });
  await expect(ann.actions.forget()).rejects.toThrow("then 1");
  expect(await ann.actions.raw()).toEqual({ name: "ann", lines: 0, tags: new Map([["joined", 1]]) });
  held.gate = gate();
  const slow = rejection(ann.actions.saySlowly("x"));
  await ann.actions.say("meanwhile");
  held.gate.open();
  await slow;
  expect(await ann.actions.raw()).toMatchObject({ lines: 1 });
  expect(await ann.actions.tally()).toMatchObject({ log: [] });
});

test("a client hears what is said to all and to it alone, from the beginning, in order and numbered", async () => {
  const runtime = new World("memory").open([room]);
  const handle = runtime.get(room, "r");
  const heard: Record<string, Heard[]> = { ann: [], bob: [], all: [] };
  handle.on("said", (line, { seq }) => heard["all"]?.push([seq, line]));
  const listen = async (name: "ann" | "bob") => {
    const connected = await handle.connect({ name });
    for (const event of ["welcome", "said"] as const)
      connected.on(event, (line, { seq }) => heard[name]?.push([seq, line]));
    return connected;
  };
  const ann = await listen("ann");
  await turns();
  const bob = await listen("bob");
  await turns();
  await ann.actions.say("hi");
  await handle.actions.whisper("bob", "psst");
  await bob.actions.say("hi all");
  expect(heard).toEqual({
    ann: [
      [1, "ann"],
      [2, "+bob"],
      [3, "bob: hi all"],
    ],
    bob: [
      [1, "bob"],
      [2, "ann: hi"],
      [3, "psst"],
    ],
    all: [
      [1, "+ann"],
      [2, "+bob"],
      [3, "ann: hi"],
      [4, "bob: hi all"],
    ],
  });
});

test("nobody is connected if `open` throws or the parameters do not fit", async () => {
  const runtime = new World("sqlite").open([room]);
  const handle = runtime.get(room, "r");
  expect(await rejection(handle.connect({ name: "nobody" }))).toMatchObject({ code: "banned" });
  expect(await rejection(handle.connect({ name: " " }))).toMatchObject({
    code: "invalid_payload",
    data: { issues: [{ path: ".name: ", message: "expected a name" }] },
  });
  await quiet(runtime);
  expect(await handle.actions.who()).toEqual([]);
  expect(await handle.actions.tally(), "a connection that never was does not end").toEqual({
    open: 0,
    closed: 0,
    log: [],
  });
});

test("either side ends a connection: `close` runs once, and calls through it are refused", async () => {
  const runtime = new World("sqlite").open([room]);
  const handle = runtime.get(room, "r");
  const heard: string[] = [];
  const ann = await handle.connect({ name: "ann" });
  const bob = await handle.connect({ name: "bob" });
  bob.on("said", (line) => heard.push(line));
  await ann.close();
  await ann.close();
  expect(await ann.closed).toBe("client");
  expect(await rejection(ann.actions.say("x"))).toMatchObject({ code: "connection_closed", outcome: "no" });
  expect(await handle.actions.kick("bob")).toBe(0);
  expect(await bob.closed).toBe("actor");
  await handle.actions.say("late");
  await until(() => inMemory(runtime).length > 0);
  await quiet(runtime);
  expect(heard).toEqual([]);
  expect(await handle.actions.tally()).toEqual({ open: 2, closed: 2, log: ["-ann", "-bob"] });
  expect(await handle.actions.who()).toEqual([]);
});

test("a connection that a failed attempt has closed stays open", async () => {
  const runtime = new World("memory").open([room]);
  const handle = runtime.get(room, "r");
  const ann = await handle.connect({ name: "ann" });
  await rejection(handle.actions.kick("ann", true));
  await ann.actions.say("still here");
  expect(await handle.actions.tally()).toMatchObject({ closed: 0 });
});

test("`await using` ends a connection", async () => {
  const runtime = new World("memory").open([room]);
  const handle = runtime.get(room, "r");
  {
    const ann = await handle.connect({ name: "ann" });
    await ann[Symbol.asyncDispose]();
  }
  expect(await handle.actions.tally()).toMatchObject({ open: 1, closed: 1 });
});

test("an actor sleeps while it is connected to, and the connection goes on when it wakes", async () => {
  const world = new LifeWorld("sqlite");
  const runtime = world.open([room]);
  const handle = runtime.get(room, "r");
  const heard: Heard[] = [];
  const ann = await handle.connect({ name: "ann" });
  ann.on("said", (line, { seq }) => heard.push([seq, line]));
  await ann.actions.say("before");
  await world.pass(2_000);
  expect(inMemory(runtime)).toEqual([]);
  await handle.actions.whisper("ann", "awake");
  expect(heard).toEqual([[2, "awake"]]);
  expect(await ann.actions.raw()).toMatchObject({ lines: 1, tags: new Map([["joined", 1]]) });
  expect(await handle.actions.tally()).toMatchObject({ closed: 0 });
  await world.pass(2_000);
  expect(inMemory(runtime)).toEqual([]);
  await ann.close();
  expect(await handle.actions.tally()).toMatchObject({ closed: 1 });
});

test("connections of a process that has died end when their actor is loaded next, each with its `close`, once", async () => {
  const world = new World("sqlite");
  const first = world.open([room]);
  const ann = await first.get(room, "r").connect({ name: "ann" });
  await first.get(room, "r").connect({ name: "bob" });
  await ann.actions.say("x");
  crash(first);
  expect(await ann.closed).toBe("lost");
  for (let opening = 0; opening < 2; opening++) {
    const next = world.open([room]);
    const handle = next.get(room, "r");
    expect(await handle.actions.who()).toEqual([]);
    await quiet(next);
    const { closed, log } = await handle.actions.tally();
    expect([closed, [...log].sort()]).toEqual([2, ["-ann", "-bob"]]);
    crash(next);
  }
});

test("a runtime that is closed ends its connections first", async () => {
  const world = new World("sqlite");
  const first = world.open([room]);
  const ann = await first.get(room, "r").connect({ name: "ann" });
  await first.close();
  expect(await ann.closed).toBe("client");
  const next = world.open([room]);
  expect(await next.get(room, "r").actions.tally()).toEqual({ open: 1, closed: 1, log: ["-ann"] });
});

test("the connections of an actor that is destroyed end with it, without `close`", async () => {
  const runtime = new World("sqlite").open([room]);
  const handle = runtime.get(room, "r");
  const ann = await handle.connect({ name: "ann" });
  await handle.actions.end();
  expect(await ann.closed).toBe("destroyed");
  expect(await rejection(ann.actions.say("x"))).toMatchObject({ code: "connection_closed" });
  await runtime.create(room, "r");
  expect(await handle.actions.tally()).toEqual({ open: 0, closed: 0, log: [] });
});

const fragile = actor("fragile", {
  events: { ticked: type<number>() },
  state: () => ({ count: 0 }),
  connection: {
    close: (c) => {
      c.state.count += 1;
      throw new Error("close is broken");
    },
  },
  actions: { many: (c) => [...c.connections].length, count: (c) => c.state.count },
});

test("a connection ends although `close` throws, and nothing that it wrote stays", async () => {
  const world = new World("sqlite");
  const runtime = world.open([fragile]);
  const handle = runtime.get(fragile, "f");
  const connected = await handle.connect();
  expect(await handle.actions.many()).toBe(1);
  await connected.close();
  expect([await handle.actions.many(), await handle.actions.count()]).toEqual([0, 0]);
  expect(world.log.lines.some(({ message }) => message.includes("`connection.close` threw"))).toBe(true);
});

const plain = actor("plain", {
  events: { ticked: type<number>() },
  actions: {
    tick: (c, n: number) => c.broadcast("ticked", n),
    many: (c) => [...c.connections].length,
    state: (c) => [...c.connections].map((connection) => connection[RAW_STATE]()),
    wrong: (c) => {
      for (const connection of c.connections as Iterable<Connection<TypesOf<typeof room>>>) connection.state.lines += 1;
    },
    everybody: (c) => c.broadcast("ticked", 1, { except: {} as never }),
  },
});

test("an actor that says nothing of connections can be connected to; they have no state", async () => {
  const runtime = new World("memory").open([plain]);
  const handle = runtime.get(plain, "p");
  const connected = await handle.connect();
  const heard: number[] = [];
  connected.on("ticked", (n) => heard.push(n));
  await turns();
  await handle.actions.tick(1);
  expect(heard).toEqual([1]);
  expect(await handle.actions.state()).toEqual([undefined]);
  expect(await rejection(handle.actions.wrong())).toMatchObject({ code: "no_state" });
  expect(await rejection(handle.actions.everybody())).toMatchObject({ code: "bad_argument" });
  const given = handle.connect as (params: unknown) => Promise<unknown>;
  expect(await rejection(given({ name: "x" }))).toMatchObject({ code: "bad_argument" });
});

test("many connections of a dead process end in few changes", async () => {
  const world = new World("sqlite");
  const first = world.open([plain]);
  await Promise.all(Array.from({ length: 600 }, () => first.get(plain, "p").connect()));
  expect(await first.get(plain, "p").actions.many()).toBe(600);
  crash(first);
  const next = world.open([plain], COUNTING);
  expect(await next.get(plain, "p").actions.many()).toBe(0);
  await quiet(next);
  expect(batches(next)).toBeLessThanOrEqual(3);
  crash(next);
  const last = world.open([plain], COUNTING);
  expect(await last.get(plain, "p").actions.many()).toBe(0);
  await quiet(last);
  expect(batches(last)).toBe(0);
});

test("a listener that throws keeps no client from hearing", async () => {
  const world = new World("memory");
  const runtime = world.open([plain]);
  const handle = runtime.get(plain, "p");
  const heard: number[] = [];
  const [one, two] = [await handle.connect(), await handle.connect()];
  one.on("ticked", () => {
    throw new Error("deaf");
  });
  const stop = two.on("ticked", (n) => heard.push(n));
  await turns();
  await handle.actions.tick(1);
  stop();
  await handle.actions.tick(2);
  expect(heard).toEqual([1]);
});

test("definitions of connections that cannot be are refused", () => {
  const define = (connection: unknown) => () => actor("x", { connection } as object);
  for (const connection of [1, null, { opens: () => {} }, { params: {} }, { open: 5 }, { state: {} }])
    expect(define(connection)).toThrow(expect.objectContaining({ code: "bad_argument" }));
});
