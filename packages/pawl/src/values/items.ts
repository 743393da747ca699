/**
 * The items that CBOR (RFC 8949) is made of, in the forms that cbor-x chooses: heads, numbers, text, bytes. Knows how
 * much may be written, and throws `value_too_large` before it writes more.
 */
import { ByteWriter } from "./bytes.ts";
import { ValueError } from "./error.ts";
import { TAG_BIG_NEGATIVE, TAG_BIG_POSITIVE, TAG_HOLE, TAG_WTF8 } from "./tags.ts";
import { isWellFormed, writeWtf8, wtf8Length } from "./wtf8.ts";

export const FALSE = 0xf4;
export const TRUE = 0xf5;
export const NULL = 0xf6;
export const UNDEFINED = 0xf7;
const MAP_16 = 0xb9;
const MAP_32 = 0xba;
const FLOAT64 = 0xfb;
const POSITIVE = 0x00;
const NEGATIVE = 0x20;
const BYTES = 0x40;
const TEXT = 0x60;
export const ARRAY = 0x80;
export const MAP = 0xa0;
export const TAG = 0xc0;

/** Where cbor-x goes over to bignums; of a negative number, -1-n. */
const MOST_POSITIVE_64 = 2n ** 64n - 1n;
const MOST_NEGATIVE_64 = 2n ** 64n - 2n;
/** Text up to this length is written by a loop if it is ASCII. */
const SHORT_TEXT = 40;

export class ItemWriter {
  protected out: ByteWriter = new ByteWriter(16);
  private limit = 0;
  private maxBytes = 0;

  /** Everything from here on goes to `out`, and takes at most `maxBytes`. */
  protected begin(out: ByteWriter, maxBytes: number): void {
    this.out = out;
    this.limit = out.length + maxBytes;
    this.maxBytes = maxBytes;
  }

  protected number(value: number): void {
    if (value >>> 0 === value && (value !== 0 || 1 / value > 0)) this.head(POSITIVE, value);
    else if ((value | 0) === value && value !== 0) this.head(NEGATIVE, ~value);
    else this.float(value);
  }

  protected float(value: number): void {
    this.out.u8(FLOAT64);
    this.out.f64(Number.isNaN(value) ? Number.NaN : value);
  }

  /** A number below 2^32 in four bytes, though it may fit fewer. */
  protected wideInteger(value: number): void {
    this.out.u8(POSITIVE | 26);
    this.out.u32(value);
  }

  /** Eight bytes while cbor-x uses eight, however small: that is how a bigint stays a bigint. */
  protected bigint(value: bigint): void {
    const negative = value < 0n;
    const magnitude = negative ? ~value : value;
    if (magnitude <= (negative ? MOST_NEGATIVE_64 : MOST_POSITIVE_64)) {
      this.out.u8(negative ? 0x3b : 0x1b);
      this.out.u64(magnitude);
    } else {
      if (magnitude >> BigInt(this.room() * 8) !== 0n) throw this.tooLarge(); // before its digits are made
      const digits = magnitude.toString(16);
      this.head(TAG, negative ? TAG_BIG_NEGATIVE : TAG_BIG_POSITIVE);
      this.bytes(Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex"));
    }
  }

  protected text(text: string): void {
    if (text.length > SHORT_TEXT || !this.shortAscii(text)) this.longText(text);
  }

  private shortAscii(text: string): boolean {
    const { length } = text;
    const { out } = this;
    out.reserve(length + 2);
    const { memory, length: start } = out;
    const from = length < 24 ? start + 1 : start + 2;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return false;
      memory[from + i] = unit;
    }
    memory[start] = length < 24 ? TEXT | length : 0x78;
    if (length >= 24) memory[start + 1] = length;
    out.length = from + length;
    return true;
  }

  private longText(text: string): void {
    this.checkRoom(text.length);
    if (isWellFormed(text)) {
      this.head(TEXT, wtf8Length(text));
      writeWtf8(this.out, text);
    } else {
      this.exactText(text);
    }
  }

  /** Text that a text string cannot hold without a reader changing it. */
  protected exactText(text: string): void {
    this.head(TAG, TAG_WTF8);
    this.head(BYTES, wtf8Length(text));
    writeWtf8(this.out, text);
  }

  protected key(key: string): void {
    if (key === "__proto__") this.exactText(key);
    else this.text(key);
  }

  protected bytes(bytes: Uint8Array): void {
    this.checkRoom(bytes.length);
    this.head(BYTES, bytes.length);
    this.out.bytes(bytes);
  }

  /** The head of an item: what it is, and a number below 2^32 in its shortest form. */
  protected head(major: number, argument: number): void {
    const { out } = this;
    out.reserve(5);
    if (argument < 24) {
      out.memory[out.length++] = major | argument;
    } else if (argument < 0x100) {
      out.memory[out.length++] = major | 24;
      out.memory[out.length++] = argument;
    } else if (argument < 0x10000) {
      out.memory[out.length++] = major | 25;
      out.u16(argument);
    } else {
      out.memory[out.length++] = major | 26;
      out.u32(argument);
    }
  }

  protected mapHead(size: number): void {
    this.checkRoom(size * 2);
    if (size > 0xffff) {
      this.out.u8(MAP_32);
      this.out.u32(size);
    } else {
      this.out.u8(MAP_16);
      this.out.u16(size);
    }
  }

  protected hole(): void {
    this.head(TAG, TAG_HOLE);
    this.out.u8(UNDEFINED);
  }

  protected checkSize(): void {
    if (this.out.length > this.limit) throw this.tooLarge();
  }

  protected checkRoom(count: number): void {
    if (count > this.room()) throw this.tooLarge();
  }

  private room(): number {
    return Math.max(0, this.limit - this.out.length);
  }

  private tooLarge(): ValueError {
    return new ValueError("value_too_large", { found: `more than ${this.maxBytes} bytes` });
  }
}
