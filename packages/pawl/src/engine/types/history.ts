/** What is recorded of a workflow, as plain data. Times are epoch milliseconds. */

/** An index into the registry of names. */
export type NameIndex = number;
/** One iteration of a loop; it follows the segment of the loop's own name. */
export interface LoopIterationMarker {
  /** The loop's name. */
  loop: NameIndex;
  /** From 0. */
  iteration: number;
}
/** A name, or an iteration of the loop before it. */
export type PathSegment = NameIndex | LoopIterationMarker;
/** The path that names an entry; empty for the scope of the workflow function. */
export type Location = PathSegment[];

/** `interrupted`: a message came before its time. */
export type SleepState = "pending" | "completed" | "interrupted";
/** `failed`: tried, and to be tried again. `exhausted`: for good. */
export type EntryStatus = "pending" | "running" | "completed" | "failed" | "exhausted";
/** How far a branch has come. */
export type BranchStatusType = "pending" | "running" | "completed" | "failed" | "cancelled";
/** How far a workflow has come, as its state row says. */
export type WorkflowState = "pending" | "running" | "sleeping" | "failed" | "completed" | "cancelled" | "rolling_back";

/** What is recorded of a step. */
export interface StepEntry {
  /** Absent while there is none, and for a step that returned `undefined`. */
  output?: unknown;
  /** Text of the last failure; it stays after a later success. */
  error?: string;
}
/** What is recorded of a loop. */
export interface LoopEntry {
  /** What the present iteration was called with. */
  state: unknown;
  /** The present one, from 0. */
  iteration: number;
  /** Of `Loop.break`. */
  output?: unknown;
}
/** What is recorded of a sleep, or of the timeout of a wait. */
export interface SleepEntry {
  /** When it ends. */
  deadline: number;
  /** Whether it has. */
  state: SleepState;
}
/** What is recorded of a message that was taken. */
export interface MessageEntry {
  /** Its queue. */
  name: string;
  /** What was sent. */
  data: unknown;
}
/** A checkpoint. */
export interface RollbackCheckpointEntry {
  /** Its name. */
  name: string;
}
/** What is recorded of a branch of a join or a race. */
export interface BranchStatus {
  /** How far it has come. */
  status: BranchStatusType;
  /** What it returned. */
  output?: unknown;
  /** What it threw, as text. */
  error?: string;
}
/** What is recorded of a join. */
export interface JoinEntry {
  /** By name. */
  branches: Record<string, BranchStatus>;
}
/** What is recorded of a race. */
export interface RaceEntry {
  /** Its name; null while there is none. */
  winner: string | null;
  /** By name. */
  branches: Record<string, BranchStatus>;
}
/** Stands where older code had an entry of `originalType`. */
export interface RemovedEntry {
  /** What was there. */
  originalType: EntryKindType;
  /** Its name, if it is known. */
  originalName?: string;
}
/** What is recorded of `getVersion`. */
export interface VersionCheckEntry {
  /** The version that the run is pinned to here. */
  resolved: number;
  /** The newest version when it was pinned. */
  latest: number;
}

/** What an entry is, and what is recorded of it. */
export type EntryKind =
  | {
      type: "step";
      /** What is recorded of an entry of this type. */
      data: StepEntry;
    }
  | { type: "loop"; data: LoopEntry }
  | { type: "sleep"; data: SleepEntry }
  | { type: "message"; data: MessageEntry }
  | { type: "rollback_checkpoint"; data: RollbackCheckpointEntry }
  | { type: "join"; data: JoinEntry }
  | { type: "race"; data: RaceEntry }
  | { type: "removed"; data: RemovedEntry }
  | { type: "version_check"; data: VersionCheckEntry };
/** The kinds of entries. */
export type EntryKindType = EntryKind["type"];

/** One record of the history, at one location. */
export interface Entry {
  /** A UUID; names the entry's metadata row. */
  id: string;
  /** Where it is in the history. */
  location: Location;
  /** What it is. */
  kind: EntryKind;
  /** Whether it differs from what is stored. */
  dirty: boolean;
}

/** Bookkeeping of an entry, in a row of its own. */
export interface EntryMetadata {
  /** How far it has come. */
  status: EntryStatus;
  /** Of the last failed attempt, as text. */
  error?: string;
  /** How many there were. */
  attempts: number;
  /** When the last of them began. */
  lastAttemptAt: number;
  /** When the entry was made. */
  createdAt: number;
  /** When it completed. */
  completedAt?: number;
  /** When it was undone. */
  rollbackCompletedAt?: number;
  /** What its handler last threw, as text. */
  rollbackError?: string;
  /** Whether it differs from what is stored. */
  dirty: boolean;
}

/** The entries of a workflow. */
export interface History {
  /** By `locationToKey` of the entry's location. */
  entries: Map<string, Entry>;
}

/** What is recorded of a failure. */
export interface WorkflowError {
  /** Of the error's class. */
  name: string;
  /** Its message. */
  message: string;
  /** Its stack, where it had one. */
  stack?: string;
  /** Own scalar properties of the error. */
  metadata?: Record<string, unknown>;
}

/** All of a workflow's records in memory; the `flushed*` fields tell what of it is stored. */
export interface Storage {
  /** Names by index. */
  nameRegistry: string[];
  /** How many of them are stored. */
  flushedNameCount: number;
  /** The entries. */
  history: History;
  /** By entry id. */
  entryMetadata: Map<string, EntryMetadata>;
  /** Of a completed workflow. */
  output?: unknown;
  /** How far it has come. */
  state: WorkflowState;
  /** What of it is stored. */
  flushedState?: WorkflowState;
  /** What ended a failed workflow. */
  error?: WorkflowError;
  /** What of it is stored. */
  flushedError?: WorkflowError;
  /** What of it is stored. */
  flushedOutput?: unknown;
}

/** Rows that a flush deletes after it has written. */
export interface PendingDeletions {
  /** Everything below them. */
  prefixes: Uint8Array[];
  /** Single rows. */
  keys: Uint8Array[];
  /** Half open. */
  ranges: { start: Uint8Array; end: Uint8Array }[];
}

/** An entry, as seen from outside. */
export type WorkflowHistoryEntry = Omit<Entry, "dirty">;
/** Its bookkeeping, as seen from outside. */
export type WorkflowEntryMetadataSnapshot = Omit<EntryMetadata, "dirty">;

/** The history at one moment. Entries are sorted by the text of their location, `~10` before `~2`. */
export interface WorkflowHistorySnapshot {
  /** Names by index. */
  nameRegistry: string[];
  /** All of them. */
  entries: WorkflowHistoryEntry[];
  /** By entry id. */
  entryMetadata: ReadonlyMap<string, WorkflowEntryMetadataSnapshot>;
}
