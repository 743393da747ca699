/** What is in the records, either way. */
import type { FailureRecord } from "../failure.ts";
import { ByteWriter } from "../values/index.ts";

/** What an attempt wrote, as its settle call carries it. */
export interface Writes {
  readonly cells: readonly CellWrites[];
  readonly sends: readonly Send[];
  /** Rows of an embedding host's own. */
  readonly rows: readonly HostRow[];
}

/** What an attempt did to one cell. */
export interface CellWrites {
  readonly cell: string;
  readonly pin: number;
  readonly delta: Uint8Array | undefined;
  readonly reads: Uint8Array | undefined;
}

/** The cell of an actor's state. */
export const STATE = "state";

export const NOTHING_WRITTEN: Writes = { cells: [], sends: [], rows: [] };

export const PURPOSES = ["plain", "create", "cancel", "destroy", "tick"] as const;

export interface Send {
  /** The receiver's `type/key`; none: the actor itself. */
  readonly to: string | undefined;
  readonly name: string;
  readonly body: Uint8Array;
  /** In milliseconds; of a tick, when it is due, since the epoch. */
  readonly delay: number;
  readonly purpose: (typeof PURPOSES)[number];
}

export interface StepPolicyRecord {
  readonly maxRetries: number;
  readonly backoffBase: number;
  readonly backoffMax: number;
  readonly timeout: number;
  readonly retryOnTimeout: boolean;
}

/** A step that is over: times in milliseconds since the epoch. */
export interface WholeStep {
  readonly begun: number;
  readonly ended: number;
  readonly output: Uint8Array | undefined;
}

export interface CreateRecord {
  readonly workflow: boolean;
  readonly input: Uint8Array | undefined;
  readonly state: Uint8Array | undefined;
  readonly version: number;
  /** Whether an embedding host keeps it: the call is answered at once. */
  readonly hosted?: boolean;
  /** Whether it is made as another actor has ordered. */
  readonly ordered?: boolean;
}

/** Under what a call is remembered. */
export interface KeepRecord {
  readonly key: string;
  /** For how long, in milliseconds. */
  readonly ms: number;
  /** Whether that it changed nothing is remembered, too. */
  readonly always: boolean;
}

/** Messages that have handlers. */
export interface ReceivesRecord {
  readonly names: readonly string[];
  /** Those of them that are answered. */
  readonly answered: readonly string[];
  readonly policy: StepPolicyRecord;
  readonly reports: boolean;
}

/** A schedule that the code declares. */
export interface ScheduleRecord {
  readonly name: string;
  /** What it is, in this side's words. */
  readonly spec: Uint8Array;
  /** When it is due next, as of now, in milliseconds since the epoch. */
  readonly nextAt: number;
}

/** A schedule that is due. `attempt` 0: it has failed for good, and only the next tick is to be sent. */
export interface TickRecord {
  readonly receipt: number;
  readonly attempt: number;
  readonly id: string;
  readonly name: string;
  readonly spec: Uint8Array;
  readonly dueAt: number;
}

/** What a workflow asks of another actor. */
export interface CallRecord {
  readonly kind: "child" | "ask";
  readonly name: string;
  readonly to: string;
  /** Of a child none. */
  readonly message: string;
  /** Empty: none. */
  readonly body: Uint8Array;
  readonly timeout: number | undefined;
}

/** A message that is to be handled; `attempt` is the number of the try, from 1. */
export interface ReceiveRecord {
  readonly receipt: number;
  readonly attempt: number;
  readonly id: string;
  readonly name: string;
  readonly body: Uint8Array;
}

/** What whoever asked a message is told. */
export type AnswerRecord =
  | { readonly kind: "reply"; readonly bytes: Uint8Array | undefined }
  | { readonly kind: "failed"; readonly failure: FailureRecord };

