/**
 * FoundationDB's tuple encoding, as far as keys need it: non-negative safe integers, strings and nested tuples of these.
 * Every element is self-delimiting, so a prefix of elements never matches a sibling.
 * Source: https://github.com/apple/foundationdb/blob/main/design/tuple.md
 */

export type TupleElement = number | string | readonly TupleElement[];

const STRING = 0x02;
const NESTED = 0x05;
/** An integer of n bytes starts with this plus n; zero has none. */
const INTEGER = 0x14;
const END = 0x00;
/** Follows a zero byte that does not end a string. */
const ESCAPE = 0xff;
/** 2^53 - 1 takes seven bytes. */
const WIDEST = 7;

export function packTuple(elements: readonly TupleElement[]): Uint8Array {
  const bytes: number[] = [];
  for (const element of elements) pushElement(bytes, element);
  return Uint8Array.from(bytes);
}

/** The elements of `key`; undefined if it is no such tuple in its shortest form. */
export function unpackTuple(key: Uint8Array): TupleElement[] | undefined {
  const reader = { key, offset: 0 };
  const elements: TupleElement[] = [];
  while (reader.offset < key.length) {
    const element = readElement(reader);
    if (element === undefined) return undefined;
    elements.push(element);
  }
  return elements;
}

function pushElement(bytes: number[], element: TupleElement): void {
  if (typeof element === "number") pushInteger(bytes, element);
  else if (typeof element === "string") pushString(bytes, element);
  else {
    bytes.push(NESTED);
    for (const inner of element) pushElement(bytes, inner);
    bytes.push(END);
  }
}

function pushInteger(bytes: number[], value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`found ${value} in a key, expected an integer from 0 to 2^53-1`);
  }
  const digits: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  bytes.push(INTEGER + digits.length, ...digits);
}

function pushString(bytes: number[], text: string): void {
  bytes.push(STRING);
  for (const byte of new TextEncoder().encode(text)) {
    bytes.push(byte);
    if (byte === END) bytes.push(ESCAPE);
  }
  bytes.push(END);
}

interface TupleReader {
  readonly key: Uint8Array;
  offset: number;
}

function readElement(reader: TupleReader): TupleElement | undefined {
  const kind = reader.key[reader.offset++];
  if (kind === undefined) return undefined;
  if (kind === STRING) return readString(reader);
  if (kind === NESTED) return readNested(reader);
  return kind >= INTEGER && kind <= INTEGER + WIDEST ? readInteger(reader, kind - INTEGER) : undefined;
}

function readInteger(reader: TupleReader, width: number): number | undefined {
  if (reader.offset + width > reader.key.length) return undefined;
  if (width > 0 && reader.key[reader.offset] === 0) return undefined; // not the shortest form
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (reader.key[reader.offset++] ?? 0);
  return Number.isSafeInteger(value) ? value : undefined;
}

function readString(reader: TupleReader): string | undefined {
  const bytes: number[] = [];
  for (;;) {
    const byte = reader.key[reader.offset++];
    if (byte === undefined) return undefined;
    if (byte === END) {
      if (reader.key[reader.offset] !== ESCAPE) break;
      reader.offset++;
    }
    bytes.push(byte);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

function readNested(reader: TupleReader): TupleElement[] | undefined {
  const elements: TupleElement[] = [];
  while (reader.key[reader.offset] !== END) {
    const element = readElement(reader);
    if (element === undefined) return undefined;
    elements.push(element);
  }
  reader.offset++;
  return elements;
}
