/** What a context has pending, and what is kept to settle it. */
import type { Attempt } from "../attempt.ts";
import type { CallersContext } from "../callers-context.ts";
import type { FailureRecord } from "../failure.ts";
import type { ForkRule } from "../wire.ts";
import type { ScopeContext } from "./scope-context.ts";

/** A value on its way to the engine and back: what user code gave is never what it gets. */
export type Kept = { readonly value: unknown } | { readonly bytes: Uint8Array };

/** What a body gave: for the engine, and to be given back. */
export interface Ran {
  readonly bytes: Uint8Array | undefined;
  readonly kept: Kept;
}

export const NOTHING: Kept = { value: undefined };

export interface Settler {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** The context whose only pending operation it is; none for what stands beside. */
  readonly context: ScopeContext | undefined;
}

/** Undoes a step; `attempted`: one that never committed. */
export interface Handlers {
  readonly committed: ((c: unknown, output: unknown) => unknown) | undefined;
  readonly attempted: ((c: unknown) => unknown) | undefined;
}

export interface StepOperation extends Settler {
  readonly kind: "step";
  readonly context: ScopeContext;
  readonly name: string;
  /** What is called with the attempt's context. */
  readonly body: (c: unknown) => unknown;
  readonly handlers: Handlers | undefined;
  /** What writes the output into the newest state; none: the body does all. */
  readonly apply: ((c: unknown, output: unknown) => unknown) | undefined;
  /** What the body gave, while `apply` follows it. */
  ran?: Ran | undefined;
  /** Whether its outcome may be told before it is durable. */
  readonly ephemeral: boolean;
  /** Makes of a failure for good a result, if it is one that is asked for. */
  readonly caught: ((failure: CaughtFailure) => unknown) | undefined;
  /** Makes of the output a result. */
  readonly wrap: ((value: unknown) => unknown) | undefined;
  readonly callersContext: CallersContext;
  readonly maxRetries: number;
  /** Whether a timeout is a failure like any other. */
  readonly retriesTimeouts: boolean;
  /** Of one whose body began in the call: where it was written down, while that has not crossed. */
  untold: Untold | undefined;
  attempt: Attempt | undefined;
  kept: Kept;
  /** What the newest attempt threw. */
  thrown?: unknown;
}

/** A record among the inputs of the coming turn. */
export interface Untold {
  readonly crossings: number;
  readonly from: number;
  readonly upTo: number;
  /** When the body began, in milliseconds since the epoch. */
  readonly begun: number;
}

/** A failure for good, as `tryStep` sees it. */
export interface CaughtFailure {
  readonly kind: "critical" | "timeout" | "exhausted" | "rollback";
  readonly name: string;
  readonly attempts: number;
  readonly error: { name: string; message: string; stack?: string };
  readonly record: FailureRecord;
}

export interface WaitOperation extends Settler {
  readonly kind: "sleep" | "message" | "version_check" | "removed" | "rollback" | "complete";
  /** Makes of what the engine says a result. */
  readonly read: ((value: unknown) => unknown) | undefined;
}

/** Waits for another actor. */
export interface CallOperation extends Settler {
  readonly kind: "child" | "ask";
  readonly name: string;
  /** The other's `type/key`. */
  readonly to: string;
}

export interface LoopOperation extends Settler {
  readonly kind: "loop";
  readonly name: string;
  readonly body: (ctx: unknown, state: unknown) => unknown;
  readonly callersContext: CallersContext;
  readonly stateless: boolean;
  /** How many rounds may begin before the engine is asked for them, in scopes of the numbers that follow. */
  ahead: number;
  kept: Kept;
  thrown: unknown;
}

export interface ForkOperation extends Settler {
  readonly kind: "join" | "race" | "map";
  readonly rule: ForkRule;
  readonly name: string;
  /** The branches' names, or their places. */
  readonly branches: readonly string[];
  readonly body: (ctx: unknown, index: number) => unknown;
  readonly callersContext: CallersContext;
  readonly kept: Map<number, Kept>;
}

export interface TryOperation extends Settler {
  readonly kind: "try";
  readonly name: string;
  readonly body: (ctx: unknown) => unknown;
  /** Makes of what the callback threw a result; `undefined`: it is thrown on. */
  readonly caught: (error: unknown) => unknown;
  readonly wrap: (value: unknown) => unknown;
  readonly callersContext: CallersContext;
  value: unknown;
  thrown: unknown;
}

export type Operation = StepOperation | WaitOperation | CallOperation | LoopOperation | ForkOperation | TryOperation;
