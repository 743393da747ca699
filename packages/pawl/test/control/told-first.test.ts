/**
 * Steps that a workflow is told of before the engine is: on a store that is gone with its runtime. Nobody can tell, but by how
 * often the engine is called.
 */
import { expect, test } from "vitest";
import { random } from "../../../../tests/random.ts";
import { actor, createRuntime, Loop, type Types, type, type WorkflowContext } from "../../src/index.ts";
import { createRuntimeWith, internals } from "../../src/runtime.ts";
import { inMemory } from "../life/world.ts";
import { Log } from "../runtime/harness.ts";

type Flow = (ctx: WorkflowContext<Types>) => Promise<unknown>;

let stores = 0;
/** Of the first nobody can see what is not written; the second outlives its runtime. */
const urls = () => ["memory:", `memory:told-first-${++stores}`] as const;

function job(flow: Flow) {
  return actor("job", {
    state: () => ({ notes: [] as unknown[] }),
    messages: { go: type<number>() },
    actions: { notes: (c) => [...c.state.notes] },
    // The workflows are of any bag: what they touch is theirs to know.
    workflow: (ctx) => flow(ctx as unknown as WorkflowContext<Types>),
  });
}

/** What a run comes to, and everything that is recorded of it but ids and times. */
async function seen(url: string, flow: Flow, messages: readonly number[] = []): Promise<unknown> {
  const definition = job(flow);
  await using runtime = createRuntime({ actors: [definition], store: url, logger: new Log() });
  const handle = await runtime.create(definition, "1");
  for (const message of messages) await handle.send("go", message);
  const result = await handle.result().then(
    (value) => ({ value: withoutTimes(value) }),
    (error: Error & { code?: string }) => ({ error: error.code, name: error.name }),
  );
  const shown = await runtime.admin.show("job", "1");
  return { result, state: shown.actorState, status: shown.state, history: withoutTimes(shown.history) };
}

/** What differs from run to run. */
const VARIES: ReadonlySet<string> = new Set(["at", "createdAt", "sentAt", "id", "commit", "since", "stack"]);

function withoutTimes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, given: unknown) => (VARIES.has(key) ? undefined : given)));
}

test("steps that wait for nothing are not told one by one", async () => {
  const definition = job(async (ctx) => {
    for (let i = 0; i < 500; i++) await ctx.step(`step ${i}`, async () => i);
    return ctx.loop({
      name: "rounds",
      state: { round: 0 },
      run: async (ctx, { round }) => {
        const next = await ctx.step("next", () => round + 1);
        return next === 500 ? Loop.break(next) : Loop.continue({ round: next });
      },
    });
  });
  await using runtime = createRuntimeWith({ actors: [definition], store: "memory:" }, {});
  expect(await (await runtime.create(definition, "1")).result()).toBe(500);
  expect(runtime[internals].pump?.crossings, "1,000 steps").toBeLessThan(60);
});

test("a store that outlives its runtime is told of every step before the workflow is", async () => {
  const definition = job(async (ctx) => {
    for (let i = 0; i < 100; i++) await ctx.step(`step ${i}`, async () => i);
  });
  const [, url] = urls();
  await using runtime = createRuntimeWith({ actors: [definition], store: url }, {});
  await (await runtime.create(definition, "1")).result();
  expect(runtime[internals].pump?.crossings, "100 steps").toBeGreaterThanOrEqual(100);
});

/** Flows in which something is amiss, or that do more than run. */
const FLOWS: Readonly<Record<string, Flow>> = {
  "a step that nobody awaits, before the end": async (ctx) => {
    await ctx.step("a", async () => 1);
    void ctx.step("b", async () => 2);
    return "done";
  },
  "a step that nobody awaits, in a function of its own": async (ctx) => {
    const helper = async () => {
      await ctx.step("a", async () => 1);
      void ctx.step("b", async () => 2);
    };
    await helper();
    return "done";
  },
  "a step that nobody awaits, and then another": async (ctx) => {
    void ctx.step("a", async () => 1);
    await ctx.step("b", async () => 2);
  },
  "a name that is used twice": async (ctx) => {
    await ctx.step("a", async () => 1);
    await ctx.step("a", async () => 2);
  },
  "a result that cannot be stored": async (ctx) => {
    await ctx.step("a", async () => 1);
    await ctx.step("b", async () => () => 2);
  },
  "a body that begins a step": async (ctx) => {
    await ctx.step("a", async () => 1);
    await ctx.step({ name: "b", maxRetries: 0, run: async () => ctx.step("inner", () => 2) });
  },
  "a workflow that throws": async (ctx) => {
    await ctx.step("a", async () => 1);
    throw new Error("no");
  },
  "results that are changed afterwards": async (ctx) => {
    const kept = { list: [1] };
    const given = (await ctx.step("a", async () => kept)) as { list: number[] };
    kept.list.push(2);
    given.list.push(3);
    return ctx.step("b", async () => [kept, given]);
  },
};

