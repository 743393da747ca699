/** The engines that these tests can run: the peer, and `pawl/engine` once it exports `runWorkflow`. */
import * as peerModule from "@rivetkit/workflow-engine";
import * as peerTesting from "@rivetkit/workflow-engine/testing";

/** What both packages export and these tests use; the names and types are the peer's, which is the contract. */
export type Exports = Pick<
  typeof peerModule,
  | "runWorkflow"
  | "replayWorkflowFromStep"
  | "Loop"
  | "CriticalError"
  | "RollbackError"
  | "RollbackCheckpointError"
  | "SleepError"
  | "MessageWaitError"
  | "EvictedError"
  | "HistoryDivergedError"
  | "StepExhaustedError"
  | "StepFailedError"
  | "JoinError"
  | "RaceError"
  | "CancelledError"
  | "EntryInProgressError"
  | "extractErrorInfo"
  | "createStorage"
  | "loadStorage"
  | "loadMetadata"
  | "getOrCreateMetadata"
  | "flush"
  | "deleteEntriesWithPrefix"
  | "createEntry"
  | "getEntry"
  | "setEntry"
  | "createHistorySnapshot"
  | "registerName"
  | "resolveName"
  | "locationToKey"
  | "appendName"
  | "appendLoopIteration"
  | "emptyLocation"
  | "parentLocation"
  | "isLocationPrefix"
  | "locationsEqual"
  | "isLoopIterationMarker"
  | "generateId"
  | "DEFAULT_MAX_RETRIES"
  | "DEFAULT_RETRY_BACKOFF_BASE"
  | "DEFAULT_RETRY_BACKOFF_MAX"
  | "DEFAULT_LOOP_HISTORY_PRUNE_INTERVAL"
  | "DEFAULT_STEP_TIMEOUT"
> &
  Pick<typeof peerTesting, "InMemoryDriver">;

/** One engine under test. */
export interface Engine extends Exports {
  readonly name: "peer" | "pawl";
}

export const peer: Engine = { ...peerModule, InMemoryDriver: peerTesting.InMemoryDriver, name: "peer" };

/** `pawl/engine`, or null while that entry does not exist or has no `runWorkflow`. */
export const pawl: Engine | null = await load();

async function load(): Promise<Engine | null> {
  // Not literals: the entries need not exist yet, and the type checker would ask for them.
  const entries = ["pawl/engine", "pawl/engine/testing"];
  const [main, testing] = await Promise.all(entries.map((entry) => import(entry).catch(() => null)));
  const found: unknown = { ...testing, ...main, name: "pawl" };
  if (isEngine(found)) return found;
  console.warn('\n!!! "pawl/engine" exports no runWorkflow: every test that needs it is SKIPPED !!!\n');
  return null;
}

function isEngine(found: unknown): found is Engine {
  return typeof found === "object" && found !== null && "runWorkflow" in found;
}

/** The engines to run, `ENGINE=peer` or `ENGINE=pawl` narrows them to one. */
export const engines: readonly Engine[] = [peer, pawl].filter(
  (engine): engine is Engine => engine !== null && (process.env["ENGINE"] ?? engine.name) === engine.name,
);
