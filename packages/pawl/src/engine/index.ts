/**
 * The embedding API: what a host runs workflows with on an `EngineDriver` of its own. It has the names, values and messages
 * of the engine that it stands in for, and reads and writes the same rows.
 *
 * `runWorkflow` runs workflows; everything else is plain data.
 */
export { StateBehindHistoryError } from "./actor-cells.ts";
export { FencedError } from "./commits.ts";
export {
  DEFAULT_LOOP_HISTORY_PRUNE_INTERVAL,
  DEFAULT_MAX_RETRIES,
  DEFAULT_RETRY_BACKOFF_BASE,
  DEFAULT_RETRY_BACKOFF_MAX,
  DEFAULT_STEP_TIMEOUT,
} from "./constants.ts";
export { EngineContext as WorkflowContextImpl } from "./engine-context.ts";
export {
  CancelledError,
  CriticalError,
  EntryInProgressError,
  EvictedError,
  HistoryDivergedError,
  JoinError,
  MessageWaitError,
  RaceError,
  RollbackCheckpointError,
  RollbackError,
  SleepError,
  StepExhaustedError,
  StepFailedError,
} from "./errors.ts";
export { extractErrorInfo } from "./extract-error.ts";
export { flush } from "./flush.ts";
export {
  compareKeys,
  errorKey,
  historyKey,
  historyRootPrefix,
  inputKey,
  iterationsRange,
  keyStartsWith,
  keyToHex,
  metadataKey,
  metadataPrefix,
  nameKey,
  namesPrefix,
  outputKey,
  parseHistoryKey,
  parseMetadataKey,
  parseNameKey,
  stateKey,
} from "./keys.ts";
export { loadMetadata, loadStorage } from "./load.ts";
export {
  appendLoopIteration,
  appendName,
  emptyLocation,
  isLocationPrefix,
  isLoopIterationMarker,
  locationsEqual,
  locationToKey,
  parentLocation,
  registerName,
  resolveName,
} from "./location.ts";
export { Loop } from "./loop.ts";
export { openActor } from "./open-actor.ts";
export { decodeEntry, decodeMetadata, encodeEntry, encodeMetadata } from "./records.ts";
export { replayWorkflowFromStep } from "./replay.ts";
export { runWorkflow } from "./run-workflow.ts";
export {
  createEntry,
  createHistorySnapshot,
  createStorage,
  deleteEntriesWithPrefix,
  generateId,
  getEntry,
  getOrCreateMetadata,
  setEntry,
} from "./storage.ts";
export type * from "./types.ts";
export { DriverHangError } from "./under-way.ts";
export { decodeValue, encodeValue } from "./values.ts";
