import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { actor, RAW_STATE } from "../../src/index.ts";
import { crash, everyRejectionIsTaken, temporaryFolder, until, World } from "./harness.ts";
import { refusal, type Wording } from "./refusal.ts";

everyRejectionIsTaken();

const counter = actor("counter", {
  state: () => ({ count: 0 }),
  actions: { add: (c) => ++c.state.count, state: (c) => c[RAW_STATE]() },
});

/** Every use of a runtime on this store is refused in the same way; nothing is left behind. */
async function everyUseIsRefused(store: string, code: string, wording: Wording): Promise<void> {
  const runtime = new World("memory").open([counter], { lockPatience: 50 }, { store });
  const uses = [
    () => runtime.start(),
    () => runtime.create(counter, "1"),
    () => runtime.get(counter, "1").actions.add(),
    () => runtime.start(),
  ];
  for (const use of uses) await refusal(use, code, wording);
  await runtime.close();
  await refusal(() => runtime.start(), "runtime_closed");
}

function contents(folder: string): [string, string][] {
  return readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "latin1")]);
}

test("a file that is no database is refused and left alone: store_foreign", async () => {
  for (const text of ["nothing to see here\n".repeat(1_000), "x", "SQLite format 3\0 but not really"]) {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "notes.txt"), text);
    const before = contents(folder);
    const wording = { found: /./, do: /./, where: /notes\.txt/ };
    await everyUseIsRefused(`sqlite:${join(folder, "notes.txt")}`, "store_foreign", wording);
    expect(contents(folder)).toEqual(before);
  }
});

test("a path that cannot be a file is refused: store_unavailable", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "file"), "text");
  mkdirSync(join(folder, "folder"));
  const before = readdirSync(folder);
  for (const path of ["file/x.db", "folder", "folder/"]) {
    const wording = {
      found: /./,
      expected: /a file, or a folder for one/,
      do: /check the path/,
      where: new RegExp(path),
    };
    await everyUseIsRefused(`sqlite:${join(folder, path)}`, "store_unavailable", wording);
  }
  expect(readdirSync(folder)).toEqual(before);
});

test("a folder without permission is refused, and works as soon as there is one: store_unavailable", async () => {
  const folder = temporaryFolder();
  const denied = join(folder, "denied");
  mkdirSync(denied);
  const store = `sqlite:${join(denied, "x.db")}`;
  // Root may write everywhere, so the process is nobody for as long as it asks.
  const asRoot = process.geteuid?.() === 0;
  chmodSync(folder, 0o755);
  chmodSync(denied, 0o500);
  if (asRoot) chownSync(denied, 65_534, 65_534);
  const asNobody = async (ask: () => Promise<void>) => {
    if (asRoot) process.seteuid?.(65_534);
    try {
      await ask();
    } finally {
      if (asRoot) process.seteuid?.(0);
    }
  };
  const wording = {
    found: /[Pp]ermission denied/,
    expected: /this process may write/,
    do: /who may write there/,
    where: /denied\/x\.db/,
  };
  await asNobody(() => everyUseIsRefused(store, "store_unavailable", wording));
  const runtime = new World("memory").open([counter], {}, { store });
  await asNobody(() => refusal(() => runtime.start(), "store_unavailable", wording).then(() => {}));
  chmodSync(denied, 0o700);
  await asNobody(async () => expect(await runtime.get(counter, "1").actions.add()).toBe(1));
});

test("a second runtime of the process on one store is refused, and can have it when the first is closed: store_in_use", async () => {
  for (const kind of ["sqlite", "memory"] as const) {
    const world = new World(kind);
    const first = world.open([counter]);
    await first.get(counter, "1").actions.add();
    const second = world.open([counter], { lockPatience: 50 });
    const error = await refusal(() => second.start(), "store_in_use", {
      expected: /one/,
      do: /./,
      where: /store\.db is open|in memory is open/,
    });
    expect(error.retryable).toBe(true);
    expect(await first.get(counter, "1").actions.add(), "the first goes on").toBe(2);
    await first.close();
    expect(await second.get(counter, "1").actions.add()).toBe(3);
  }
});

test("a second process on one file is refused, and told who has it: store_in_use", async () => {
  const world = new World("sqlite");
  const path = world.url.slice("sqlite:".length);
  const first = world.open([counter]);
  await first.get(counter, "1").actions.add();
  await first.close();
  const other = await otherProcess(path);
  const second = world.open([counter], { lockPatience: 50 });
  const wording = {
    expected: /one process per SQLite file/,
    do: new RegExp(`stop pid ${other.pid}`),
    where: /store\.db is open in another process/,
  };
  const error = await refusal(() => second.get(counter, "1").actions.add(), "store_in_use", wording);
  expect(error).toMatchObject({ retryable: true, outcome: "no", data: { pid: String(other.pid) } });
  other.stdin?.end();
  await once(other, "exit");
  expect(await second.get(counter, "1").actions.add(), "nothing is lost").toBe(2);
});

test("a process that waits for a store gets it as soon as it is free", async () => {
  const world = new World("sqlite");
  const other = await otherProcess(world.url.slice("sqlite:".length));
  const runtime = world.open([counter], { lockPatience: 60_000 });
  const added = runtime.get(counter, "1").actions.add();
  other.kill("SIGKILL");
  expect(await added).toBe(1);
});

test("uses that come while a store opens share its fate, and the next one tries again", async () => {
  const world = new World("sqlite");
  const first = world.open([counter]);
  await first.start();
  const second = world.open([counter], { lockPatience: 50 });
  const all = [second.start(), second.get(counter, "1").actions.add(), second.create(counter, "2")];
  const outcomes = await Promise.allSettled(all);
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "store_in_use" } });
  crash(first);
  await second.start();
  expect(await second.get(counter, "1").actions.add()).toBe(1);
});

/** A process that has the store open. */
async function otherProcess(path: string): Promise<ChildProcess> {
  const script = fileURLToPath(new URL("./hold-store.mjs", import.meta.url));
  const folder = fileURLToPath(new URL("../../native/", import.meta.url));
  const addon = readdirSync(folder).find((name) => name.endsWith(".node")) ?? "";
  const child = spawn(process.execPath, [script, path, join(folder, addon)], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  child.stdout.on("data", (data) => {
    said += data;
  });
  await until(() => said !== "" || child.exitCode !== null);
  expect(said).toBe("open\n");
  return child;
}