/** How an embedding host runs a workflow: `patience` is how long it waits in memory, in milliseconds. */
export interface EmbeddedRecord {
  readonly frontier: boolean;
  readonly patience: number;
  /** Only opened to be told something: no code is called. */
  readonly controlled: boolean;
  /** Whether it goes on in memory after a wait, once `goOn` says so. */
  readonly asks: boolean;
}

/** A step's traits, as bits. */
export const EPHEMERAL = 1;
export const UNDO = 2;
export const UNDO_ATTEMPTED = 4;
export const EXCLUSIVE = 8;
/** Its first attempt has begun: nothing of it is recorded, and nothing can be in its way. */
export const BEGUN = 16;

export interface LoopRecord {
  readonly name: string;
  readonly state: Uint8Array | undefined;
  /** How many past iterations stay, and after how many the others go. */
  readonly keep: number;
  readonly every: number;
}

/** A message of an embedding host. */
export interface HostMessage {
  readonly id: string;
  readonly name: string;
  readonly body: Uint8Array;
  readonly sentAt: number;
}

export interface HostRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Many rows, one after another, each part with its length before it. */
export class PackedRows {
  readonly out: ByteWriter = new ByteWriter(4096);
  count = 0;

  put(key: Uint8Array, value: Uint8Array): void {
    const { out } = this;
    out.varint(key.length);
    out.bytes(key);
    out.varint(value.length);
    out.bytes(value);
    this.count += 1;
  }
}

/** What a host's driver takes. */
export interface HostTakes {
  /** Of one batch; none: what follows from `isAtomic`. */
  readonly limits: { readonly rows: number; readonly bytes: number } | undefined;
  /** Whether what follows a batch is given to it together with it. */
  readonly takesWhole: boolean;
  readonly isAtomic: boolean;
}

/** One call of an embedding host's driver. */
export type DriverCall =
  | { readonly kind: "set"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: "batch"; readonly writes: HostRow[] }
  | { readonly kind: "delete"; readonly key: Uint8Array }
  | { readonly kind: "deletePrefix"; readonly prefix: Uint8Array }
  | { readonly kind: "deleteRange"; readonly start: Uint8Array; readonly end: Uint8Array }
  | { readonly kind: "setAlarm"; readonly at: number }
  | { readonly kind: "clearAlarm" }
  | {
      readonly kind: "addMessage";
      readonly id: string;
      readonly name: string;
      readonly body: Uint8Array;
      readonly sentAt: number;
    }
  | { readonly kind: "completeMessage"; readonly id: string; readonly response: Uint8Array | undefined };

export interface WaitRecord {
  readonly name: string;
  /** None: any message. */
  readonly names: readonly string[];
  readonly timeout: number | undefined;
  readonly count: number;
  readonly completable: boolean;
}

export const FORK_RULES = ["join", "race", "map", "mapSettled"] as const;
export type ForkRule = (typeof FORK_RULES)[number];

export interface ForkRecord {
  readonly name: string;
  readonly rule: ForkRule;
  readonly concurrency: number;
  readonly count: number;
  /** The branches' names; of a map none, for its items are known by their places. */
  readonly branches: readonly string[];
}

/** What the engine says of a value that resolves an operation. */
export type ResolvedValue =
  | { readonly kind: "kept" | "nothing" }
  | { readonly kind: "encoded" | "message"; readonly bytes: Uint8Array }
  | { readonly kind: "messages"; readonly messages: readonly Uint8Array[] }
  | {
      readonly kind: "branches";
      readonly winner: number | undefined;
      readonly branches: readonly BranchRecord[];
    };

/** What became of a branch. */
export type BranchRecord =
  | { readonly kind: "kept" | "nothing" | "cancelled" }
  | { readonly kind: "encoded"; readonly bytes: Uint8Array }
  | { readonly kind: "failed"; readonly failure: FailureRecord };

/** What goes with a fact: when it became one (0: unknown), and whether more is recorded that the code has not come to. */
export interface Told {
  readonly at: number;
  readonly replaying: boolean;
}

