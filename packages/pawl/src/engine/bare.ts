/**
 * BARE, as far as records need it: fixed-width little-endian integers, strings and data behind a varint length, one byte
 * for an optional and for a tag. Source: https://baremessages.org (draft-devault-bare).
 */
import { ByteWriter, isWellFormed } from "../values/index.ts";
import { recordError } from "./record-error.ts";

const U32_LIMIT = 2 ** 32;
const U64_LIMIT = 2 ** 64;
const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Appends BARE items. Refuses what would not come back, and names the field. */
export class BareWriter {
  private readonly out: ByteWriter = new ByteWriter(256);

  u8(value: number): void {
    this.out.u8(value);
  }

  u16(value: number): void {
    this.littleEndian(value, 2);
  }

  u32(value: number, field: string): void {
    checkInteger(value, U32_LIMIT, field);
    this.littleEndian(value, 4);
  }

  u64(value: number, field: string): void {
    checkInteger(value, U64_LIMIT, field);
    this.littleEndian(value, 8);
  }

  /** Text that names something, and so must come back as it is. */
  str(text: string, field: string): void {
    this.data(encodeName(text, field));
  }

  /** Text for people: what UTF-8 cannot say becomes U+FFFD. */
  prose(text: string): void {
    this.data(utf8.encode(text));
  }

  data(bytes: Uint8Array): void {
    this.out.varint(bytes.length);
    this.out.bytes(bytes);
  }

  optional<T>(value: T | undefined, write: (value: T) => void): void {
    this.out.u8(value === undefined ? 0 : 1);
    if (value !== undefined) write(value);
  }

  /** The count of a list or map. */
  count(count: number): void {
    this.out.varint(count);
  }

  finish(): Uint8Array {
    return this.out.copy();
  }

  private littleEndian(value: number, width: number): void {
    let rest = value;
    for (let i = 0; i < width; i++) {
      this.out.u8(rest % 256);
      rest = Math.floor(rest / 256);
    }
  }
}

/** UTF-8 of a text that must come back as it is; `field` says what it is. */
export function encodeName(text: string, field: string): Uint8Array {
  if (isWellFormed(text)) return utf8.encode(text);
  throw new RangeError(`found ${JSON.stringify(text)} as ${field}, expected text without lone surrogates`);
}

function checkInteger(value: number, limit: number, field: string): void {
  if (Number.isInteger(value) && value >= 0 && value < limit) return;
  throw new RangeError(`found ${String(value)} as ${field}, expected an integer from 0 to 2^${Math.log2(limit)}-1`);
}

/** Takes BARE items from the front of `bytes`; every method throws a record error with the offset. */
export class BareReader {
  private readonly bytes: Uint8Array;
  /** Of the next byte. */
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  u8(): number {
    return this.littleEndian(1);
  }

  u16(): number {
    return this.littleEndian(2);
  }

  u32(): number {
    return this.littleEndian(4);
  }

  /** Beyond 2^53 the nearest double: the other engine writes such numbers for what overflowed. */
  u64(): number {
    return this.littleEndian(8);
  }

  str(): string {
    const bytes = this.data();
    try {
      return strictUtf8.decode(bytes);
    } catch {
      throw recordError("record_corrupt", "found text that is no UTF-8", this.offset - bytes.length);
    }
  }

  /** Shares memory with the source. */
  data(): Uint8Array {
    return this.view(this.varint());
  }

  optional<T>(read: () => T): T | undefined {
    return this.tag(1, "an optional") === 1 ? read() : undefined;
  }

  /** The count of a list or map, whose items take at least one byte each. */
  count(): number {
    const offset = this.offset;
    const count = this.varint();
    if (count <= this.remaining) return count;
    throw recordError("record_truncated", `found ${this.remaining} bytes, expected ${count} items`, offset);
  }

  /** One byte from 0 to `max`. */
  tag(max: number, what: string): number {
    const offset = this.offset;
    const tag = this.u8();
    if (tag <= max) return tag;
    throw recordError("record_corrupt", `found tag ${tag}, expected ${what} (0 to ${max})`, offset);
  }

  finish(): void {
    if (this.remaining === 0) return;
    throw recordError("record_corrupt", `found ${this.remaining} bytes after the end`, this.offset);
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  private view(count: number): Uint8Array {
    if (count > this.remaining) {
      throw recordError("record_truncated", `found ${this.remaining} bytes, expected ${count}`, this.offset);
    }
    const start = this.offset;
    this.offset += count;
    return this.bytes.subarray(start, this.offset);
  }

  private littleEndian(width: number): number {
    let value = 0;
    const bytes = this.view(width);
    for (let i = width - 1; i >= 0; i--) value = value * 256 + (bytes[i] ?? 0);
    return value;
  }

  /** Unsigned LEB128 in its shortest form, up to 2^53-1. */
  private varint(): number {
    const start = this.offset;
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte > 0x7f) continue;
      if ((byte === 0 && scale > 1) || !Number.isSafeInteger(value)) break;
      return value;
    }
    throw recordError("record_corrupt", "found a length that is not in its shortest form, or beyond 2^53", start);
  }
}
