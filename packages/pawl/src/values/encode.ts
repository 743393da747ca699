/** Encoding, as the rest of Pawl calls it: limits, scratch memory, and who owns the result. */
import { ByteWriter } from "./bytes.ts";
import { Encoder } from "./encoder.ts";

export interface EncodeOptions {
  /** The most bytes the value may take; default 16 MiB. */
  readonly maxBytes?: number;
  /** The most containers that may be nested in one another; default 256, at most 5,000. */
  readonly maxDepth?: number;
}

export const DEFAULT_MAX_BYTES: number = 16 * 1024 * 1024;
export const DEFAULT_MAX_DEPTH = 256;

/** Bytes up to this many are handed out of shared slabs: memory of its own costs a small value more than encoding it. */
const SMALL_RESULT = 1024;
/** Up to this many are copied one by one. */
const SHORT_RESULT = 64;
const SLAB_SIZE = 16 * 1024;
/** A scratch writer that grew beyond this is not kept. */
const SCRATCH_CAPACITY = 1024 * 1024;

// Taken while in use, so that a call within a call (a user's Error.prepareStackTrace may make one) finds none.
let idleEncoder: Encoder | undefined;
let idleScratch: ByteWriter | undefined;
let slab = new Uint8Array(0);
let slabUsed = 0;

/**
 * Appends the bytes of `value` to `out`. Throws {@link ValueError} (`value_not_storable`, `value_too_large`) and then
 * leaves `out` as it was.
 */
export function encodeInto(out: ByteWriter, value: unknown, options?: EncodeOptions): void {
  const encoder = idleEncoder ?? new Encoder();
  idleEncoder = undefined;
  try {
    encoder.encode(out, value, options?.maxBytes ?? DEFAULT_MAX_BYTES, options?.maxDepth ?? DEFAULT_MAX_DEPTH);
  } finally {
    idleEncoder = encoder;
  }
}

/** The bytes of `value`, which are the caller's. Throws as {@link encodeInto}. */
export function encode(value: unknown, options?: EncodeOptions): Uint8Array {
  return withEncoded(value, options, handOut);
}

/** Calls `use` with bytes that start with the `length` bytes of `value`, and are valid only during the call. */
export function withEncoded<T>(
  value: unknown,
  options: EncodeOptions | undefined,
  use: (bytes: Uint8Array, length: number) => T,
): T {
  const scratch = idleScratch ?? new ByteWriter(SLAB_SIZE);
  idleScratch = undefined;
  scratch.clear();
  try {
    encodeInto(scratch, value, options);
    return use(scratch.memory, scratch.length);
  } finally {
    if (scratch.memory.length <= SCRATCH_CAPACITY) idleScratch = scratch;
  }
}

function handOut(bytes: Uint8Array, length: number): Uint8Array {
  if (length > SMALL_RESULT) return new Uint8Array(bytes.subarray(0, length));
  if (slabUsed + length > slab.length) {
    slab = new Uint8Array(SLAB_SIZE);
    slabUsed = 0;
  }
  const result = slab.subarray(slabUsed, slabUsed + length);
  slabUsed += length;
  if (length > SHORT_RESULT) result.set(bytes.subarray(0, length));
  else for (let i = 0; i < length; i++) result[i] = bytes[i] as number;
  return result;
}
