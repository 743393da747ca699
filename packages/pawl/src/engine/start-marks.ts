/**
 * `(9,4)`: which attempts were at work, and what is known of earlier ends in the midst of them. Its value is the version 1 (two
 * bytes), CBOR, and a CRC-32C of the key and all before it.
 */
import { afterDeath, type Marks } from "../poison/marks.ts";
import { recordError } from "./record-error.ts";
import { decodeValue, encodeValue } from "./values.ts";

export const MARKS_KEY: Uint8Array = Uint8Array.of(0x15, 0x09, 0x15, 0x04);
const VERSION = 1;
/** What marks say that are found at a start: the process that wrote them died, if anything was at work. */
export function found(marks: Marks, now: number): Marks {
  const { working, suspects, deaths } = marks;
  if (working.size === 0) return { working: new Set(), suspects, deaths };
  const [suspect, ...others] = [...working].filter((name) => suspects.has(name));
  return afterDeath(marks, now, others.length === 0 ? suspect : undefined);
}

export function encodeMarks({ working, suspects, deaths }: Marks): Uint8Array {
  const content = encodeValue({ working: [...working], suspects: [...suspects], deaths });
  const value = new Uint8Array(2 + content.length + 4);
  const view = new DataView(value.buffer);
  view.setUint16(0, VERSION, true);
  value.set(content, 2);
  view.setUint32(2 + content.length, checksum(value.subarray(0, -4)), true);
  return value;
}

/** Throws `record_newer` or `record_corrupt`, with the key and the offset. */
export function decodeMarks(value: Uint8Array): Marks {
  const end = value.length - 4;
  if (end < 2) throw recordError("record_corrupt", "found no version and checksum", 0, MARKS_KEY);
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const version = view.getUint16(0, true);
  if (version > VERSION)
    throw recordError("record_newer", `found version ${version}, expected row version 1`, 0, MARKS_KEY);
  if (view.getUint32(end, true) !== checksum(value.subarray(0, end)))
    throw recordError("record_corrupt", "found a row whose checksum does not match its bytes and key", end, MARKS_KEY);
  const content = decodeValue(value.subarray(2, end)) as Stored;
  return { working: new Set(content.working), suspects: new Map(content.suspects), deaths: content.deaths };
}

interface Stored {
  readonly working: string[];
  readonly suspects: [string, number][];
  readonly deaths: number[];
}

function checksum(value: Uint8Array): number {
  return (crc32c(value, crc32c(MARKS_KEY, 0xffff_ffff)) ^ 0xffff_ffff) >>> 0;
}

/** Castagnoli's, bit by bit: rows of marks are short. */
function crc32c(bytes: Uint8Array, seed: number): number {
  let crc = seed;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return crc;
}
