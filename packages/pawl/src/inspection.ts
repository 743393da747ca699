/** What an actor has recorded, for people, tools and tests. */
import { type Failure, toFailure } from "./failure.ts";
import type { RunState } from "./runtime/status.ts";
import { decode } from "./values/index.ts";
import { type Looked, OutputReader, type RunOutcome, TERMINALS, type Terminal } from "./wire.ts";

/** An actor as it is now: what is queued counts, whether it is durable or not. */
export interface Inspection {
  readonly exists: boolean;
  /** Plain; `undefined` without state. */
  readonly state: unknown;
  /** How the run has ended, if it has and that is durable. */
  readonly outcome: RunOutcome | undefined;
  readonly history: readonly EntryRecord[];
  readonly inbox: readonly MessageRecord[];
  /** How many attempts had to run again because another one came between, since the actor was loaded. */
  readonly conflicts: number;
  readonly standing: Standing;
  /** What the store knows beside that; none: it was not asked, or has nothing of it. */
  readonly stored: StoredFacts | undefined;
}

/** What the store knows of an actor without its code. */
export interface StoredFacts {
  /** Of the shape of its state. */
  readonly version: number;
  /** Of a shared store: the process that has it, in words; none if no living one has. */
  readonly owner: string | undefined;
  /** Its newest snapshot, the changes since, and what waits in its inbox. */
  readonly bytes: number;
}

/** Where its run stands. */
export interface Standing {
  readonly state: RunState;
  /** When it last changed, or was sent something, in milliseconds since the epoch. */
  readonly since: number;
  /** When it goes on by itself, in milliseconds since the epoch; 0: at once. */
  readonly alarm: number | undefined;
  /** The version of the code that parked it, if it is parked and that version has a name. */
  readonly parkedBy: string | undefined;
}

/** One row of the history. */
export interface EntryRecord {
  /** Unique; what `admin.replay` and `admin.stateAt` take. */
  readonly id: string;
  /** The names on the way to it, joined by `/`; an iteration is `#3`. */
  readonly path: string;
  /** As `ctx.removed` names it. */
  readonly kind: string;
  /** `pending`, `running`, `completed`, `failed` (to be tried again), `exhausted` or `interrupted`. */
  readonly status: string;
  /** How many there were. */
  readonly attempts: number;
  /** When it was made, in milliseconds since the epoch; `undefined` where none is kept. */
  readonly at: number | undefined;
  /** The number of the change that wrote it last. */
  readonly commit: number;
  /** What it ended with, or the message that was taken. */
  readonly output: unknown;
  /** Of a loop. */
  readonly iteration: { readonly number: number; readonly state: unknown } | undefined;
  /** Of a timer, in milliseconds since the epoch. */
  readonly deadline: number | undefined;
  /** The last failure. `terminal` says why it is never tried again. */
  readonly failure: (Failure & { readonly terminal: Terminal | undefined }) | undefined;
}

/** A message that nobody has taken yet. */
export interface MessageRecord {
  /** Unique in the inbox. */
  readonly id: string;
  /** As declared in `messages`. */
  readonly name: string;
  /** What was sent. */
  readonly body: unknown;
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
  /** Of one that no handler could be made to take: why. It is set aside until somebody says `retry`. */
  readonly undeliverable?: Failure;
}

const NOBODY: Omit<Inspection, "exists" | "state"> = {
  history: [],
  inbox: [],
  conflicts: 0,
  standing: { state: "none", since: 0, alarm: undefined, parkedBy: undefined },
  outcome: undefined,
  stored: undefined,
};

/** An actor that is not loaded: what is stored of it. */
export function readSeen(seen: Looked): Inspection {
  if (seen.kind !== "seen") return { exists: false, state: undefined, ...NOBODY };
  const state = seen.state === undefined ? undefined : decode(seen.state);
  const read = readInspection(seen.inspection);
  // Nobody runs it: where it stands is what its row says.
  const standing = { ...read.standing, state: seen.row.state as RunState, alarm: seen.row.alarm };
  const stored = { version: seen.row.version, owner: seen.row.owner, bytes: seen.bytes };
  return { exists: true, state, ...read, standing, stored };
}

/** Reads what `Engine.inspect` gives. */
export function readInspection(bytes: Uint8Array): Omit<Inspection, "exists" | "state"> {
  if (bytes.length === 0) return NOBODY;
  const reader = new OutputReader(bytes, bytes.length);
  const history = Array.from({ length: reader.number() }, () => readEntry(reader));
  const inbox = Array.from({ length: reader.number() }, () => readMessage(reader));
  const [conflicts, since, state, alarm] = [reader.number(), reader.time(), reader.text(), reader.time()];
  const outcome = reader.flag() ? reader.outcome() : undefined;
  const parkedBy = reader.text() || undefined;
  const standing = { since, state: state as RunState, alarm: Number.isNaN(alarm) ? undefined : alarm, parkedBy };
  return { history, inbox, conflicts, standing, outcome, stored: undefined };
}

function readEntry(reader: OutputReader): EntryRecord {
  const [id, path, kind, status] = [reader.text(), reader.text(), reader.text(), reader.text()];
  const [attempts, at, commit] = [reader.number(), reader.time(), reader.number()];
  const output = reader.flag() ? decode(reader.bytes()) : undefined;
  const iteration = reader.flag() ? { number: reader.number(), state: decode(reader.bytes()) } : undefined;
  const deadline = reader.flag() ? reader.time() : undefined;
  const failure = reader.flag() ? readFailure(reader) : undefined;
  return {
    id,
    path,
    kind,
    status,
    attempts,
    at: Number.isNaN(at) ? undefined : at,
    commit,
    output,
    iteration,
    deadline,
    failure,
  };
}

function readFailure(reader: OutputReader): EntryRecord["failure"] {
  const terminal = reader.flag() ? TERMINALS[reader.byte()] : undefined;
  return { ...toFailure(reader.failure()), terminal };
}

function readMessage(reader: OutputReader): MessageRecord {
  const [id, name, body] = [reader.text(), reader.text(), decode(reader.bytes())];
  const sentAt = reader.time();
  const failure = reader.flag() ? toFailure(reader.failure()) : undefined;
  return { id, name, body, sentAt, ...(failure === undefined ? {} : { undeliverable: failure }) };
}
