/** Actors: actions beside a workflow, messages to oneself, vars, migrations, an actor without a workflow. */
import { AppError, actor, Loop, type } from "../../../packages/pawl/src/index.ts";
import type { Program } from "../world.ts";

interface Marked {
  readonly mark: string;
}

/** Actions beside a running step, in the way of it; one that fails, and some at once. */
export const actions: Program = {
  name: "actions beside the workflow",
  make: (watch) => {
    const counter = actor("counter", {
      state: () => ({ n: 0, by: {} as Record<string, number> }),
      actions: {
        // Not idempotent: who calls it twice counts twice.
        add: (c, who: string, amount: number) => {
          c.state.by[who] = (c.state.by[who] ?? 0) + amount;
          c.state.n += amount;
          return c.state.n;
        },
        fail: (c) => {
          c.state.n += 1_000;
          throw new AppError("no", "not like this");
        },
      },
      workflow: async (ctx) => {
        await ctx.step("slow", async (c) => {
          watch.ran(c, "slow");
          const seen = c.state.n;
          await watch.gate("the actions are through");
          c.state.n = seen + 1;
        });
        await ctx.step("quick", (c) => {
          watch.ran(c, "quick");
          c.state.n += 1;
        });
        return ctx.step("read", (c) => {
          watch.ran(c, "read");
          return c.state.n;
        });
      },
    });
    return {
      versions: [counter],
      scenario: async (t) => {
        const { actions } = t.handle(counter);
        const add = (who: string, amount: number) =>
          t.once(
            `add ${who}`,
            () => actions.add(who, amount),
            () => t.records(`${who}: ${amount}`),
          );
        await t.create();
        await add("ann", 10);
        const refused = (error: unknown) => {
          if (!(error instanceof AppError)) throw error;
        };
        await Promise.all([add("bob", 20), add("cid", 30), t.once("fail", () => actions.fail().catch(refused))]);
        t.watch.open("the actions are through");
        await t.end();
        await add("dan", 40);
      },
    };
  },
};

/** Messages that steps and actions send to their own actor: they leave with the commit, or not at all. */
export const sends: Program = {
  name: "c.queue.send to itself",
  make: (watch) => {
    const relay = actor("relay", {
      messages: { job: type<Marked & { left: number }>() },
      state: () => ({ asked: [] as string[], done: [] as string[] }),
      actions: {
        ask: (c, mark: string, left: number) => {
          c.state.asked.push(mark);
          c.queue.send("job", { mark, left });
          c.queue.send("job", { mark: `${mark}+`, left: 0 });
        },
      },
      workflow: async (ctx) => {
        await ctx.step("first", (c) => {
          watch.ran(c, "first");
          c.queue.send("job", { mark: "own", left: 2 });
          if (c.attempt === 1) throw new Error("and what was sent is dropped");
        });
        return ctx.loop({
          name: "jobs",
          state: 0,
          run: async (ctx, done) => {
            const { body } = await ctx.queue.next("job");
            await ctx.step("work", (c) => {
              watch.ran(c, `work ${body.mark} ${body.left}`);
              c.state.done.push(`${body.mark} ${body.left}`);
              if (body.left > 0) c.queue.send("job", { mark: body.mark, left: body.left - 1 });
            });
            return done === 6 ? Loop.break(done + 1) : Loop.continue(done + 1);
          },
        });
      },
    });
    return {
      versions: [relay],
      scenario: async (t) => {
        await t.create();
        await t.at(1_000);
        const ask = (mark: string, left: number) =>
          t.once(
            `ask ${mark}`,
            () => t.handle(relay).actions.ask(mark, left),
            () => t.records(mark),
          );
        await ask("job-1", 1);
        await t.at(2_000);
        await ask("job-2", 0);
        await t.end();
      },
    };
  },
};

