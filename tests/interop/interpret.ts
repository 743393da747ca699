/** Runs a program on a workflow context, and keeps what it saw. */
import { inspect } from "node:util";
import type {
  StepConfig,
  TryBlockResult,
  TryStepResult,
  WorkflowContextInterface,
  WorkflowQueueMessage,
} from "@rivetkit/workflow-engine";
import type { Engine } from "../engine/engines.ts";
import type { Op, Program, StepShape, WaitShape } from "./programs/ops.ts";

/** What is outside the engine and survives it: how often each body ran, and what was undone, in order. */
export class Outside {
  readonly ran = new Map<string, number>();
  readonly undone: string[] = [];

  copy(): Outside {
    const copy = new Outside();
    for (const [path, times] of this.ran) copy.ran.set(path, times);
    copy.undone.push(...this.undone);
    return copy;
  }
}

/** Values by the path of the operation that gave them. A path that is seen again must give the same value. */
export class Trace {
  readonly seen = new Map<string, string>();
  #isByPeer = false;

  see<T>(path: string, value: T, engine: Engine): T {
    const shown = show(value);
    const before = this.seen.get(path);
    this.#isByPeer ||= engine.name === "peer";
    if (before !== undefined && this.#countable(before) !== this.#countable(shown)) {
      throw new TraceError(`${path} gave ${before} and, on a replay, ${shown}`);
    }
    this.seen.set(path, shown);
    return value;
  }

  copy(): Trace {
    const copy = new Trace();
    for (const [path, shown] of this.seen) copy.seen.set(path, shown);
    copy.#isByPeer = this.#isByPeer;
    return copy;
  }

  #countable(shown: string): string {
    return this.#isByPeer ? asBothKeepIt(shown) : shown;
  }
}

/**
 * What is left to compare where the peer takes part. It runs a step again that has failed for good and was caught, whenever it replays, and counts one
 * attempt more each time (7.1.3); and its rows do not say of what kind the failure was (3.3.1).
 */
export function asBothKeepIt(shown: string): string {
  return shown
    .replaceAll(/attempts: \d+/g, "attempts: n")
    .replaceAll(/kind: '(?:critical|timeout)'/g, "kind: 'exhausted'");
}

/** A replay showed the workflow something else than the run before it. */
export class TraceError extends Error {
  override name = "TraceError";
}

/** A value as text in which all that matters shows. */
export function show(value: unknown): string {
  return inspect(value, {
    depth: 30,
    maxArrayLength: null,
    maxStringLength: null,
    // Where lines are broken depends on more than the value.
    compact: true,
    breakLength: Number.POSITIVE_INFINITY,
    // The peer gives a join's branches in the order in which they ended.
    sorted: true,
  });
}

/** What an interpreter needs besides the context. */
export interface World {
  readonly engine: Engine;
  readonly outside: Outside;
  readonly trace: Trace;
}

/** Runs the operations in order and gives their values. */
export async function interpret(
  ctx: WorkflowContextInterface,
  program: Program,
  world: World,
  at = "",
): Promise<unknown[]> {
  const values: unknown[] = [];
  for (const op of program) {
    const path = `${at}/${op.name}`;
    values.push(world.trace.see(path, await perform(ctx, op, world, path), world.engine));
  }
  return values;
}

async function perform(ctx: WorkflowContextInterface, op: Op, world: World, path: string): Promise<unknown> {
  switch (op.do) {
    case "step":
      return await ctx.step(stepConfig(op, world, path));
    case "tryStep":
      return await ctx.tryStep(stepConfig(op, world, path)).then(withoutStack);
    case "try":
      return await ctx.try(op.name, (inner) => interpret(inner, op.body, world, path)).then(withoutStack);
    case "loop":
      return await loop(ctx, op, world, path);
    case "until":
      return await untilStopped(ctx, op, world, path);
    case "sleep":
      return await ctx.sleep(op.name, op.ms);
    case "next":
      return await taken(await ctx.queue.next(op.name, waitOptions(op)));
    case "nextBatch":
      return await Promise.all(
        (await ctx.queue.nextBatch(op.name, { ...waitOptions(op), count: op.count })).map(taken),
      );
    case "join":
      return await ctx.join(op.name, branchesOf(op.branches, world, path));
    case "race":
      return await ctx.race(
        op.name,
        Object.entries(branchesOf(op.branches, { ...world, trace: new Trace() }, path)).map(([name, branch]) => ({
          name,
          ...branch,
        })),
      );
    case "removed":
      return await ctx.removed(op.name, op.kind);
    case "getVersion":
      return await ctx.getVersion(op.name, op.latest);
    case "checkpoint":
      return await ctx.rollbackCheckpoint(op.name);
  }
}

