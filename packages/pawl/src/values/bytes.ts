/**
 * Growing output and checked input of bytes: what values, deltas and messages are packed with.
 *
 * Owns space and offsets, not meaning. Its one law: a writer's memory moves when it grows, so that `memory` must be
 * read again after every `reserve`; a reader never reads past its end, and never hands out memory it was given
 * unless the method says so.
 */
import { ValueError } from "./error.ts";

const INITIAL_CAPACITY = 1024;
/** Bytes. */
const SHORT_COPY = 40;

/** Appends bytes. Multi-byte numbers are big-endian, as in CBOR; `varint` is unsigned LEB128. */
export class ByteWriter {
  /** What has been written is `memory[0 .. length)`. Write past `length` only after `reserve`. */
  memory: Buffer;
  length = 0;
  private view: DataView;

  constructor(capacity: number = INITIAL_CAPACITY) {
    this.memory = Buffer.allocUnsafeSlow(Math.max(capacity, 16));
    this.view = viewOf(this.memory);
  }

  /** Makes room for `count` more bytes. The contents of that room are undefined until written. */
  reserve(count: number): void {
    if (this.length + count > this.memory.length) this.grow(count);
  }

  u8(byte: number): void {
    this.reserve(1);
    this.memory[this.length++] = byte;
  }

  u16(value: number): void {
    this.reserve(2);
    this.memory[this.length++] = value >>> 8;
    this.memory[this.length++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value);
    this.length += 4;
  }

  u64(value: bigint): void {
    this.reserve(8);
    this.view.setBigUint64(this.length, value);
    this.length += 8;
  }

  f64(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.length, value);
    this.length += 8;
  }

  /** `value` is an integer from 0 to 2^53-1: one byte below 128, at most eight. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`a varint cannot hold ${value}`);
    this.reserve(8);
    let rest = value;
    while (rest > 0x7fffffff) {
      this.memory[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.memory[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.memory[this.length++] = rest;
  }

  bytes(source: Uint8Array): void {
    const { length } = source;
    this.reserve(length);
    // A call of `set` takes as long as copying so many bytes one by one.
    if (length > SHORT_COPY) this.memory.set(source, this.length);
    else for (let i = 0; i < length; i++) this.memory[this.length + i] = source[i] as number;
    this.length += length;
  }

  /** Appends a second copy of what is already written at `start .. end`. */
  repeat(start: number, end: number): void {
    this.reserve(end - start);
    this.memory.copyWithin(this.length, start, end);
    this.length += end - start;
  }

  /** Puts the varint length of everything written since `start` in front of it. */
  prefixLength(start: number): void {
    const end = this.length;
    const size = end - start;
    const width = varintWidth(size);
    this.reserve(8); // now, for a writer that grows keeps only what is before its length
    this.memory.copyWithin(start + width, start, end);
    this.length = start;
    this.varint(size);
    this.length = end + width;
  }

  /** A copy of what has been written since `start`. */
  copy(start: number = 0): Uint8Array {
    const result = new Uint8Array(this.length - start);
    result.set(this.memory.subarray(start, this.length));
    return result;
  }

  /** What has been written, without a copy: valid until the next write. */
  written(): Uint8Array {
    return this.memory.subarray(0, this.length);
  }

  /** Forgets what was written and keeps the memory. */
  clear(): void {
    this.length = 0;
  }

  private grow(count: number): void {
    const memory = Buffer.allocUnsafeSlow(Math.max(this.memory.length * 2, this.length + count));
    this.memory.copy(memory, 0, 0, this.length);
    this.memory = memory;
    this.view = viewOf(memory);
  }
}

/** How many bytes `varint` takes for `value`. */
export function varintWidth(value: number): number {
  let width = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) width += 1;
  return width;
}

/** Takes bytes from the front of `source`; every method throws `record_corrupt` rather than read past `end`. */
export class ByteReader {
  readonly source: Uint8Array;
  readonly end: number;
  /** The next byte to be read. */
  offset: number;

  constructor(source: Uint8Array, offset: number = 0, end: number = source.length) {
    if (!(offset >= 0 && offset <= end && end <= source.length))
      throw new RangeError(`no bytes ${offset}..${end} of ${source.length}`);
    this.source = source;
    this.offset = offset;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  u8(): number {
    return this.source[this.take(1)] as number;
  }

  u16(): number {
    const at = this.take(2);
    return ((this.source[at] as number) << 8) | (this.source[at + 1] as number);
  }

  u32(): number {
    return viewOf(this.source).getUint32(this.take(4));
  }

  u64(): bigint {
    return viewOf(this.source).getBigUint64(this.take(8));
  }

  f64(): number {
    return viewOf(this.source).getFloat64(this.take(8));
  }

  varint(): number {
    const start = this.offset;
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte > 0x7f) continue;
      if (value > Number.MAX_SAFE_INTEGER) break;
      return value;
    }
    throw new ValueError("record_corrupt", { found: "a varint beyond 2^53", offset: start });
  }

  /** The next `count` bytes, copied. */
  bytes(count: number): Uint8Array {
    const result = new Uint8Array(this.checked(count));
    result.set(this.view(count));
    return result;
  }

  /** The next `count` bytes of the source itself: valid for as long as the source does not change. */
  view(count: number): Uint8Array {
    const at = this.take(count);
    return this.source.subarray(at, at + count);
  }

  /** Throws unless everything has been read. */
  finish(): void {
    if (this.offset !== this.end)
      throw new ValueError("record_corrupt", { found: `${this.remaining} bytes too many`, offset: this.offset });
  }

  private take(count: number): number {
    const at = this.offset;
    this.offset = at + this.checked(count);
    return at;
  }

  private checked(count: number): number {
    if (count >= 0 && count <= this.remaining) return count;
    throw new ValueError("record_corrupt", {
      found: `${this.remaining} bytes where ${count} were to be`,
      offset: this.end,
    });
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
