/** What the compiler knows of control flow, and what it must refuse. Nothing here runs; `types.test.ts` compiles it. */
import { expectTypeOf } from "vitest";
import {
  actor,
  ask,
  createRuntime,
  type EntryKind,
  Loop,
  type Message,
  type RollbackContext,
  type Schema,
  type Tried,
  type TypesOf,
  type,
} from "../../src/index.ts";

interface Verdict {
  readonly allowed: boolean;
}

const judge = actor("judge", {
  messages: {
    note: type<string>(),
    plea: ask(type<{ by: string }>(), type<Verdict>()),
    weigh: ask(grams(), type<void>()),
  },
  state: () => ({ cases: 0 }),
  workflow: async (ctx) => {
    const both = await ctx.join("both", {
      count: (ctx) => ctx.step("count", (c) => c.state.cases),
      nap: (ctx) => ctx.sleep("nap", "1h"),
      either: async (): Promise<string | bigint> => 5n,
    });
    expectTypeOf(both).toEqualTypeOf<{ count: number; nap: void; either: string | bigint }>();
    both.count += 1;

    const first = await ctx.race("first", {
      answer: async (ctx) => (await ctx.queue.next("note")).body,
      timeout: (ctx) => ctx.sleep("nap", "1h"),
    });
    expectTypeOf(first).toEqualTypeOf<{ winner: "answer"; value: string } | { winner: "timeout"; value: void }>();
    if (first.winner === "answer") expectTypeOf(first.value).toEqualTypeOf<string>();

    const items: readonly { id: number }[] = [{ id: 1 }];
    const mapped = await ctx.map("mapped", items, async (ctx, item, index) => {
      expectTypeOf(item).toEqualTypeOf<{ id: number }>();
      expectTypeOf(index).toEqualTypeOf<number>();
      return ctx.step("s", () => `${item.id}`);
    });
    expectTypeOf(mapped).toEqualTypeOf<string[]>();
    const settled = await ctx.mapSettled("settled", items, async (_, item) => item.id, { concurrency: 2 });
    expectTypeOf(settled).toEqualTypeOf<Tried<number>[]>();

    const tried = await ctx.try("block", async (ctx) => ctx.step("s", () => new Date(5)));
    expectTypeOf(tried).toEqualTypeOf<Tried<Date>>();
    if (!tried.ok)
      expectTypeOf(tried.failure.kind).toEqualTypeOf<
        "critical" | "timeout" | "exhausted" | "rollback" | "join" | "race" | "map" | "child" | "ask" | "error"
      >();

    await ctx.step({
      name: "undone",
      ephemeral: true,
      run: async () => ({ receipt: "r" }),
      rollback: (c, output) => {
        expectTypeOf(output).toEqualTypeOf<{ receipt: string }>();
        expectTypeOf(c).toEqualTypeOf<RollbackContext<TypesOf<typeof judge>>>();
        expectTypeOf(c.stepIdempotencyKey).toEqualTypeOf<string>();
        c.state.cases -= 1;
      },
      rollbackAttempted: (c) => void c.queue.send("note", c.idempotencyKey),
    });

    const plea = await ctx.queue.next("plea");
    expectTypeOf(plea.body).toEqualTypeOf<{ by: string }>();
    expectTypeOf(plea.complete).toEqualTypeOf<(reply: Verdict) => Promise<void>>();
    const weighed = await ctx.queue.next("weigh");
    expectTypeOf(weighed.body).toEqualTypeOf<number>();
    await weighed.complete();
    const batch = await ctx.queue.nextBatch("batch", { names: ["note", "plea"], count: 5, timeout: 0 });
    expectTypeOf(batch).toEqualTypeOf<Message<TypesOf<typeof judge>, "note" | "plea">[]>();
    for (const message of batch) {
      if (message.name === "plea") await message.complete({ allowed: message.body.by === "ann" });
      else expectTypeOf(message.body).toEqualTypeOf<string>();
    }

    expectTypeOf(await ctx.getVersion("v", 2)).toEqualTypeOf<number>();
    expectTypeOf(ctx.now()).toEqualTypeOf<number>();
    expectTypeOf(ctx.random()).toEqualTypeOf<number>();
    expectTypeOf(ctx.uuid()).toEqualTypeOf<string>();
    expectTypeOf(ctx.abortSignal).toEqualTypeOf<AbortSignal>();
    await ctx.removed("old", "map");
    if (both.count > 3) return ctx.rollback({ allowed: false });
    return { allowed: true };
  },
});

/** A schema whose input is not its output. */
declare function grams(): Schema<string, number>;

export async function callers(): Promise<void> {
  const runtime = createRuntime({ actors: [judge], store: "memory:" });
  const handle = runtime.get(judge, "1");
  expectTypeOf(await handle.ask("plea", { by: "ann" })).toEqualTypeOf<Verdict>();
  expectTypeOf(await handle.ask("weigh", "5")).toEqualTypeOf<void>();
  expectTypeOf(await handle.result()).toEqualTypeOf<{ allowed: boolean }>();
  await handle.cancel({ compensate: false, reason: "enough" });
  await runtime.admin.retry("judge", "1");
  await runtime.admin.replay("judge", "1", { entry: "id" });
  expectTypeOf((await runtime.admin.show("judge", "1")).actorState).toEqualTypeOf<unknown>();
  // @ts-expect-error: a message that is not answered
  await handle.ask("note", "text");
  // @ts-expect-error: another body
  await handle.ask("plea", { by: 5 });
  // @ts-expect-error: the schema's input is a text
  await handle.ask("weigh", 5);
  // @ts-expect-error: no such option
  await handle.cancel({ because: "enough" });
}

export const mistaken = actor("mistaken", {
  messages: { note: type<string>(), plea: ask(type<string>(), type<Verdict>()) },
  workflow: async (ctx) => {
    // @ts-expect-error: a promise, and no function that makes one
    await ctx.join("j", { a: ctx.sleep("nap", 5) });
    // @ts-expect-error: a list of functions
    await ctx.race("r", [async () => 1]);
    // @ts-expect-error: no promise
    await ctx.map("m", [1], () => 1);
    // @ts-expect-error: no such option
    await ctx.map("m2", [1], async () => 1, { limit: 5 });
    const { a } = await ctx.join("j2", { a: async () => 1 });
    // @ts-expect-error: a number
    a.length;
    // @ts-expect-error: no such branch
    (await ctx.join("j3", { a: async () => 1 })).b;
    const tried = await ctx.try("t", async () => 1);
    // @ts-expect-error: it may have failed
    tried.value;
    // @ts-expect-error: the output is a number
    await ctx.step({ name: "s", run: () => 1, rollback: (_c, output: string) => output });
    const note = await ctx.queue.next("note");
    // @ts-expect-error: nobody asked
    await note.complete("text");
    const plea = await ctx.queue.next("plea");
    // @ts-expect-error: another answer
    await plea.complete("yes");
    // @ts-expect-error: how many?
    await ctx.queue.nextBatch("b", { names: ["note"] });
    // @ts-expect-error: no such message
    await ctx.queue.nextBatch("b2", { names: ["not"], count: 1 });
    // @ts-expect-error: no kind of entry
    await ctx.removed("old", "stepp");
    // @ts-expect-error: not in a workflow
    ctx.state;
    const kind: EntryKind = "join";
    return [kind, Loop.break()];
  },
});

export { judge };
