/** What the compiler must refuse. Nothing here runs; `types.test.ts` compiles it, and a mistake that is accepted fails it. */
import { actor, createRuntime, Loop, RAW_STATE, type } from "../../src/index.ts";
import { bare, order, parcel, scale } from "./definitions.ts";

const runtime = createRuntime({ actors: [order, bare, parcel, scale], store: "memory:" });
const handle = runtime.get(order, "1");

export const calls = [
  // @ts-expect-error: declared, so it must be given
  () => runtime.create(order, "1"),
  // @ts-expect-error: of another shape
  () => runtime.create(order, "1", { items: [{ name: "pear" }] }),
  // @ts-expect-error: takes none
  () => runtime.create(bare, "1", { items: [] }),
  // @ts-expect-error: the schema's input is a text
  () => runtime.create(parcel, "1", 500),
  // @ts-expect-error: no such option
  () => runtime.create(bare, "1", undefined, { ifExist: "keep" }),
  // @ts-expect-error: no such actor
  () => runtime.get("ordr", "1"),
  // @ts-expect-error: no such action
  () => handle.actions.totl(),
  // @ts-expect-error: the argument is missing
  () => handle.actions.add(),
  // @ts-expect-error: no price
  () => handle.actions.add({ name: "pear" }),
  // @ts-expect-error: one argument too many
  () => handle.actions.total(1),
  // @ts-expect-error: no such message
  () => handle.send("aprove", { by: "ann" }),
  // @ts-expect-error: another body
  () => handle.send("approve", { by: 5 }),
  // @ts-expect-error: the schema's input is a text
  () => runtime.get(parcel, "1").send("weigh", 500),
  // @ts-expect-error: the schema's input is a text
  () => runtime.get(scale, "1").connect(5),
  // @ts-expect-error: declared, so they must be given
  () => runtime.get(scale, "1").connect(),
  // @ts-expect-error: takes none
  () => runtime.get(bare, "1").connect("5"),
  // @ts-expect-error: not a unit
  () => handle.with({ timeout: "5 minutes" }),
  // @ts-expect-error: no such option
  () => handle.result({ timout: 5 }),
  // @ts-expect-error: the output has no such field
  async () => (await handle.result()).chargd,
  // @ts-expect-error: no such option
  () => createRuntime({ actors: [order], stor: "memory:" }),
  // @ts-expect-error: not an actor
  () => createRuntime({ actors: [{ name: "order" }], store: "memory:" }),
];

export const definitions = [
  // @ts-expect-error: no such member
  () => actor("a", { stat: () => ({ count: 0 }) }),
  // @ts-expect-error: no such option
  () => actor("a", { steps: { maxRetrys: 5 } }),
  // @ts-expect-error: not a duration
  () => actor("a", { steps: { timeout: "soon" } }),
  // @ts-expect-error: migrates to another shape than the state's
  () => actor("a", { version: 2, migrate: () => ({ total: 0 }), state: () => ({ count: 0 }) }),
  // @ts-expect-error: no such member
  () => actor("a", { connection: { opens: () => {} } }),
  // @ts-expect-error: an actor without `input` has none
  () => actor("a", { state: (input) => ({ count: input.count }) }),
];

export const members = actor("members", {
  messages: { go: type<{ n: number }>() },
  state: () => ({ count: 0, list: [1] }),
  actions: {
    wrong: (c) => {
      // @ts-expect-error: no such field
      c.state.cont = 1;
      // @ts-expect-error: a number
      c.state.count = "1";
      // @ts-expect-error: a number
      c.state.list.push("1");
      // @ts-expect-error: read-only
      c.key = "other";
      // @ts-expect-error: an attempt starts no entries
      c.step("inner", () => {});
      // @ts-expect-error: no such message
      c.queue.send("gone", { n: 1 });
      // @ts-expect-error: another body
      c.queue.send("go", { n: "1" });
      // @ts-expect-error: no such field
      c[RAW_STATE]().cont;
    },
  },
  workflow: async (ctx) => {
    // @ts-expect-error: state is for attempts
    ctx.state;
    // @ts-expect-error: vars are for attempts
    ctx.vars;
    // @ts-expect-error: no such message
    await ctx.queue.next("gone");
    // @ts-expect-error: with a timeout there may be none
    (await ctx.queue.next("go", { timeout: 5 })).body;
    // @ts-expect-error: no such option
    await ctx.step({ name: "s", run: () => {}, retries: 5 });
    // @ts-expect-error: a step has a function
    await ctx.step("s");
    // @ts-expect-error: not a unit
    await ctx.sleep("z", "5 minutes");
    // @ts-expect-error: the state of a round is a number
    await ctx.loop({ name: "l", state: 0, run: async () => Loop.continue("one") });
    // @ts-expect-error: a round of a loop with state says how to go on
    await ctx.loop({ name: "l", state: 0, run: async () => {} });
    const tried = await ctx.tryStep("t", () => 1);
    // @ts-expect-error: only of one that is ok
    tried.value;
  },
});

export const stateless = actor("stateless", {
  actions: {
    // @ts-expect-error: it declares no state
    write: (c) => (c.state = { count: 1 }),
    // @ts-expect-error: it declares no state
    read: (c) => c.state.count,
    // @ts-expect-error: undefined
    raw: (c) => c[RAW_STATE]().count,
  },
});
