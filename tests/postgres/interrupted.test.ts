/**
 * Connections whose way is interrupted: the database restarts, or the process that has the actor is stopped for longer than its
 * lease. They go on with whoever has the actor then, or end with `close`, on both sides.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { actor, createRuntime, type Runtime, type } from "pawl";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const PATIENCE = { timeout: 60_000 };
const SCRIPT = fileURLToPath(new URL("owner.mjs", import.meta.url));
const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** The same as in `owner.mjs`. */
const room = actor("room", {
  events: { said: type<string>() },
  state: () => ({ said: 0, closed: [] as string[] }),
  connection: {
    params: type<string>(),
    state: (name) => ({ name }),
    close: (c) => void c.state.closed.push(c.connection.state.name),
  },
  actions: {
    say: (c, line: string) => {
      c.state.said += 1;
      c.broadcast("said", line);
    },
    said: (c) => c.state.said,
    who: (c) => Array.from(c.connections, ({ state }) => state.name).sort(),
    closed: (c) => [...c.state.closed],
  },
});

let server: PostgresServer;
let schemas = 0;
const open: Runtime<readonly [typeof room]>[] = [];
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

function runtimeOn(store: string): Runtime<readonly [typeof room]> {
  const runtime = createRuntime({ actors: [room], store, logger: silent });
  open.push(runtime);
  return runtime;
}

/** A process that has the room, and a client of its own in it. */
async function owner(store: string): Promise<{ child: ChildProcess; said: string[] }> {
  const child = fork(SCRIPT, [store], { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv: [] });
  children.push(child);
  const said: string[] = [];
  child.on("message", (report) => said.push(String(report)));
  await expect.poll(() => said, PATIENCE).toContain("connected");
  return { child, said };
}

test.runIf(isInstalled())(
  "connections outlive a restart of the database, or end with `close`, and what is said afterwards is heard",
  async () => {
    const store = server.url(`interrupted_${schemas++}`, "&lease=5000");
    await owner(store);
    const handle = runtimeOn(store).get(room, "r");
    const far = await handle.connect("far");
    const heard: string[] = [];
    const closed: string[] = [];
    far.on("said", (line) => heard.push(line));
    void far.closed.then((why) => closed.push(why));
    await handle.actions.say("before");
    await expect.poll(() => heard, PATIENCE).toEqual(["before"]);

    await server.kill();
    await server.resume();
    // Whoever asks in between may be told that nobody knows; it is asked until somebody does.
    const again = () =>
      handle.actions.say("after").then(
        () => true,
        () => false,
      );
    await expect.poll(again, PATIENCE).toBe(true);
    expect(await handle.actions.said()).toBeGreaterThanOrEqual(2);
    if (closed.length === 0) {
      await expect.poll(() => heard.at(-1), PATIENCE).toBe("after");
      expect(await handle.actions.who()).toEqual(["far", "near"]);
    } else {
      expect(closed).toEqual(["lost"]);
      await expect.poll(() => handle.actions.closed(), PATIENCE).toContain("far");
    }
  },
  180_000,
);

test.runIf(isInstalled())(
  "a process that was stopped for longer than its lease ends its own connections, and those of others go on with the next owner",
  async () => {
    const store = server.url(`interrupted_${schemas++}`, "&lease=1000");
    const { child, said } = await owner(store);
    const handle = runtimeOn(store).get(room, "r");
    const far = await handle.connect("far");
    const heard: string[] = [];
    const closed: string[] = [];
    far.on("said", (line) => heard.push(line));
    void far.closed.then((why) => closed.push(why));
    expect(await handle.actions.who()).toEqual(["far", "near"]);

    child.kill("SIGSTOP");
    // Nobody has it until the lease has run out: then it is this process's, which ends what the dead were connected with.
    await handle.actions.say("meanwhile");
    await expect.poll(() => heard, PATIENCE).toEqual(["meanwhile"]);
    await expect.poll(() => handle.actions.who(), PATIENCE).toEqual(["far"]);
    expect(await handle.actions.closed()).toEqual(["near"]);
    expect(said).not.toContain("closed lost");

    child.kill("SIGCONT");
    await expect.poll(() => said, PATIENCE).toContain("closed lost");
    // It asks whoever has the room now, and takes nothing back.
    child.send("say");
    await expect.poll(() => heard, PATIENCE).toEqual(["meanwhile", "from the one that was stopped"]);
    expect(await handle.actions.said()).toBe(2);
    expect(closed).toEqual([]);
    expect(await handle.actions.who()).toEqual(["far"]);
  },
  180_000,
);
