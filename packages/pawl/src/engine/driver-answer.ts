/** What a driver answers, checked before it goes on: one driver that answers nonsense must not harm the runs on others. */
import { inspect } from "node:util";
import { PawlError } from "../errors.ts";
import type { KVEntry } from "./types.ts";

/** The rows of a list. Throws `driver_answer`. */
export function rowsFrom(method: string, answer: unknown): KVEntry[] {
  const rows = listFrom(method, answer as readonly unknown[]);
  for (const row of rows) {
    if (typeof row !== "object" || row === null) throw badAnswer(method, row, "{ key, value } for each row");
    const { key, value } = row as Partial<Readonly<Record<"key" | "value", unknown>>>;
    bytesFrom(method, key);
    bytesFrom(method, value);
  }
  return rows as KVEntry[];
}

/** A single row; null if there is none. Throws `driver_answer`. */
export function rowFrom(method: string, value: unknown): Uint8Array | null {
  return value === null || value === undefined ? null : bytesFrom(method, value);
}

/** The bytes of a key or value. Throws `driver_answer`. */
export function bytesFrom(method: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw badAnswer(method, value, "a Uint8Array for each key and value");
}

/** Throws `driver_answer`. */
export function listFrom<T>(method: string, answer: readonly T[]): T[] {
  if (Array.isArray(answer)) return answer;
  throw badAnswer(method, answer, "an array");
}

export function badAnswer(method: string, found: unknown, expected: string): PawlError {
  const shown = inspect(found, { depth: 1, breakLength: Number.POSITIVE_INFINITY });
  const message = `the driver's ${method} gave what no run can use; nothing was written.\n  found     ${shown}\n  expected  ${expected}\n  do        correct the driver, and run the workflow again`;
  return new PawlError("driver_answer", message, { data: { method, expected } });
}
