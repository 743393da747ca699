/** Running a workflow on a host's driver: `runWorkflow`, and the handle that it gives. */
import type { InputWriter } from "../wire.ts";
import { isOurs, tell } from "./control-run.ts";
import { EmbeddedRun } from "./embedded-run.ts";
import type { HostedActor } from "./hosted-actor.ts";
import { outputKey, stateKey } from "./keys.ts";
import { decodeOutput, decodeState } from "./load.ts";
import { hostedActor } from "./open-actor.ts";
import { recoverWorkflow } from "./recover.ts";
import { generateId } from "./storage.ts";
import type {
  EngineDriver,
  RunWorkflowOptions,
  WorkflowContextInterface,
  WorkflowFunction,
  WorkflowHandle,
  WorkflowResult,
} from "./types.ts";

/** Lets a workflow that has failed go on. Does nothing for any other. */
async function recover(
  workflowId: string,
  driver: EngineDriver,
  actor: HostedActor | undefined,
  scheduleAlarm: boolean,
): Promise<void> {
  const stored = await driver.get(stateKey());
  if (stored === null || decodeState(stored) !== "failed") return;
  if (!(await isOurs(driver))) {
    await recoverWorkflow(workflowId, driver, { scheduleAlarm });
    return;
  }
  const retry = (input: InputWriter, handle: number, call: number) => input.retry(handle, call);
  // What another opened actor wrote, this one would not know of.
  if (actor !== undefined) await actor.tell(retry);
  else await tell(workflowId, driver, () => {}, retry);
  if (!scheduleAlarm) await driver.clearAlarm(workflowId);
}

/**
 * Runs a workflow on a host's driver: from the start, or on from what is stored there. In mode `yield` (the default) the run ends
 * when it waits, and the host runs it again at its alarm, or when a message comes; in mode `live` it waits.
 */
export function runWorkflow<TInput, TOutput, S = Record<string, unknown>, C = unknown>(
  workflowId: string,
  fn: (ctx: WorkflowContextInterface<C>, input: TInput) => Promise<TOutput>,
  input: TInput,
  driver: EngineDriver,
  options: RunWorkflowOptions<S, C> = {},
): WorkflowHandle<TOutput> {
  const actor = hostedActor(options.actor);
  const untyped = options as unknown as RunWorkflowOptions;
  const run = new EmbeddedRun({ actor, workflowId, fn: fn as WorkflowFunction, input, driver, options: untyped });
  // Whoever does not look at the result loses no process to it.
  run.result.catch(() => {});
  return {
    workflowId,
    result: run.result as Promise<WorkflowResult<TOutput>>,
    message: (name, data) => driver.messageDriver.addMessage({ id: generateId(), name, data, sentAt: Date.now() }),
    wake: async () => {
      if (options.mode === "live") return;
      await driver.setAlarm(workflowId, Date.now());
    },
    recover: async () => {
      if (!run.isOver) await run.result.catch(() => {});
      await recover(workflowId, driver, actor, options.mode !== "live");
    },
    evict: () => run.evict(),
    cancel: async () => {
      if (await run.cancel()) return;
      if (actor !== undefined) return actor.tell((input, handle, call) => input.cancel(handle, call, false, undefined));
      await driver.set(stateKey(), new TextEncoder().encode("cancelled"));
      await driver.clearAlarm(workflowId);
    },
    getOutput: async () => {
      const stored = await driver.get(outputKey());
      return stored === null ? undefined : (decodeOutput(stored) as TOutput);
    },
    getState: async () => {
      const stored = await driver.get(stateKey());
      return stored === null ? "pending" : decodeState(stored);
    },
  };
}
