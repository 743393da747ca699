/** Several runtimes on one PostgreSQL, as several processes would have them: whoever is asked, the owner answers. */
import { type Actor, AppError, actor, ask, createRuntime, type PawlError, type Runtime, type } from "pawl";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

let server: PostgresServer;
let schemas = 0;
const open: Runtime[] = [];

beforeAll(async () => {
  if (isInstalled()) server = await PostgresServer.start();
  else if (process.env["CI"] === undefined) console.warn(MISSING);
  else throw new Error(MISSING);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((runtime) => runtime.close({ grace: 0 })));
});
afterAll(() => server?.stop());

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Runtimes that share a new store. */
function together<const A extends readonly Actor[]>(count: number, actors: A, more: string): Runtime<A>[] {
  const store = server.url(`together_${schemas++}`, `&lease=1000${more}`);
  const runtimes = Array.from({ length: count }, () => createRuntime({ actors, store, logger: silent }));
  open.push(...(runtimes as unknown as Runtime[]));
  return runtimes;
}

const wallet = actor("wallet", {
  state: () => ({ amount: 0, calls: 0 }),
  actions: {
    add: (c, amount: number) => {
      c.state.amount += amount;
      c.state.calls += 1;
      return c.state.amount;
    },
    read: (c) => c.state.amount,
    calls: (c) => c.state.calls,
    nothing: (c) => {
      c.state.calls += 1;
    },
    refuse: (c) => {
      c.state.amount = -1;
      throw new AppError("too_poor", "there is nothing in it", { amount: c.state.amount });
    },
  },
});

/** Takes messages, tells of them, and ends when it is told to. */
const clerk = actor("clerk", {
  messages: { note: type<string>(), end: type<string>(), question: ask(type<number>(), type<number>()) },
  state: () => ({ notes: [] as string[] }),
  actions: { notes: (c) => [...c.state.notes] },
  workflow: async (ctx): Promise<string> => {
    for (let n = 0; ; n++) {
      const message = await ctx.queue.next(`next ${n}`, { names: ["note", "end", "question"] });
      if (message.name === "end") return message.body;
      if (message.name === "question") await message.complete(message.body * 2);
      else await ctx.step(`write ${n}`, (c) => void c.state.notes.push(message.body));
    }
  },
});

const sender = actor("sender", {
  actions: {
    tell: (c, key: string, notes: string[]) => {
      for (const note of notes) c.get(clerk, key).send("note", note);
    },
  },
});

