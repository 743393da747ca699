/** Processes of different code on one store: what one cannot go on with, the other does. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { actor, createRuntime, type Runtime, type } from "pawl";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isInstalled, MISSING, PostgresServer } from "./server.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
let server: PostgresServer;
let schemas = 0;
const open: Runtime[] = [];
const folder: string = mkdtempSync(join(tmpdir(), "pawl-versions-"));

beforeAll(async () => {
  if (isInstalled()) server = await PostgresServer.start();
  else if (process.env["CI"] === undefined) console.warn(MISSING);
  else throw new Error(MISSING);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((runtime) => runtime.close({ grace: 0 })));
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

/** The same actor, whose workflow begins with a step of another name in each version. */
function job(version: string) {
  return actor("job", {
    messages: { go: type<string>() },
    workflow: async (ctx): Promise<string> => {
      await ctx.step(`begin as ${version}`, () => {});
      const { body } = await ctx.queue.next("go");
      return ctx.step("end", () => `${body}, ended by ${version}`);
    },
  });
}

function start(store: string, version: string) {
  const definition = job(version);
  const runtime = createRuntime({
    actors: [definition],
    store,
    codeVersion: version,
    idleAfter: "100ms",
    logger: silent,
  });
  open.push(runtime as unknown as Runtime);
  return {
    runtime,
    get: (key: string) => runtime.get(definition, key),
    create: (key: string) => runtime.create(definition, key),
  };
}

async function reached(store: ReturnType<typeof start>, key: string, state: string) {
  for (;;) {
    const shown = await store.runtime.admin.show("job", key);
    if (shown.state === state && shown.history.length > 0) return shown;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe.runIf(isInstalled()).each([
  ["with hints", ""],
  ["without hints", "&hints=off"],
])("%s", (_, hints) => {
  test("a run that one version has parked is taken up by a running process of another, and ends", async () => {
    const store = server.url(`versions_${schemas++}`, `&lease=1000${hints}`);
    const old = start(store, "v1");
    await old.create("a");
    await reached(old, "a", "waiting");
    await old.runtime.close();
    const young = start(store, "v2");
    await young.get("a").send("go", "went");
    expect(await reached(young, "a", "parked")).toMatchObject({
      codeVersion: "v2",
      history: [{ path: "begin as v1" }],
    });
    const matching = start(store, "v1");
    await matching.runtime.start();
    await reached(matching, "a", "completed");
    expect(await matching.get("a").result()).toBe("went, ended by v1");
    expect(await reached(young, "a", "completed")).not.toHaveProperty("codeVersion");
  });

  test("each version finishes its own runs while both are there, whoever is asked first", async () => {
    const store = server.url(`versions_${schemas++}`, `&lease=1000${hints}`);
    const [one, two] = [start(store, "v1"), start(store, "v2")];
    await Promise.all([one.runtime.start(), two.runtime.start()]);
    await Promise.all([one.create("1"), two.create("2")]);
    await Promise.all([reached(one, "1", "waiting"), reached(two, "2", "waiting")]);
    // They have left memory when the other process is asked to wake them.
    const owned = async () =>
      server.sql(`SELECT count(*) FROM versions_${schemas - 1}.actor WHERE owner IS NOT NULL`).trim();
    while ((await owned()) !== "0") await new Promise((resolve) => setTimeout(resolve, 20));
    await Promise.all([one.get("2").send("go", "two"), two.get("1").send("go", "one")]);
    await Promise.all([reached(one, "1", "completed"), reached(two, "2", "completed")]);
    expect(await two.get("1").result()).toBe("one, ended by v1");
    expect(await one.get("2").result()).toBe("two, ended by v2");
  });
});

test("on SQLite a run that one version has parked goes on at the next start of another", async () => {
  const store = `sqlite:${folder}/jobs.db`;
  const old = start(store, "v1");
  await old.create("a");
  await reached(old, "a", "waiting");
  await old.runtime.close();
  const young = start(store, "v2");
  await young.get("a").send("go", "went");
  expect(await reached(young, "a", "parked")).toMatchObject({ codeVersion: "v2" });
  await young.runtime.close();
  const matching = start(store, "v1");
  await matching.runtime.start();
  await reached(matching, "a", "completed");
  expect(await matching.get("a").result()).toBe("went, ended by v1");
});
