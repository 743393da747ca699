/**
 * The trace that a value belongs to, carried before its bytes: `tag 20568 [traceparent, value]` in CBOR, where the text is a
 * traceparent of W3C Trace Context (<https://www.w3.org/TR/trace-context>), a space and a tracestate if there is one. Whoever decodes
 * it gets the value.
 */
import { TAG_CARRIED } from "../values/tags.ts";

const HEAD = Uint8Array.of(0xd9, TAG_CARRIED >> 8, TAG_CARRIED & 0xff, 0x82);
const UNDEFINED = Uint8Array.of(0xf7);
/** A text of so many bytes has its length in one byte. */
const TEXT_8 = 0x78;
const LONGEST = 255;

/** The same value, with the trace that it belongs to. No bytes stand for `undefined`. */
export function carried(value: Uint8Array | undefined, trace: string): Uint8Array {
  const bytes = value === undefined || value.length === 0 ? UNDEFINED : value;
  const text = Buffer.from(trace, "latin1");
  if (text.length > LONGEST) return bytes;
  const length = Uint8Array.of(TEXT_8, text.length);
  return Buffer.concat([HEAD, length, text, bytes]);
}

/** The trace that a value belongs to, if it says so. */
export function traceOf(value: Uint8Array | undefined): string | undefined {
  if (value === undefined || value.length < HEAD.length + 2) return undefined;
  if (HEAD.some((byte, at) => value[at] !== byte) || value[HEAD.length] !== TEXT_8) return undefined;
  const [begin, length] = [HEAD.length + 2, value[HEAD.length + 1] ?? 0];
  return Buffer.from(value.subarray(begin, begin + length)).toString("latin1");
}

/** The same of a value somewhere in other bytes, such as the body in the record of a message. */
export function traceIn(record: Uint8Array): string | undefined {
  const at = Buffer.from(record.buffer, record.byteOffset, record.length).indexOf(HEAD);
  return at < 0 ? undefined : traceOf(record.subarray(at));
}
