/** What the compiler knows of an actor, end to end: the README's order. Nothing here runs; `types.test.ts` compiles it. */
import { expectTypeOf } from "vitest";
import {
  type ActionContext,
  type Actor,
  actor,
  type Closed,
  type Connected,
  type Connection,
  createRuntime,
  type ErrorEvent,
  type Failure,
  type Handle,
  Loop,
  type Message,
  type NoState,
  RAW_STATE,
  raw,
  type Schema,
  type Tried,
  type TypesOf,
  type,
} from "../../src/index.ts";

interface Item {
  name: string;
  price: number;
}

interface OrderInput {
  items: Item[];
}

interface OrderState {
  status: string;
  items: Item[];
}

class Stripe {
  charge(amount: number, options: { idempotencyKey: string }): Promise<{ id: string; amount: number }> {
    return Promise.resolve({ id: options.idempotencyKey, amount });
  }
}

const order = actor("order", {
  input: type<OrderInput>(),
  messages: { approve: type<{ by: string }>(), cancel: type<{ reason: string }>(), ping: type<void>() },
  state: (input, c): OrderState => {
    expectTypeOf(input).toEqualTypeOf<OrderInput>();
    expectTypeOf(c.key).toEqualTypeOf<string>();
    return { status: "new", items: input.items };
  },
  vars: () => ({ stripe: new Stripe() }),
  actions: {
    total: (c) => {
      expectTypeOf(c.state).toEqualTypeOf<OrderState>();
      expectTypeOf(c.vars).toEqualTypeOf<{ stripe: Stripe }>();
      expectTypeOf(c[RAW_STATE]()).toEqualTypeOf<OrderState>();
      expectTypeOf(raw(c.state.items)).toEqualTypeOf<Item[]>();
      return c.state.items.reduce((sum, item) => sum + item.price, 0);
    },
    add: (c, item: Item) => {
      c.state.items.push(item);
    },
    find: async (c, name: string, fallback?: Item) => c.state.items.find((item) => item.name === name) ?? fallback,
  },
  workflow: async (ctx, input) => {
    expectTypeOf(input).toEqualTypeOf<OrderInput>();
    const approval = await ctx.queue.next("approve", { timeout: "1d" });
    expectTypeOf(approval?.body).toEqualTypeOf<{ by: string } | undefined>();
    const sure = await ctx.queue.next("cancel");
    expectTypeOf(sure.body).toEqualTypeOf<{ reason: string }>();
    expectTypeOf(sure.name).toEqualTypeOf<"cancel">();
    expectTypeOf(sure.sentAt).toEqualTypeOf<number>();
    const either = await ctx.queue.next("either", { names: ["approve", "cancel"] });
    if (either.name === "approve") expectTypeOf(either.body).toEqualTypeOf<{ by: string }>();
    else expectTypeOf(either.body).toEqualTypeOf<{ reason: string }>();
    const late = await ctx.queue.next("late", { names: ["approve"], timeout: 5 });
    expectTypeOf(late).toEqualTypeOf<Message<TypesOf<typeof order>, "approve"> | undefined>();

    const charged = await ctx.step("charge", async (c) => {
      c.state.status = "paid";
      c.queue.send("ping", undefined);
      c.afterCommit(() => {});
      expectTypeOf(c.attempt).toEqualTypeOf<number>();
      expectTypeOf(c.abortSignal).toEqualTypeOf<AbortSignal>();
      return c.vars.stripe.charge(5, { idempotencyKey: c.idempotencyKey });
    });
    expectTypeOf(charged).toEqualTypeOf<{ id: string; amount: number }>();
    expectTypeOf(await ctx.step("plain", () => 7)).toEqualTypeOf<number>();
    expectTypeOf(
      await ctx.step({ name: "policy", maxRetries: 3, timeout: "5s", run: async () => "done" }),
    ).toEqualTypeOf<string>();

    const tried = await ctx.tryStep("risky", () => 7n);
    expectTypeOf(tried).toEqualTypeOf<Tried<bigint>>();
    if (tried.ok) expectTypeOf(tried.value).toEqualTypeOf<bigint>();
    else expectTypeOf(tried.failure.error).toEqualTypeOf<Failure>();

    const found = await ctx.loop({
      name: "pages",
      state: { page: 1 },
      run: async (ctx, state) => {
        expectTypeOf(state).toEqualTypeOf<{ page: number }>();
        const more = await ctx.step("fetch", (c) => c.state.items.length > state.page);
        return more ? Loop.continue({ page: state.page + 1 }) : Loop.break(`page ${state.page}`);
      },
    });
    expectTypeOf(found).toEqualTypeOf<string>();
    await ctx.loop("for ever", async (ctx) => {
      await ctx.sleep("nap", "1h");
    });
    await ctx.sleepUntil("deadline", new Date(5));
    return { charged: charged.amount, approvedBy: approval?.body.by };
  },
  onError: (c, event) => {
    expectTypeOf(event).toEqualTypeOf<ErrorEvent>();
    expectTypeOf(c.state).toEqualTypeOf<OrderState>();
  },
  steps: { maxRetries: 5, retryBackoffMax: "1m" },
});

