/**
 * Containers that are left as bytes until somebody asks for them.
 *
 * Owns how far a value reaches in its bytes. One law: what is left unread was not looked into, and shares the memory of the
 * whole: whoever reads it finds out whether it is a value.
 */

/** A container that was not read. */
export class Unread {
  readonly bytes: Uint8Array;
  readonly start: number;
  end: number;
  /** From how many bytes on containers in it are left in turn. */
  readonly leaveFrom: number;

  constructor(bytes: Uint8Array, start: number, end: number, leaveFrom: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.leaveFrom = leaveFrom;
  }
}

/**
 * Neighbours in a long container, small ones, that were not read: each of their slots holds this one object. Slots that got another
 * value since have left it.
 */
export class UnreadPage extends Unread {
  /** The slot of the first: an index, a name, or a key of a Map that is no object. */
  readonly first: unknown;
  /** Whether they are elements of an array; otherwise a key stands between each value and the next. */
  readonly isList: boolean;
  count = 1;
  /** How often one of them was read by itself. */
  looks = 0;

  constructor(bytes: Uint8Array, start: number, end: number, first: unknown, isList: boolean) {
    super(bytes, start, end, Infinity);
    this.first = first;
    this.isList = isList;
  }
}

/** Where the value at `start` ends; -1 if its length is not told beforehand, or goes beyond `end`. */
export function endOf(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  for (let left = 1; left > 0; left--) {
    if (at >= end) return -1;
    const first = bytes[at++] as number;
    if (first < 24) continue; // small numbers and short texts, as most are
    if (first >= 0x60 && first < 0x78) {
      at += first - 0x60;
      continue;
    }
    const info = first & 31;
    let argument = info;
    if (info > 27) return -1;
    if (info >= 24) {
      const width = 1 << (info - 24);
      if (at + width > end) return -1;
      argument = 0;
      for (let i = 0; i < width; i++) argument = argument * 256 + (bytes[at++] as number);
    }
    const major = first >> 5;
    if (major === 2 || major === 3) at += argument;
    else if (major === 4) left += argument;
    else if (major === 5) left += 2 * argument;
    else if (major === 6) left += 1;
  }
  return at <= end ? at : -1;
}
