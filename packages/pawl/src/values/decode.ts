/** Decoding, as the rest of Pawl calls it. */
import { ByteReader } from "./bytes.ts";
import { Decoder } from "./decoder.ts";
import { endOf, type Unread, type UnreadPage } from "./unread.ts";

const decoder = new Decoder();

/**
 * The value whose bytes are `bytes`, all of them. It shares no memory with them. Throws {@link ValueError}
 * (`record_corrupt`, with the offset) for anything that is no value, or more than one.
 */
export function decode(bytes: Uint8Array): unknown {
  return decodeFront(bytes, bytes.length);
}

/** As {@link decode}, of the first `length` bytes. */
export function decodeFront(bytes: Uint8Array, length: number): unknown {
  const value = decoder.decode(bytes, 0, length);
  if (decoder.offset !== length) new ByteReader(bytes, decoder.offset, length).finish();
  return value;
}

/**
 * As {@link decode}, but containers within it that take `leaveFrom` bytes or more are left as {@link Unread}, and the smaller ones
 * of a long container as {@link UnreadPage}.
 */
export function decodeLeaving(bytes: Uint8Array, leaveFrom: number): unknown {
  const value = decoder.decode(bytes, 0, bytes.length, leaveFrom);
  if (decoder.offset !== bytes.length) new ByteReader(bytes, decoder.offset, bytes.length).finish();
  return value;
}

/** What was left unread; in turn without what is large in it. */
export function readOn({ bytes, start, end, leaveFrom }: Unread): unknown {
  return decoder.decode(bytes, start, end, leaveFrom);
}

/** What was left unread, whole: a value of its own. */
export function readWhole({ bytes, start, end }: Unread): unknown {
  return decoder.decode(bytes, start, end);
}

/** The slots of a page with their values, each whole, in their order. */
export function readPage({ bytes, start, end, first, isList, count }: UnreadPage): [unknown, unknown][] {
  const slots: [unknown, unknown][] = [];
  let key = first;
  let at = start;
  for (;;) {
    slots.push([key, decoder.decode(bytes, at, end)]);
    if (slots.length === count) return slots;
    if (isList) {
      key = (first as number) + slots.length;
    } else {
      key = decoder.decode(bytes, decoder.offset, end);
    }
    at = decoder.offset;
  }
}

/** The value of one slot of a page, which must be in it; what stands before it is gone past, not read. */
export function readOneOf({ bytes, start, end, first, isList }: UnreadPage, slot: unknown): unknown {
  let key = first;
  let at = start;
  while (key !== slot && !Object.is(key, slot)) {
    at = endOf(bytes, at, end);
    if (isList) {
      key = (key as number) + 1;
    } else {
      key = decoder.decode(bytes, at, end);
      at = decoder.offset;
    }
  }
  return decoder.decode(bytes, at, end);
}

/** The value at the front of `reader`, which is moved past it. Throws as {@link decode}, and then leaves `reader` there. */
export function decodeAt(reader: ByteReader): unknown {
  const value = decoder.decode(reader.source, reader.offset, reader.end);
  reader.offset = decoder.offset;
  return value;
}
