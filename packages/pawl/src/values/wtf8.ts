/**
 * JavaScript strings as bytes, without loss: WTF-8 (https://wtf-8.codeberg.page). It is UTF-8 for every well-formed
 * string; a lone surrogate, which UTF-8 cannot say, takes three bytes as if it were a character.
 */
import { ByteWriter } from "./bytes.ts";
import { ValueError } from "./error.ts";

/** Below this, a loop is faster than a call into the runtime. */
const SHORT = 40;
const REPLACEMENT = "\ufffd";

interface WellFormedTest {
  isWellFormed(): boolean;
}

/** Whether every surrogate of `text` is one of a pair, so that its WTF-8 is UTF-8. */
export function isWellFormed(text: string): boolean {
  return (text as unknown as WellFormedTest).isWellFormed();
}

/** The number of bytes that `text` takes. */
export function wtf8Length(text: string): number {
  if (text.length > SHORT) return Buffer.byteLength(text, "utf8"); // counts 3 for a lone surrogate, as WTF-8 does
  let count = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) count += 1;
    else count += 2;
    if (isLead(unit) && isTrail(text.charCodeAt(i + 1))) i++; // four bytes for the two of them
  }
  return count;
}

/** Appends the bytes of `text`, without a length, and returns how many they were. */
export function writeWtf8(out: ByteWriter, text: string): number {
  if (text.length > SHORT && isWellFormed(text)) return writeNative(out, text);
  out.reserve(text.length * 3);
  const { memory, length: start } = out;
  let at = start;
  for (let i = 0; i < text.length; i++) {
    let unit = text.charCodeAt(i);
    if (unit < 0x80) {
      memory[at++] = unit;
      continue;
    }
    if (unit < 0x800) {
      memory[at++] = 0xc0 | (unit >> 6);
    } else {
      const next = isLead(unit) ? text.charCodeAt(i + 1) : 0;
      if (isTrail(next)) {
        i++;
        unit = 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00);
        memory[at++] = 0xf0 | (unit >> 18);
        memory[at++] = 0x80 | ((unit >> 12) & 0x3f);
      } else {
        memory[at++] = 0xe0 | (unit >> 12);
      }
      memory[at++] = 0x80 | ((unit >> 6) & 0x3f);
    }
    memory[at++] = 0x80 | (unit & 0x3f);
  }
  out.length = at;
  return at - start;
}

function writeNative(out: ByteWriter, text: string): number {
  out.reserve(Buffer.byteLength(text, "utf8"));
  const count = out.memory.write(text, out.length, "utf8");
  out.length += count;
  return count;
}

/** The bytes of `text`. */
export function encodeWtf8(text: string): Uint8Array {
  const out = new ByteWriter(wtf8Length(text));
  writeWtf8(out, text);
  return out.copy();
}

/**
 * The string whose WTF-8 is `bytes[start .. end)`. Throws `record_corrupt` with the offset of the first byte that is
 * wrong: anything that is not the shortest form, beyond U+10FFFF, cut short, or a surrogate pair written as two.
 */
export function decodeWtf8(bytes: Uint8Array, start: number = 0, end: number = bytes.length): string {
  const ascii = end - start <= TINY ? decodeTinyAscii(bytes, start, end) : undefined;
  if (ascii !== undefined) return ascii;
  const text = bufferOver(bytes).toString("utf8", start, end);
  // The runtime replaces what is not UTF-8; a replacement character may also be meant, so look closer.
  return text.includes(REPLACEMENT) ? decodeExactly(bytes, start, end) : text;
}

/** Up to this length the runtime makes a flat string of a concatenation, and a call into it costs more than a loop. */
const TINY = 12;

function decodeTinyAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const [a, b, c, d] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]] as [number, number, number, number];
    if ((a | b | c | d) > 0x7f) return undefined;
    text += String.fromCharCode(a, b, c, d);
  }
  for (; at < end; at++) {
    const unit = bytes[at] as number;
    if (unit > 0x7f) return undefined;
    text += String.fromCharCode(unit);
  }
  return text;
}

function decodeExactly(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let lead = false;
  for (let at = start; at < end; ) {
    const first = bytes[at] as number;
    const width = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const point = width === 1 ? first : decodePoint(bytes, at, Math.min(at + width, end), width);
    if (lead && isTrail(point)) throw malformed(at);
    lead = isLead(point);
    text += String.fromCodePoint(point);
    at += width;
  }
  return text;
}

/** The smallest number that needs 2, 3 and 4 bytes: a smaller one written so is not the shortest form. */
const FLOOR = [0, 0, 0x80, 0x800, 0x10000] as const;

function decodePoint(bytes: Uint8Array, start: number, end: number, width: 2 | 3 | 4): number {
  const first = bytes[start] as number;
  if (first < 0xc0 || first > 0xf7 || end - start < width) throw malformed(start);
  let point = first & (0x7f >> width);
  for (let at = start + 1; at < end; at++) {
    const next = bytes[at] as number;
    if ((next & 0xc0) !== 0x80) throw malformed(start);
    point = (point << 6) | (next & 0x3f);
  }
  if (point < FLOOR[width] || point > 0x10ffff) throw malformed(start);
  return point;
}

/** The same memory as a Buffer. */
export function bufferOver(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isLead(unit: number): boolean {
  return (unit & 0xfffffc00) === 0xd800;
}

function isTrail(unit: number): boolean {
  return (unit & 0xfffffc00) === 0xdc00;
}

function malformed(offset: number): ValueError {
  return new ValueError("record_corrupt", { found: "text that is not WTF-8", offset });
}
