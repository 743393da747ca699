/** Several threads of one process on one SQLite file: one store, one writer, each actor in one of them. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { Colleague } from "./team.ts";

const folder = mkdtempSync(join(tmpdir(), "pawl-workers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let stores = 0;
let team: Colleague[] = [];
afterEach(async () => {
  await Promise.all(team.splice(0).map(({ worker }) => worker.terminate()));
});

async function meet(count: number, limits?: object): Promise<[Colleague[], string]> {
  const file = join(folder, `store-${stores++}.db`);
  team = await Promise.all(Array.from({ length: count }, () => Colleague.start(`sqlite:${file}`, limits)));
  return [team, file];
}

/** Each of them, and no further. */
function two(team: readonly Colleague[]): [Colleague, Colleague] {
  const [a, b] = team;
  if (a === undefined || b === undefined) throw new Error("a team of less than two");
  return [a, b];
}

test("an actor is in one thread, whichever thread calls it", async () => {
  const [team] = await meet(3);
  for (const [i, owner] of team.entries()) {
    const own = await owner.act("desk", `d${i}`, "where");
    expect(own).toBe(await owner.do("thread"));
    for (const other of team) expect(await other.act("desk", `d${i}`, "where")).toBe(own);
  }
});

test("calls between threads are answered in full, also with what an action throws", async () => {
  const [a, b] = two((await meet(2))[0]);
  await a.act("desk", "d", "where");
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => b.act("desk", "d", "add", i)));
  expect(new Set(answers)).toEqual(new Set(Array.from({ length: 100 }, (_, i) => i + 1)));
  await expect(b.act("desk", "d", "fail")).rejects.toMatchObject({ code: "TypeError", message: "the desk is closed" });
  await b.act("desk", "e", "where");
  expect(await a.act("desk", "d", "relay", { to: "e", id: "through a" })).toBe(1);
  expect(await b.act("desk", "e", "read")).toEqual({ notes: ["through a"], threads: [] });
});

test("messages between actors of two threads arrive once, in order, at the one that has the receiver", async () => {
  const [a, b] = two((await meet(2))[0]);
  const [at, bt] = [await a.act("desk", "a", "where"), await b.act("desk", "b", "where")];
  const ids = Array.from({ length: 500 }, (_, i) => i);
  for (let from = 0; from < ids.length; from += 50)
    await Promise.all([
      a.act("desk", "a", "forward", { to: "b", ids: ids.slice(from, from + 50) }),
      b.act("desk", "b", "forward", { to: "a", ids: ids.slice(from, from + 50) }),
    ]);
  const read = async (key: string) => (await a.act("desk", key, "read")) as { notes: number[]; threads: number[] };
  await expect.poll(async () => (await read("a")).notes.length + (await read("b")).notes.length).toBe(1_000);
  expect(await read("a")).toEqual({ notes: ids, threads: [at] });
  expect(await read("b")).toEqual({ notes: ids, threads: [bt] });
});

test("questions, children and results cross threads", async () => {
  const [a, b] = two((await meet(2))[0]);
  const thread = await b.act("desk", "d", "where");
  expect(await a.do("ask", { key: "d", body: "hello" })).toBe(`hello, said thread ${thread}`);
  await a.do("create", { on: "client", key: "c" });
  const result = b.do("result", { on: "client", key: "c" });
  await b.do("send", { on: "client", key: "c", name: "go", body: { desk: "d", parcel: "p" } });
  expect(await result).toEqual({ answer: `who are you, said thread ${thread}`, steps: 3 });
  expect(await b.do("result", { on: "parcel", key: "p" })).toBe(3);
  expect(await b.do("result", { on: "client", key: "c" })).toMatchObject({ steps: 3 });
});

test("a full inbox in another thread refuses at the call of send, and the attempt has sent nothing", async () => {
  const [a, b] = two((await meet(2, { inboxMessages: 5 }))[0]);
  await a.do("create", { on: "box", key: "x" });
  await b.act("desk", "d", "fill", { to: "x", count: 3 });
  await expect(b.act("desk", "d", "fill", { to: "x", count: 3 })).rejects.toMatchObject({ code: "inbox_full" });
  await b.act("desk", "d", "fill", { to: "x", count: 2 });
  await expect(b.do("send", { on: "box", key: "x", name: "put", body: 6 })).rejects.toMatchObject({
    code: "inbox_full",
  });
});

