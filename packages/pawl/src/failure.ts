/**
 * Failures: errors of user code as they are recorded, and the errors that are made of them again.
 *
 * What is thrown to user code is always rebuilt from the record, on the first run as on replay, so that nobody can come to
 * rely on identity or on a class that a replay cannot restore.
 */
import {
  CriticalError,
  PawlError,
  type PawlErrorOptions,
  pawlClassName,
  RollbackError,
  rebuildPawlError,
} from "./errors.ts";
import { decode, encode, ValueError } from "./values/index.ts";

export const FAILURE_KINDS = ["error", "critical", "rollback", "timeout"] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/** A failure as it crosses the boundary and lies in the history. */
export interface FailureRecord {
  readonly kind: FailureKind;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** The error's own fields, as one encoded value. */
  readonly fields: Uint8Array | undefined;
}

/** A failure as users see it in events, results of `tryStep`, and `data`. */
export interface Failure {
  /** Of its class. */
  name: string;
  /** Its message. */
  message: string;
  /** Of one of Pawl's errors, or an error that has a `code`. */
  code?: string;
  /** What the error carried. */
  data?: unknown;
  /** Where it was thrown, if that is known. */
  stack?: string;
}

/** How deep a chain of causes is kept. */
const CAUSES = 4;

/** Whose failure an error is: of a step, or of something that has branches. */
export interface FailedPart {
  /** What was recorded of it, if it is a step's. */
  readonly failure?: FailureRecord;
  readonly kind: "critical" | "timeout" | "exhausted" | "rollback" | "join" | "race" | "map" | "child" | "ask";
  readonly name: string;
  readonly attempts: number;
}

/** Errors that operations rejected with, by the operation. */
const parts = new WeakMap<object, { readonly part: FailedPart; readonly op: number }>();

/** Notes whose failure an error is, for whoever catches it. */
export function attribute(error: Error, part: FailedPart, op: number): Error {
  parts.set(error, { part, op });
  return error;
}

/** Whose failure an error is, if it is an operation's. */
export function attributed(error: unknown): { readonly part: FailedPart; readonly op: number } | undefined {
  return typeof error === "object" && error !== null ? parts.get(error) : undefined;
}

interface Fields {
  /** Of a branch that failed: whose failure it was. */
  part?: FailedPart;
  pawl?: { code: string; retryable: boolean; outcome: "no" | "unknown"; data?: unknown };
  own?: Record<string, unknown>;
  cause?: { name: string; message: string; stack: string | undefined; fields: Fields };
}

/** Records what user code threw. Throws nothing itself, whatever that is: an error of which a part cannot be read is text. */
export function toRecord(error: unknown, kind?: FailureKind): FailureRecord {
  try {
    return errorRecord(error, kind);
  } catch {
    return plainRecord("an error that cannot be read", kind ?? "error");
  }
}

function errorRecord(error: unknown, kind: FailureKind | undefined): FailureRecord {
  if (!(error instanceof Error)) return plainRecord(error, kind ?? "error");
  const fields = fieldsOf(error, CAUSES);
  return {
    kind: kind ?? kindOf(error),
    name: nameOf(error),
    message: kept(String(error.message)),
    stack: typeof error.stack === "string" ? kept(error.stack) : undefined,
    fields: encodeFields(fields),
  };
}

/** How much of a message or a stack is recorded, in characters: every attempt that fails writes them. */
const MOST_TEXT = 65_536;

function kept(text: string): string {
  const more = text.length - MOST_TEXT;
  return more <= 0 ? text : `${text.slice(0, MOST_TEXT)}... (${more} more characters)`;
}

function kindOf(error: Error): FailureKind {
  if (error instanceof RollbackError) return "rollback";
  return error instanceof CriticalError ? "critical" : "error";
}

/** Fields that are storable one by one may be too much together: then only what names the error is kept. */
function encodeFields(fields: Fields): Uint8Array | undefined {
  if (Object.keys(fields).length === 0) return undefined;
  if (isStorable(fields)) return encode(fields);
  if (fields.pawl === undefined) return undefined;
  const { code, retryable, outcome } = fields.pawl;
  return encode({ pawl: { code, retryable, outcome } } satisfies Fields);
}

