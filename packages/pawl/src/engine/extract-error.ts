/** What is recorded of a thrown value. */
import type { WorkflowError } from "./types.ts";

const STANDARD: ReadonlySet<string> = new Set(["name", "message", "stack"]);

/** Name, message and stack of `error`, and its own enumerable properties that are plain scalars, as `metadata`. */
export function extractErrorInfo(error: unknown): WorkflowError {
  if (!(error instanceof Error)) return { name: "Error", message: textOf(error) };
  const info: WorkflowError = { name: error.name, message: error.message };
  if (error.stack !== undefined) info.stack = error.stack;
  const metadata = scalarsOf(error);
  if (Object.keys(metadata).length > 0) info.metadata = metadata;
  return info;
}

function scalarsOf(error: Error): Record<string, unknown> {
  const scalars: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(error)) {
    if (STANDARD.has(key)) continue;
    if (value !== null && !["string", "number", "boolean"].includes(typeof value)) continue;
    Object.defineProperty(scalars, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return scalars;
}

/** `String(value)`, or the kind of thing it is where it has no text: reporting one failure must not raise another. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