function stepConfig(shape: StepShape, world: World, path: string): StepConfig<unknown> {
  return {
    name: shape.name,
    retryBackoffBase: 10,
    ...(shape.maxRetries === undefined ? {} : { maxRetries: shape.maxRetries }),
    ...(shape.ephemeral === undefined ? {} : { ephemeral: shape.ephemeral }),
    ...(shape.fails === "timeout" ? { timeout: 2 } : {}),
    ...(shape.undo === true ? { rollback: async () => void world.outside.undone.push(path) } : {}),
    run: () => attempt(shape, world, path),
  };
}

async function attempt(shape: StepShape, world: World, path: string): Promise<unknown> {
  const times = (world.outside.ran.get(path) ?? 0) + 1;
  world.outside.ran.set(path, times);
  if (shape.fails === "critical") throw new world.engine.CriticalError(`${shape.name} is beyond repair`);
  if (shape.fails === "timeout") return await new Promise(() => {});
  if (shape.fails === "always" || times <= (shape.fails ?? 0)) throw new Error(`${shape.name} fails`);
  return shape.value;
}

async function loop(
  ctx: WorkflowContextInterface,
  op: Op & { do: "loop" },
  world: World,
  path: string,
): Promise<unknown> {
  const { Loop } = world.engine;
  return await ctx.loop<{ n: number; seen: unknown[] }, unknown>({
    name: op.name,
    state: { n: 0, seen: [] },
    ...(op.prune === undefined ? {} : { historyPruneInterval: op.prune }),
    run: async (inner, { n, seen }) => {
      if (n >= op.times) return Loop.break(seen);
      return Loop.continue({ n: n + 1, seen: [...seen, await interpret(inner, op.body, world, `${path}/~${n}`)] });
    },
  });
}

async function untilStopped(
  ctx: WorkflowContextInterface,
  op: Op & { do: "until" },
  world: World,
  path: string,
): Promise<unknown> {
  return await ctx.loop(op.name, async (inner) => {
    const message = await inner.queue.next("stop?", { names: [op.message] });
    if (message.body === "stop") return world.engine.Loop.break("stopped");
    // The body of a message tells one iteration from the next, where there is no state to do it.
    await interpret(inner, op.body, world, `${path}/~${show(message.body)}`);
    return undefined;
  });
}

function branchesOf(
  branches: Readonly<Record<string, Program>>,
  world: World,
  path: string,
): Record<string, { run: (ctx: WorkflowContextInterface) => Promise<unknown> }> {
  return Object.fromEntries(
    Object.entries(branches).map(([name, body]) => [
      name,
      { run: (ctx) => interpret(ctx, body, world, `${path}/${name}`) },
    ]),
  );
}

function waitOptions(op: WaitShape): { names?: readonly string[]; timeout?: number; completable?: boolean } {
  return {
    ...(op.names === undefined ? {} : { names: op.names }),
    ...(op.timeout === undefined ? {} : { timeout: op.timeout }),
    ...(op.completable === undefined ? {} : { completable: op.completable }),
  };
}

async function taken(message: WorkflowQueueMessage<unknown>): Promise<unknown> {
  await message.complete?.({ answer: message.name });
  return { name: message.name, body: message.body };
}

/** Stacks name files and lines, and are not kept over a replay: they are no part of what engines must agree on. */
function withoutStack(result: TryStepResult<unknown> | TryBlockResult<unknown>): unknown {
  if (result.ok) return result;
  const { name, message } = result.failure.error;
  const step = "step" in result.failure ? result.failure.step : undefined;
  return {
    ...result.failure,
    error: { name, message },
    step: step && { kind: step.kind, name: step.stepName, attempts: step.attempts },
  };
}
