import { describe, expect, test } from "vitest";
import { type ActionContext, actor, RAW_STATE, type TypesOf } from "../../src/index.ts";
import { batches, COUNTING, crash, type Gate, gate, KINDS, quiet, turns, until, World, watch } from "./harness.ts";

interface Account {
  balance: number;
  log: string[];
  notes: Record<string, number>;
}

const first = (): Account => ({ balance: 0, log: [], notes: {} });

describe.each(KINDS)("on %s", (kind) => {
  test("P4 no update is lost when a read before an await is written after it: the attempt is run again on fresh state", async () => {
    const world = new World(kind);
    const bodies: number[] = [];
    const account = actor("account", {
      state: first,
      vars: () => ({ gates: [gate(), gate()] }),
      actions: {
        add: async (c, which: number, amount: number) => {
          bodies.push(which);
          const { balance } = c.state;
          await c.vars.gates[which]?.promise;
          c.state.balance = balance + amount;
          return c.state.balance;
        },
        open: (c, which: number) => c.vars.gates[which]?.open(),
        state: (c) => c[RAW_STATE](),
      },
    });
    const runtime = world.open([account]);
    const { actions } = await runtime.create(account, "1");
    const both = [actions.add(0, 1), actions.add(1, 10)];
    await until(() => bodies.length === 2);
    await actions.open(0);
    expect(await both[0]).toBe(1);
    await actions.open(1);
    expect(await both[1]).toBe(11);
    expect(bodies).toEqual([0, 1, 1]);
    expect(await actions.state()).toEqual({ ...first(), balance: 11 });
    crash(runtime);
    const again = world.open([account]).get(account, "1");
    expect(await again.actions.state()).toEqual({ ...first(), balance: 11 });
  });

  test("P4 a hundred actions at once that read, wait and write lose nothing", async () => {
    const world = new World(kind);
    const account = actor("account", {
      state: first,
      actions: {
        add: async (c, turnsBetween: number) => {
          const { balance } = c.state;
          await turns(turnsBetween);
          c.state.balance = balance + 1;
        },
        state: (c) => c[RAW_STATE](),
      },
    });
    const { actions } = await world.open([account]).create(account, "1");
    await Promise.all(Array.from({ length: 100 }, (_, i) => actions.add(i % 4)));
    expect(await actions.state()).toEqual({ ...first(), balance: 100 });
  });

  test("P4 a step and an action that interleave lose nothing", async () => {
    const world = new World(kind);
    const goOn = gate();
    const reads: number[] = [];
    const account = actor("account", {
      state: first,
      actions: {
        add: (c, amount: number) => void (c.state.balance += amount),
        state: (c) => c[RAW_STATE](),
      },
      workflow: async (ctx) => {
        const balance = await ctx.step("double", async (c) => {
          const { balance } = c.state;
          reads.push(balance);
          await goOn.promise;
          c.state.balance = balance * 2 + 1;
          return c.state.balance;
        });
        return balance;
      },
    });
    const handle = await world.open([account]).create(account, "1");
    await until(() => reads.length === 1);
    await handle.actions.add(20);
    goOn.open();
    expect(await handle.result()).toBe(41);
    expect(reads).toEqual([0, 20]);
    expect(await handle.actions.state()).toEqual({ ...first(), balance: 41 });
  });
});

/** An account whose actions wait at gates, and count their bodies. */
function gated() {
  const bodies: Record<string, number> = {};
  const gates: Record<string, Gate> = {};
  const at = (name: string) => (gates[name] ??= gate());
  const count = (name: string) => (bodies[name] = (bodies[name] ?? 0) + 1);
  const account = actor("account", {
    state: first,
    actions: {
      readThenWrite: async (c, name: string) => {
        count(name);
        const { balance } = c.state;
        await at(name).promise;
        c.state.balance = balance + 1;
      },
      writeAfterTheAwait: async (c, name: string) => {
        count(name);
        await at(name).promise;
        c.state.balance += 1;
      },
      readOnly: async (c, name: string) => {
        count(name);
        const { balance } = c.state;
        await at(name).promise;
        return [balance, c.state.balance];
      },
      readThenThrow: async (c, name: string) => {
        count(name);
        const { balance } = c.state;
        await at(name).promise;
        throw new Error(`saw ${balance}`);
      },
      note: async (c, name: string) => {
        count(name);
        void c.state.notes[name];
        await at(name).promise;
        c.state.notes[name] = (c.state.notes[name] ?? 0) + 1;
      },
      add: (c, amount: number) => void (c.state.balance += amount),
      state: (c) => c[RAW_STATE](),
    },
  });
  return { account, bodies, at };
}

