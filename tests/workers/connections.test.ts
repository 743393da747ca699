/** Clients in one thread of an actor in another: connected whichever of them ends, and no longer than their own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { Colleague } from "./team.ts";

const folder = mkdtempSync(join(tmpdir(), "pawl-connections-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let stores = 0;
let team: Colleague[] = [];
afterEach(async () => {
  await Promise.all(team.splice(0).map(({ worker }) => worker.terminate()));
});

/** Three threads on one file; the first has the room. */
async function meet(): Promise<[Colleague, Colleague, Colleague]> {
  const store = `sqlite:${join(folder, `store-${stores++}.db`)}`;
  const [a, b, c] = [await Colleague.start(store), await Colleague.start(store), await Colleague.start(store)];
  team = [a, b, c];
  expect(await a.act("room", "r", "where")).toBe(await a.do("thread"));
  return [a, b, c];
}

const connect = (thread: Colleague, name: string) => thread.do("connect", { key: "r", name });
const say = (thread: Colleague, name: string, line: string) => thread.do("say", { name, line });
const who = (thread: Colleague) => thread.act("room", "r", "who");
/** What a client has heard. */
const heardBy = (thread: Colleague, name: string) =>
  thread.heard.filter(({ event }) => event === name).map(({ payload }) => payload);

test("clients of three threads share a room, each with a state of its own", async () => {
  const [a, b, c] = await meet();
  await connect(a, "ann");
  await connect(b, "bob");
  await connect(c, "cleo");
  expect(await say(b, "bob", "hello")).toBe(1);
  expect(await say(b, "bob", "again")).toBe(2);
  expect(await say(a, "ann", "hi")).toBe(1);
  expect(await who(c)).toEqual(["ann 1", "bob 2", "cleo 0"]);
  const said = ["bob: hello", "bob: again", "ann: hi"];
  await expect.poll(() => heardBy(a, "ann")).toEqual(["+bob", "+cleo", ...said]);
  await expect.poll(() => heardBy(b, "bob")).toEqual(["+cleo", ...said]);
  await expect.poll(() => heardBy(c, "cleo")).toEqual(said);
  await b.do("leave", { name: "bob" });
  expect(await who(a)).toEqual(["ann 1", "cleo 0"]);
  await expect.poll(() => heardBy(c, "cleo").at(-1)).toBe("-bob");
  await expect(say(b, "bob", "still here?")).rejects.toMatchObject({ code: "connection_closed" });
});

test("the clients of a thread that is terminated are gone, and the others hear of it", async () => {
  const [a, b, c] = await meet();
  await connect(b, "bob");
  await connect(b, "ben");
  await connect(c, "cleo");
  await b.worker.terminate();
  await expect.poll(() => who(c), { timeout: 20_000 }).toEqual(["cleo 0"]);
  await expect.poll(() => [...heardBy(c, "cleo")].sort()).toEqual(["-ben", "-bob"]);
  expect(await say(c, "cleo", "alone")).toBe(1);
  expect([...((await a.act("room", "r", "log")) as string[])].sort()).toEqual(["-ben", "-bob"]);
});

test("whoever is connected stays so when the thread ends that has the actor, and its own clients go", async () => {
  const [a, b, c] = await meet();
  await connect(a, "ann");
  await connect(b, "bob");
  await connect(c, "cleo");
  await say(b, "bob", "one");
  await a.worker.terminate();
  await expect.poll(() => who(b), { timeout: 20_000 }).toEqual(["bob 1", "cleo 0"]);
  expect([await b.do("thread"), await c.do("thread")]).toContain(await b.act("room", "r", "where"));
  expect(await say(b, "bob", "two")).toBe(2);
  expect(await say(c, "cleo", "three")).toBe(1);
  for (const [thread, name] of [
    [b, "bob"],
    [c, "cleo"],
  ] as const) {
    await expect.poll(() => heardBy(thread, name)).toContain("cleo: three");
    expect(heardBy(thread, name)).toContain("bob: two");
  }
  await expect.poll(() => heardBy(b, "bob")).toContain("-ann");
});

test("a thread that closes well takes its clients along, and hands the room on", async () => {
  const [a, b, c] = await meet();
  await connect(a, "ann");
  await connect(c, "cleo");
  await a.do("close");
  expect(await who(b)).toEqual(["cleo 0"]);
  expect(await b.act("room", "r", "log")).toEqual(["-ann"]);
  expect(await say(c, "cleo", "on it goes")).toBe(1);
});
