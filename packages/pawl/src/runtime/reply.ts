/**
 * Replies as they travel between processes: a byte 0 for nothing; 1 and a value; 2 and a failure. The id of a message that was
 * sent is text, and begins with a digit or the name of an actor's type.
 */
import { type FailureRecord, toError } from "../failure.ts";
import { decode, encode } from "../values/index.ts";

const NOTHING = 0;
const VALUE = 1;
const FAILURE = 2;
/** A reply may be as large as a value: what is around it is not counted. */
const ROOM = 256 << 20;

/** What resolves a call, or why it rejects. */
export type Answer = { readonly bytes: Uint8Array | undefined } | { readonly failure: FailureRecord };

export function packed(answer: Answer | undefined): Uint8Array {
  if (answer === undefined) return Uint8Array.of(NOTHING);
  if ("failure" in answer) return tagged(FAILURE, encode(answer.failure, { maxBytes: ROOM }));
  return answer.bytes === undefined ? Uint8Array.of(NOTHING) : tagged(VALUE, answer.bytes);
}

export function packedValue(value: unknown): Uint8Array {
  return packed({ bytes: value === undefined ? undefined : encode(value, { maxBytes: ROOM }) });
}

function tagged(tag: number, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length + 1);
  out[0] = tag;
  out.set(bytes, 1);
  return out;
}

/** The value, or the id of the message. Throws what the call has failed with. */
export function unpacked(reply: Uint8Array): unknown {
  switch (reply[0]) {
    case NOTHING:
      return undefined;
    case VALUE:
      return decode(reply.subarray(1));
    case FAILURE:
      throw toError(decode(reply.subarray(1)) as FailureRecord);
    default:
      return Buffer.from(reply).toString("utf8");
  }
}
