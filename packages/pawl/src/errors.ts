/** The errors that users meet: one base class with a stable `code`. */
import type { Duration } from "./duration.ts";

/** What is known of an error beside its message. */
export interface PawlErrorOptions extends ErrorOptions {
  /** Whether the same call may succeed later. Default: false. */
  readonly retryable?: boolean;
  /** Whether nothing has happened (`no`), or nobody knows (`unknown`). Default: `no`. */
  readonly outcome?: "no" | "unknown";
  /** The parts of the message, for programs. */
  readonly data?: unknown;
}

const BRAND = "pawl.error";

/**
 * An error of Pawl. `code` is stable and part of the interface; `message` is for people: what was found, what was expected,
 * where, and what to do. `instanceof` works across copies and bundles of the package.
 */
export class PawlError extends Error {
  /** What `instanceof` goes by. */
  static readonly brand: symbol = Symbol.for(BRAND);
  /** Stable: compare this. */
  readonly code: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** Whether nothing has happened, or nobody knows. */
  readonly outcome: "no" | "unknown";
  /** The parts of the message, for programs. */
  readonly data: unknown;

  constructor(code: string, message: string, options?: PawlErrorOptions) {
    super(message, options !== undefined && "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryable = options?.retryable ?? false;
    this.outcome = options?.outcome ?? "no";
    this.data = options?.data;
    head(this, `PawlError [${code}]`);
  }

  /** So that `instanceof` knows errors of other copies and bundles of the package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isBranded(this, value) ?? Function.prototype[Symbol.hasInstance].call(this, value);
  }
}

/** Your own error: reaches a caller unchanged, with its code and data. */
export class AppError extends PawlError {
  /** What `instanceof` goes by. */
  static override readonly brand: symbol = Symbol.for(`${BRAND}.app`);

  constructor(code: string, message: string, data?: unknown) {
    super(code, message, { data });
  }
}

/** Thrown in a step: trying again is useless. */
export class CriticalError extends PawlError {
  /** What `instanceof` goes by. */
  static override readonly brand: symbol = Symbol.for(`${BRAND}.critical`);
  /** The code of its instances. */
  protected static readonly word: string = "critical";

  constructor(message: string, options?: ErrorOptions) {
    super(new.target.word, message, options);
  }
}

/** Thrown anywhere in a workflow: undo what it did, and fail. */
export class RollbackError extends CriticalError {
  /** What `instanceof` goes by. */
  static override readonly brand: symbol = Symbol.for(`${BRAND}.rollback`);
  protected static override readonly word: string = "rollback";
}

/** Thrown in a step: try again, but not before then. It uses up an attempt like any failure. */
export class RetryAfterError extends PawlError {
  /** What `instanceof` goes by. */
  static override readonly brand: symbol = Symbol.for(`${BRAND}.retry_after`);
  /** How long from now, or when. */
  readonly after: Duration | Date;

  /** `after`: how long from now, or when. */
  constructor(message: string, after: Duration | Date) {
    super("retry_after", message, { retryable: true });
    this.after = after;
  }
}

/** An error that is made where it is delivered: the place of that says nothing, and is another one on a replay. */
export function withoutFrames(error: PawlError): PawlError {
  define(error, "stack", `PawlError [${error.code}]: ${error.message}`);
  return error;
}

/** The same of one that most likely nobody sees, such as why a run that has ended takes nothing more: to find its place is dear. */
export function placeless(make: () => PawlError): PawlError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** By the name under which each is recorded, a derived class before its base. Not `type.name`: bundlers change that. */
type ClassName = "RollbackError" | "CriticalError" | "RetryAfterError" | "AppError" | "PawlError";
const CLASSES: Readonly<
  Record<
    ClassName,
    typeof PawlError | typeof AppError | typeof CriticalError | typeof RollbackError | typeof RetryAfterError
  >
> = {
  RollbackError: RollbackError,
  CriticalError: CriticalError,
  RetryAfterError: RetryAfterError,
  AppError: AppError,
  PawlError: PawlError,
};
for (const type of Object.values(CLASSES)) brand(type.prototype, type.brand);

/** The error of a recorded failure, of the class that it had if that is one of Pawl's. */
export function rebuildPawlError(name: string, code: string, message: string, options: PawlErrorOptions): PawlError {
  const error = new PawlError(code, message, options);
  const known: ClassName = Object.hasOwn(CLASSES, name) ? (name as ClassName) : "PawlError";
  Object.setPrototypeOf(error, CLASSES[known].prototype);
  define(error, "name", known);
  return error;
}

/** The name under which a failure of Pawl's own classes is recorded; `undefined` for any other error. */
export function pawlClassName(error: unknown): ClassName | undefined {
  return (Object.keys(CLASSES) as ClassName[]).find((name) => error instanceof CLASSES[name]);
}

export function brand(prototype: object, symbol: symbol): void {
  Object.defineProperty(prototype, symbol, { value: true });
}

/** Whether a value bears the brand of one of our own classes; `undefined` for a user's subclass, which has none. */
function isBranded(type: { readonly brand: symbol }, value: unknown): boolean | undefined {
  if (!Object.hasOwn(type, "brand")) return undefined;
  return typeof value === "object" && value !== null && type.brand in value;
}

/** Makes the stack open with a name that shows the code, and leaves `name` the plain one. */
function head(error: Error, shown: string): void {
  define(error, "name", shown);
  Error.captureStackTrace(error, error.constructor);
  define(error, "name", pawlClassName(error) ?? "PawlError");
}

function define(error: Error, key: string, value: string): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false });
}
