/** An actor's history, state and output, up to ids and times: what must be the same with and without a crash. */

import { toFailure } from "../../packages/pawl/src/failure.ts";
import type { EntryRecord, Inspection } from "../../packages/pawl/src/inspection.ts";
import { decode } from "../../packages/pawl/src/values/index.ts";

export interface Dump {
  readonly history: Readonly<Record<string, unknown>>;
  readonly inbox: readonly unknown[];
  readonly state: unknown;
  readonly outcome: unknown;
}

export function dump({ history, inbox, state, outcome }: Inspection): Dump {
  const entries = history.map((entry) => [entry.path, dumpEntry(entry)] as const);
  return {
    history: Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1))),
    inbox: inbox.map(({ name, body }) => ({ name, body })),
    state,
    outcome: dumpOutcome(outcome),
  };
}

function dumpEntry({ kind, status, attempts, output, iteration, failure }: EntryRecord): unknown {
  return {
    kind,
    status,
    attempts,
    output: isMessage(output) ? { name: output.name, body: output.body } : output,
    iteration,
    failure: failure && {
      name: failure.name,
      message: failure.message,
      code: failure.code,
      terminal: failure.terminal,
    },
  };
}

function dumpOutcome(outcome: Inspection["outcome"]): unknown {
  if (outcome === undefined) return undefined;
  if (outcome.kind === "completed")
    return { completed: outcome.output === undefined ? undefined : decode(outcome.output) };
  if (outcome.kind === "cancelled") return { cancelled: outcome.reason };
  const { name, message, code } = toFailure(outcome.failure);
  return { failed: { name, message, code } };
}

/** The record of a message that was taken carries its id and the time at which it was sent. */
function isMessage(output: unknown): output is { readonly name: string; readonly body: unknown } {
  return typeof output === "object" && output !== null && "__rivetWorkflowQueueMessage" in output;
}
