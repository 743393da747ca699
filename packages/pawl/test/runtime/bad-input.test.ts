/** What comes in wrong is refused with a code, what was found and what to do; nothing is lost, nothing is half done. */
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type Actor,
  actor,
  createRuntime,
  type PawlError,
  type RuntimeOptions,
  type Schema,
  type,
} from "../../src/index.ts";
import { silentLogger } from "../../src/log.ts";
import { temporaryFolder } from "./harness.ts";

let stores = 0;
const STORES = {
  memory: () => `memory:bad-input-${stores++}`,
  sqlite: () => `sqlite:${temporaryFolder()}/store.db`,
} as const;

const positive: Schema<number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value === "number" && value > 0 ? { value } : { issues: [{ message: "not above 0" }] },
  },
};

const account = actor("account", {
  messages: { pay: positive },
  state: () => ({ amount: 0 }),
  actions: { read: (c) => c.state.amount },
  receive: { pay: (c, amount) => void (c.state.amount += amount) },
});
const hoard = actor("hoard", {
  messages: { keep: type<number>() },
  workflow: async (ctx) => void (await ctx.sleep("for ever", "1d")),
});
const strange = actor("strange", { messages: { any: type<unknown>() } });
const teller = actor("teller", {
  state: () => ({ told: 0 }),
  actions: {
    told: (c) => c.state.told,
    pay: (c, amount: number) => {
      c.state.told += 1;
      c.get(account, "a").send("pay", amount);
    },
    stray: (c) => {
      c.state.told += 1;
      c.get(strange, "s").send("any", 1);
    },
    fill: (c) => {
      c.state.told += 1;
      for (let n = 0; n < 5; n++) c.get(hoard, "h").send("keep", n);
    },
  },
});

function start(store: string, more: Partial<RuntimeOptions<readonly Actor[]>> = {}) {
  const actors = [account, teller, hoard] as const;
  const runtime = createRuntime({ actors, store, logger: silentLogger, ...more } as RuntimeOptions<typeof actors>);
  onTestFinished(() => runtime.close({ grace: 0 }));
  return runtime;
}

async function refused(promise: Promise<unknown>, code: string): Promise<PawlError> {
  const error = await promise.then(
    () => expect.fail("it was not refused"),
    (error: PawlError) => error,
  );
  expect(error.code, error.message).toBe(code);
  return error;
}

describe.each(["memory", "sqlite"] as const)("on %s", (kind) => {
  test("a message that does not pass its schema is not sent, from outside or in an attempt, which changes nothing", async () => {
    const runtime = start(STORES[kind]());
    const error = await refused(runtime.get(account, "a").send("pay", -5), "invalid_payload");
    expect(error.message).toContain("not above 0");
    await refused(runtime.get(teller, "t").actions.pay(-5), "invalid_payload");
    expect(await runtime.get(teller, "t").actions.told()).toBe(0);
    expect(await runtime.get(account, "a").actions.read()).toBe(0);
  });

  test("a message to an actor of a type that the runtime does not know is refused, with those that it knows", async () => {
    const runtime = start(STORES[kind]());
    const error = await refused(runtime.get(teller, "t").actions.stray(), "unknown_actor");
    for (const part of [/found +"strange"/, /expected +account, teller, hoard/, /do +add it/])
      expect(error.message).toMatch(part);
    expect(() => runtime.get("strange" as "hoard", "s")).toThrow(/found +"strange"/);
    expect(await runtime.get(teller, "t").actions.told()).toBe(0);
  });

  test("a full inbox refuses what is sent, whole attempts with it, and loses nothing that it has", async () => {
    const runtime = start(STORES[kind](), { limits: { inboxMessages: 3 } });
    const handle = await runtime.create(hoard, "h");
    await refused(runtime.get(teller, "t").actions.fill(), "inbox_full");
    expect((await runtime.admin.show("hoard", "h")).inbox).toEqual([]);
    for (const n of [1, 2, 3]) await handle.send("keep", n);
    const error = await refused(handle.send("keep", 4), "inbox_full");
    expect(error.message).toMatch(/hoard\/h/);
    expect((await runtime.admin.show("hoard", "h")).inbox.map(({ body }) => body)).toEqual([1, 2, 3]);
    expect(await runtime.get(teller, "t").actions.told()).toBe(0);
  });

  test("a cron line that does not parse is refused at the definition, before anything is opened", () => {
    const cron = (line: string) => actor("cron", { schedules: { nightly: { cron: line, run: () => {} } } });
    for (const line of ["every night", "0 25 * * *", ""]) {
      const refusal = () => createRuntime({ actors: [cron(line)], store: STORES[kind](), logger: silentLogger });
      expect(refusal).toThrow(
        expect.objectContaining({ code: "bad_argument", message: expect.stringMatching(/nightly/) }),
      );
    }
  });
});
