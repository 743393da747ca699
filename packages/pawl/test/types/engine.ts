/** What the compiler knows of `pawl/engine`. Nothing here runs; `types.test.ts` compiles it. */
import { expectTypeOf } from "vitest";
import {
  type Cell,
  type EngineActor,
  type EngineAttempt,
  type EngineDriver,
  type KVWrite,
  type Location,
  Loop,
  type LoopResult,
  loadStorage,
  openActor,
  replayWorkflowFromStep,
  runWorkflow,
  type StateOf,
  type Storage,
  type WorkflowContextInterface,
  type WorkflowHandle,
  type WorkflowHistorySnapshot,
  type WorkflowResult,
  type WorkflowState,
} from "../../src/engine/index.ts";
import { InMemoryDriver } from "../../src/engine/testing.ts";

const cells = { stock: { initial: () => ({ left: 3, taken: [] as string[] }) }, count: { initial: () => 0 } };
type Cells = StateOf<typeof cells>;

export async function covered(): Promise<void> {
  const driver = new InMemoryDriver();
  expectTypeOf(driver).toExtend<EngineDriver>();
  const handle = runWorkflow("1", async (_ctx, input: number) => `${input}`, 5, driver);
  expectTypeOf(handle).toEqualTypeOf<WorkflowHandle<string>>();
  expectTypeOf(await handle.result).toEqualTypeOf<WorkflowResult<string>>();
  expectTypeOf(await handle.getState()).toEqualTypeOf<WorkflowState>();
  expectTypeOf(await loadStorage(driver)).toEqualTypeOf<Storage>();
  expectTypeOf(await replayWorkflowFromStep("1", driver)).toEqualTypeOf<WorkflowHistorySnapshot>();

  // @ts-expect-error: the input is not the function's
  runWorkflow("1", async (_ctx, input: number) => input, "five", driver);
  // @ts-expect-error: a driver has more than that
  runWorkflow("1", async () => 1, undefined, { get: async () => null });
}

export async function control(ctx: WorkflowContextInterface): Promise<void> {
  expectTypeOf(await ctx.step("a", async () => 1)).toEqualTypeOf<number>();
  const branches = await ctx.join("j", {
    a: { run: async () => 1 },
    b: { run: async () => "two" },
  });
  expectTypeOf(branches).toEqualTypeOf<{ a: number; b: string }>();
  const raced = await ctx.race("r", [
    { name: "a", run: async () => 1 },
    { name: "b", run: async () => 2 },
  ]);
  expectTypeOf(raced).toEqualTypeOf<{ winner: string; value: number }>();
  expectTypeOf((await ctx.queue.next<string>("q")).body).toEqualTypeOf<string>();
  const tried = await ctx.tryStep("t", async () => 1);
  if (tried.ok) expectTypeOf(tried.value).toEqualTypeOf<number>();
  else expectTypeOf(tried.failure.attempts).toEqualTypeOf<number>();
  expectTypeOf(await ctx.loop("l", async () => Loop.break("out"))).toEqualTypeOf<string>();
  expectTypeOf(Loop.break(1)).toExtend<LoopResult<undefined, number>>();
  expectTypeOf(ctx.workflowId).toEqualTypeOf<string>();
}

export async function state(driver: EngineDriver): Promise<void> {
  const actor = await openActor(driver, { id: "shop", cells });
  expectTypeOf(actor).toEqualTypeOf<EngineActor<Cells>>();
  expectTypeOf(await actor.export()).toEqualTypeOf<Cells>();
  const cell = await actor.cell("connection", { initial: () => ({ name: "" }) });
  expectTypeOf(cell).toEqualTypeOf<Cell<{ name: string }>>();
  const context = (attempt: EngineAttempt<Cells>) => attempt;
  const took = await actor.transaction(context, (attempt) => {
    expectTypeOf(attempt.cells.stock.taken).toEqualTypeOf<string[]>();
    expectTypeOf(attempt.raw("count")).toEqualTypeOf<number>();
    expectTypeOf(attempt.open(cell).value).toEqualTypeOf<{ name: string }>();
    expectTypeOf(attempt.write).parameter(0).toEqualTypeOf<KVWrite>();
    return attempt.cells.stock.left;
  });
  expectTypeOf(took).toEqualTypeOf<number>();

  // @ts-expect-error: there is no such cell
  await actor.transaction(context, (attempt) => attempt.cells.stok);
  // @ts-expect-error: that is not what the cell holds
  await actor.adopt({ count: "three" });
}

export function location(at: Location): void {
  expectTypeOf(at[0]).toEqualTypeOf<Location[number] | undefined>();
}
