/** Events and connections between processes on one PostgreSQL: rows that are read in time, with notifications or without. */
import { type ChildProcess, fork } from "node:child_process";
import { type Actor, actor, createRuntime, live, type Runtime, type } from "pawl";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const PATIENCE = { timeout: 30_000 };
const LEASE_MS = 1_000;

let server: PostgresServer;
let schemas = 0;
const open: Runtime[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  if (isInstalled()) server = await PostgresServer.start();
  else if (process.env["CI"] === undefined) console.warn(MISSING);
  else throw new Error(MISSING);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await Promise.all(open.splice(0).map((runtime) => runtime.close({ grace: 0 })));
});
afterAll(() => server?.stop());

const silent = { debug() {}, info() {}, warn() {}, error() {} };

const room = actor("room", {
  events: { said: type<string>(), typing: live(type<string>()) },
  state: () => ({ closed: [] as string[] }),
  connection: {
    params: type<string>(),
    state: (name) => ({ name, lines: 0 }),
    open: (c) => c.connection.send("said", `welcome, ${c.connection.state.name}`),
    close: (c) => void c.state.closed.push(c.connection.state.name),
  },
  actions: {
    say: (c, line: string) => {
      if (c.connection !== undefined) c.connection.state.lines += 1;
      c.broadcast("said", line, { except: c.connection });
    },
    whisper: (c, name: string, line: string) => {
      for (const connection of c.connections) if (connection.state.name === name) connection.send("said", line);
    },
    fail: (c) => {
      c.broadcast("said", "never");
      c.broadcast("typing", "at once");
      throw new Error("no");
    },
    kick: (c, name: string) => {
      for (const connection of c.connections) if (connection.state.name === name) connection.close();
    },
    who: (c) => [...c.connections].map(({ state }) => ({ name: state.name, lines: state.lines })),
    closed: (c) => [...c.state.closed],
    end: (c) => c.destroy(),
  },
});

class Together {
  readonly store: string;
  constructor(hints: string) {
    this.store = server.url(`events_${schemas++}`, `&lease=${LEASE_MS}${hints}`);
  }

  runtime<const A extends readonly Actor[]>(actors: A, idleAfter = "30s"): Runtime<A> {
    const options = { actors, store: this.store, logger: silent, idleAfter: idleAfter as "30s" };
    const runtime = createRuntime<A>(options);
    open.push(runtime as unknown as Runtime);
    return runtime;
  }

  /** Two processes; the first one owns the actor. */
  async pair(): Promise<[Runtime<[typeof room]>, Runtime<[typeof room]>]> {
    const [one, two] = [this.runtime([room]), this.runtime([room])];
    await one.get(room, "r").actions.closed();
    return [one as Runtime<[typeof room]>, two as Runtime<[typeof room]>];
  }
}

