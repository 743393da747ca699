/** Running a workflow on a host's driver: `runWorkflow`, and the handle that it gives. */
import { checkActor, checkDriver, checkFunction, checkId, checkRunOptions } from "./checked-call.ts";
import { cancelWorkflow, recover, release } from "./control.ts";
import { rowFrom } from "./driver-answer.ts";
import { EmbeddedRun } from "./embedded-run.ts";
import { actorOn } from "./hosted-actor.ts";
import { outputKey, stateKey } from "./keys.ts";
import { decodeOutput, decodeState } from "./load.ts";
import { hostedActor } from "./open-actor.ts";
import { inRow } from "./record-error.ts";
import { generateId } from "./storage.ts";
import type {
  EngineDriver,
  RunWorkflowOptions,
  WorkflowContextInterface,
  WorkflowFunction,
  WorkflowHandle,
  WorkflowResult,
} from "./types.ts";

/**
 * Runs a workflow on a host's driver: from the start, or on from what is stored there. In mode `yield` (the default) the run ends
 * when it waits, and the host runs it again at its alarm, or when a message comes; in mode `live` it waits. A run that begins beside
 * another on the same driver object waits for that one to end, 30 s at most.
 */
export function runWorkflow<TInput, TOutput, S = Record<string, unknown>, C = unknown>(
  workflowId: string,
  fn: (ctx: WorkflowContextInterface<C>, input: TInput) => Promise<TOutput>,
  input: TInput,
  driver: EngineDriver,
  options: RunWorkflowOptions<S, C> = {},
): WorkflowHandle<TOutput> {
  checkRunOptions(options);
  const { mode = "yield" } = options;
  checkId("runWorkflow", workflowId);
  checkFunction("runWorkflow", "the workflow", fn);
  checkDriver("runWorkflow", driver, mode === "live" ? "live" : "run");
  checkActor(options.actor, hostedActor(options.actor), driver);
  // What an actor that is open on these rows has in memory, a run without it would not know of.
  const actor = hostedActor(options.actor) ?? actorOn(driver);
  const untyped = options as unknown as RunWorkflowOptions;
  const run = new EmbeddedRun({ actor, workflowId, fn: fn as WorkflowFunction, input, driver, options: untyped });
  const target = { workflowId, driver, epoch: actor?.port.epoch ?? options.epoch };
  // Whoever does not look at the result loses no process to it.
  run.result.catch(() => {});
  return {
    workflowId,
    result: run.result as Promise<WorkflowResult<TOutput>>,
    message: async (name, data) =>
      driver.messageDriver.addMessage({ id: generateId(), name, data, sentAt: Date.now() }),
    wake: async () => {
      if (mode === "live") return;
      await driver.setAlarm(workflowId, Date.now());
    },
    recover: async () => {
      if (!run.isOver) await run.result.catch(() => {});
      await release(target);
      await recover(target, mode !== "live");
    },
    evict: () => run.evict(),
    cancel: async () => {
      if (!(await run.cancel())) await cancelWorkflow(target);
    },
    getOutput: async () => {
      const stored = rowFrom("get", await driver.get(outputKey()));
      return stored === null ? undefined : (inRow(outputKey(), () => decodeOutput(stored)) as TOutput);
    },
    getState: async () => {
      const stored = rowFrom("get", await driver.get(stateKey()));
      return stored === null ? "pending" : inRow(stateKey(), () => decodeState(stored));
    },
  };
}
