/** Capture by value: what storing a value and reading it back gives, without storing it. */
import { decodeFront } from "./decode.ts";
import { type EncodeOptions, withEncoded } from "./encode.ts";

/** Whether `value` can be stored and never changes, so that no copy of it is ever needed. */
export function isImmutable(value: unknown): boolean {
  return value === null || (typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol");
}

/** A copy that shares nothing with `value`. Throws what encoding it would throw. */
export function copy(value: unknown, options?: EncodeOptions): unknown {
  return isImmutable(value) ? value : withEncoded(value, options, decodeFront);
}
