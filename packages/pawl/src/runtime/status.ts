/** How an actor stands, for people and tools: read from what is recorded of it. */
import { type Failure, toFailure } from "../failure.ts";
import type { EntryRecord, Inspection } from "../inspection.ts";
import { isQuarantined, noMarks } from "../poison/marks.ts";
import { isOfRun, labelOf } from "../poison/names.ts";
import type { RowRecord } from "../wire.ts";

/** Where an actor's workflow stands. `none`: it has none, or the actor was destroyed. */
export type RunState =
  | "none"
  | "running"
  | "waiting"
  | "rolling_back"
  | "completed"
  | "failed"
  | "cancelled"
  | "parked"
  | "quarantined";

/** All of them. */
export const RUN_STATES: readonly RunState[] = [
  ...(["none", "running", "waiting", "rolling_back", "completed"] as const),
  ...(["failed", "cancelled", "parked", "quarantined"] as const),
];

/** What a workflow waits for: a message, a timer, the body of a step that runs, or the next attempt at one that has failed. */
export type Wait =
  | {
      readonly kind: "message";
      /** The messages any of which will do; empty where they are not recorded. */
      readonly names: readonly string[];
    }
  | {
      readonly kind: "timer";
      /** The entry whose timer it is: a sleep, a step, a wait with a timeout. */
      readonly name: string;
      /** When it is due, in milliseconds since the epoch. */
      readonly at: number;
    }
  | {
      readonly kind: "step";
      /** The step whose body runs. */
      readonly step: string;
      /** When this attempt began, in milliseconds since the epoch; `undefined` where that is not known. */
      readonly since: number | undefined;
    }
  | {
      readonly kind: "retry";
      /** The step that is tried again. */
      readonly step: string;
      /** The attempt that has failed, from 1. */
      readonly attempt: number;
      /** What it failed with. */
      readonly error: Failure;
    };

/** An actor in a few words. */
export interface Status {
  /** The actor's type. */
  readonly type: string;
  /** The actor's key. */
  readonly key: string;
  /** How far its workflow has come. */
  readonly state: RunState;
  /** When it last changed, or was sent something. */
  readonly since: number;
  /** What its workflow waits for. */
  readonly waitingFor: readonly Wait[];
  /** What ended it, or what failed last of what is tried again. */
  readonly error?: Failure;
  /** When it goes on by itself; 0: at once. */
  readonly alarm?: number;
  /** Of the shape of its state: what its code declared at its newest change. */
  readonly version: number;
  /** Of a run that is parked: the version of the code that did not match, if it has a name (`codeVersion`). */
  readonly codeVersion?: string;
  /** Of a shared store: the process that has it. */
  readonly owner?: string;
  /** How many attempts had to run again because another one came between, since the actor was loaded. */
  readonly conflicts: number;
  /**
   * What is under suspicion, as `step "charge"`: it was at work when the process died twice within ten minutes, and runs last and
   * one at a time until it settles. After three deaths with it alone the state is `quarantined`.
   */
  readonly suspects: readonly string[];
  /** What is stored of it as it is now: its newest snapshot, the changes since, the messages that wait. Not what is kept of the past. */
  readonly bytes: number;
}

const UNDER_WAY: ReadonlySet<RunState> = new Set(["running", "waiting", "rolling_back", "parked"]);

/** `row` is what the store's list says of it, where it was listed. */
export function statusOf(
  type: string,
  key: string,
  seen: Inspection,
  row: RowRecord | undefined,
  suspects: Suspects,
): Status {
  const waitingFor = UNDER_WAY.has(seen.standing.state) ? waits(seen) : [];
  const error = errorOf(seen, waitingFor);
  const owner = seen.stored?.owner ?? row?.owner;
  return {
    type,
    key,
    state: isHeld(suspects) && UNDER_WAY.has(seen.standing.state) ? "quarantined" : seen.standing.state,
    since: seen.standing.since,
    waitingFor,
    ...(error === undefined ? {} : { error }),
    ...(seen.standing.alarm === undefined ? {} : { alarm: seen.standing.alarm }),
    version: seen.stored?.version ?? row?.version ?? 1,
    ...(seen.standing.parkedBy === undefined ? {} : { codeVersion: seen.standing.parkedBy }),
    ...(owner === undefined ? {} : { owner }),
    conflicts: seen.conflicts,
    suspects: Array.from(suspects.keys(), (name) => labelOf(name)),
    bytes: seen.stored?.bytes ?? 0,
  };
}

/** How often each suspect of an actor was alone with a death. */
type Suspects = ReadonlyMap<string, number>;

/** Whether its workflow does not go on. */
function isHeld(suspects: Suspects): boolean {
  const marks = { ...noMarks(), suspects: new Map(suspects) };
  return [...suspects.keys()].some((name) => isOfRun(name) && isQuarantined(marks, name));
}

function waits({ history, standing }: Inspection): Wait[] {
  const found = history.flatMap((entry): Wait[] => waitOf(entry) ?? []);
  if (found.length > 0 || standing.state !== "waiting") return found;
  return [{ kind: "message", names: [] }];
}

function waitOf(entry: EntryRecord): Wait[] | undefined {
  const { kind, status, path, deadline, at, failure, attempts } = entry;
  if (kind === "sleep" && status === "pending" && deadline !== undefined)
    return [{ kind: "timer", name: path, at: deadline }];
  if (kind !== "step" || ["completed", "exhausted"].includes(status)) return undefined;
  if (failure === undefined) return [{ kind: "step", step: path, since: at }];
  const { terminal: _, ...error } = failure;
  return [{ kind: "retry", step: path, attempt: attempts, error }];
}

function errorOf({ outcome }: Inspection, waits: readonly Wait[]): Failure | undefined {
  if (outcome?.kind === "failed") return toFailure(outcome.failure);
  for (const wait of waits) if (wait.kind === "retry") return wait.error;
  return undefined;
}
