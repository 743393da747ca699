/** Failures as the host's hook hears of them (engine behaviour 1.3.9). */
import { attributed } from "../failure.ts";
import type { EventRecord } from "../wire.ts";
import { infoOf } from "./recorded-error.ts";
import type { WorkflowErrorEvent } from "./types.ts";

/**
 * `maxRetries`: of the step that failed. `thrown`: what the workflow's function threw in this run; a failure that a step was
 * reported for, or that ended an earlier run, is not reported again: then there is no event.
 */
export function errorEvent(
  workflowId: string,
  event: EventRecord,
  maxRetries = 0,
  thrown?: unknown,
): WorkflowErrorEvent | undefined {
  const { part, step: stepName = "", attempt, retryAt, failure } = event;
  const error = infoOf(failure);
  if (part === "rollback") return { rollback: { workflowId, stepName, error } };
  if (part === "workflow") {
    const whose = attributed(thrown)?.part.kind;
    const reported = thrown === undefined || (whose !== undefined && whose !== "join" && whose !== "race");
    return reported ? undefined : { workflow: { workflowId, error } };
  }
  const retry = retryAt === undefined ? {} : { retryDelay: Math.max(0, retryAt - Date.now()), retryAt };
  const remainingRetries = Math.max(0, maxRetries - (attempt - 1));
  const willRetry = retryAt !== undefined;
  return { step: { workflowId, stepName, attempt, maxRetries, remainingRetries, willRetry, ...retry, error } };
}
