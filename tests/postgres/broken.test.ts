/** Databases that are not as they should be, or fail in the midst of work: each says so; the process lives, and nothing is lost. */
import { actor, createRuntime, PawlError, type Runtime, type } from "pawl";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { TransactionPool } from "./pooler.ts";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const counter = actor("counter", {
  state: () => ({ n: 0 }),
  messages: { note: type<string>() },
  actions: { add: (c) => ++c.state.n, read: (c) => c.state.n },
  workflow: async (ctx) => (await ctx.queue.next("end", { names: ["note"] })).body,
});
type Counting = Runtime<readonly [typeof counter]>;

let server: PostgresServer;
let standby: PostgresServer;
let schemas = 0;
const open: Counting[] = [];

beforeAll(async () => {
  if (!isInstalled()) {
    if (process.env["CI"] === undefined) return console.warn(MISSING);
    throw new Error(MISSING);
  }
  server = await PostgresServer.start();
  standby = await server.standby();
}, 60_000);
afterEach(async () => {
  await Promise.all(open.splice(0).map((runtime) => runtime.close({ grace: 0 })));
});
afterAll(async () => {
  await standby?.stop();
  await server?.stop();
});

function runtimeOn(store: string): Counting {
  const runtime = createRuntime({ actors: [counter], store, logger: silent });
  open.push(runtime);
  return runtime;
}

const add = (runtime: Counting, key = "c") => runtime.get(counter, key).actions.add();

async function refusal(what: Promise<unknown>): Promise<PawlError> {
  const error = await what.then(
    (result) => new Error(`it was done: ${result}`),
    (error: unknown) => error,
  );
  if (!(error instanceof PawlError)) throw error;
  expect(error.message).toMatch(/found {5}.*\n(.*\n)*.*do {8}/);
  return error;
}

/** A store with one counter, at 1, that nobody has open. */
async function used(): Promise<{ store: string; schema: string }> {
  const schema = `broken_${schemas++}`;
  const store = server.url(schema, "&lease=1000");
  const runtime = createRuntime({ actors: [counter], store, logger: silent });
  expect(await add(runtime)).toBe(1);
  await runtime.close();
  return { store, schema };
}

/** The server fails whoever writes a change, at once or at COMMIT, with an error of this class. */
function failing(schema: string, when: "at once" | "at commit", sqlstate: string): () => void {
  const deferred = when === "at commit" ? "CONSTRAINT" : "";
  server.sql(`
    CREATE OR REPLACE FUNCTION ${schema}.fail() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'a fault of the test' USING ERRCODE = '${sqlstate}'; END $$;
    CREATE ${deferred} TRIGGER fail AFTER INSERT ON ${schema}.change
      ${when === "at commit" ? "DEFERRABLE INITIALLY DEFERRED" : ""} FOR EACH ROW EXECUTE FUNCTION ${schema}.fail();`);
  return () => server.sql(`DROP TRIGGER fail ON ${schema}.change`);
}