/** Vars hold what cannot be stored, and come back new after a crash. */
export const vars: Program = {
  name: "vars",
  sequential: true,
  make: (watch) => {
    class Socket {
      sent = 0;
      send(): number {
        return ++this.sent;
      }
    }
    const talker = actor("talker", {
      state: () => ({ said: 0 }),
      vars: () => ({ socket: new Socket(), greet: (name: string) => `hello ${name}`, cache: { hits: 0 } }),
      workflow: async (ctx) => {
        for (const name of ["ann", "bob"]) {
          await ctx.step({
            name,
            retryBackoffBase: 1,
            run: (c) => {
              watch.ran(c, name);
              c.vars.socket.send();
              c.vars.cache.hits += 1;
              if (c.attempt === 1) throw new Error("cut off");
              c.state.said += c.vars.greet(name).length;
            },
          });
        }
        return ctx.step("sum", (c) => {
          watch.ran(c, "sum");
          return c.state.said;
        });
      },
    });
    return {
      versions: [talker],
      scenario: async (t) => {
        await t.create();
        await t.end();
      },
    };
  },
};

/** State that changes its shape twice while a workflow waits. */
export const migrations: Program = {
  name: "migrations",
  make: (watch) => {
    const messages = { go: type<Marked>() };
    const one = actor("shape", {
      messages,
      state: () => ({ name: "Ann Lee", visits: 0 }),
      actions: {
        visit: (c, visit: number) => {
          c.state.visits = visit;
        },
      },
      workflow: async (ctx) => (await ctx.queue.next("go")).body.mark,
    });
    const two = actor("shape", {
      messages,
      version: 2,
      migrate: (old) => {
        const { name, visits } = old as { name: string; visits: number };
        const [first = "", last = ""] = name.split(" ");
        return { first, last, visits: [visits] };
      },
      state: () => ({ first: "", last: "", visits: [0] }),
      actions: {
        visit: (c, visit: number) => {
          if (!c.state.visits.includes(visit)) c.state.visits.push(visit);
        },
      },
      workflow: async (ctx) => (await ctx.queue.next("go")).body.mark,
    });
    const three = actor("shape", {
      messages,
      version: 3,
      migrate: (old, from) => ({ from, people: [old as { first: string }] }),
      state: () => ({ from: 0, people: [] as { first: string }[] }),
      workflow: async (ctx) => {
        const { body } = await ctx.queue.next("go");
        await ctx.step("greet", (c) => {
          watch.ran(c, "greet");
          return c.state.people.map((person) => person.first);
        });
        return body.mark;
      },
    });
    return {
      versions: [one, two, three],
      scenario: async (t) => {
        if (t.version === 0) {
          await t.create();
          await t.once("visit 1", () => t.handle(one).actions.visit(1));
          await t.deploy(1);
        }
        if (t.version === 1) {
          await t.at(0);
          await t.once("visit 2", () => t.handle(two).actions.visit(2));
          await t.deploy(2);
        }
        await t.send("go", { mark: "m-go" });
        await t.end();
      },
    };
  },
};

/** No workflow at all: state and actions. */
export const onlyActions: Program = {
  name: "an actor without a workflow",
  make: () => {
    const cart = actor("cart", {
      state: () => ({ items: {} as Record<string, { count: number }>, taken: [] as string[] }),
      actions: {
        put: (c, item: string) => {
          c.state.items[item] = { count: (c.state.items[item]?.count ?? 0) + 1 };
        },
        take: (c, item: string) => {
          delete c.state.items[item];
          c.state.taken = [...c.state.taken.filter((other) => other !== item), item];
        },
        size: (c) => Object.keys(c.state.items).length,
      },
    });
    return {
      versions: [cart],
      scenario: async (t) => {
        const { actions } = t.handle(cart);
        const put = (item: string) =>
          t.once(
            `put ${item}`,
            () => actions.put(item),
            () => t.records(`${item}: { count:`),
          );
        for (const item of ["a", "b", "c"]) await put(item);
        await Promise.all([put("d"), put("e")]);
        await t.once("take b", () => actions.take("b"));
        await t.once("size", () => actions.size());
      },
    };
  },
};
