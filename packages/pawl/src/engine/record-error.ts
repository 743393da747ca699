/** The error of everything that reads rows. */
import { PawlError } from "../errors.ts";
import { keyToHex } from "./key-bytes.ts";

/**
 * `record_truncated`: the row ends too early. `record_newer`: only newer code knows its version or kind.
 * `record_corrupt`: anything else that no engine of this format writes.
 */
export type RecordErrorCode = "record_truncated" | "record_newer" | "record_corrupt";

/** The `data` of the error. */
export interface RecordErrorData {
  /** Hex of the row's key; absent where the bytes belong to no row. */
  readonly key?: string;
  /** Of the first byte that could not be accepted. */
  readonly offset: number;
  /** What is wrong, without the place. */
  readonly problem: string;
}

const ADVICE: Readonly<Record<RecordErrorCode, string>> = {
  record_truncated: "restore the row",
  record_newer: "open it with the version that wrote it",
  record_corrupt: "restore the row",
};

/** A row, or bytes, that cannot be read. */
export function recordError(code: RecordErrorCode, problem: string, offset: number, key?: Uint8Array): PawlError {
  const row = key === undefined ? undefined : keyToHex(key);
  const place = row === undefined ? `at byte ${offset}` : `at byte ${offset} of the row with the key ${row}`;
  const data: RecordErrorData = { ...(row !== undefined && { key: row }), offset, problem };
  return new PawlError(code, `${problem} (${place}): ${ADVICE[code]}`, { data });
}

/** Runs `read`, and names the row in its record errors. */
export function inRow<T>(key: Uint8Array, read: () => T): T {
  return withFault(read, (code, { problem, offset }) => recordError(code, problem, offset, key));
}

/** Runs `read`, whose offsets count from `start` of the record. */
export function atOffset<T>(start: number, read: () => T): T {
  return withFault(read, (code, { problem, offset }) => recordError(code, problem, start + offset));
}

/** Runs `read`, and says in its record errors what was to be read. */
export function rephrase<T>(read: () => T, phrase: (problem: string) => string): T {
  return withFault(read, (code, { problem, offset }) => recordError(code, phrase(problem), offset));
}

/** Whether nothing is left to be said of where it is: it names a row, or is no record error. */
export function isPlaced(error: unknown): boolean {
  const isOfRecord = error instanceof PawlError && Object.hasOwn(ADVICE, error.code);
  return !isOfRecord || (error.data as Partial<RecordErrorData> | undefined)?.key !== undefined;
}

function withFault<T>(read: () => T, remake: (code: RecordErrorCode, data: RecordErrorData) => PawlError): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PawlError) || !Object.hasOwn(ADVICE, error.code)) throw error;
    throw remake(error.code as RecordErrorCode, error.data as RecordErrorData);
  }
}
