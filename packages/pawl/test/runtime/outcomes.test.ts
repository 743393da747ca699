import { describe, expect, test } from "vitest";
import { actor, Loop, PawlError, RAW_STATE, type } from "../../src/index.ts";
import { gate, KINDS, struck, unhandled, until, World } from "./harness.ts";

/** How a store may answer a batch badly, and live. */
const FAULTS = ["unknown_not_written", "unknown_written", "refuse"] as const;

function till() {
  return actor("till", {
    messages: { ring: type<string>() },
    state: () => ({ log: [] as string[] }),
    actions: {
      note: (c, text: string) => {
        c.state.log.push(text);
        return text;
      },
      log: (c) => c[RAW_STATE]().log,
    },
    workflow: (ctx) =>
      ctx.loop({
        name: "rings",
        state: 1,
        run: async (ctx, round) => {
          const { body } = await ctx.queue.next("ring");
          await ctx.step("book", (c) => void c.state.log.push(body));
          return round === 3 ? Loop.break("closed") : Loop.continue(round + 1);
        },
      }),
  });
}

/** Calls until it is confirmed; each try says something else, so that each can be found again. */
async function insist(text: string, call: (text: string) => Promise<unknown>, refused: string[]): Promise<string> {
  for (let tries = 1; ; tries++) {
    const said = tries === 1 ? text : `${text}, again ${tries}`;
    try {
      await call(said);
      return said;
    } catch (error) {
      expect(error).toBeInstanceOf(PawlError);
      expect(error).toMatchObject({ code: "store_unavailable", outcome: "no", retryable: true });
      refused.push(said);
    }
  }
}

describe.each(KINDS)("on %s", (kind) => {
  test.each(FAULTS)(
    "P11 P14 whichever batch ends in %s, confirmed calls are there, refused ones are not, and the run finishes",
    async (fault) => {
      const rejections = unhandled();
      for (const order of ["one after another", "at once"]) {
        for (let at = 1; ; at++) {
          const world = new World(kind);
          const actor = till();
          const runtime = world.open([actor], { fault: { kind: fault, at } });
          const refused: string[] = [];
          await insist("create", () => runtime.create(actor, "1"), []);
          const { actions, send, result } = runtime.get(actor, "1");
          const calls = ["a", "b", "c"].flatMap((text) => [
            () => insist(`note ${text}`, (text) => actions.note(text), refused),
            () => insist(`ring ${text}`, (text) => send("ring", text), refused),
          ]);
          const confirmed: string[] = [];
          if (order === "at once") confirmed.push(...(await Promise.all(calls.map((call) => call()))));
          else for (const call of calls) confirmed.push(await call());
          const where = `${fault} ${order}, batch ${at}`;
          expect(await result(), where).toBe("closed");
          const log = await actions.log();
          expect([...log].sort(), where).toEqual([...confirmed].sort());
          for (const said of refused) expect(log, where).not.toContain(said);
          if (!struck(runtime)) break;
          expect(at, "the program ends").toBeLessThan(40);
        }
      }
      expect(rejections).toEqual([]);
    },
  );

  test("P14 an actor whose creation turned out to be written keeps isolation", async () => {
    const world = new World(kind);
    const gates = [gate(), gate()];
    let vars = 0;
    let running = 0;
    const counter = actor("counter", {
      state: () => ({ count: 0 }),
      vars: () => ++vars,
      actions: {
        add: async (c, which: number) => {
          running += 1;
          const { count } = c.state;
          await gates[which]?.promise;
          c.state.count = count + 1;
        },
        count: (c) => c.state.count,
      },
    });
    const runtime = world.open([counter], { fault: { kind: "unknown_written", at: 1 } });
    const { actions } = await runtime.create(counter, "1");
    const both = [actions.add(0), actions.add(1)];
    await until(() => running === 2);
    gates[0]?.open();
    await both[0];
    gates[1]?.open();
    await both[1];
    expect(await actions.count()).toBe(2);
    expect([vars, struck(runtime)], "vars are made once").toEqual([1, true]);
  });

  test("P11 after a failed write nothing of what ran in memory goes on: its attempts are dead", async () => {
    const world = new World(kind);
    const goOn = gate();
    const bodies: number[] = [];
    const late: unknown[] = [];
    const job = actor("job", {
      state: () => ({ count: 0 }),
      actions: { add: (c) => void (c.state.count += 1), count: (c) => c.state.count },
      workflow: (ctx) =>
        ctx.step("work", async (c) => {
          const body = bodies.push(c.state.count);
          if (body > 1) return "second";
          await goOn.promise;
          for (const use of [() => c.state.count, () => c.idempotencyKey]) {
            try {
              late.push(use());
            } catch (error) {
              late.push((error as PawlError).code);
            }
          }
          late.push((c.abortSignal.reason as PawlError).code);
          return "first";
        }),
    });
    const runtime = world.open([job], { fault: { kind: "unknown_not_written", at: 2 } });
    const handle = await runtime.create(job, "1");
    await until(() => bodies.length === 1);
    await expect(handle.actions.add()).rejects.toMatchObject({ code: "store_unavailable", outcome: "no" });
    goOn.open();
    expect(await handle.result()).toBe("second");
    expect(await handle.actions.count()).toBe(0);
    expect(bodies).toEqual([0, 0]);
    await until(() => late.length === 3);
    expect(late).toEqual(["stale_step", "stale_step", "store_unavailable"]);
  });
});
