/**
 * Bytes to values: what `encoder.ts` writes, and what cbor-x writes by default.
 *
 * Its laws: the result is data from a closed list of types; a property is defined, never assigned through a setter;
 * a length is believed only as far as there are bytes for it; nesting takes no stack. Unknown tags, keys that occur
 * twice and whatever else is not understood are errors, never skipped.
 */
import { ValueError } from "./error.ts";
import {
  rebuildBigint,
  rebuildDate,
  rebuildDateMs,
  rebuildError,
  rebuildNamed,
  rebuildRegexp,
  rebuildTypedArray,
  rebuildUrl,
} from "./rebuild.ts";
import { roomy } from "./roomy.ts";
import * as tag from "./tags.ts";
import { endOf, Unread, UnreadPage } from "./unread.ts";
import { bufferOver, decodeWtf8 } from "./wtf8.ts";

/** The deepest nesting that is read. */
const MAX_DEPTH = 10_000;
const BREAK = 0xff;
const UNDEFINED = 0xf7;
const INDEFINITE = 31;
/** The longest byte string that is taken for a number. */
const MAX_BIGINT_BYTES = 1 << 27;

/** In place of a value: a container has been opened, and its contents come next. */
const OPENED: unique symbol = Symbol("opened");
/** In place of a value: the array has no element here. */
const HOLE: unique symbol = Symbol("hole");

const LIST = 0;
const OBJECT = 1;
const MAP = 2;
const SET = 3;

/** A container whose contents are being read. Frames are kept and used again. */
class Frame {
  kind: typeof LIST | typeof OBJECT | typeof MAP | typeof SET = LIST;
  holder: unknown = undefined;
  /** How many items are still to come; negative when a break will tell. A Map's entry is two items, a property one. */
  left = 0;
  /** The key of the value to come, if it has been read. */
  key: unknown = undefined;
  hasKey = false;
  /** What a list is to be made into. */
  tag = 0;
  /** Where it starts. */
  start = 0;
}

/** Where the bytes of a float become a number: cheaper than a view of every input. */
const NUMBER = new DataView(new ArrayBuffer(8));
const DOUBLE = new Float64Array(1);
const DOUBLE_BYTES = new Uint8Array(DOUBLE.buffer);
/** Flips the offset of a byte to this machine's order. */
const FLIP = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 7 : 0;

/** Keys met before, by a cheap hash: most keys are met again and again, and comparing is faster than making a string. */
const KEYS: (string | undefined)[] = new Array<undefined>(4096).fill(undefined);
const LONGEST_KEPT_KEY = 32;
/** Of values, the short ones come again and again: names of states, kinds, flags. `JSON.parse` has the same limit. */
const LONGEST_KEPT_TEXT = 10;

/** A container is long, and small ones in it are left unread, too, if it takes so many times what large ones do. */
const LONG = 4;

/** Reads one value at a time. */
export class Decoder {
  /** After `decode`: the offset of the byte behind the value. */
  offset = 0;
  private bytes: Uint8Array = new Uint8Array(0);
  private end = 0;
  private depth = 0;
  /** Containers of so many bytes are left unread, unless they are within what ends at `eagerUntil`. */
  private leaveFrom = Infinity;
  private eagerUntil = 0;
  /** Whether the outermost value takes so many bytes that what is in it is left in pages. */
  private isLong = false;
  private page: UnreadPage | undefined;
  /** How many items were to come behind the last one of that page. */
  private pageLeft = 0;
  private readonly frames: Frame[] = [];

  /**
   * The value that starts at `offset` and ends before or at `end`. Containers in it that take `leaveFrom` bytes or more and are
   * values of properties, elements, or values of Maps are left as `Unread`; if the value is long, smaller ones
   * as `UnreadPage`.
   */
  decode(bytes: Uint8Array, offset: number, end: number, leaveFrom: number = Infinity): unknown {
    this.leaveFrom = leaveFrom;
    this.eagerUntil = 0;
    this.isLong = leaveFrom !== Infinity && end - offset >= LONG * leaveFrom;
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
    try {
      return this.value();
    } finally {
      this.release();
    }
  }

