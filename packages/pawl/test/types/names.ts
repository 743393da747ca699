/** What the compiler knows of the types that users name: options, records, errors, and parts of definitions. Nothing here runs. */
import { expectTypeOf } from "vitest";
import {
  type ActionContext,
  type Admin,
  AppError,
  type Ask,
  type Asks,
  type AttemptContext,
  action,
  actor,
  ask,
  type Bag,
  type BodyIn,
  type BodyOut,
  type Branches,
  type CallOptions,
  type Calls,
  type Client,
  type Connecting,
  type Connection,
  type ConnectionContext,
  CriticalError,
  createRuntime,
  type Definition,
  type Duration,
  type Each,
  type EntryRecord,
  type EventMeta,
  type Failed,
  type Failure,
  type Given,
  type Handle,
  type InOf,
  type Limits,
  type ListFilter,
  type Live,
  type Logger,
  type LoopNext,
  type LoopOptions,
  live,
  type MessageRecord,
  type Names,
  type NoConnectionState,
  type NoState,
  type OutOf,
  type OutputOf,
  PawlError,
  type PawlErrorOptions,
  type Question,
  type Queue,
  type Ref,
  type ReplayOptions,
  type ReplyOf,
  type Retention,
  RetryAfterError,
  RollbackError,
  type RunState,
  type Runtime,
  type RuntimeOptions,
  type Schedule,
  type Schema,
  type Sender,
  type Shown,
  type StandardSchemaV1,
  type Status,
  type StepOptions,
  type StepPolicy,
  type Time,
  type Tried,
  type Types,
  type TypesOf,
  type,
  type Wait,
  type WaitOptions,
  type WorkflowContext,
} from "../../src/index.ts";

/** Text that comes in, and a number that is let in. */
declare function digits(): Schema<string, number>;

const shop = actor("shop", {
  input: type<{ town: string }>(),
  messages: { open: type<Date>(), price: ask(digits(), type<bigint>()) },
  events: { sold: type<{ name: string }>(), typing: live(type<string>()) },
  connection: { params: type<{ user: string }>(), state: ({ user }) => ({ user, seen: 0 }) },
  state: () => ({ sold: [] as string[] }),
  actions: {
    sell: action(digits(), (c: ActionContext<Types>, count) => {
      expectTypeOf(count).toEqualTypeOf<number>();
      return `${c.key}: ${count}`;
    }),
  },
  schedules: { nightly: { cron: "0 3 * * *", run: (c) => c.log.info({}, c.key) } },
  workflow: async () => 5n,
});
type Shop = TypesOf<typeof shop>;

export function definitions(): void {
  expectTypeOf<OutputOf<typeof shop>>().toEqualTypeOf<bigint>();
  expectTypeOf<Given<typeof shop>>().toEqualTypeOf<[input: { town: string }, options?: never]>();
  expectTypeOf<Names<Shop["messages"]>>().toEqualTypeOf<"open" | "price">();
  expectTypeOf<Asks<typeof shop>>().toEqualTypeOf<"price">();
  expectTypeOf<BodyIn<Shop["messages"]["price"]>>().toEqualTypeOf<string>();
  expectTypeOf<BodyOut<Shop["messages"]["price"]>>().toEqualTypeOf<number>();
  expectTypeOf<ReplyOf<Shop["messages"]["price"]>>().toEqualTypeOf<bigint>();
  expectTypeOf<ReplyOf<Shop["messages"]["open"]>>().toEqualTypeOf<void>();
  expectTypeOf<Shop["messages"]["price"]>().toEqualTypeOf<Ask<string, number, bigint>>();
  expectTypeOf<Shop["events"]["typing"]>().toEqualTypeOf<Live<string>>();
  expectTypeOf<InOf<ReturnType<typeof digits>>>().toEqualTypeOf<string>();
  expectTypeOf<OutOf<ReturnType<typeof digits>>>().toEqualTypeOf<number>();
  expectTypeOf<Schema<string, number>>().toEqualTypeOf<StandardSchemaV1<string, number>>();
  expectTypeOf<Shop>().toExtend<Types>();
  expectTypeOf<Bag<void, void, NoState, undefined, object>["connection"]>().toEqualTypeOf<NoConnectionState>();
  expectTypeOf<Calls<typeof shop>["sell"]>().toEqualTypeOf<(args: string) => Promise<string>>();
  type Parts = Definition<void, void, number, undefined, object, object, void, void, NoState, object, string, Shop>;
  expectTypeOf<Required<Parts>["state"]>().returns.toEqualTypeOf<number>();
  expectTypeOf<Required<Parts>["workflow"]>().returns.toEqualTypeOf<Promise<string>>();
  expectTypeOf<Required<Parts>["steps"]>().toEqualTypeOf<StepPolicy>();
}

