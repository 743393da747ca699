import { describe, expect, test } from "vitest";
import { actor, RAW_STATE, type } from "../../src/index.ts";
import { crash, KINDS, quiet, struck, type TestedRuntime, turns, until, World, watch } from "./harness.ts";

/** Both lose the batch; after the second it is in the store, and nobody has been told. */
const LOST = ["lose_before", "lose_after"] as const;

function shop() {
  const heard: string[] = [];
  const shop = actor("shop", {
    messages: { order: type<string>() },
    state: () => ({ sold: [] as string[] }),
    actions: {
      sell: (c, item: string) => {
        c.afterCommit(() => heard.push(`sold ${item}`));
        c.state.sold.push(item);
        return item;
      },
      sold: (c) => [...c.state.sold],
      raw: (c) => c[RAW_STATE]().sold,
      fail: (c) => {
        throw new Error(`sold ${c.state.sold}`);
      },
      still: () => "here",
    },
  });
  return { shop, heard };
}

describe.each(KINDS)("on %s", (kind) => {
  describe.each(LOST)("when the store dies (%s)", (fault) => {
    const written = fault === "lose_after";

    test("P8 the reply to an action, and what was to happen after its commit, do not leave", async () => {
      const world = new World(kind);
      const { shop: actor, heard } = shop();
      const runtime = world.open([actor], { fault: { kind: fault, at: 2 } });
      const { actions } = await runtime.create(actor, "1");
      const reply = watch(actions.sell("pear"));
      await until(() => struck(runtime));
      const seen = [watch(actions.sold()), watch(actions.raw()), watch(actions.fail())];
      const blind = watch(actions.still());
      await turns();
      expect(
        [reply, ...seen].map(({ state }) => state),
        "nor does what rests on it",
      ).toEqual(Array(4).fill("pending"));
      expect(blind, "what rests on nothing may leave").toMatchObject({ state: "resolved", value: "here" });
      expect(heard).toEqual([]);
      crash(runtime);
      await until(() => reply.state === "rejected");
      expect(reply.value).toMatchObject({ code: "runtime_closed" });
      expect(await world.open([actor]).get(actor, "1").actions.sold()).toEqual(written ? ["pear"] : []);
      expect(heard).toEqual([]);
    });

    test("P8 a created actor and a sent message are not confirmed", async () => {
      for (const at of [1, 2]) {
        const world = new World(kind);
        const { shop: actor } = shop();
        const runtime = world.open([actor], { fault: { kind: fault, at } });
        const creating = runtime.create(actor, "1");
        if (at === 2) await creating;
        const asked = watch(at === 1 ? creating : runtime.get(actor, "1").send("order", "pear"));
        await until(() => struck(runtime));
        await turns();
        expect(asked.state).toBe("pending");
        crash(runtime);
      }
    });

    test("P8 a step's result is not given to the workflow, and the workflow's not to its caller", async () => {
      for (const [at, reached] of [
        [2, []],
        [3, ["first committed", "after first"]],
      ] as const) {
        const world = new World(kind);
        const events: string[] = [];
        const job = actor("job", {
          workflow: async (ctx) => {
            await ctx.step("first", (c) => c.afterCommit(() => events.push("first committed")));
            events.push("after first");
            return "done";
          },
        });
        const runtime = world.open([job], { fault: { kind: fault, at } });
        const result = watch((await runtime.create(job, "1")).result());
        await until(() => struck(runtime));
        await turns();
        expect(events).toEqual(reached);
        expect(result.state).toBe("pending");
        crash(runtime);
        await until(() => result.state === "rejected");
        const again = world.open([job]);
        expect(await again.get(job, "1").result()).toBe("done");
        const ranAgain = at === 2 && !written;
        expect(
          events.filter((event) => event === "first committed"),
          "at most once",
        ).toHaveLength(at === 3 || ranAgain ? 1 : 0);
      }
    });

    test("P8 a message sent by a step is not delivered", async () => {
      const world = new World(kind);
      const got: string[] = [];
      const job = actor("job", {
        messages: { note: type<string>() },
        actions: { send: (c, text: string) => c.queue.send("note", text) },
        workflow: async (ctx) => {
          got.push((await ctx.queue.next("note")).body);
        },
      });
      const runtime: TestedRuntime<[typeof job]> = world.open([job], { fault: { kind: fault, at: 2 } });
      const { actions } = await runtime.create(job, "1");
      const sent = watch(actions.send("first"));
      await until(() => struck(runtime));
      await turns();
      expect([got, sent.state]).toEqual([[], "pending"]);
      crash(runtime);
      const again = world.open([job]).get(job, "1");
      await again.actions.send("second").catch(() => {});
      await again.result();
      expect(got).toEqual([written ? "first" : "second"]);
    });
  });

  test("P8 c.afterCommit runs once, after the commit; never for an attempt that failed; and its throw is logged", async () => {
    const world = new World(kind);
    const events: string[] = [];
    const job = actor("job", {
      state: () => ({ count: 0 }),
      actions: {
        add: (c) => {
          c.afterCommit(() => events.push("action"));
          c.state.count += 1;
        },
        throwLater: (c) => {
          c.afterCommit(() => {
            throw new Error("in the callback");
          });
          c.state.count += 1;
        },
        look: (c) => {
          c.afterCommit(() => events.push("look"));
          return c.state.count;
        },
      },
      steps: { retryBackoffBase: 0, retryBackoffMax: 0 },
      workflow: async (ctx) => {
        await ctx.step("work", (c) => {
          c.afterCommit(() => events.push(`attempt ${c.attempt}, key ${c.idempotencyKey.length}`));
          if (c.attempt === 1) throw new Error("once");
          c.state.count += 1;
        });
        events.push("result");
      },
    });
    const handle = world.open([job]).get(job, "1");
    await handle.result();
    expect(events.splice(0)).toEqual(["attempt 2, key 32", "result"]);
    await handle.actions.add();
    expect(await handle.actions.look()).toBe(2);
    await handle.actions.throwLater();
    expect(events).toEqual(["action", "look"]);
    expect(world.log.at("error")).toEqual([expect.stringContaining("c.afterCommit threw")]);
  });
});

test("P8 c.afterCommit in onError runs once what onError wrote is durable", async () => {
  const world = new World("memory");
  const events: string[] = [];
  const job = actor("job", {
    state: () => ({ failures: 0 }),
    onError: (c, event) => {
      c.afterCommit(() => events.push(`${event.kind} told`));
      c.state.failures += 1;
    },
    workflow: (ctx) =>
      ctx.step({
        name: "work",
        maxRetries: 0,
        run: () => {
          throw new Error("always");
        },
      }),
  });
  const runtime = world.open([job]);
  await expect(runtime.get(job, "1").result()).rejects.toThrow("always");
  await quiet(runtime);
  expect(events).toEqual(["step told", "workflow told"]);
});
