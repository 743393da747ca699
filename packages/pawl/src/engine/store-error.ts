/** What could not be read or written, as an error for the host: it names the workflow as the host does. */
import { PawlError } from "../errors.ts";
import type { StoreProblem } from "../wire.ts";

/** `name`: what the store knows the workflow by, which nobody else has heard of. */
export function storeError(problem: StoreProblem, name: string, workflowId: string): PawlError {
  const { code, message, retryable, unknown, data } = problem;
  const told = message.replaceAll(`${name} (namespace default)`, `workflow "${workflowId}"`);
  return new PawlError(code, told, { retryable, outcome: unknown ? "unknown" : "no", data: placed(data) });
}

/** The store says everything as text; the offset in a row is a number, as in every record error. */
function placed(data: unknown): unknown {
  const offset = typeof data === "object" && data !== null && "offset" in data ? data.offset : undefined;
  return typeof offset === "string" ? { ...(data as object), offset: Number(offset) } : data;
}

/** What a lost write is lost for: what the driver threw, `thrown`, unless nobody asked the driver. */
export function lostError(problem: StoreProblem, thrown: unknown, name: string, workflowId: string): unknown {
  const isOwn = problem.code === "change_too_large" || thrown === undefined;
  return isOwn ? storeError(problem, name, workflowId) : thrown;
}
