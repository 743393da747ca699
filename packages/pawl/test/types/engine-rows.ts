/** What the compiler knows of what `pawl/engine` says of rows, records and places, and of its errors. Nothing here runs. */
import { expectTypeOf } from "vitest";
import {
  appendLoopIteration,
  appendName,
  CancelledError,
  type Cell,
  type Cells,
  CriticalError,
  compareKeys,
  createEntry,
  createHistorySnapshot,
  createStorage,
  DEFAULT_LOOP_HISTORY_PRUNE_INTERVAL,
  DEFAULT_MAX_RETRIES,
  DEFAULT_RETRY_BACKOFF_BASE,
  DEFAULT_RETRY_BACKOFF_MAX,
  DEFAULT_STEP_TIMEOUT,
  DriverHangError,
  decodeEntry,
  decodeMetadata,
  decodeValue,
  deleteEntriesWithPrefix,
  type EngineDriver,
  type Entry,
  EntryInProgressError,
  type EntryKind,
  type EntryMetadata,
  EvictedError,
  emptyLocation,
  encodeEntry,
  encodeMetadata,
  encodeValue,
  errorKey,
  extractErrorInfo,
  FencedError,
  flush,
  generateId,
  getEntry,
  getOrCreateMetadata,
  HistoryDivergedError,
  historyKey,
  historyRootPrefix,
  inputKey,
  isLocationPrefix,
  isLoopIterationMarker,
  iterationsRange,
  JoinError,
  keyStartsWith,
  keyToHex,
  type Location,
  type LoopConfig,
  type LoopIterationMarker,
  type LoopIterationResult,
  type LoopResult,
  loadMetadata,
  locationsEqual,
  locationToKey,
  MessageWaitError,
  metadataKey,
  metadataPrefix,
  type NameIndex,
  nameKey,
  namesPrefix,
  type OpenCell,
  outputKey,
  type PathSegment,
  type PendingDeletions,
  parentLocation,
  parseHistoryKey,
  parseMetadataKey,
  parseNameKey,
  RaceError,
  RollbackCheckpointError,
  type RollbackContextInterface,
  RollbackError,
  registerName,
  resolveName,
  SleepError,
  StateBehindHistoryError,
  type StepArguments,
  StepExhaustedError,
  StepFailedError,
  type Storage,
  setEntry,
  stateKey,
  type UndoContext,
  type VersionCheckEntry,
  WorkflowContextImpl,
  type WorkflowContextInterface,
  type WorkflowError,
  type WorkflowFunction,
  type WorkflowHistorySnapshot,
} from "../../src/engine/index.ts";

type Bytes = Uint8Array;

export function keys(at: Location): void {
  for (const fixed of [stateKey, outputKey, errorKey, inputKey, namesPrefix, historyRootPrefix, metadataPrefix])
    expectTypeOf(fixed).toEqualTypeOf<() => Bytes>();
  expectTypeOf(nameKey).toEqualTypeOf<(index: number) => Bytes>();
  expectTypeOf(metadataKey).toEqualTypeOf<(entryId: string) => Bytes>();
  expectTypeOf(historyKey(at)).toEqualTypeOf<Bytes>();
  expectTypeOf(iterationsRange(at, 0, 5)).toEqualTypeOf<{ start: Bytes; end: Bytes }>();
  expectTypeOf(parseNameKey).toEqualTypeOf<(key: Bytes) => number>();
  expectTypeOf(parseMetadataKey).toEqualTypeOf<(key: Bytes) => string>();
  expectTypeOf(parseHistoryKey).toEqualTypeOf<(key: Bytes) => Location>();
  expectTypeOf(compareKeys).toEqualTypeOf<(a: Bytes, b: Bytes) => number>();
  expectTypeOf(keyStartsWith).toEqualTypeOf<(key: Bytes, prefix: Bytes) => boolean>();
  expectTypeOf(keyToHex).toEqualTypeOf<(key: Bytes) => string>();

  // @ts-expect-error: a key is bytes
  parseNameKey("0101");
}

export function places(storage: Storage, at: Location, segment: PathSegment): void {
  expectTypeOf(emptyLocation()).toEqualTypeOf<Location>();
  expectTypeOf(appendName(storage, at, "name")).toEqualTypeOf<Location>();
  expectTypeOf(appendLoopIteration(storage, at, "loop", 3)).toEqualTypeOf<Location>();
  expectTypeOf(parentLocation).toEqualTypeOf<(location: Location) => Location>();
  expectTypeOf(locationsEqual).toEqualTypeOf<(a: Location, b: Location) => boolean>();
  expectTypeOf(isLocationPrefix).toEqualTypeOf<(prefix: Location, location: Location) => boolean>();
  expectTypeOf(locationToKey(storage, at)).toEqualTypeOf<string>();
  if (isLoopIterationMarker(segment)) expectTypeOf(segment).toEqualTypeOf<LoopIterationMarker>();
  else expectTypeOf(segment).toEqualTypeOf<NameIndex>();
  expectTypeOf(registerName(storage, "name")).toEqualTypeOf<NameIndex>();
  expectTypeOf(resolveName(storage, 0)).toEqualTypeOf<string>();
}