/** The same, with whose failure it is. */
export function toBranchRecord(error: unknown, record: FailureRecord = toRecord(error)): FailureRecord {
  const whose = attributed(error)?.part ?? (record.kind === "rollback" ? blockPart(record) : undefined);
  if (whose === undefined) return record;
  const part: FailedPart = { kind: whose.kind, name: whose.name, attempts: whose.attempts };
  const fields: Fields = record.fields === undefined ? {} : (decode(record.fields) as Fields);
  return { ...record, fields: encodeFields({ ...fields, part }) };
}

function blockPart(record: FailureRecord): FailedPart {
  return { kind: "rollback", name: record.name, attempts: 0 };
}

/** The error's own fields, as they were recorded. */
export function ownFieldsOf(record: FailureRecord): Readonly<Record<string, unknown>> {
  return record.fields === undefined ? {} : ((decode(record.fields) as Fields).own ?? {});
}

/** Whose failure a recorded one was, if it was an operation's. */
export function partOf(record: FailureRecord): FailedPart | undefined {
  return record.fields === undefined ? undefined : (decode(record.fields) as Fields).part;
}

/** The error that user code gets for a recorded failure. */
export function toError(record: FailureRecord): Error {
  const fields = record.fields === undefined ? {} : (decode(record.fields) as Fields);
  return build(record.name, record.message, record.stack, fields);
}

/** The failure in words and plain data. */
export function toFailure(record: FailureRecord): Failure {
  const fields = record.fields === undefined ? {} : (decode(record.fields) as Fields);
  return {
    name: record.name,
    message: record.message,
    ...(fields.pawl === undefined ? {} : { code: fields.pawl.code }),
    ...(fields.pawl?.data === undefined ? {} : { data: fields.pawl.data }),
    ...(record.stack === undefined ? {} : { stack: record.stack }),
  };
}

function plainRecord(thrown: unknown, kind: FailureKind): FailureRecord {
  return { kind, name: "Error", message: kept(textOf(thrown)), stack: undefined, fields: undefined };
}

function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "a thrown value that cannot be shown";
  }
}

function nameOf(error: Error): string {
  return pawlClassName(error) ?? (typeof error.name === "string" ? error.name : "Error");
}

function fieldsOf(error: Error, causes: number): Fields {
  const fields: Fields = {};
  if (error instanceof PawlError) {
    const { code, retryable, outcome } = error;
    fields.pawl = { code, retryable, outcome };
    if (isStorable(error.data)) fields.pawl.data = error.data;
  }
  const own = ownFields(error);
  if (Object.keys(own).length > 0) fields.own = own;
  if (error.cause instanceof Error && causes > 0) {
    const { message, stack } = error.cause;
    fields.cause = {
      name: nameOf(error.cause),
      message: kept(String(message)),
      stack: typeof stack === "string" ? kept(stack) : undefined,
      fields: fieldsOf(error.cause, causes - 1),
    };
  }
  return fields;
}

const OF_PAWL = new Set(["code", "retryable", "outcome", "data"]);

/** The error's own enumerable fields, less those that cannot be stored. Accessors are not called. */
function ownFields(error: Error): Record<string, unknown> {
  const own: Record<string, unknown> = {};
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(error))) {
    if (property.enumerable !== true || !("value" in property) || key === "cause") continue;
    if (error instanceof PawlError && OF_PAWL.has(key)) continue;
    if (isStorable(property.value)) Object.defineProperty(own, key, { value: property.value, enumerable: true });
  }
  return own;
}

function isStorable(value: unknown): boolean {
  try {
    encode(value);
    return true;
  } catch (error) {
    if (error instanceof ValueError) return false;
    throw error;
  }
}

function build(name: string, message: string, stack: string | undefined, fields: Fields): Error {
  const cause = fields.cause;
  const chained = cause === undefined ? {} : { cause: build(cause.name, cause.message, cause.stack, cause.fields) };
  const error =
    fields.pawl === undefined ? plainError(name, message, chained) : ofPawl(name, message, fields.pawl, chained);
  for (const [key, value] of Object.entries(fields.own ?? {}))
    Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: true });
  if (stack !== undefined) Object.defineProperty(error, "stack", { value: stack, configurable: true, writable: true });
  return error;
}

function ofPawl(name: string, message: string, pawl: NonNullable<Fields["pawl"]>, chained: ErrorOptions): PawlError {
  const { code, retryable, outcome, data } = pawl;
  const options: PawlErrorOptions = { retryable, outcome, data, ...chained };
  return rebuildPawlError(name, code, message, options);
}

function plainError(name: string, message: string, chained: ErrorOptions): Error {
  const error = new Error(message, chained);
  if (name !== "Error") Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  return error;
}