test("events are heard in other threads, live ones and those of commits", async () => {
  const [a, b] = two((await meet(2))[0]);
  await a.act("desk", "d", "where");
  await b.do("listen", { key: "d" });
  // Whoever listens and then calls has its listening known before its call.
  await b.act("desk", "d", "where");
  await a.act("desk", "d", "tell", "first");
  await a.act("desk", "d", "tell", "second");
  const [, late] = [await b.hears(4), await Colleague.start(`sqlite:${join(folder, `store-${stores - 1}.db`)}`)];
  team.push(late);
  await late.act("desk", "e", "where");
  await b.do("listen", { key: "e" });
  await b.act("desk", "e", "where");
  await late.act("desk", "e", "tell", "third");
  const heard = (await b.hears(6)).map(({ event, payload, seq }) => [event, payload, seq]);
  expect(heard).toEqual([
    ["typing", "f", 1],
    ["noted", "first", 2],
    ["typing", "s", 3],
    ["noted", "second", 4],
    ["typing", "t", 1],
    ["noted", "third", 2],
  ]);
});

for (const [how, end] of [
  ["is terminated", (it: Colleague) => it.worker.terminate()],
  ["throws", (it: Colleague) => it.do("throw").catch(() => {})],
  ["exits", (it: Colleague) => it.do("exit").catch(() => {})],
  ["closes its runtime", (it: Colleague) => it.do("close")],
] as const)
  test(`what a thread had that ${how} goes on in another one`, async () => {
    const [a, b] = two((await meet(2))[0]);
    const thread = await a.do("thread");
    await a.do("create", { on: "parcel", key: "p", input: { steps: 30, nap: 1 } });
    await a.do("create", { on: "watch", key: "w" });
    await a.do("send", { on: "watch", key: "w", name: "tick", body: 1 });
    for (let i = 0; i < 5; i++) await a.act("desk", "d", "add", i);
    const result = b.do("result", { on: "parcel", key: "p" });
    await end(a);
    if (how !== "closes its runtime") await a.gone;
    expect(await result).toBe(30);
    const parcel = (await b.act("parcel", "p", "read")) as { steps: number[]; threads: number[] };
    expect(parcel.steps).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(parcel.threads).toEqual([thread, await b.do("thread")]);
    expect(await b.act("desk", "d", "read")).toMatchObject({ notes: [0, 1, 2, 3, 4] });
    await b.do("send", { on: "watch", key: "w", name: "tick", body: 2 });
    await expect.poll(() => b.act("watch", "w", "read")).toBe(2);
  });

test("a call of an actor whose thread ends is answered by the next that has it", async () => {
  const [team] = await meet(3);
  const [a, b] = two(team);
  await a.act("desk", "d", "where");
  const calls = Array.from({ length: 40 }, (_, i) => b.act("desk", "d", "add", i));
  await Promise.race(calls);
  await a.worker.terminate();
  expect(new Set(await Promise.all(calls)).size).toBe(40);
  const { notes } = (await b.act("desk", "d", "read")) as { notes: number[] };
  expect([...notes].sort((x, y) => x - y)).toEqual(Array.from({ length: 40 }, (_, i) => i));
});

test("the store is released by the last thread that closes it", async () => {
  const [[a, b], file] = [two((await meet(2))[0]), join(folder, `store-${stores - 1}.db`)];
  await a.act("desk", "d", "add", 1);
  await a.do("close");
  expect(existsSync(`${file}-lock`)).toBe(true);
  expect(await b.act("desk", "d", "add", 2)).toBe(2);
  await b.do("close");
  expect(existsSync(`${file}-lock`)).toBe(false);
  const next = await Colleague.start(`sqlite:${file}`);
  team.push(next);
  expect(await next.act("desk", "d", "add", 3)).toBe(3);
});

test("all threads see all actors", async () => {
  const [a, b] = two((await meet(2))[0]);
  await a.do("create", { on: "parcel", key: "p", input: { steps: 1, nap: 0 } });
  await b.act("desk", "d", "add", 1);
  await a.do("result", { on: "parcel", key: "p" });
  for (const it of [a, b]) expect(await it.do("list")).toEqual(["desk/d none", "parcel/p completed"]);
});
