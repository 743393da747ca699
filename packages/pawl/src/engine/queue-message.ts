/** Messages that a workflow of an embedding host has taken. */
import type { ScopeContext } from "../workflow/scope-context.ts";
import type { WorkflowQueueMessage } from "./types.ts";
import { decodeValue } from "./values.ts";

interface MessageRow {
  readonly __rivetWorkflowQueueMessage?: unknown;
  readonly id: string;
  readonly name: string;
  readonly body: unknown;
  readonly createdAt: number;
  readonly completed?: boolean;
}

/** Messages that their receiver has to complete, by context: until then it receives no other. */
const open = new WeakMap<ScopeContext, Set<string>>();

/** Whether a message that this context has received is still to be completed. */
export function holdsUncompleted(context: ScopeContext): boolean {
  return (open.get(context)?.size ?? 0) > 0;
}

/** Messages that were recorded as completed. */
const completed = new WeakSet<WorkflowQueueMessage>();

/** A message as it is recorded, for the workflow. Rows of older engines are the body alone. */
export function openMessage(bytes: Uint8Array): WorkflowQueueMessage {
  const row = decodeValue(bytes) as MessageRow;
  if (typeof row !== "object" || row === null || row.__rivetWorkflowQueueMessage === undefined)
    return { id: "", name: "", body: row, createdAt: 0 };
  const { id, name, body, createdAt } = row;
  const message: WorkflowQueueMessage = { id, name, body, createdAt };
  if (row.completed === true) completed.add(message);
  return message;
}

/** The same message, with the way to complete it. `complete` makes it durable and tells the host. */
export function completable(
  message: WorkflowQueueMessage,
  context: ScopeContext,
  complete: (id: string, response: unknown) => Promise<void>,
): WorkflowQueueMessage {
  const id = String(message.id);
  // One that was completed before a replay needs nothing any more.
  if (completed.has(message)) return { ...message, complete: async () => {} };
  open.set(context, (open.get(context) ?? new Set()).add(id));
  let state: "open" | "completing" | "completed" = "open";
  return {
    ...message,
    complete: async (response) => {
      if (state !== "open") throw new Error("Queue message already completed");
      state = "completing";
      try {
        await complete(id, response);
        state = "completed";
        open.get(context)?.delete(id);
      } catch (error) {
        state = "open";
        throw error;
      }
    },
  };
}