export const HALTS = ["rolling_back", "cancelled", "restarted"] as const;
export type Halt = (typeof HALTS)[number];

export const TERMINALS = ["exhausted", "critical", "rollback", "timeout"] as const;
export type Terminal = (typeof TERMINALS)[number];

export type Verdict =
  | { readonly kind: "queued"; readonly seq: number }
  | { readonly kind: "clean" | "stale" }
  | { readonly kind: "conflict"; readonly path: string; readonly alone: boolean };

export const REFUSALS = [
  "exists",
  "run_ended",
  "inbox_full",
  "busy",
  "broken",
  "lost",
  "nothing",
  "destroyed",
] as const;
export type Refusal = (typeof REFUSALS)[number];

export type RunOutcome =
  | { readonly kind: "completed"; readonly output: Uint8Array | undefined }
  | { readonly kind: "failed"; readonly failure: FailureRecord }
  | { readonly kind: "cancelled"; readonly reason: string | undefined };

export interface OperationRecord {
  readonly kind: string;
  readonly name: string;
  readonly status: string;
}

export interface DivergenceRecord {
  readonly scope: string;
  readonly recorded: readonly OperationRecord[];
  readonly code: readonly OperationRecord[];
  readonly mismatch:
    | { readonly kind: "new"; readonly code: OperationRecord }
    | { readonly kind: "other"; readonly recorded: OperationRecord; readonly code: OperationRecord }
    | { readonly kind: "ends" }
    | { readonly kind: "no_handler"; readonly recorded: OperationRecord };
}

/** State as it was: the encoded value, with the version of its shape. */
export interface WasRecord {
  readonly version: number;
  readonly value: Uint8Array | undefined;
}

/** What was asked of an actor's past. */
export type PastRecord =
  | { readonly kind: "state"; readonly was: WasRecord }
  | {
      readonly kind: "way";
      /** What is taken away, in the order in which it came into being. */
      readonly entryIds: readonly string[];
      /** What the state is to be; none: what it is. */
      readonly was: WasRecord | undefined;
      readonly moved: readonly MovedRecord[];
    };

/** A change that others have made to the state since. */
export interface MovedRecord {
  readonly seq: number;
  /** In milliseconds since the epoch. */
  readonly at: number;
}

export const FAILED_PARTS = ["step", "rollback", "workflow", "receive", "schedule"] as const;

export interface EventRecord {
  readonly part: (typeof FAILED_PARTS)[number];
  readonly step: string | undefined;
  readonly attempt: number;
  readonly retryAt: number | undefined;
  readonly failure: FailureRecord;
}

/** An actor that is listed, as its row says. */
export interface RowRecord {
  /** `type/key`. */
  readonly name: string;
  readonly state: string;
  readonly alarm: number | undefined;
  /** Of the shape of its state. */
  readonly version: number;
  readonly owner: string | undefined;
}

/** What a look at the store finds: actors in order of name; notes; or one actor, with what is recorded of it and its state, encoded. */
export type Looked =
  | { readonly kind: "listed"; readonly rows: readonly RowRecord[] }
  | { readonly kind: "notes"; readonly notes: ReadonlyMap<string, Uint8Array> }
  | {
      readonly kind: "seen";
      readonly row: Omit<RowRecord, "name">;
      readonly inspection: Uint8Array;
      readonly state: Uint8Array | undefined;
      /** What is stored of it as it is now. */
      readonly bytes: number;
    }
  | { readonly kind: "was"; readonly was: WasRecord }
  | { readonly kind: "none" };

export interface Facts {
  readonly exists: boolean;
  /** Whether it was destroyed, and not made again. */
  readonly destroyed: boolean;
  readonly hasRun: boolean;
  readonly outcome: RunOutcome | undefined;
  readonly state: { readonly version: number; readonly head: number } | undefined;
  /** The number of its newest change. */
  readonly seq: number;
}