describe("concurrent actions", () => {
  test("P4 an attempt that touches state only after its last await is never run again", async () => {
    const { account, bodies, at } = gated();
    const { actions } = await new World("memory").open([account]).create(account, "1");
    const late = actions.writeAfterTheAwait("late");
    for (let i = 0; i < 5; i++) await actions.add(1);
    at("late").open();
    await late;
    expect(bodies).toEqual({ late: 1 });
    expect((await actions.state()).balance).toBe(6);
  });

  test("P4 an attempt that only read is never run again, and sees one state from beginning to end", async () => {
    const { account, bodies, at } = gated();
    const { actions } = await new World("memory").open([account]).create(account, "1");
    const reader = actions.readOnly("reader");
    await until(() => bodies["reader"] === 1);
    await actions.add(5);
    at("reader").open();
    expect(await reader).toEqual([0, 0]);
    expect(bodies).toEqual({ reader: 1 });
  });

  test("P4 an attempt that throws is never run again", async () => {
    const { account, bodies, at } = gated();
    const { actions } = await new World("memory").open([account]).create(account, "1");
    const failing = actions.readThenThrow("failing");
    await until(() => bodies["failing"] === 1);
    await actions.add(5);
    at("failing").open();
    await expect(failing).rejects.toThrow("saw 0");
    expect(bodies).toEqual({ failing: 1 });
  });

  test("P4 attempts that touch different parts of the state do not disturb each other", async () => {
    const { account, bodies, at } = gated();
    const { actions } = await new World("memory").open([account]).create(account, "1");
    const names = ["a", "b", "c"];
    const notes = names.map((name) => actions.note(name));
    await until(() => names.every((name) => bodies[name] === 1));
    await actions.add(5);
    for (const name of names.reverse()) at(name).open();
    await Promise.all(notes);
    expect(bodies).toEqual({ a: 1, b: 1, c: 1 });
    expect((await actions.state()).notes).toEqual({ a: 1, b: 1, c: 1 });
  });

  test("P4 nobody sees what another attempt has not finished", async () => {
    const half = gate();
    const account = actor("account", {
      state: first,
      actions: {
        transfer: async (c) => {
          c.state.balance = -5;
          c.state.log.push("half");
          await half.promise;
          c.state.balance = 0;
          c.state.log.push("whole");
        },
        state: (c) => c[RAW_STATE](),
      },
    });
    const { actions } = await new World("memory").open([account]).create(account, "1");
    const transfer = actions.transfer();
    await turns();
    expect(await actions.state()).toEqual(first());
    half.open();
    await transfer;
    expect(await actions.state()).toEqual({ ...first(), log: ["half", "whole"] });
  });

  test("P4 after three conflicts an attempt runs alone: the commits of the others wait, their bodies do not", async () => {
    const bodies: string[] = [];
    const gates = Array.from({ length: 4 }, () => gate());
    const account = actor("account", {
      state: first,
      actions: {
        slow: async (c) => {
          const run = bodies.filter((body) => body === "slow").length;
          bodies.push("slow");
          const { balance } = c.state;
          await gates[run]?.promise;
          c.state.balance = balance + 100;
          c.state.log.push("slow");
        },
        add: (c, amount: number) => {
          bodies.push("add");
          c.state.balance += amount;
          c.state.log.push(`add ${amount}`);
        },
        look: (c) => c.state.balance,
        state: (c) => c[RAW_STATE](),
      },
    });
    const world = new World("memory");
    const { actions } = await world.open([account]).create(account, "1");
    const slow = actions.slow();
    for (const [i, conflicting] of gates.slice(0, 3).entries()) {
      await until(() => bodies.filter((body) => body === "slow").length === i + 1);
      await actions.add(1);
      conflicting.open();
    }
    await until(() => bodies.filter((body) => body === "slow").length === 4);
    const held = [watch(actions.add(1)), watch(actions.add(1))];
    await turns();
    expect(bodies.filter((body) => body === "add")).toHaveLength(5);
    expect(held.map(({ state }) => state)).toEqual(["pending", "pending"]);
    expect(await actions.look(), "a read-only action does not wait").toBe(3);
    gates[3]?.open();
    await slow;
    await until(() => held.every(({ state }) => state === "resolved"));
    const { balance, log } = await actions.state();
    expect(balance).toBe(105);
    expect(log).toEqual(["add 1", "add 1", "add 1", "slow", "add 1", "add 1"]);
    expect(
      bodies.filter((body) => body === "slow"),
      "three conflicts, and once alone",
    ).toHaveLength(4);
  });

  test("P4 an action whose commit is held for ten seconds gives up: actor_busy, and nothing of it has happened", async () => {
    const world = new World("memory");
    let runs = 0;
    const alone = gate();
    const account = actor("account", {
      state: first,
      actions: {
        slow: async (c) => {
          runs += 1;
          const { balance } = c.state;
          if (runs === 4) await alone.promise;
          else await other();
          c.state.balance = balance + 100;
        },
        add: (c, amount: number) => void (c.state.balance += amount),
        state: (c) => c[RAW_STATE](),
      },
    });
    const { actions } = await world.open([account]).create(account, "1");
    const other = () => actions.add(1);
    const slow = actions.slow();
    await until(() => runs === 4);
    const held = watch(actions.add(1));
    await turns();
    world.clock.advance(9_999);
    await turns();
    expect(held.state).toBe("pending");
    world.clock.advance(1);
    await until(() => held.state === "rejected");
    expect(held.value).toMatchObject({ code: "actor_busy", retryable: true });
    alone.open();
    await slow;
    expect((await actions.state()).balance).toBe(103);
  });

  test("P4 an attempt that is overtaken hears of it: its signal fires, and it keeps its key and number", async () => {
    const seen: { key: string; attempt: number; reason: unknown }[] = [];
    const goOn = gate();
    const account = actor("account", {
      state: first,
      actions: {
        slow: async (c) => {
          const { balance } = c.state;
          const one = { key: c.idempotencyKey, attempt: c.attempt, reason: undefined as unknown };
          seen.push(one);
          c.abortSignal.addEventListener("abort", () => (one.reason = c.abortSignal.reason));
          await goOn.promise;
          c.state.balance = balance + 1;
        },
        add: (c) => void (c.state.balance += 1),
      },
    });
    const { actions } = await new World("memory").open([account]).create(account, "1");
    const slow = actions.slow();
    await until(() => seen.length === 1);
    await actions.add();
    goOn.open();
    await slow;
    const [overtaken, again] = seen;
    expect(overtaken?.key).toMatch(/^[0-9a-f]{32}$/);
    expect(again).toEqual({ key: overtaken?.key, attempt: 1, reason: undefined });
    expect(overtaken?.reason).toMatchObject({ code: "conflict" });
  });

  test("P4 what an overtaken attempt sent and wanted to do after its commit is dropped with it", async () => {
    const goOn = gate();
    const after: number[] = [];
    let runs = 0;
    const world = new World("memory");
    const account = actor("account", {
      state: first,
      actions: {
        slow: async (c) => {
          const run = ++runs;
          const { balance } = c.state;
          c.afterCommit(() => after.push(run));
          await goOn.promise;
          c.state.balance = balance + 1;
        },
        add: (c) => void (c.state.balance += 1),
      },
    });
    const runtime = world.open([account], COUNTING);
    const { actions } = await runtime.create(account, "1");
    const slow = actions.slow();
    await until(() => runs === 1);
    await actions.add();
    const before = batches(runtime);
    goOn.open();
    await slow;
    await quiet(runtime);
    expect([runs, after, batches(runtime) - before]).toEqual([2, [2], 1]);
  });

  test("P4 onError that is overtaken runs again on fresh state", async () => {
    const goOn = gate();
    let runs = 0;
    const account = actor("account", {
      state: first,
      actions: { add: (c) => void (c.state.balance += 1), state: (c) => c[RAW_STATE]() },
      onError: async (c) => {
        runs += 1;
        const { balance } = c.state;
        await goOn.promise;
        c.state.balance = balance + 100;
      },
      steps: { retryBackoffBase: 0, retryBackoffMax: 0 },
      workflow: (ctx) =>
        ctx.step("once", (c) => {
          if (c.attempt === 1) throw new Error("once");
        }),
    });
    const handle = await new World("memory").open([account]).create(account, "1");
    await until(() => runs === 1);
    await handle.actions.add();
    goOn.open();
    await handle.result();
    expect(runs).toBe(2);
    expect((await handle.actions.state()).balance).toBe(101);
  });
});

/** A helper in another file can be typed by the actor alone. */
export function deposit(c: ActionContext<TypesOf<ReturnType<typeof gated>["account"]>>, amount: number): void {
  c.state.balance += amount;
}
