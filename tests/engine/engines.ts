/** The engines that these tests run: the peer, and `pawl/engine`. */
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

/** `pawl/engine`, as it is built. */
export const pawl: Engine = { ...(await load()), name: "pawl" };

/** Not literals: the entries are built, and need not be there when types are checked. */
async function load(): Promise<Exports> {
  const entries = ["pawl/engine", "pawl/engine/testing"];
  const [main, testing] = await Promise.all(entries.map((entry) => import(entry) as Promise<object>));
  return { ...testing, ...main } as Exports;
}

/** The engines to run, `ENGINE=peer` or `ENGINE=pawl` narrows them to one. */
export const engines: readonly Engine[] = [peer, pawl].filter(
  (engine) => (process.env["ENGINE"] ?? engine.name) === engine.name,
);
