/** What an actor has recorded, in the form that tests assert on. */
import type { Failure } from "../failure.ts";
import type { EntryRecord, MessageRecord } from "../inspection.ts";

/** One row of a run's history, in the order in which the rows were made. */
export interface HistoryEntry {
  /** Unique. */
  readonly id: string;
  /** The names on the way to it, joined by `/`; a round of a loop is `#3`. A wait for messages has rows `NAME:count`, `NAME:0`. */
  readonly path: string;
  /** `step`, `loop`, `sleep`, `message`, ... */
  readonly kind: string;
  /** `pending`, `running`, `completed`, `failed` (to be tried again), `exhausted` or `interrupted`. */
  readonly status: string;
  /** Of a step, from 1. */
  readonly attempts: number;
  /** When it was made, in milliseconds since the epoch; where it is recorded. */
  readonly at?: number;
  /** What it ended with, or the message that was taken. */
  readonly output?: unknown;
  /** Its last failure. */
  readonly error?: Failure;
}

/** A message that nobody has taken yet. */
export interface InboxEntry {
  /** Unique in the inbox. */
  readonly id: string;
  /** As declared in `messages`. */
  readonly name: string;
  /** What was sent. */
  readonly body: unknown;
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
}

export function historyEntry(record: EntryRecord): HistoryEntry {
  const { id, path, kind, status, attempts, at, failure } = record;
  const output = kind === "message" ? messageOf(record.output) : record.output;
  return {
    id,
    path,
    kind,
    status,
    attempts,
    ...(at === undefined ? {} : { at }),
    ...(output === undefined ? {} : { output }),
    ...(failure === undefined ? {} : { error: withoutTerminal(failure) }),
  };
}

export function inboxEntry({ id, name, body, sentAt }: MessageRecord): InboxEntry {
  return { id, name, body, sentAt };
}

/** Whether a row is that of an entry called `name`, in whatever scope. */
export function isNamed({ path }: EntryRecord, name: string): boolean {
  return path === name || path.endsWith(`/${name}`);
}

/** A recorded message as `queue.next` gives it (engine behaviour 4.4.7); a count, or nothing, as it is. */
function messageOf(output: unknown): unknown {
  if (typeof output !== "object" || output === null || !("createdAt" in output)) return output;
  const { id, name, body, createdAt } = output as { id: string; name: string; body: unknown; createdAt: number };
  return { id, name, body, sentAt: createdAt };
}

function withoutTerminal(failure: NonNullable<EntryRecord["failure"]>): Failure {
  const { terminal: _, ...error } = failure;
  return error;
}
