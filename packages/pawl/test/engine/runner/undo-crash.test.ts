/** A host that dies between two of its batches while a run is undone: each handler's effect on a cell is there once, whenever it dies. */
import { expect, test } from "vitest";
import {
  type EngineAttempt,
  type EngineDriver,
  type KVWrite,
  openActor,
  RollbackError,
  runWorkflow,
  type WorkflowContextInterface,
} from "../../../src/engine/index.ts";
import { errorOf, TestDriver } from "./host.ts";

interface Account {
  account: { charged: number; log: string[] };
}

const cells = { account: { initial: () => ({ charged: 0, log: [] as string[] }) } };

/** Makes no batch after its last: whoever waits for another one waits for ever, as in a process that was killed. */
class MortalDriver extends TestDriver {
  left = Number.POSITIVE_INFINITY;
  batches = 0;
  #die: () => void = () => {};
  readonly death: Promise<"dead"> = new Promise((resolve) => {
    this.#die = () => resolve("dead");
  });

  override batch(writes: KVWrite[]): Promise<void> {
    if (this.batches === this.left) {
      this.#die();
      return new Promise(() => {});
    }
    this.batches += 1;
    return super.batch(writes);
  }

  /** Another host with what this one has stored. */
  heir(left = Number.POSITIVE_INFINITY): MortalDriver {
    const heir = new MortalDriver();
    heir.left = left;
    const rows = Reflect.get(this, "rows") as Map<string, Uint8Array>;
    for (const [key, value] of rows) heir.put(key, value);
    return heir;
  }
}

async function payment(ctx: WorkflowContextInterface<EngineAttempt<Account>>): Promise<void> {
  await ctx.rollbackCheckpoint("undo from here");
  for (const name of ["first", "second"]) {
    await ctx.step({
      name,
      run: async ({ cells: { account } }) => {
        account.charged += 10;
        account.log.push(name);
      },
      rollback: async ({ cells: { account } }) => {
        account.charged -= 10;
        account.log.push(`not ${name}`);
      },
    });
  }
  throw new RollbackError("no money");
}

/** Runs the workflow until it has failed, or the host is dead. */
function live(driver: MortalDriver & EngineDriver): Promise<"failed" | "dead"> {
  const run = async (): Promise<"failed"> => {
    const actor = await openActor(driver, { id: "payment", cells });
    const { result } = runWorkflow("payment", payment, undefined, driver, { actor, context: (attempt) => attempt });
    // Not `expect(result).rejects`: a test waits for those, and the dead's never settle.
    expect(await errorOf(result)).toMatchObject({ message: "no money" });
    await actor.close();
    return "failed";
  };
  return Promise.race([run(), driver.death]);
}

async function accountOf(driver: MortalDriver): Promise<Account["account"]> {
  const actor = await openActor(driver.heir(), { id: "payment", cells });
  const { account } = await actor.export();
  await actor.close();
  return account as Account["account"];
}

const DONE = ["first", "second", "not second", "not first"];

test("every handler's change is made once, wherever the host dies, and dies again", async () => {
  const whole = new MortalDriver();
  expect([await live(whole), await accountOf(whole)]).toEqual(["failed", { charged: 0, log: DONE }]);
  for (let first = 1; first < whole.batches; first++) {
    const dead = new MortalDriver().heir(first);
    expect(await live(dead)).toBe("dead");
    for (let second = 0, ended = "dead"; ended === "dead"; second++) {
      const next = dead.heir(second);
      ended = await live(next);
      const { log, charged } = await accountOf(next);
      expect(DONE.slice(0, log.length), `after ${first} batches, then ${second}`).toEqual(log);
      expect(charged).toBe(log.reduce((sum, line) => sum + (line.startsWith("not") ? -10 : 10), 0));
      if (ended === "failed") expect(log).toEqual(DONE);
    }
  }
});
