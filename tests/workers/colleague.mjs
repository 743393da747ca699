/**
 * A thread that shares a store with others, and does what its parent says: new Worker(colleague.mjs, { workerData: { store, limits } }).
 *
 * In: { id, verb, ... }. Out: { open: true }, { id, value } or { id, code, message }, and { heard } of events.
 */
import { parentPort, threadId, workerData } from "node:worker_threads";
import { actor, ask, createRuntime, Loop, live, raw, type } from "pawl";

/** Says which thread it is in, and takes what it is sent. */
const desk = actor("desk", {
  messages: { note: type(), question: ask(type(), type()) },
  events: { noted: type(), typing: live(type()) },
  state: () => ({ notes: [], threads: [] }),
  actions: {
    where: () => threadId,
    add: (c, id) => {
      c.state.notes.push(id);
      return c.state.notes.length;
    },
    tell: (c, text) => {
      c.broadcast("typing", text[0]);
      c.broadcast("noted", text);
    },
    fail: () => {
      throw new TypeError("the desk is closed");
    },
    forward: async (c, { to, ids }) => {
      for (const id of ids) c.get(desk, to).send("note", id);
    },
    fill: (c, { to, count }) => {
      for (let i = 0; i < count; i++) c.get(box, to).send("put", i);
    },
    relay: (c, { to, id }) => c.get(desk, to).actions.add(id),
    read: (c) => raw(c.state),
  },
  receive: {
    note: (c, id) => {
      c.state.notes.push(id);
      if (c.state.threads.at(-1) !== threadId) c.state.threads.push(threadId);
    },
    question: (_c, text) => `${text}, said thread ${threadId}`,
  },
});

const parcel = actor("parcel", {
  input: type(),
  state: () => ({ steps: [], threads: [] }),
  actions: { read: (c) => raw(c.state), where: () => threadId },
  workflow: async (ctx, { steps, nap }) => {
    for (let step = 0; step < steps; step++) {
      await ctx.step(`step ${step}`, async (c) => {
        await new Promise((resolve) => setTimeout(resolve, 2));
        c.state.steps.push(step);
        if (c.state.threads.at(-1) !== threadId) c.state.threads.push(threadId);
      });
      if (nap > 0) await ctx.sleep(`nap ${step}`, nap);
    }
    return steps;
  },
});

/** Has another actor work for it, which its caller has put into another thread. */
const client = actor("client", {
  messages: { go: type() },
  workflow: async (ctx) => {
    const { body } = await ctx.queue.next("go", { names: ["go"] });
    const answer = await ctx.ask("question", { actor: desk, key: body.desk, message: "question", body: "who are you" });
    const steps = await ctx.child("parcel", parcel, body.parcel, { steps: 3, nap: 0 });
    return { answer, steps };
  },
});

/** Takes nothing of what it is sent. */
const box = actor("box", {
  messages: { put: type(), never: type() },
  workflow: (ctx) => ctx.queue.next("never", { names: ["never"] }),
});

/** A workflow that never ends by itself. */
const watch = actor("watch", {
  messages: { tick: type() },
  state: () => ({ ticks: 0 }),
  actions: { read: (c) => c.state.ticks },
  workflow: (ctx) =>
    ctx.loop("ticks", async (ctx) => {
      await ctx.queue.next("tick", { names: ["tick"] });
      await ctx.step("count", (c) => void (c.state.ticks += 1));
      return Loop.continue();
    }),
});

/** Whoever is connected has lines of his own, and is told what others say. */
const room = actor("room", {
  events: { said: type() },
  state: () => ({ log: [] }),
  connection: {
    params: type(),
    state: ({ name }) => ({ name, lines: 0 }),
    open: (c) => c.broadcast("said", `+${c.connection.state.name}`, { except: c.connection }),
    close: (c) => {
      c.state.log.push(`-${c.connection.state.name}`);
      c.broadcast("said", `-${c.connection.state.name}`);
    },
  },
  actions: {
    where: () => threadId,
    say: (c, line) => {
      c.connection.state.lines += 1;
      c.broadcast("said", `${c.connection.state.name}: ${line}`);
      return c.connection.state.lines;
    },
    who: (c) => [...c.connections].map(({ state: { name, lines } }) => `${name} ${lines}`).sort(),
    log: (c) => raw(c.state.log),
  },
});

const actors = { desk, parcel, client, box, watch, room };
const connected = new Map();
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const { store, limits = {} } = workerData;
const runtime = createRuntime({ actors: Object.values(actors), store, limits, logger: silent });

const verbs = {
  thread: () => threadId,
  act: ({ on, key, name, arg }) => runtime.get(actors[on], key).actions[name](arg),
  send: ({ on, key, name, body }) => runtime.get(actors[on], key).send(name, body),
  ask: ({ key, body }) => runtime.get(desk, key).ask("question", body),
  create: async ({ on, key, input }) => void (await runtime.create(actors[on], key, input)),
  result: ({ on, key }) => runtime.get(actors[on], key).result(),
  listen: ({ key }) => {
    for (const event of ["noted", "typing"])
      runtime
        .get(desk, key)
        .on(event, (payload, meta) => parentPort.postMessage({ heard: { event, payload, seq: meta.seq } }));
  },
  connect: async ({ key, name }) => {
    const connection = await runtime.get(room, key).connect({ name });
    connected.set(name, connection);
    connection.on("said", (payload, meta) =>
      parentPort.postMessage({ heard: { event: name, payload, seq: meta.seq } }),
    );
  },
  say: ({ name, line }) => connected.get(name).actions.say(line),
  leave: ({ name }) => connected.get(name)[Symbol.asyncDispose](),
  list: async () => {
    const found = [];
    for await (const { type, key, state } of runtime.admin.list()) found.push(`${type}/${key} ${state}`);
    return found;
  },
  close: () => runtime.close(),
  throw: () =>
    setImmediate(() => {
      throw new Error("on purpose");
    }),
  exit: () => process.exit(7),
};

parentPort.on("message", ({ id, verb, ...rest }) => {
  Promise.resolve()
    .then(() => verbs[verb](rest))
    .then(
      (value) => parentPort.postMessage({ id, value }),
      (error) => parentPort.postMessage({ id, code: error.code ?? error.name, message: String(error.message) }),
    );
});
await runtime.start();
parentPort.postMessage({ open: true });