describe.runIf(isInstalled())("a database", () => {
  test.each(["postgres://", "postgres://h/d?schema=Upper", "postgres://h/d?nonsense=1", "postgres://h/d?lease=3"])(
    "that %s cannot name is refused, with what a URL looks like",
    async (store) => {
      const error = await (async () => add(runtimeOn(store)))().catch((error: unknown) => error);
      expect((error as PawlError).code).toBe("bad_argument");
      expect((error as PawlError).message).toMatch(/postgres:\/\/user(:password)?@host/);
    },
  );

  test("whose tables somebody has changed is left as it is, and what is missing is named", async () => {
    for (const [change, found] of [
      ["ALTER TABLE {s}.actor DROP COLUMN mark", "actor.mark"],
      ["ALTER TABLE {s}.inbox RENAME COLUMN known TO noted", "inbox.known"],
      ["DROP TABLE {s}.listener", "listener.process"],
    ] as const) {
      const { store, schema } = await used();
      server.sql(change.replace("{s}", schema));
      const error = await refusal(add(runtimeOn(store)));
      expect([error.code, error.retryable], change).toEqual(["store_foreign", false]);
      expect(error.message).toContain(found);
      expect(server.sql(`SELECT seq FROM ${schema}.actor`)).toBe("2");
    }
  });

  test("with somebody else's tables under our names is left as it is", async () => {
    for (const [n, [tables, found]] of [
      ["CREATE TABLE {s}.actor (id INT)", "a table `actor`, and no `meta`"],
      ["CREATE TABLE {s}.meta (name TEXT, payload INT)", "`meta` with other columns"],
      ["CREATE TABLE {s}.meta (key INT, value INT)", "`meta` without a format"],
    ].entries()) {
      const schema = `foreign_${n}`;
      server.sql(`CREATE SCHEMA ${schema}; ${(tables as string).replace("{s}", schema)}`);
      const error = await refusal(add(runtimeOn(server.url(schema))));
      expect([error.code, error.retryable], tables).toEqual(["store_foreign", false]);
      expect(error.message).toContain(found);
      expect(server.sql(`SELECT count(*) FROM information_schema.tables WHERE table_schema = '${schema}'`)).toBe("1");
    }
  });

  test("that has no connection left says so at the first use, and is opened once it has", async () => {
    const { store, schema } = await used();
    server.sql(`CREATE ROLE few LOGIN CONNECTION LIMIT 1; GRANT USAGE ON SCHEMA ${schema} TO few;
      GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO few`);
    const runtime = runtimeOn(store.replace("pawl@", "few@"));
    const error = await refusal(add(runtime));
    expect([error.code, error.retryable]).toEqual(["store_unavailable", true]);
    expect(error.message).toMatch(/no connection left.*a process needs two/s);
    server.sql("ALTER ROLE few CONNECTION LIMIT 2");
    await expect.poll(() => add(runtime).catch(() => 0), { timeout: 20_000 }).toBe(2);
  });

  test("behind a pool that gives each transaction another session is refused, and nothing is written", async () => {
    const { store, schema } = await used();
    const pool = await TransactionPool.start(Number(server.host.split(":")[1]));
    onTestFinished(() => pool.stop());
    const error = await refusal(add(runtimeOn(store.replace(server.host, `127.0.0.1:${pool.port}`))));
    expect([error.code, error.retryable]).toEqual(["store_unavailable", false]);
    expect(error.message).toMatch(/pool that gives each transaction another session.*pool_mode = session/s);
    expect(server.sql(`SELECT seq FROM ${schema}.actor`)).toBe("2");
  });

  test("that does not encrypt is refused where the URL asks for that", async () => {
    const error = await refusal(add(runtimeOn(server.url("plain").replace("=disable", "=require"))));
    expect([error.code, error.retryable]).toEqual(["store_unavailable", false]);
    expect(error.message).toMatch(/does not encrypt connections.*sslmode=prefer/s);
  });

  test("that can only be read is refused: a standby, and one that is set so", async () => {
    const { schema } = await used();
    const far = await refusal(add(runtimeOn(standby.url(schema))));
    expect([far.code, far.retryable]).toEqual(["store_unavailable", true]);
    expect(far.message).toMatch(/can only be read.*name the primary/s);
    // With the primary among its hosts it is found.
    expect(await add(runtimeOn(standby.url(schema, "", [server])))).toBe(2);
  });

  test("that becomes read-only in the midst of work says so at the call, and goes on where it was", async () => {
    const { store } = await used();
    const runtime = runtimeOn(store);
    expect(await add(runtime)).toBe(2);
    const connected = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pawl'";
    const repair = () => server.sql("BEGIN READ WRITE; ALTER ROLE pawl RESET default_transaction_read_only; COMMIT");
    onTestFinished(() => void repair());
    server.sql(`ALTER ROLE pawl SET default_transaction_read_only = on`);
    server.sql(connected);
    // Of what was on its way nobody knows, until it can be read back; what comes later is refused.
    const first = add(runtime).catch((error: PawlError) => error.outcome);
    const error = await refusal(add(runtime, "other"));
    expect([error.code, error.retryable]).toEqual(["store_unavailable", true]);
    expect(error.message).toContain("can only be read");
    repair();
    server.sql(connected);
    // What had not been sent when its connection was gone is sent on the next one, and is a change like any other.
    const said = await first;
    expect([3, "no", "unknown"]).toContain(said);
    expect(await add(runtime)).toBe(said === 3 ? 4 : 3);
  }, 90_000);

  test.each([
    ["at once", "53100", "no room left on its disk"],
    ["at commit", "53100", "no room left on its disk"],
    ["at once", "57014", "cancelled a statement"],
    ["at once", "XX001", "has refused"],
  ] as const)(
    "that fails %s with %s fails the call, says why, and goes on when it is well",
    async (when, sqlstate, says) => {
      const { store, schema } = await used();
      const runtime = runtimeOn(store);
      expect(await runtime.get(counter, "c").actions.read()).toBe(1);
      const repair = failing(schema, when, sqlstate);
      const error = await refusal(add(runtime));
      expect([error.code, error.retryable]).toEqual(["store_unavailable", true]);
      expect(error.message).toContain(says);
      expect(error.message).toContain(sqlstate);
      repair();
      // What failed has not happened, once.
      await expect.poll(() => add(runtime).catch(() => 0), { timeout: 30_000 }).toBe(2);
      expect(server.sql(`SELECT count(*) FROM ${schema}.change`)).toBe("3");
    },
    60_000,
  );

  test("whose tables somebody holds locked for longer than five seconds fails the call in time, and loses nothing", async () => {
    const { store, schema } = await used();
    const runtime = runtimeOn(store);
    expect(await runtime.get(counter, "c").actions.read()).toBe(1);
    const locker = server.session(`BEGIN; LOCK TABLE ${schema}.change; SELECT 'held';`);
    await locker.said("held");
    const error = await refusal(add(runtime));
    expect([error.code, error.retryable]).toEqual(["store_unavailable", true]);
    expect(error.message).toMatch(/in our way.*pg_locks/s);
    // It is being read back meanwhile: whoever asks now is told why that takes so long.
    const impatient = await refusal(runtime.get(counter, "c").with({ timeout: 200 }).actions.add());
    expect([impatient.code, impatient.outcome]).toEqual(["call_timeout", "unknown"]);
    expect(impatient.message).toMatch(/in our way/);
    await locker.end();
    await expect.poll(() => runtime.get(counter, "c").actions.read(), { timeout: 30_000 }).toBe(2);
  }, 90_000);
});

describe.runIf(isInstalled())("an actor that another process has", () => {
  test("refuses what is sent when its inbox is full, and tells the one that sends", async () => {
    const store = server.url("inbox_full", "&lease=1000");
    const limits = { inboxMessages: 2 };
    const idle = actor("idle", { messages: { note: type<string>() }, workflow: (ctx) => ctx.sleep("long", "1h") });
    const [one, two] = [1, 2].map(() => createRuntime({ actors: [idle], store, logger: silent, limits }));
    await one?.create(idle, "i");
    const far = two?.get(idle, "i");
    await far?.send("note", "1");
    await far?.send("note", "2");
    const error = await refusal(far?.send("note", "3") ?? Promise.resolve());
    expect(error.code).toBe("inbox_full");
    expect(server.sql("SELECT count(*) FROM inbox_full.inbox")).toBe("2");
    await Promise.all([one?.close({ grace: 0 }), two?.close({ grace: 0 })]);
  });
});
