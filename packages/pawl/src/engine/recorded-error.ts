/** Errors of recorded failures: of the class that they had, if it is one of the embedding API's. */
import { type FailureRecord, ownFieldsOf, toError } from "../failure.ts";
import { CriticalError, RollbackError } from "./errors.ts";
import type { WorkflowError } from "./types.ts";

const CLASSES: Readonly<Record<string, { readonly prototype: Error }>> = { CriticalError, RollbackError };

export function rebuild(record: FailureRecord): Error {
  const error = toError(record);
  const known = Object.hasOwn(CLASSES, record.name) ? CLASSES[record.name] : undefined;
  if (known !== undefined) Object.setPrototypeOf(error, known.prototype);
  return error;
}

/** As `String(error)` gives it. */
export function textOf({ name, message }: FailureRecord): string {
  if (name === "") return message;
  return message === "" ? name : `${name}: ${message}`;
}

/** Name, message and stack, and the scalars among the error's own fields. */
export function infoOf(record: FailureRecord): WorkflowError {
  const { name, message, stack } = record;
  const scalars = Object.entries(ownFieldsOf(record)).filter(
    ([, value]) => value === null || ["string", "number", "boolean"].includes(typeof value),
  );
  return {
    name,
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(scalars.length === 0 ? {} : { metadata: Object.fromEntries(scalars) }),
  };
}
