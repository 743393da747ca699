/** What a driver answers, checked before it goes on: one driver that answers nonsense must not harm the runs on others. */
import { inspect } from "node:util";
import { PawlError } from "../errors.ts";

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
