/** What the compiler knows of `pawl/testing`. Nothing here runs; `types.test.ts` compiles it. */
import { expectTypeOf } from "vitest";
import {
  type AttemptContext,
  actor,
  type Failure,
  type Handle,
  type Logger,
  type TypesOf,
  type,
} from "../../src/index.ts";
import {
  crashEverywhere,
  createTestRuntime,
  type HistoryEntry,
  type InboxEntry,
  type LogLine,
  type Reached,
  type TestOptions,
  type TestRuntime,
} from "../../src/testing/index.ts";

const order = actor("order", {
  input: type<{ total: number }>(),
  messages: { paid: type<{ by: string }>() },
  state: () => ({ status: "new" }),
  vars: () => ({ charge: async (key: string): Promise<string> => key }),
  actions: { status: (c) => c.state.status },
  workflow: async (ctx) => ctx.step("charge", (c) => c.vars.charge(c.idempotencyKey)),
});

export async function covered(): Promise<void> {
  const t = createTestRuntime({
    actors: [order],
    now: new Date(0),
    vars: { order: () => ({ charge: async () => "receipt" }) },
    steps: {
      order: {
        charge: (c) => {
          expectTypeOf(c).toEqualTypeOf<AttemptContext<TypesOf<typeof order>>>();
          return c.state.status;
        },
      },
    },
  });
  expectTypeOf(t).toEqualTypeOf<TestRuntime<readonly [typeof order]>>();
  expectTypeOf(await t.create(order, "1", { total: 1 })).toEqualTypeOf<Handle<typeof order>>();
  expectTypeOf(await t.get("order", "1").actions.status()).toEqualTypeOf<string>();
  expectTypeOf(t.now()).toEqualTypeOf<number>();
  expectTypeOf(await t.skip()).toEqualTypeOf<number | undefined>();
  const history = await t.history("order", "1");
  expectTypeOf(history).toEqualTypeOf<readonly HistoryEntry[]>();
  expectTypeOf(history[0]?.error).toEqualTypeOf<Failure | undefined>();
  expectTypeOf(await t.state("order", "1")).toEqualTypeOf<unknown>();
  expectTypeOf(await t.inbox("order", "1")).toEqualTypeOf<readonly InboxEntry[]>();
  expectTypeOf(t.logs).toEqualTypeOf<readonly LogLine[]>();
  expectTypeOf<LogLine["level"]>().toEqualTypeOf<keyof Logger>();
  expectTypeOf(t.until).parameter(2).toEqualTypeOf<Reached>();
  expectTypeOf(createTestRuntime<readonly [typeof order]>)
    .parameter(0)
    .toEqualTypeOf<TestOptions<readonly [typeof order]>>();
  expectTypeOf(
    await crashEverywhere(
      () => ({ actors: [order] }),
      async (each) => {
        expectTypeOf(each.until).parameter(0).toEqualTypeOf<"order">();
      },
    ),
  ).toEqualTypeOf<{ batches: number; runs: number }>();

  // @ts-expect-error: there is no actor of that name
  await t.history("ordre", "1");
  // @ts-expect-error: that is no place to come to
  await t.until("order", "1", { stepp: "charge" });
  // @ts-expect-error: the input is missing
  await t.create(order, "1");
  // @ts-expect-error: the replacement is not what `vars` makes
  createTestRuntime({ actors: [order], vars: { order: () => ({ charge: 5 }) } });
}