const bare = actor("bare", {
  actions: {
    look: (c) => {
      expectTypeOf(c.state).toEqualTypeOf<NoState>();
      expectTypeOf(c[RAW_STATE]()).toEqualTypeOf<undefined>();
      expectTypeOf(c.vars).toEqualTypeOf<undefined>();
    },
  },
  workflow: async (ctx, input) => {
    expectTypeOf(input).toEqualTypeOf<void>();
    await ctx.sleep("nap", 5);
  },
});

const twoState = actor("two", {
  version: 2,
  migrate: (old, from): { count: number } => {
    expectTypeOf(old).toEqualTypeOf<unknown>();
    expectTypeOf(from).toEqualTypeOf<number>();
    return { count: 0 };
  },
  state: () => ({ count: 0 }),
});

/** A schema whose input is not its output: a number out of a text. */
declare const grams: Schema<string, number>;

const parcel = actor("parcel", {
  input: grams,
  messages: { weigh: grams },
  state: (input) => {
    expectTypeOf(input).toEqualTypeOf<number>();
    return { grams: input };
  },
  actions: { weigh: (c) => c.queue.send("weigh", "5") },
  workflow: async (ctx, input) => {
    expectTypeOf(input).toEqualTypeOf<number>();
    return (await ctx.queue.next("weigh")).body;
  },
});

/** Whoever connects gives `grams` as the schema lets them in; the state of a connection follows from them. */
const scale = actor("scale", {
  events: { weighed: grams },
  state: () => ({ total: 0 }),
  connection: {
    params: grams,
    state: (params) => {
      expectTypeOf(params).toEqualTypeOf<number>();
      return { grams: params, seen: [] as string[] };
    },
    open: (c) => {
      expectTypeOf(c.connection.params).toEqualTypeOf<number>();
      expectTypeOf(c.connection.state).toEqualTypeOf<{ grams: number; seen: string[] }>();
      expectTypeOf(c.connection[RAW_STATE]()).toEqualTypeOf<{ grams: number; seen: string[] }>();
      expectTypeOf(c.state).toEqualTypeOf<{ total: number }>();
      c.connection.send("weighed", "5");
    },
    close: (c) => void c.connection.state.seen.push("gone"),
  },
  actions: {
    weigh: (c) => {
      expectTypeOf(c.connection).toEqualTypeOf<Connection<TypesOf<typeof scale>> | undefined>();
      for (const connection of c.connections) expectTypeOf(connection.state.grams).toEqualTypeOf<number>();
      c.broadcast("weighed", "5", { except: c.connection });
    },
  },
});

const stateless = actor("stateless", {
  connection: { open: (c) => expectTypeOf(c.connection[RAW_STATE]()).toEqualTypeOf<undefined>() },
  actions: { look: (c) => expectTypeOf(c.connection?.params).toEqualTypeOf<void | undefined>() },
});

/** A helper in another file is typed by the actor. */
export function empty(c: ActionContext<TypesOf<typeof order>>): void {
  c.state.items.length = 0;
}

export async function callers(item: Item): Promise<void> {
  const runtime = createRuntime({
    actors: [order, bare, twoState, parcel, scale, stateless],
    store: "sqlite:./orders.db",
  });
  const handle = await runtime.create(order, "order-42", { items: [] });
  expectTypeOf(handle).toEqualTypeOf<Handle<typeof order>>();
  expectTypeOf(await handle.actions.total()).toEqualTypeOf<number>();
  expectTypeOf(handle.actions.add).toEqualTypeOf<(item: Item) => Promise<void>>();
  expectTypeOf(handle.actions.find).toEqualTypeOf<(name: string, fallback?: Item) => Promise<Item | undefined>>();
  await handle.actions.add(item);
  await handle.send("approve", { by: "ann" });
  await handle.send("ping", undefined);
  expectTypeOf(await handle.result()).toEqualTypeOf<{ charged: number; approvedBy: string | undefined }>();
  expectTypeOf(await runtime.get("order", "1").actions.total()).toEqualTypeOf<number>();
  expectTypeOf(runtime.get(bare, "1").result()).toEqualTypeOf<Promise<void>>();
  await runtime.create(bare, "1");
  await runtime.create(bare, "1", undefined, { ifExists: "throw" });
  await runtime.create(parcel, "1", "500");
  await runtime.get(parcel, "1").send("weigh", "500");
  expectTypeOf(await runtime.get(parcel, "1").result()).toEqualTypeOf<number>();
  const connected = await runtime.get(scale, "1").connect("5");
  expectTypeOf(connected).toEqualTypeOf<Connected<typeof scale>>();
  expectTypeOf(connected.actions.weigh).toEqualTypeOf<() => Promise<void>>();
  connected.on("weighed", (weight) => expectTypeOf(weight).toEqualTypeOf<number>());
  expectTypeOf(await connected.closed).toEqualTypeOf<Closed>();
  expectTypeOf(runtime.get(stateless, "1").connect).toEqualTypeOf<() => Promise<Connected<typeof stateless>>>();
  const actors: readonly Actor[] = [order, bare, twoState, parcel, scale];
  await createRuntime({ actors, store: "memory:" }).close({ grace: "5s" });
}

export { bare, order, parcel, scale, stateless };