export function attempts(c: AttemptContext<Shop>, ctx: WorkflowContext<Shop>): void {
  expectTypeOf(c.queue).toEqualTypeOf<Sender<Shop>>();
  expectTypeOf(c.get(shop, "k")).toEqualTypeOf<Ref<typeof shop>>();
  expectTypeOf(c.get(shop, "k").send("open", new Date())).toEqualTypeOf<void>();
  expectTypeOf(c.log).toEqualTypeOf<Logger>();
  expectTypeOf(c.connections).toEqualTypeOf<Iterable<Connection<Shop>>>();
  expectTypeOf<ConnectionContext<Shop>["connection"]>().toEqualTypeOf<Connection<Shop>>();
  expectTypeOf<ActionContext<Shop>["connection"]>().toEqualTypeOf<Connection<Shop> | undefined>();
  expectTypeOf<Connection<Shop>["state"]>().toEqualTypeOf<{ user: string; seen: number }>();
  expectTypeOf<Connecting<{ user: string }, unknown, number, Shop>["state"]>().toEqualTypeOf<
    ((params: { user: string }) => number) | undefined
  >();
  expectTypeOf(ctx.queue).toEqualTypeOf<Queue<Shop>>();
  expectTypeOf<Branches<Shop>[string]>().parameter(0).toEqualTypeOf<WorkflowContext<Shop>>();
  expectTypeOf<Each<Shop, Date, number>>().parameters.toEqualTypeOf<[WorkflowContext<Shop>, Date, number]>();
  expectTypeOf<LoopOptions<Shop, { n: number }, string>["run"]>().returns.toEqualTypeOf<
    Promise<LoopNext<{ n: number }, string>>
  >();
  expectTypeOf<StepOptions<Shop, number>>().toExtend<StepPolicy>();
  expectTypeOf<Required<StepOptions<Shop, number>>["rollback"]>().parameter(1).toEqualTypeOf<number>();
  expectTypeOf<Question<typeof shop, "price">["body"]>().toEqualTypeOf<string>();
  expectTypeOf<Schedule<Shop>["run"]>().parameter(0).toEqualTypeOf<AttemptContext<Shop>>();
  const tried = {} as Tried<number>;
  if (!tried.ok) expectTypeOf(tried.failure).toEqualTypeOf<Failed>();
  expectTypeOf<Failed["error"]>().toEqualTypeOf<Failure>();

  // @ts-expect-error: a schedule goes by the clock or by intervals
  const both: Schedule<Shop> = { run: () => 1 };
  void both;
}

export async function outside(client: Client<readonly [typeof shop]>, handle: Handle<typeof shop>): Promise<void> {
  expectTypeOf(client.get("shop", "k")).toEqualTypeOf<Handle<typeof shop>>();
  const options: RuntimeOptions<readonly [typeof shop]> = {
    actors: [shop],
    store: "memory:",
    idleAfter: "1m",
    limits: { valueBytes: 1 },
    retention: { keys: "7d" },
  };
  expectTypeOf(createRuntime(options)).toEqualTypeOf<Runtime<readonly [typeof shop]>>();
  expectTypeOf<Required<RuntimeOptions>["limits"]>().toEqualTypeOf<Partial<Limits>>();
  expectTypeOf<Required<RuntimeOptions>["retention"]>().toEqualTypeOf<Partial<Retention>>();
  expectTypeOf(handle.with).parameter(0).toEqualTypeOf<CallOptions>();
  expectTypeOf(handle.result).parameter(0).toEqualTypeOf<WaitOptions | undefined>();
  expectTypeOf(await handle.result()).toEqualTypeOf<bigint>();
  handle.on("sold", (payload, meta) => {
    expectTypeOf(payload).toEqualTypeOf<{ name: string }>();
    expectTypeOf(meta).toEqualTypeOf<EventMeta>();
  });
  const durations: Duration[] = [5, "5ms", "1.5h"];
  expectTypeOf(durations).toExtend<readonly (number | string)[]>();
  expectTypeOf<Time>().toEqualTypeOf<number | Date>();

  // @ts-expect-error: a duration has a unit that is known
  const never: Duration = "5 seconds";
  void never;
}

export async function operations(admin: Admin): Promise<void> {
  const filter: ListFilter = { state: "failed", stuckFor: "1h" };
  for await (const status of admin.list(filter)) {
    expectTypeOf(status).toEqualTypeOf<Status>();
    expectTypeOf(status.state).toEqualTypeOf<RunState>();
    expectTypeOf(status.waitingFor).toEqualTypeOf<readonly Wait[]>();
    for (const wait of status.waitingFor) if (wait.kind === "timer") expectTypeOf(wait.at).toEqualTypeOf<number>();
  }
  const shown = await admin.show("shop", "k");
  expectTypeOf(shown).toEqualTypeOf<Shown>();
  expectTypeOf(shown.history).toEqualTypeOf<readonly EntryRecord[]>();
  expectTypeOf(shown.inbox).toEqualTypeOf<readonly MessageRecord[]>();
  expectTypeOf(admin.replay).parameter(2).toEqualTypeOf<ReplayOptions>();

  // @ts-expect-error: there is no such state
  admin.list({ state: "sleeping" });
}

export function errors(error: unknown): void {
  if (error instanceof PawlError) {
    expectTypeOf(error.code).toEqualTypeOf<string>();
    expectTypeOf(error.outcome).toEqualTypeOf<"no" | "unknown">();
  }
  const options: PawlErrorOptions = { retryable: true, outcome: "unknown", data: {}, cause: error };
  expectTypeOf(new PawlError("code", "message", options)).toExtend<Error>();
  expectTypeOf(new AppError("code", "message", { why: 1 })).toExtend<PawlError>();
  expectTypeOf(new CriticalError("message", { cause: error })).toExtend<PawlError>();
  expectTypeOf(new RollbackError("message")).toExtend<CriticalError>();
  expectTypeOf(new RetryAfterError("message", "5s").after).toEqualTypeOf<Duration | Date>();
}
