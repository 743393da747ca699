/** Decoding, as the rest of Pawl calls it. */
import { ByteReader } from "./bytes.ts";
import { Decoder } from "./decoder.ts";
import type { Unread } from "./unread.ts";

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

/** As {@link decode}, but containers within it that take `leaveFrom` bytes or more are left as {@link Unread}. */
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

/** The value at the front of `reader`, which is moved past it. Throws as {@link decode}, and then leaves `reader` there. */
export function decodeAt(reader: ByteReader): unknown {
  const value = decoder.decode(reader.source, reader.offset, reader.end);
  reader.offset = decoder.offset;
  return value;
}
