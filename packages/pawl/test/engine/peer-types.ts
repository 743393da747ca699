/** Checked by the compiler: a host written against the other engine's types compiles against ours, and the other way round. */
import type * as peer from "@rivetkit/workflow-engine";
import type * as engine from "../../src/engine/index.ts";
import type { InMemoryDriver } from "../../src/engine/testing.ts";

type Fits<_Given extends Expected, Expected> = true;

export type OursForTheirs = [
  Fits<InMemoryDriver, peer.EngineDriver>,
  Fits<engine.Storage, peer.Storage>,
  Fits<engine.Entry, peer.Entry>,
  Fits<engine.EntryMetadata, peer.EntryMetadata>,
  Fits<engine.WorkflowHistorySnapshot, peer.WorkflowHistorySnapshot>,
  Fits<engine.WorkflowHandle, peer.WorkflowHandle>,
  Fits<engine.WorkflowResult, peer.WorkflowResult>,
  Fits<engine.WorkflowErrorEvent, peer.WorkflowErrorEvent>,
  Fits<keyof engine.WorkflowContextInterface, keyof peer.WorkflowContextInterface>, // generic members do not compare
  Fits<engine.StepConfig<number>, peer.StepConfig<number>>,
  Fits<engine.TryBlockResult<number>, peer.TryBlockResult<number>>,
];

export type TheirsForOurs = [
  Fits<peer.EngineDriver, engine.EngineDriver>,
  Fits<peer.WorkflowMessageDriver, engine.WorkflowMessageDriver>,
  Fits<peer.Storage, engine.Storage>,
  Fits<peer.Entry, engine.Entry>,
  Fits<peer.WorkflowHistorySnapshot, engine.WorkflowHistorySnapshot>,
  Fits<keyof peer.WorkflowContextInterface, keyof engine.WorkflowContextInterface>,
  Fits<peer.StepConfig<number>, engine.StepConfig<number>>,
  Fits<peer.TryStepConfig<number>, engine.TryStepConfig<number>>,
];

/** Every type that the other engine's documentation names is exported. */
export type Exported = [
  engine.BranchConfig<number>,
  engine.BranchOutput<engine.BranchConfig<number>>,
  engine.BranchStatus,
  engine.BranchStatusType,
  engine.EntryKind,
  engine.EntryKindType,
  engine.EntryStatus,
  engine.History,
  engine.JoinEntry,
  engine.KVEntry,
  engine.KVWrite,
  engine.Location,
  engine.LoopEntry,
  engine.LoopIterationMarker,
  engine.LoopResult<number, number>,
  engine.Message,
  engine.MessageEntry,
  engine.NameIndex,
  engine.PathSegment,
  engine.RaceEntry,
  engine.RemovedEntry,
  engine.RollbackCheckpointEntry,
  engine.RollbackContextInterface,
  engine.RunWorkflowOptions,
  engine.SleepEntry,
  engine.SleepState,
  engine.StepEntry,
  engine.TryBlockCatchKind,
  engine.TryBlockConfig<number>,
  engine.TryBlockFailure,
  engine.TryStepCatchKind,
  engine.TryStepFailure,
  engine.TryStepResult<number>,
  engine.WorkflowEntryMetadataSnapshot,
  engine.WorkflowError,
  engine.WorkflowErrorHandler,
  engine.WorkflowHistoryEntry,
  engine.WorkflowQueue,
  engine.WorkflowQueueMessage,
  engine.WorkflowQueueNextBatchOptions,
  engine.WorkflowQueueNextOptions,
  engine.WorkflowRollbackErrorEvent,
  engine.WorkflowRunErrorEvent,
  engine.WorkflowRunMode,
  engine.WorkflowState,
  engine.WorkflowStepErrorEvent,
  engine.Change,
];
