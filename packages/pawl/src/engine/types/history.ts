/** What is recorded of a workflow, as plain data. Times are epoch milliseconds. */

/** An index into the registry of names. */
export type NameIndex = number;
/** One iteration of a loop; it follows the segment of the loop's own name. */
export interface LoopIterationMarker {
  loop: NameIndex;
  iteration: number;
}
export type PathSegment = NameIndex | LoopIterationMarker;
/** The path that names an entry; empty for the scope of the workflow function. */
export type Location = PathSegment[];

export type SleepState = "pending" | "completed" | "interrupted";
export type EntryStatus = "pending" | "running" | "completed" | "failed" | "exhausted";
export type BranchStatusType = "pending" | "running" | "completed" | "failed" | "cancelled";
export type WorkflowState = "pending" | "running" | "sleeping" | "failed" | "completed" | "cancelled" | "rolling_back";

export interface StepEntry {
  /** Absent while there is none, and for a step that returned `undefined`. */
  output?: unknown;
  /** Text of the last failure; it stays after a later success. */
  error?: string;
}
export interface LoopEntry {
  state: unknown;
  iteration: number;
  output?: unknown;
}
export interface SleepEntry {
  deadline: number;
  state: SleepState;
}
export interface MessageEntry {
  name: string;
  data: unknown;
}
export interface RollbackCheckpointEntry {
  name: string;
}
export interface BranchStatus {
  status: BranchStatusType;
  output?: unknown;
  error?: string;
}
export interface JoinEntry {
  branches: Record<string, BranchStatus>;
}
export interface RaceEntry {
  winner: string | null;
  branches: Record<string, BranchStatus>;
}
/** Stands where older code had an entry of `originalType`. */
export interface RemovedEntry {
  originalType: EntryKindType;
  originalName?: string;
}
export interface VersionCheckEntry {
  /** The version that the run is pinned to here. */
  resolved: number;
  /** The newest version when it was pinned. */
  latest: number;
}

export type EntryKind =
  | { type: "step"; data: StepEntry }
  | { type: "loop"; data: LoopEntry }
  | { type: "sleep"; data: SleepEntry }
  | { type: "message"; data: MessageEntry }
  | { type: "rollback_checkpoint"; data: RollbackCheckpointEntry }
  | { type: "join"; data: JoinEntry }
  | { type: "race"; data: RaceEntry }
  | { type: "removed"; data: RemovedEntry }
  | { type: "version_check"; data: VersionCheckEntry };
export type EntryKindType = EntryKind["type"];

/** One record of the history, at one location. */
export interface Entry {
  /** A UUID; names the entry's metadata row. */
  id: string;
  location: Location;
  kind: EntryKind;
  /** Whether it differs from what is stored. */
  dirty: boolean;
}

/** Bookkeeping of an entry, in a row of its own. */
export interface EntryMetadata {
  status: EntryStatus;
  error?: string;
  attempts: number;
  lastAttemptAt: number;
  createdAt: number;
  completedAt?: number;
  rollbackCompletedAt?: number;
  rollbackError?: string;
  /** Whether it differs from what is stored. */
  dirty: boolean;
}

export interface History {
  /** By `locationToKey` of the entry's location. */
  entries: Map<string, Entry>;
}

/** What is recorded of a failure. */
export interface WorkflowError {
  name: string;
  message: string;
  stack?: string;
  /** Own scalar properties of the error. */
  metadata?: Record<string, unknown>;
}

/** All of a workflow's records in memory; the `flushed*` fields tell what of it is stored. */
export interface Storage {
  nameRegistry: string[];
  flushedNameCount: number;
  history: History;
  /** By entry id. */
  entryMetadata: Map<string, EntryMetadata>;
  output?: unknown;
  state: WorkflowState;
  flushedState?: WorkflowState;
  error?: WorkflowError;
  flushedError?: WorkflowError;
  flushedOutput?: unknown;
}

/** Rows that a flush deletes after it has written. */
export interface PendingDeletions {
  prefixes: Uint8Array[];
  keys: Uint8Array[];
  /** Half open. */
  ranges: { start: Uint8Array; end: Uint8Array }[];
}

export type WorkflowHistoryEntry = Omit<Entry, "dirty">;
export type WorkflowEntryMetadataSnapshot = Omit<EntryMetadata, "dirty">;

/** The history at one moment. Entries are sorted by the text of their location, `~10` before `~2`. */
export interface WorkflowHistorySnapshot {
  nameRegistry: string[];
  entries: WorkflowHistoryEntry[];
  /** By entry id. */
  entryMetadata: ReadonlyMap<string, WorkflowEntryMetadataSnapshot>;
}
