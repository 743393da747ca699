/**
 * The errors of the embedding API. Names, fields and messages are contract: hosts and workflow code compare them.
 *
 * `instanceof` works across copies and bundles of the package, as each class looks for its brand and not for its prototype.
 */

/** Thrown in a step: trying again is useless. */
export class CriticalError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CriticalError";
  }
}

/** Thrown in a step: do not try again, undo what was done. */
export class RollbackError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "RollbackError";
  }
}

/** A step has a rollback handler, and no checkpoint came before it. */
export class RollbackCheckpointError extends Error {
  constructor() {
    super("Rollback requires a checkpoint before any rollback step");
    this.name = "RollbackCheckpointError";
  }
}

/** Ends a run until `deadline`, in epoch milliseconds, or until one of the messages is there. */
export class SleepError extends Error {
  /** Epoch milliseconds. */
  readonly deadline: number;
  /** The messages that end it sooner. */
  readonly messageNames: string[] | undefined;

  constructor(deadline: number, messageNames?: string[]) {
    const orMessages =
      messageNames !== undefined && messageNames.length > 0 ? ` or messages: ${messageNames.join(", ")}` : "";
    super(`Sleeping until ${deadline}${orMessages}`);
    this.name = "SleepError";
    this.deadline = deadline;
    this.messageNames = messageNames;
  }
}

/** Ends a run until one of the messages is there; no names mean any. */
export class MessageWaitError extends Error {
  /** The messages any of which ends it; none: any at all. */
  readonly messageNames: string[];

  constructor(messageNames: string[]) {
    super(`Waiting for messages: ${messageNames.join(", ")}`);
    this.name = "MessageWaitError";
    this.messageNames = messageNames;
  }
}

/** The run was evicted, or its workflow is cancelled. */
export class EvictedError extends Error {
  constructor() {
    super("Workflow evicted");
    this.name = "EvictedError";
  }
}

/** Internal: everything that a rollback can reach has been visited. */
export class RollbackStopError extends Error {
  constructor() {
    super("Rollback traversal halted");
    this.name = "RollbackStopError";
  }
}

/** The workflow's code does not match what is recorded. */
export class HistoryDivergedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "HistoryDivergedError";
  }
}

/** A step has used up its retries. */
export class StepExhaustedError extends Error {
  /** The step's own name. */
  readonly stepName: string;
  /** Text of the last failure. */
  readonly lastError: string | undefined;

  constructor(stepName: string, lastError?: string) {
    super(`Step "${stepName}" exhausted retries: ${lastError ?? "unknown error"}`);
    this.name = "StepExhaustedError";
    this.stepName = stepName;
    this.lastError = lastError;
  }
}

/** A step failed and is tried again at `retryAt`, in epoch milliseconds. */
export class StepFailedError extends Error {
  /** The step's own name. */
  readonly stepName: string;
  /** What its body threw. */
  readonly originalError: unknown;
  /** How many there were so far. */
  readonly attempts: number;
  /** When the next one is due, in epoch milliseconds. */
  readonly retryAt: number;

  constructor(stepName: string, originalError: unknown, attempts: number, retryAt: number) {
    super(`Step "${stepName}" failed (attempt ${attempts})`);
    this.name = "StepFailedError";
    this.stepName = stepName;
    this.originalError = originalError;
    this.attempts = attempts;
    this.retryAt = retryAt;
    this.cause = originalError;
  }
}

/** Internal: a step's body took longer than its timeout. */
export class StepTimeoutError extends Error {
  readonly stepName: string;
  readonly timeoutMs: number;

  constructor(stepName: string, timeoutMs: number) {
    super(`Step "${stepName}" timed out after ${timeoutMs}ms`);
    this.name = "StepTimeoutError";
    this.stepName = stepName;
    this.timeoutMs = timeoutMs;
  }
}

/** Branches of a join failed; the errors by branch name. */
export class JoinError extends Error {
  /** What the branches that failed threw, by their names. */
  readonly errors: Record<string, Error>;

  constructor(errors: Record<string, Error>) {
    super(`Join failed: ${Object.keys(errors).join(", ")}`);
    this.name = "JoinError";
    this.errors = errors;
  }
}

/** All branches of a race failed. */
export class RaceError extends Error {
  /** What each branch threw, as text. */
  readonly errors: Array<{ name: string; error: string }>;

  constructor(message: string, errors: Array<{ name: string; error: string }>) {
    super(message);
    this.name = "RaceError";
    this.errors = errors;
  }
}

/** What a branch of a race may throw when another one has won. */
export class CancelledError extends Error {
  constructor() {
    super("Branch cancelled");
    this.name = "CancelledError";
  }
}

/** Two entries at once on one context. */
export class EntryInProgressError extends Error {
  constructor() {
    super(
      "Cannot start a new workflow entry while another is in progress. " +
        "Did you forget to await the previous step/loop/sleep?",
    );
    this.name = "EntryInProgressError";
  }
}

/** The name of each class is its brand, too: bundlers change `type.name`. */
const CLASSES: Readonly<Record<string, { readonly prototype: Error }>> = {
  CriticalError,
  RollbackError,
  RollbackCheckpointError,
  SleepError,
  MessageWaitError,
  EvictedError,
  RollbackStopError,
  HistoryDivergedError,
  StepExhaustedError,
  StepFailedError,
  StepTimeoutError,
  JoinError,
  RaceError,
  CancelledError,
  EntryInProgressError,
};
for (const [name, type] of Object.entries(CLASSES)) brand(type, Symbol.for(`pawl.engine.${name}`));

function brand(type: { readonly prototype: Error }, symbol: symbol): void {
  Object.defineProperty(type.prototype, symbol, { value: true });
  Object.defineProperty(type, Symbol.hasInstance, {
    // A user's subclass inherits this, and has no brand of its own to look for.
    value(this: unknown, value: unknown): boolean {
      if (this !== type) return Function.prototype[Symbol.hasInstance].call(this as Function, value);
      return typeof value === "object" && value !== null && symbol in value;
    },
  });
}