export async function records(driver: EngineDriver, at: Location, entry: Entry, bytes: Bytes): Promise<void> {
  const storage = createStorage();
  expectTypeOf(storage).toEqualTypeOf<Storage>();
  const check: VersionCheckEntry = { resolved: 1, latest: 2 };
  const kind: EntryKind = { type: "version_check", data: check };
  expectTypeOf(createEntry(at, kind)).toEqualTypeOf<Entry>();
  expectTypeOf(getEntry(storage, at)).toEqualTypeOf<Entry | undefined>();
  expectTypeOf(setEntry(storage, at, entry)).toEqualTypeOf<void>();
  expectTypeOf(generateId()).toEqualTypeOf<string>();
  expectTypeOf(getOrCreateMetadata(storage, "id")).toEqualTypeOf<EntryMetadata>();
  expectTypeOf(createHistorySnapshot(storage)).toEqualTypeOf<WorkflowHistorySnapshot>();
  expectTypeOf(encodeEntry(entry)).toEqualTypeOf<Bytes>();
  expectTypeOf(decodeEntry(bytes)).toEqualTypeOf<Entry>();
  expectTypeOf(encodeMetadata(decodeMetadata(bytes))).toEqualTypeOf<Bytes>();
  expectTypeOf(decodeMetadata(bytes)).toEqualTypeOf<EntryMetadata>();
  expectTypeOf(encodeValue({ any: "value" })).toEqualTypeOf<Bytes>();
  expectTypeOf(decodeValue(bytes)).toEqualTypeOf<unknown>();
  expectTypeOf(await loadMetadata(storage, driver, "id")).toEqualTypeOf<EntryMetadata>();
  const gone: PendingDeletions = { keys: [bytes], prefixes: [], ranges: [{ start: bytes, end: bytes }] };
  expectTypeOf(await flush(storage, driver, () => {}, gone)).toEqualTypeOf<void>();
  expectTypeOf(await deleteEntriesWithPrefix(storage, driver, at)).toEqualTypeOf<void>();

  // @ts-expect-error: an entry has the data of its kind
  createEntry(at, { type: "sleep", data: check });
}

export function workflows(ctx: WorkflowContextInterface): void {
  const run: WorkflowFunction<number, string> = async (ctx, input) => `${ctx.workflowId} ${input}`;
  expectTypeOf(run).returns.toEqualTypeOf<Promise<string>>();
  expectTypeOf<StepArguments<unknown>>().toEqualTypeOf<[]>();
  expectTypeOf<StepArguments<{ db: number }>>().toEqualTypeOf<[context: { db: number }]>();
  expectTypeOf<UndoContext<unknown>>().toEqualTypeOf<RollbackContextInterface>();
  expectTypeOf<UndoContext<{ db: number }>>().toEqualTypeOf<{ db: number }>();
  expectTypeOf<LoopIterationResult<number, string>>().toEqualTypeOf<Promise<LoopResult<number, string>>>();
  const config: LoopConfig<number, string> = {
    name: "loop",
    state: 0,
    run: async (_ctx, n) => (n > 5 ? { break: true, value: "out" } : { continue: true, state: n + 1 }),
  };
  expectTypeOf(ctx.loop(config)).toEqualTypeOf<Promise<string>>();
  expectTypeOf<Cells[string]["initial"]>().toEqualTypeOf<() => unknown>();
  expectTypeOf<OpenCell<{ name: string }>["value"]>().toEqualTypeOf<{ name: string }>();
  expectTypeOf<Cell<number>["initial"]>().toEqualTypeOf<() => number>();
  expectTypeOf(WorkflowContextImpl.prototype.workflowId).toEqualTypeOf<string>();
}

export function defaults(): void {
  expectTypeOf(DEFAULT_MAX_RETRIES).toExtend<number>();
  expectTypeOf(DEFAULT_RETRY_BACKOFF_BASE).toExtend<number>();
  expectTypeOf(DEFAULT_RETRY_BACKOFF_MAX).toExtend<number>();
  expectTypeOf(DEFAULT_STEP_TIMEOUT).toExtend<number>();
  expectTypeOf(DEFAULT_LOOP_HISTORY_PRUNE_INTERVAL).toExtend<number>();
}

export function errors(): void {
  expectTypeOf(extractErrorInfo(new Error("message"))).toEqualTypeOf<WorkflowError>();
  expectTypeOf(CriticalError).toBeConstructibleWith("message");
  expectTypeOf(RollbackError).toBeConstructibleWith("message");
  expectTypeOf(HistoryDivergedError).toBeConstructibleWith("message");
  for (const Plain of [CancelledError, EvictedError, EntryInProgressError, RollbackCheckpointError, DriverHangError])
    expectTypeOf(new Plain()).toExtend<Error>();
  expectTypeOf(new SleepError(5).messageNames).toEqualTypeOf<string[] | undefined>();
  expectTypeOf(new SleepError(5).deadline).toEqualTypeOf<number>();
  expectTypeOf(new MessageWaitError(["name"]).messageNames).toEqualTypeOf<string[]>();
  expectTypeOf(new StepExhaustedError("step").lastError).toEqualTypeOf<string | undefined>();
  expectTypeOf(new StepFailedError("step", 5, 1, 0).originalError).toEqualTypeOf<unknown>();
  expectTypeOf(new StepFailedError("step", 5, 1, 0).retryAt).toEqualTypeOf<number>();
  expectTypeOf(new JoinError({}).errors).toEqualTypeOf<Record<string, Error>>();
  expectTypeOf(new RaceError("message", []).errors).toEqualTypeOf<{ name: string; error: string }[]>();
  expectTypeOf(new FencedError(1n, 2n).code).toEqualTypeOf<string>();
  expectTypeOf(StateBehindHistoryError).toBeConstructibleWith("workflow");
}