describe.runIf(isInstalled()).each([
  ["with hints", ""],
  ["without hints", "&hints=off"],
])("%s", (_, hints) => {
  test("whoever listens to an actor of another process hears its events in order, numbered, and what failed never", async () => {
    const [one, two] = await new Together(hints).pair();
    const heard: string[] = [];
    const far = two.get(room, "r");
    // Before it, nothing opens the store of the second one.
    await far.actions.closed();
    const stop = far.on("said", (line, { seq }) => heard.push(`${seq} ${line}`));
    far.on("typing", (line, { attempt }) => heard.push(`live ${line} ${attempt}`));
    const near = one.get(room, "r").actions;
    // That somebody listens, the owner learns in time.
    let lines = 0;
    await expect
      .poll(async () => {
        if (heard.length === 0) await near.say(`line ${++lines}`);
        return heard.length;
      }, PATIENCE)
      .toBeGreaterThan(0);
    const first = Number(heard.at(-1)?.split(" ")[2]);
    await expect.poll(() => heard.at(-1)?.endsWith(` line ${lines}`), PATIENCE).toBe(true);
    heard.length = 0;
    await near.fail().catch(() => {});
    for (let n = 0; n < 5; n++) await near.say(`then ${n}`);
    await expect.poll(() => heard.length, PATIENCE).toBe(6);
    expect(heard[0]).toBe("live at once 1");
    const numbers = heard.slice(1).map((line) => Number(line.split(" ")[0]));
    expect(numbers).toEqual(numbers.map((_, n) => (numbers[0] ?? 0) + n));
    expect(heard.slice(1).map((line) => line.slice(line.indexOf(" ") + 1))).toEqual(
      Array.from({ length: 5 }, (_, n) => `then ${n}`),
    );
    expect(first).toBeGreaterThan(0);
    stop();
    heard.length = 0;
    await near.say("nobody hears that");
    await near.fail().catch(() => {});
    await expect.poll(() => heard, PATIENCE).toEqual(["live at once 1"]);
  });

  test("a client of another process is connected as one of the actor's own would be", async () => {
    const [one, two] = await new Together(hints).pair();
    const heard: string[] = [];
    const far = await two.get(room, "r").connect("far");
    far.on("said", (line, { seq }) => heard.push(`${seq} ${line}`));
    const near = await one.get(room, "r").connect("near");
    await far.actions.say("not to me");
    await near.actions.say("to all");
    await near.actions.whisper("far", "psst");
    await expect.poll(() => heard, PATIENCE).toEqual(["1 welcome, far", "2 to all", "3 psst"]);
    expect(await near.actions.who()).toEqual([
      { name: "far", lines: 1 },
      { name: "near", lines: 1 },
    ]);
    await far.close();
    expect(await near.actions.closed()).toEqual(["far"]);
  });

  test("an actor ends the connections of other processes, and takes them along when it is destroyed", async () => {
    const [one, two] = await new Together(hints).pair();
    const kicked = await two.get(room, "r").connect("kicked");
    const left = await two.get(room, "r").connect("left");
    await one.get(room, "r").actions.kick("kicked");
    expect(await kicked.closed).toBe("actor");
    await expect(kicked.actions.say("x")).rejects.toMatchObject({ code: "connection_closed" });
    await one.get(room, "r").actions.end();
    expect(await left.closed).toBe("destroyed");
  });

  test("a connection outlives the process that had its actor, and goes on with the next owner", async () => {
    const world = new Together(hints);
    const [one, two] = await world.pair();
    const heard: string[] = [];
    const far = await two.get(room, "r").connect("far");
    far.on("said", (line) => heard.push(line));
    await one.close({ grace: 0 });
    const three = world.runtime([room]);
    // Now the third one has it.
    await three.get(room, "r").actions.whisper("far", "from the next owner");
    await expect.poll(() => heard, PATIENCE).toEqual(["welcome, far", "from the next owner"]);
    expect(await far.actions.who()).toEqual([{ name: "far", lines: 0 }]);
    await far.close();
    expect(await three.get(room, "r").actions.closed()).toEqual(["far"]);
  });

  test("an event of a new owner leaves a gap in the numbers, for what the old one said last may be lost", async () => {
    const world = new Together(hints);
    const [one, two] = await world.pair();
    const heard: number[] = [];
    const far = await two.get(room, "r").connect("far");
    far.on("said", (_, { seq }) => heard.push(seq));
    await one.get(room, "r").actions.whisper("far", "x");
    await expect.poll(() => heard, PATIENCE).toEqual([1, 2]);
    await one.close({ grace: 0 });
    const three = world.runtime([room]);
    await three.get(room, "r").actions.whisper("far", "y");
    await expect.poll(() => heard, PATIENCE).toEqual([1, 2, 4]);
  });

  test("connections of a process that is killed end, with `close`, once its lease has run out", async () => {
    const world = new Together(hints);
    const near = world.runtime([room]).get(room, "r");
    await near.actions.closed();
    const child = fork(new URL("./client.mjs", import.meta.url), [world.store], { stdio: "ignore" });
    children.push(child);
    await expect.poll(async () => (await near.actions.who()).length, PATIENCE).toBe(3);
    child.kill("SIGKILL");
    await expect.poll(async () => [...(await near.actions.closed())].sort(), PATIENCE).toEqual(["0", "1", "2"]);
    expect(await near.actions.who()).toEqual([]);
  });

  test("the table of events holds what was said within a minute, and only what somebody elsewhere listens to", async () => {
    const world = new Together(hints);
    const [one] = await world.pair();
    for (let n = 0; n < 5; n++) await one.get(room, "r").actions.say(`${n}`);
    const schema = /schema=(\w+)/.exec(world.store)?.[1];
    expect(server.sql(`SELECT count(*) FROM ${schema}.event`).trim()).toBe("0");
    server.sql(
      `INSERT INTO ${schema}.event SELECT 'default', 'room/r', 1, n, '', now() - INTERVAL '61 s' FROM generate_series(1, 2500) n`,
    );
    // Another process sweeps when it begins.
    await world.runtime([room]).start();
    expect(server.sql(`SELECT count(*) FROM ${schema}.event`).trim()).toBe("0");
  });
});