  private value(): unknown {
    for (;;) {
      let value = this.item();
      while (value !== OPENED) {
        if (this.depth === 0) return value;
        const frame = this.frames[this.depth - 1] as Frame;
        this.put(frame, value);
        if (this.advance(frame)) break;
        value = this.close(frame);
      }
    }
  }

  private release(): void {
    for (; this.depth > 0; this.depth--) this.empty(this.frames[this.depth - 1] as Frame);
    this.bytes = NOTHING;
    this.page = undefined;
  }

  private empty(frame: Frame): void {
    frame.holder = undefined;
    frame.key = undefined;
    frame.hasKey = false;
  }

  // Items

  private item(): unknown {
    const start = this.offset;
    const first = this.u8();
    if (first < 24) return first;
    const info = first & 31;
    switch (first >> 5) {
      case 0:
        return info === 27 ? this.u64() : this.argument(info);
      case 1:
        return info === 27 ? ~this.u64() : -1 - this.argument(info);
      case 2:
        return this.ownBuffer(this.byteString(info));
      case 3:
        return this.text(info);
      case 4:
        return this.open(LIST, [], this.count(info, 1), 0, start);
      case 5:
        return this.openObject(this.count(info, 2), start);
      case 6:
        return this.tagged(this.argument(info), start);
      default:
        return this.simple(info, start);
    }
  }