describe.runIf(isInstalled()).each([
  ["with hints", ""],
  ["without hints", "&hints=off"],
])("%s", (_, hints) => {
  test("an action for an actor of another process is answered as it would be there", async () => {
    const [one, two] = together(2, [wallet], hints) as [Runtime<[typeof wallet]>, Runtime<[typeof wallet]>];
    expect(await one.get(wallet, "w").actions.add(5)).toBe(5);
    const far = two.get(wallet, "w").actions;
    expect(await far.add(2)).toBe(7);
    expect(await far.read()).toBe(7);
    expect(await far.nothing()).toBe(undefined);
    const error = (await far.refuse().catch((error: unknown) => error)) as AppError;
    expect(error).toBeInstanceOf(AppError);
    expect([error.code, error.data]).toEqual(["too_poor", { amount: -1 }]);
    // What a refused action wrote is gone, there as here.
    expect(await Promise.all([one.get(wallet, "w").actions.read(), far.calls()])).toEqual([7, 3]);
  });

  test("calls from both sides at once are all there, once", async () => {
    const [one, two] = together(2, [wallet], hints) as [Runtime<[typeof wallet]>, Runtime<[typeof wallet]>];
    await one.get(wallet, "w").actions.add(0);
    const calls = [one, two].flatMap((side) => Array.from({ length: 20 }, () => side.get(wallet, "w").actions.add(1)));
    const replies = (await Promise.all(calls)) as number[];
    expect([...replies].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
  });

  test("messages, questions, creation, what is recorded and cancelling travel, too", async () => {
    const [one, two] = together(2, [clerk], hints) as [Runtime<[typeof clerk]>, Runtime<[typeof clerk]>];
    const near = await one.create(clerk, "c");
    const far = await two.create(clerk, "c");
    await expect(two.create(clerk, "c", undefined, { ifExists: "throw" })).rejects.toMatchObject({
      code: "actor_exists",
    });
    await far.send("note", "from afar");
    expect(await far.ask("question", 21)).toBe(42);
    expect(await near.actions.notes()).toEqual(["from afar"]);
    expect((await two.admin.show("clerk", "c")).actorState).toEqual({ notes: ["from afar"] });
    await far.cancel({ reason: "enough" });
    await expect(near.result()).rejects.toMatchObject({ code: "cancelled" });
    await expect(far.send("note", "late")).rejects.toMatchObject({ code: "workflow_ended" });
  });

  test("what an actor sends to one that another process has loaded arrives there, in order", async () => {
    const [one, two] = together(2, [clerk, sender], hints);
    const notes = await one?.create(clerk, "c");
    await two?.get(sender, "s").actions.tell("c", ["a", "b", "c"]);
    await two?.get(sender, "s").actions.tell("c", ["d"]);
    await expect.poll(() => notes?.actions.notes(), { timeout: 20_000 }).toEqual(["a", "b", "c", "d"]);
  });

  test("a result is told to whoever waits for it in another process, and is the same for all", async () => {
    const [one, two] = together(2, [clerk], hints);
    const near = await one?.create(clerk, "c");
    const waiting = two?.get(clerk, "c").result();
    await near?.send("end", "done");
    expect(await waiting).toBe("done");
    expect(await two?.get(clerk, "c").result()).toBe("done");
  });

  test("a call that nobody has answered goes to the next owner of the actor when its owner dies", async () => {
    let release = () => {};
    const stuck = new Promise<void>((resolve) => (release = resolve));
    let isStuck = () => {};
    const reached = new Promise<void>((resolve) => (isStuck = resolve));
    let first = true;
    const slow = actor("slow", {
      state: () => ({ done: 0 }),
      actions: {
        go: async (c) => {
          if (first) {
            first = false;
            isStuck();
            await stuck;
          }
          c.state.done += 1;
          return c.state.done;
        },
        touch: (c) => c.state.done,
      },
    });
    const [one, two] = together(2, [slow], hints) as [Runtime<[typeof slow]>, Runtime<[typeof slow]>];
    await one.get(slow, "s").actions.touch();
    const call = two.get(slow, "s").actions.go();
    await reached;
    crash(one);
    expect(await call).toBe(1);
    release();
    expect(await two.get(slow, "s").actions.touch()).toBe(1);
  });
});

/** Ends as a killed process would. */
function crash(runtime: object): void {
  const internals = Object.getOwnPropertySymbols(runtime).find((symbol) => symbol.description === "pawl.internals");
  const local = (runtime as Record<symbol, { crash(): void }>)[internals ?? Symbol.iterator];
  local?.crash();
}

test.runIf(isInstalled())("what a runtime that was closed has owned is answered by the next", async () => {
  const [one, two] = together(2, [wallet], "") as [Runtime<[typeof wallet]>, Runtime<[typeof wallet]>];
  await one.get(wallet, "w").actions.add(1);
  const call = two.get(wallet, "w").actions.add(1);
  await one.close();
  expect(await call).toBe(2);
});

test.runIf(isInstalled())(
  "an actor that needs an input and is not there is not found, wherever it is looked for",
  async () => {
    const needy = actor("needy", { input: type<number>(), actions: { read: () => 1 } });
    const [one, two] = together(2, [needy], "") as [Runtime<[typeof needy]>, Runtime<[typeof needy]>];
    const code = (error: unknown) => (error as PawlError).code;
    expect(await one.get(needy, "n").actions.read().catch(code)).toBe("actor_not_found");
    expect(await two.get(needy, "n").actions.read().catch(code)).toBe("actor_not_found");
  },
);
