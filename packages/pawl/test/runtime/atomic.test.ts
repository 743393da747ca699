import { describe, expect, test } from "vitest";
import { actor, RAW_STATE, type } from "../../src/index.ts";
import { batches, COUNTING, crash, gate, KINDS, struck, until, World } from "./harness.ts";

interface Ledger {
  entries: string[];
}

const messages = { receipt: type<string>(), go: type<number>() };

describe.each(KINDS)("on %s", (kind) => {
  test("P1 output, state, sent and taken messages of a step are one batch", async () => {
    const counts: number[] = [];
    const ledger = actor("ledger", {
      messages,
      state: (): Ledger => ({ entries: [] }),
      workflow: async (ctx) => {
        const go = await ctx.queue.next("go");
        await ctx.step("book", (c) => {
          counts.push(batches(runtime));
          c.state.entries.push("booked");
          c.queue.send("receipt", "sent");
          return { booked: go.body };
        });
        counts.push(batches(runtime));
        const receipt = await ctx.queue.next("receipt");
        counts.push(batches(runtime));
        return receipt.body;
      },
    });
    const world = new World(kind);
    const runtime = world.open([ledger], COUNTING);
    const handle = await runtime.create(ledger, "1");
    await handle.send("go", 1);
    expect(await handle.result()).toBe("sent");
    const [before = 0, after = 0, taken = 0] = counts;
    expect([after - before, taken - after], "one for the step, one for the wait").toEqual([1, 1]);
  });

  test("P1 an action's writes and messages are one batch", async () => {
    const ledger = actor("ledger", {
      messages,
      state: (): Ledger => ({ entries: [] }),
      actions: {
        book: (c) => {
          for (const entry of ["a", "b", "c"]) c.state.entries.push(entry);
          c.queue.send("receipt", "1");
          c.queue.send("receipt", "2");
        },
      },
    });
    const runtime = new World(kind).open([ledger], COUNTING);
    const handle = await runtime.create(ledger, "1");
    const before = batches(runtime);
    await handle.actions.book();
    expect(batches(runtime) - before).toBe(1);
  });

  test("P1 whichever batch is lost, a step is found with everything it did or with nothing", async () => {
    for (const fault of ["lose_before", "lose_after"]) {
      for (let at = 1; ; at++) {
        const world = new World(kind);
        if (!(await booksOnceThough(world, fault, at))) break;
        expect(at, "the program ends").toBeLessThan(20);
      }
    }
  });
});

/** Runs the program, losing one batch; false if it has fewer. */
async function booksOnceThough(world: World, kind: string, at: number): Promise<boolean> {
  const outside: string[][] = [];
  const ledger = actor("ledger", {
    messages,
    state: (): Ledger => ({ entries: [] }),
    actions: { state: (c) => c[RAW_STATE]() },
    workflow: async (ctx) => {
      for (const step of ["one", "two"]) {
        await ctx.step(step, (c) => {
          outside.push([...c.state.entries]);
          expect(c.state.entries, "what an earlier try wrote is not there").not.toContain(step);
          c.state.entries.push(step);
          c.queue.send("receipt", step);
          return step;
        });
      }
      const receipts: string[] = [];
      for (const name of ["first", "second"]) receipts.push((await ctx.queue.next(name, { names: ["receipt"] })).body);
      const extra = await ctx.queue.next("extra", { names: ["receipt"], timeout: 0 });
      return { receipts, extra: extra?.body };
    },
  });
  const broken = world.open([ledger], { fault: { kind, at } });
  const lost = gate();
  const result = broken
    .create(ledger, "1")
    .then((handle) => handle.result())
    .catch(() => undefined);
  await Promise.race([result.then(() => lost.open()), until(() => struck(broken)), lost.promise]);
  const hit = struck(broken);
  crash(broken);
  await result;
  const runtime = world.open([ledger]);
  const handle = await runtime.create(ledger, "1");
  expect(await handle.result(), `${kind} ${at}`).toEqual({ receipts: ["one", "two"], extra: undefined });
  expect(await handle.actions.state()).toEqual({ entries: ["one", "two"] });
  return hit;
}