test.each(Object.keys(FLOWS))("%s: the same as where the engine is told first", async (name) => {
  const [private_, outliving] = urls();
  const flow = FLOWS[name] as Flow;
  expect(await seen(private_, flow)).toEqual(await seen(outliving, flow));
});

const MESSAGES = [1, 2, 3];

/** A workflow of everything that there is, mixed. */
function mixed(seed: number): Flow {
  return async (ctx) => {
    const dice = random(seed);
    const found: unknown[] = [];
    let [tries, taken] = [0, 0];
    const plain = async (ctx: WorkflowContext<Types>, i: number, bare: boolean): Promise<unknown> => {
      if (bare || dice.below(3) > 0) return ctx.step(`step ${i}`, async () => ({ i, list: [i] }));
      switch (dice.below(7)) {
        case 0:
          return ctx.step(`state ${i}`, (c) => (c.state as { notes: unknown[] }).notes.push(i));
        case 1:
          return ctx.step(`sync ${i}`, () => i);
        case 2:
          return ctx.step(`void ${i}`, async () => undefined);
        case 3:
          return ctx.tryStep({
            name: `fails ${i}`,
            maxRetries: 0,
            run: async () => Promise.reject(new Error(`no ${i}`)),
          });
        case 4:
          return ctx.step({
            name: `again ${i}`,
            maxRetries: 2,
            retryBackoffBase: 1,
            run: async () => {
              if (tries++ % 2 === 0) throw new Error("again");
              return i;
            },
          });
        case 5:
          return ctx.step({ name: `lazy ${i}`, ephemeral: true, run: async () => i });
        default:
          return ctx.step(`waits ${i}`, () => new Promise((resolve) => setImmediate(resolve, i)));
      }
    };
    for (let i = 0; i < 30; i++) {
      switch (dice.below(8)) {
        case 0:
          found.push(
            await ctx.loop({
              name: `loop ${i}`,
              state: 0,
              run: async (ctx, n) => {
                const m = (await ctx.step("one", async () => n + 1)) as number;
                await plain(ctx, i, true);
                return m > 5 ? Loop.break(m) : Loop.continue(m);
              },
            }),
          );
          break;
        case 1:
          found.push(await ctx.join(`join ${i}`, { a: (ctx) => plain(ctx, i, true), b: (ctx) => plain(ctx, i, true) }));
          break;
        case 2:
          if (taken++ < MESSAGES.length) found.push(await ctx.queue.next("go" as never));
          break;
        default:
          found.push(await plain(ctx, i, false));
      }
    }
    return found;
  };
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  "a mixture of everything comes to the same, and is recorded the same (seed %i)",
  async (seed) => {
    const [private_, outliving] = urls();
    expect(await seen(private_, mixed(seed), MESSAGES)).toEqual(await seen(outliving, mixed(seed), MESSAGES));
  },
);

test("the times that a workflow sees are those that are recorded", async () => {
  const times: number[][] = [];
  const definition = job(async (ctx) => {
    const mine: number[] = [];
    times.push(mine);
    for (let i = 0; i < 300; i++) {
      await ctx.step(`step ${i}`, async () => i);
      mine.push(ctx.now());
    }
    await ctx.queue.next("go" as never);
    mine.push(0);
  });
  await using runtime = createRuntimeWith({ actors: [definition], store: "memory:", idleAfter: 1 }, {});
  const handle = await runtime.create(definition, "1");
  await expect.poll(() => inMemory(runtime)).toEqual([]);
  await handle.send("go", 1);
  await handle.result();
  expect(times).toHaveLength(2);
  expect(times[1]).toEqual([...(times[0] ?? []), 0]);
});

test("a cancel reaches a workflow that never waits, and the event loop comes round", async () => {
  const definition = job((ctx) =>
    ctx.loop({
      name: "for ever",
      state: 0,
      run: async (ctx, n) => Loop.continue((await ctx.step("one", async () => n + 1)) as number),
    }),
  );
  await using runtime = createRuntime({ actors: [definition], store: "memory:", logger: new Log() });
  const handle = await runtime.create(definition, "1");
  const result = handle.result().catch((error: { code?: string }) => error.code);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await handle.cancel();
  expect(await result).toBe("cancelled");
});
