/**
 * User values as bytes and back, for hosts that know the other engine: what Pawl's codec stores exactly is stored
 * exactly; what it refuses is flattened to plain data, as the other engine does, and reported. Functions and symbols are
 * refused by both.
 */
import { decode, type EncodeOptions, encode, ValueError } from "../values/index.ts";
import { flatten } from "./flatten.ts";
import { recordError } from "./record-error.ts";

/** Tells where the first value is that does not come back as it went in, and what it is: `.price`, `an instance of class Decimal`. */
export type Flattened = (path: string, found: string) => void;

/** The host's limits are those of its rows; these only keep a mistake from taking the process down. */
const LIMITS: EncodeOptions = { maxBytes: 2 ** 30, maxDepth: 5_000 };

/** The bytes of `value`. Throws `Unknown type: function` or `Unknown type: symbol`, and {@link ValueError} for a cycle. */
export function encodeValue(value: unknown, flattened?: Flattened): Uint8Array {
  try {
    return encode(value, LIMITS);
  } catch (error) {
    if (!(error instanceof ValueError) || error.code !== "value_not_storable") throw error;
    const bytes = encode(flatten(value, error), LIMITS);
    flattened?.(error.path, error.found);
    return bytes;
  }
}

/** The value whose bytes are `bytes`; throws a record error. */
export function decodeValue(bytes: Uint8Array): unknown {
  try {
    return decode(bytes);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw recordError("record_corrupt", `found ${error.found}`, error.offset ?? 0);
  }
}
