/** Durable actors and workflows: a step commits, with everything it did, or it never happened. */
export { actor } from "./actor.ts";
export type { Duration, Time } from "./duration.ts";
export {
  AppError,
  CriticalError,
  PawlError,
  type PawlErrorOptions,
  RetryAfterError,
  RollbackError,
} from "./errors.ts";
export type { Failure } from "./failure.ts";
export type { EntryRecord, MessageRecord } from "./inspection.ts";
export type { Limits } from "./loaded.ts";
export type { Logger } from "./log.ts";
export {
  type Admin,
  type CallOptions,
  type Client,
  type Closed,
  type Connected,
  createRuntime,
  type Handle,
  type ListFilter,
  type ReplayOptions,
  type Retention,
  type RunState,
  type Runtime,
  type RuntimeOptions,
  type Shown,
  type Status,
  type Wait,
  type WaitOptions,
} from "./runtime.ts";
export type { Schedule } from "./schedules/types.ts";
export { action, ask, live, type Schema, type StandardSchemaV1, type } from "./schema.ts";
export { raw } from "./state/index.ts";
export { RAW_STATE } from "./symbols.ts";
export type {
  ActionContext,
  Actor,
  Ask,
  Asks,
  AttemptContext,
  Bag,
  BodyIn,
  BodyOut,
  Branches,
  Calls,
  Connecting,
  Connection,
  ConnectionContext,
  Definition,
  Each,
  EntryKind,
  ErrorEvent,
  EventMeta,
  Failed,
  Given,
  InOf,
  Live,
  LoopNext,
  LoopOptions,
  Message,
  Names,
  NoConnectionState,
  NoState,
  OutOf,
  OutputOf,
  Question,
  Queue,
  Ref,
  ReplyOf,
  RollbackContext,
  Sender,
  StepOptions,
  StepPolicy,
  Tried,
  Types,
  TypesOf,
  WorkflowContext,
} from "./types.ts";
export { Loop } from "./workflow/loop.ts";