  private simple(info: number, start: number): unknown {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 23:
        return undefined;
      case 25:
        return halfFloat(this.u16());
      case 26:
        NUMBER.setUint32(0, this.u32());
        return sameNaN(NUMBER.getFloat32(0));
      case 27:
        return this.f64();
      default:
        throw corrupt(info === INDEFINITE ? "a break outside of any container" : "an unknown simple value", start);
    }
  }

  private carried(start: number): unknown {
    if (this.u8() !== 0x82 || typeof this.item() !== "string") throw corrupt("a trace that is none", start);
    return this.item();
  }

  private tagged(number: number, start: number): unknown {
    switch (number) {
      case tag.TAG_MAP:
        return this.open(MAP, new Map(), this.countOf(5, 2) * 2, 0, start);
      case tag.TAG_SET:
        return this.open(SET, new Set(), this.countOf(4, 1), 0, start);
      case tag.TAG_CARRIED:
        return this.carried(start);
      case tag.TAG_NULL_PROTOTYPE:
        return this.open(OBJECT, Object.create(null), this.countOf(5, 2), 0, start);
      case tag.TAG_ERROR:
      case tag.TAG_NAMED:
      case tag.TAG_REGEXP:
        return this.open(LIST, [], this.countOf(4, 1), number, start);
      case tag.TAG_HOLE:
        return this.hole(start);
      default:
        return this.taggedLeaf(number, start);
    }
  }

  private taggedLeaf(number: number, start: number): unknown {
    switch (number) {
      case tag.TAG_DATE:
        return rebuildDate(this.number());
      case tag.TAG_DATE_MS:
        return rebuildDateMs(this.number());
      case tag.TAG_BIG_POSITIVE:
      case tag.TAG_BIG_NEGATIVE:
        return this.bigint(number === tag.TAG_BIG_NEGATIVE, start);
      case tag.TAG_WTF8:
        return this.wtf8();
      case tag.TAG_URL:
        return rebuildUrl(this.text(this.infoOf(3))) ?? fail("an address that is no URL", start);
      case tag.TAG_ARRAY_BUFFER:
        return this.byteString(this.infoOf(2)).buffer;
    }
    const typedArray = tag.TYPED_ARRAY_TAGS.get(number);
    if (typedArray === undefined) throw corrupt(`the unknown tag ${number}`, start);
    return rebuildTypedArray(this.byteString(this.infoOf(2)), typedArray) ?? fail("a part of an element", start);
  }

  private hole(start: number): typeof HOLE {
    const frame = this.frames[this.depth - 1];
    const allowed = this.depth > 0 && frame?.kind === LIST && (frame.tag === 0 || frame.tag === tag.TAG_ERROR);
    if (!allowed || this.u8() !== UNDEFINED) throw corrupt("a hole outside of an array", start);
    return HOLE;
  }

  private number(): number {
    const start = this.offset;
    const first = this.u8();
    const info = first & 31;
    const major = first >> 5;
    if (major === 0 && info < 27) return this.argument(info);
    if (major === 1 && info < 27) return -1 - this.argument(info);
    const value = major === 7 && info >= 25 && info <= 27 ? this.simple(info, start) : undefined;
    return typeof value === "number" ? value : fail("a date that is no number", start);
  }

  private bigint(negative: boolean, start: number): bigint {
    const magnitude = this.byteString(this.infoOf(2));
    if (magnitude.length > MAX_BIGINT_BYTES) throw corrupt("a number of too many digits", start);
    return rebuildBigint(bufferOver(magnitude), negative);
  }

  private wtf8(): string {
    const at = this.take(this.size(this.infoOf(2)));
    return decodeWtf8(this.bytes, at, this.offset);
  }

  // Containers

  private open(kind: Frame["kind"], holder: unknown, left: number, number: number, start: number): unknown {
    if (this.leaveFrom !== Infinity && this.depth > 0 && start >= this.eagerUntil) {
      const left = this.leave(number, start);
      if (left !== undefined) return left;
    }
    if (this.depth === MAX_DEPTH) throw corrupt(`nesting deeper than ${MAX_DEPTH} levels`, start);
    if (this.depth === this.frames.length) this.frames.push(new Frame());
    const frame = this.frames[this.depth++] as Frame;
    frame.kind = kind;
    frame.holder = holder;
    frame.left = left;
    frame.tag = number;
    frame.start = start;
    return this.advance(frame) ? OPENED : this.close(frame);
  }

  /** Goes past a container that is to be left unread, and returns what stands for it; without, it is read with all that is in it. */
  private leave(number: number, start: number): Unread | UnreadPage | undefined {
    const end = endOf(this.bytes, start, this.end);
    const frame = this.frames[this.depth - 1] as Frame;
    const isSlot = frame.kind === MAP ? frame.hasKey : frame.kind !== SET && frame.tag === 0;
    if (isSlot && number === 0 && end > 0) {
      const isLarge = end - start >= this.leaveFrom;
      if (isLarge || (this.isLong && this.depth === 1 && frame.left >= 0 && !isObject(frame.key))) {
        this.offset = end;
        return isLarge ? new Unread(this.bytes, start, end, this.leaveFrom) : this.pageOf(frame, start, end);
      }
    }
    this.eagerUntil = end < 0 ? this.end : end;
    return undefined;
  }

  /** The page of a value of `frame`: that of the one right before it, as long as there is room. */
  private pageOf(frame: Frame, start: number, end: number): UnreadPage {
    const isList = frame.kind === LIST;
    const isNext = this.pageLeft - frame.left === (frame.kind === MAP ? 2 : 1);
    this.pageLeft = frame.left;
    if (this.page !== undefined && isNext && end - this.page.start <= this.leaveFrom) {
      this.page.end = end;
      this.page.count += 1;
    } else {
      const first = isList ? (frame.holder as unknown[]).length : frame.key;
      this.page = new UnreadPage(this.bytes, start, end, first, isList);
    }
    return this.page;
  }

  private openObject(properties: number, start: number): unknown {
    return this.open(OBJECT, roomy(properties), properties, 0, start);
  }

  /** Whether `frame` has one more item, which then is next, behind its key. */
  private advance(frame: Frame): boolean {
    if (frame.left === 0) return false;
    if (frame.left > 0) {
      frame.left -= 1;
    } else if (this.peek() === BREAK) {
      if (frame.hasKey) throw corrupt("a key without a value", this.offset);
      this.offset += 1;
      return false;
    }
    if (frame.kind === OBJECT) frame.key = this.key();
    return true;
  }

  private put(frame: Frame, value: unknown): void {
    switch (frame.kind) {
      case OBJECT:
        this.putProperty(frame.holder as Record<string, unknown>, frame.key as string, value);
        break;
      case LIST:
        if (value === HOLE) (frame.holder as unknown[]).length += 1;
        else (frame.holder as unknown[]).push(value);
        break;
      case SET:
        this.putElement(frame.holder as Set<unknown>, value);
        break;
      case MAP:
        this.putEntry(frame, value);
    }
  }

  private putProperty(holder: Record<string, unknown>, key: string, value: unknown): void {
    if (key in holder) {
      if (Object.hasOwn(holder, key)) throw corrupt("a key that occurs twice", this.offset);
      Object.defineProperty(holder, key, { value, enumerable: true, writable: true, configurable: true });
    } else {
      holder[key] = value;
    }
  }

  private putElement(set: Set<unknown>, value: unknown): void {
    const { size } = set;
    if (set.add(value).size === size) throw corrupt("an element of a Set that occurs twice", this.offset);
  }

  private putEntry(frame: Frame, value: unknown): void {
    if (frame.hasKey) {
      const map = frame.holder as Map<unknown, unknown>;
      const { size } = map;
      if (map.set(frame.key, value).size === size) throw corrupt("a key that occurs twice", this.offset);
      frame.key = undefined;
    } else {
      frame.key = value;
    }
    frame.hasKey = !frame.hasKey;
  }

  private close(frame: Frame): unknown {
    const { holder } = frame;
    this.depth -= 1;
    this.empty(frame);
    if (frame.tag !== 0) return this.rebuilt(holder as unknown[], frame.tag, frame.start);
    return frame.kind === LIST ? (holder as unknown[]).slice() : holder; // without the room that `push` made for more
  }

  private rebuilt(fields: unknown[], number: number, start: number): unknown {
    switch (number) {
      case tag.TAG_ERROR:
        return rebuildError(fields) ?? fail("an error of an unknown form", start);
      case tag.TAG_NAMED:
        return rebuildNamed(fields) ?? fail("a named object of an unknown form", start);
      default:
        return (
          (fields.length === 3 ? rebuildRegexp(...(fields as [unknown, unknown, unknown])) : undefined) ??
          fail("a bad RegExp", start)
        );
    }
  }

  // Text and bytes

  private key(): string {
    const start = this.offset;
    const first = this.u8();
    const info = first & 31;
    if (first >> 5 === 3) return info === INDEFINITE ? this.text(info) : this.definiteKey(this.size(info));
    if (first >> 5 === 6 && this.argument(info) === tag.TAG_WTF8) return this.wtf8();
    throw corrupt("a key that is no text", start);
  }

  private definiteKey(size: number): string {
    return this.known(size, LONGEST_KEPT_KEY);
  }

  /** The string of the next `size` bytes. If they are no more than `longest`, one that was met before, if it still is there. */
  private known(size: number, longest: number): string {
    const start = this.take(size);
    const { bytes } = this;
    if (size === 0 || size > longest) return decodeWtf8(bytes, start, this.offset);
    const ends = (bytes[start] as number) * 31 + (bytes[this.offset - 1] as number) * 1021;
    const inner = (bytes[start + (size >> 1)] as number) * 131 + (bytes[this.offset - 2] as number) * 67;
    const slot = (ends + inner + size * 13) & (KEYS.length - 1);
    const known = KEYS[slot];
    if (known !== undefined && known.length === size && isAscii(known, bytes, start)) return known;
    const text = decodeWtf8(bytes, start, this.offset);
    if (text.length === size) KEYS[slot] = text; // as many characters as bytes: ASCII
    return text;
  }

  private text(info: number): string {
    if (info === INDEFINITE) return this.chunks(3, (size) => this.definiteText(size)).join("");
    return this.definiteText(this.size(info));
  }

  private definiteText(size: number): string {
    return this.known(size, LONGEST_KEPT_TEXT);
  }

  /** A copy of a byte string, alone in its memory. */
  private byteString(info: number): Uint8Array<ArrayBuffer> {
    if (info === INDEFINITE) return concat(this.chunks(2, (size) => this.definiteBytes(size)));
    return this.definiteBytes(this.size(info));
  }

  private definiteBytes(size: number): Uint8Array<ArrayBuffer> {
    const start = this.take(size);
    const copy = new Uint8Array(size);
    copy.set(this.bytes.subarray(start, this.offset));
    return copy;
  }

  private ownBuffer(bytes: Uint8Array<ArrayBuffer>): Buffer {
    return Buffer.from(bytes.buffer);
  }

  private chunks<T>(major: number, read: (size: number) => T): T[] {
    const chunks: T[] = [];
    while (this.peek() !== BREAK) chunks.push(read(this.size(this.infoOf(major))));
    this.offset += 1;
    return chunks;
  }

  // Heads

  /** The low bits of the next head, which must be of that major type. */
  private infoOf(major: number): number {
    const start = this.offset;
    const first = this.u8();
    return first >> 5 === major ? first & 31 : fail("contents that do not fit their tag", start);
  }

  private countOf(major: number, itemBytes: number): number {
    return this.count(this.infoOf(major), itemBytes);
  }

  /** How many items a container holds, negative if a break will tell: never more than there are bytes for. */
  private count(info: number, itemBytes: number): number {
    if (info === INDEFINITE) return -1;
    const start = this.offset;
    const count = this.argument(info);
    if (count * itemBytes > this.end - this.offset) throw corrupt("more items than there are bytes", start);
    return count;
  }

  private size(info: number): number {
    const start = this.offset;
    const size = this.argument(info);
    if (size > this.end - this.offset) throw corrupt("more text or bytes than there are", start);
    return size;
  }

  private argument(info: number): number {
    if (info < 24) return info;
    switch (info) {
      case 24:
        return this.u8();
      case 25:
        return this.u16();
      case 26:
        return this.u32();
      case 27:
        return this.u32() * 0x1_0000_0000 + this.u32();
      default:
        return fail("a head that means nothing", this.offset - 1);
    }
  }

  // Bytes of the input

  private peek(): number {
    if (this.offset >= this.end) throw corrupt("the end of the data within a value", this.end);
    return this.bytes[this.offset] as number;
  }

  private u8(): number {
    const byte = this.peek();
    this.offset += 1;
    return byte;
  }

  private u16(): number {
    const at = this.take(2);
    return ((this.bytes[at] as number) << 8) | (this.bytes[at + 1] as number);
  }

  private u32(): number {
    const at = this.take(4);
    const { bytes } = this;
    const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    return ((high << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
  }

  private u64(): bigint {
    NUMBER.setUint32(0, this.u32());
    NUMBER.setUint32(4, this.u32());
    return NUMBER.getBigUint64(0);
  }

  private f64(): number {
    const at = this.take(8);
    const { bytes } = this;
    for (let i = 0; i < 8; i++) DOUBLE_BYTES[i ^ FLIP] = bytes[at + i] as number;
    return sameNaN(DOUBLE[0] as number);
  }

  private take(count: number): number {
    const at = this.offset;
    if (count > this.end - at) throw corrupt("the end of the data within a value", this.end);
    this.offset = at + count;
    return at;
  }
}

const NOTHING = new Uint8Array(0);

function isAscii(text: string, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

function concat(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function halfFloat(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (fraction + 1024) * 2 ** (exponent - 25));
}

/** There is one NaN: what other bits one holds would come out again through a Float64Array. */
function sameNaN(value: number): number {
  return Number.isNaN(value) ? Number.NaN : value;
}

function corrupt(found: string, offset: number): ValueError {
  return new ValueError("record_corrupt", { found, offset });
}

function fail(found: string, offset: number): never {
  throw corrupt(found, offset);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
