/** A driver that takes changes whole, in SQLite: ids by which an outcome is found out, epochs, and one call for everything. */
import {
  type EngineAttempt,
  FencedError,
  Loop,
  openActor,
  type RunWorkflowOptions,
  runWorkflow,
  type WorkflowContextInterface,
} from "pawl/engine";
import { describe, expect, test } from "vitest";
import { gate, rejection } from "./harness.ts";
import { CommittingDriver, type Fault, missing, newDatabase } from "./sqlite-host.ts";

type Ctx = WorkflowContextInterface;

/** Waits for a message, loops, races, sends itself a message and answers one: every kind of thing that a change holds. */
function story() {
  const ran: string[] = [];
  const step = (ctx: Ctx, name: string) =>
    ctx.step(name, async () => {
      ran.push(name);
      return name;
    });
  const workflow = async (ctx: Ctx) => {
    const { body } = await ctx.queue.next<number>("first", { names: ["number"] });
    await ctx.queue.send("echo", body + 1);
    const echo = await ctx.queue.next<number>("second", { names: ["echo"], completable: true });
    await echo.complete?.("heard");
    const { winner } = await ctx.race("r", [
      { name: "quick", run: (branch) => step(branch, "quick") },
      { name: "slow", run: async (branch) => branch.sleep("long", 60_000).then(() => "slow") },
    ]);
    await ctx.loop<number, void>({
      name: "l",
      state: 0,
      historyPruneInterval: 2,
      run: async (round, n) => {
        await step(round, `round ${n}`);
        return n === 4 ? Loop.break(undefined) : Loop.continue(n + 1);
      },
    });
    return [body, echo.body, winner];
  };
  return { ran, workflow };
}

async function finish(
  driver: CommittingDriver,
  workflow: (ctx: Ctx) => Promise<unknown>,
  options: RunWorkflowOptions = {},
): Promise<unknown> {
  for (;;) {
    const result = await runWorkflow("w", workflow, undefined, driver, options).result;
    if (result.state === "completed") return result.output;
  }
}

const NUMBER = { id: "m1", name: "number", data: 7, sentAt: 1 };

describe.skipIf(missing !== undefined)("a driver with commit", () => {
  test("is given rows, deletions, messages and the alarm in one call, and none beside it but answers", async () => {
    const driver = new CommittingDriver(newDatabase());
    driver.send(NUMBER);
    const { ran, workflow } = story();
    expect(await finish(driver, workflow)).toEqual([7, 8, "quick"]);
    expect(ran).toEqual(["quick", "round 0", "round 1", "round 2", "round 3", "round 4"]);
    expect(driver.otherWrites).toEqual(["completeMessage heard"]);
    expect(driver.messages()).toEqual([]);
    const all = <T>(of: (change: (typeof driver.changes)[number]) => readonly T[]) => driver.changes.flatMap(of);
    expect(all(({ consumed }) => consumed)).toEqual(["m1"]);
    expect(all(({ sent }) => sent).map(({ name, data }) => [name, data])).toEqual([["echo", 8]]);
    expect(all(({ deletes }) => deletes).length).toBeGreaterThan(2);
    expect(new Set(driver.changes.map(({ id }) => id)).size).toBe(driver.changes.length);
    expect(driver.alarm).toBeNull();
  });

  test("that fails after it has written is believed by its lastCommit: the run goes on as if nothing had been", async () => {
    const commits = await countCommits();
    for (let at = 0; at < commits; at += 1) {
      const driver = new CommittingDriver(newDatabase());
      driver.send(NUMBER);
      driver.faults.set(at, "fails after writing");
      const { ran, workflow } = story();
      expect({ at, output: await finish(driver, workflow), ran }).toEqual({
        at,
        output: [7, 8, "quick"],
        ran: ["quick", "round 0", "round 1", "round 2", "round 3", "round 4"],
      });
      expect([driver.lastCommits, driver.messages()]).toEqual([1, []]);
    }
  });

  test("that fails and has written nothing ends the run, and the next one loses and doubles nothing", async () => {
    await atEveryCommit("fails", async (driver, workflow) => {
      const outcome = await finish(driver, workflow).catch(String);
      return outcome === "Error: the line is dead" ? finish(driver, workflow) : outcome;
    });
  });

  test.each<Fault>(["hangs", "hangs after writing"])(
    "that %s is overtaken by an owner of a newer epoch, and what it writes late is refused",
    async (fault) => {
      await atEveryCommit(fault, async (driver, workflow) => {
        const first = runWorkflow("w", workflow, undefined, driver, { epoch: 1n });
        await expect.poll(() => [...driver.faults.keys()].every((at) => driver.changes.length > at)).toBe(true);
        const output = await finish(driver, workflow, { epoch: 2n });
        driver.letGo();
        if (fault === "hangs") expect(await rejection(first.result)).toMatchObject({ code: "fenced" });
        return output;
      });
    },
  );

  test("refuses the changes of an owner that was succeeded, and the run ends with that", async () => {
    const database = newDatabase();
    const [old, young] = [new CommittingDriver(database), new CommittingDriver(database)];
    const [started, goOn] = [gate(), gate()];
    const workflow = async (ctx: Ctx) => {
      await ctx.step("first", async () => 1);
      await ctx.step("second", async () => {
        started.open();
        await goOn.opened;
      });
    };
    const first = runWorkflow("w", workflow, undefined, old, { epoch: 4n });
    await started.opened;
    const other = await openActor(young, { id: "w", epoch: 5n, cells: { n: { initial: () => 0 } } });
    await other.transaction(
      (attempt) => attempt,
      ({ cells }) => {
        cells.n = 1;
      },
    );
    goOn.open();
    const error = await rejection(first.result);
    expect(error).toBeInstanceOf(FencedError);
    expect(error).toMatchObject({ code: "fenced", data: { found: 4n, expected: 5n } });
    await other.close();
    expect(old.lastCommits).toBe(0);
  });

  test("keeps an actor's cells and its steps in one change", async () => {
    const driver = new CommittingDriver(newDatabase());
    const actor = await openActor(driver, { id: "w", cells: { n: { initial: () => 0 } } });
    const add = async (ctx: WorkflowContextInterface<EngineAttempt<{ n: number }>>) =>
      ctx.step("add", async ({ cells }) => (cells.n += 1));
    driver.faults.set(driver.changes.length + 1, "fails after writing");
    const { output } = await runWorkflow("w", add, undefined, driver, { actor, context: (attempt) => attempt }).result;
    expect([output, await actor.export(), driver.lastCommits]).toEqual([1, { n: 1 }, 1]);
    await actor.close();
  });
});

async function countCommits(): Promise<number> {
  const driver = new CommittingDriver(newDatabase());
  driver.send(NUMBER);
  await finish(driver, story().workflow);
  return driver.changes.length;
}

/** Tells the story with the fault at its first commit, its second, and so on; each step runs once, but for the one that was lost. */
async function atEveryCommit(
  fault: Fault,
  live: (driver: CommittingDriver, workflow: (ctx: Ctx) => Promise<unknown>) => Promise<unknown>,
): Promise<void> {
  const commits = await countCommits();
  for (let at = 0; at < commits; at += 1) {
    const driver = new CommittingDriver(newDatabase());
    driver.send(NUMBER);
    driver.faults.set(at, fault);
    const { ran, workflow } = story();
    expect({ at, output: await live(driver, workflow) }).toEqual({ at, output: [7, 8, "quick"] });
    expect(driver.messages()).toEqual([]);
    expect(ran.length - new Set(ran).size).toBeLessThanOrEqual(1);
  }
}
