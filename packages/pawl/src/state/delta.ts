/**
 * The packed operations of one draft, in the persisted format: `delta := version op*`, `op := code path body`.
 *
 * Owns those bytes. One law: a path names places at the time of its operation, and an operation is written whole or not at all.
 */
import { ByteWriter } from "../values/bytes.ts";
import { writeWtf8, wtf8Length } from "../values/wtf8.ts";
import { encodeInto, encodeKey, encodeStored } from "./codec.ts";
import type { StateNode } from "./place.ts";

const VERSION = 1;
const SET = 1;
const DELETE = 2;
const SPLICE = 3;
const LENGTH = 4;
const PERMUTE = 5;
const ADD = 6;
const RENAME = 7;
const BYTES = 8;
const REBUILD = 9;
const END = 10;

const KEY_SEGMENT = 0;
const INDEX_SEGMENT = 1;
const ENTRY_SEGMENT = 2;
/** The rank of an entry that is added, whatever twins it has. */
const NEXT = 2 ** 32 - 1;
const INITIAL_BYTES = 256;

/** What a draft changed, as paths. */
export class Delta {
  #out: ByteWriter | undefined;
  /** The slot that the last operation set, and where that operation begins: setting it again replaces the operation. */
  #lastNode: StateNode | undefined;
  #lastKey: unknown;
  #lastStart = 0;
  /** The bytes of values that were captured and are about to be written. */
  readonly #captured = new Map<object, Uint8Array>();

  readonly maxValueBytes: number;

  constructor(maxValueBytes: number) {
    this.maxValueBytes = maxValueBytes;
  }

  /** Remembers the bytes of a captured value, so that it is encoded once. */
  captured(raw: object, bytes: Uint8Array): void {
    this.#captured.set(raw, bytes);
  }

  /** True once there is an operation. */
  get wrote(): boolean {
    return this.#out !== undefined && this.#out.length > 1;
  }

  /** A copy of the delta so far; `undefined` without operations. */
  bytes(): Uint8Array | undefined {
    return this.wrote ? this.#out?.copy() : undefined;
  }

  /** Replaces the root. What was written before it has no effect any more. */
  setRoot(raw: unknown, maxValueBytes: number = this.maxValueBytes): void {
    const fresh = new Delta(maxValueBytes);
    fresh.#op(SET, undefined, undefined, (out) => this.#value(out, raw));
    this.#out = fresh.#out;
    this.#lastNode = undefined;
    this.#captured.clear();
  }

  /** Sets one slot of a container. */
  set(node: StateNode, key: unknown, raw: unknown): void {
    if (this.#inUnit(node)) return;
    const again = node === this.#lastNode && key === this.#lastKey;
    const out = this.#begun();
    let start = out.length;
    try {
      out.u8(SET);
      writePath(out, node, key);
      this.#value(out, raw);
    } catch (error) {
      throw this.#undone(start, error, node, key);
    }
    if (again) start = moveBack(out, start, this.#lastStart);
    this.#written(node);
    this.#lastNode = node;
    this.#lastKey = key;
    this.#lastStart = start;
  }

  /** Removes a key, or makes a hole of an array's slot. */
  remove(node: StateNode, key: unknown): void {
    this.#op(DELETE, node, slotOf(node, key));
  }

  /** Adds an entry to a Map, under a key that is an object and was captured. */
  setNew(node: StateNode, key: object, raw: unknown): void {
    this.#op(
      SET,
      node,
      (out) => writeEntry(out, this.#bytesOf(key), NEXT),
      (out) => this.#value(out, raw),
    );
  }

  /** Adds a member to a Set: a primitive, or an object that was captured. */
  add(node: StateNode, member: unknown): void {
    const isObject = typeof member === "object" && member !== null;
    this.#op(ADD, node, isObject ? (out) => writeEntry(out, this.#bytesOf(member), NEXT) : slotOf(node, member));
  }

  /** Gives an entry of a Map, or a member of a Set, another key in the same place. */
  rename(node: StateNode, key: object, bytes: Uint8Array): void {
    this.#op(RENAME, node, slotOf(node, key), (out) => {
      out.varint(bytes.length);
      out.bytes(bytes);
    });
  }

  /** Overwrites what the typed array, Buffer or ArrayBuffer in a slot holds, from byte `start` of it. */
  overwrite(node: StateNode | undefined, key: unknown, start: number, bytes: Uint8Array): void {
    this.#op(BYTES, node, node === undefined ? undefined : slotOf(node, key), (out) => {
      out.varint(start);
      out.varint(bytes.length);
      out.bytes(bytes);
    });
  }

  /** Makes an array anew from slot `start` on. */
  rebuild(node: StateNode, start: number, pieces: readonly Piece[]): void {
    this.#op(REBUILD, node, undefined, (out) => {
      out.varint(start);
      out.varint(pieces.length);
      for (const piece of pieces) this.#piece(out, piece);
    });
  }

  #piece(out: ByteWriter, piece: Piece): void {
    if ("added" in piece) {
      out.u8(1);
      out.varint(piece.added.length);
      for (const raw of piece.added) this.#value(out, raw);
    } else {
      out.u8(0);
      out.varint(piece.start);
      out.varint(piece.count);
    }
  }

  /** Replaces `removed` slots from `start` by `added`. */
  splice(node: StateNode, start: number, removed: number, added: readonly unknown[]): void {
    this.#op(SPLICE, node, undefined, (out) => {
      out.varint(start);
      out.varint(removed);
      out.varint(added.length);
      for (const raw of added) this.#value(out, raw);
    });
  }

  /** Truncates an array, or extends it with holes. */
  length(node: StateNode, length: number): void {
    this.#op(LENGTH, node, undefined, (out) => out.varint(length));
  }

  /** Reorders an array, or the keys of an object: what is new at `i` was at `order[i]`. */
  permute(node: StateNode, order: readonly number[]): void {
    this.#op(PERMUTE, node, undefined, (out) => {
      out.varint(order.length);
      for (const index of order) out.varint(index);
    });
  }

  /** The cell is no more. Nothing may follow. */
  end(): void {
    this.#op(END, undefined);
  }

  #op(code: number, node: StateNode | undefined, slot?: Slot, body?: (out: ByteWriter) => void): void {
    if (node !== undefined && this.#inUnit(node)) return;
    const out = this.#begun();
    const start = out.length;
    try {
      out.u8(code);
      out.varint((node?.depth ?? 0) + (slot === undefined ? 0 : 1));
      if (node !== undefined) writeSegments(out, node);
      slot?.(out);
      body?.(out);
    } catch (error) {
      throw this.#undone(start, error, node);
    }
    this.#written(node);
  }

  /** What changes in a key of a Map or a member of a Set is written when the delta is asked for. */
  #inUnit(node: StateNode): boolean {
    if (node.unit === undefined) return false;
    node.tree.changedUnit(node.unit);
    this.#written(node);
    return true;
  }

  #bytesOf(raw: object): Uint8Array {
    return this.#captured.get(raw) ?? encodeStored(raw);
  }

  #written(node: StateNode | undefined): void {
    if (this.#captured.size > 0) this.#captured.clear();
    this.#lastNode = undefined;
    if (node === undefined) return;
    node.wrote = true;
    node.tree.turns += 1;
  }

  #undone(start: number, error: unknown, node: StateNode | undefined, key?: unknown): unknown {
    this.#begun().length = start;
    return node === undefined ? error : node.tree.located(error, node, key);
  }

  #begun(): ByteWriter {
    if (this.#out === undefined) {
      this.#out = new ByteWriter(INITIAL_BYTES);
      this.#out.u8(VERSION);
    }
    return this.#out;
  }

  #value(out: ByteWriter, raw: unknown): void {
    const bytes = typeof raw === "object" && raw !== null ? this.#captured.get(raw) : undefined;
    if (bytes !== undefined) {
      out.varint(bytes.length);
      out.bytes(bytes);
      return;
    }
    const start = out.length;
    encodeInto(out, raw, this.maxValueBytes);
    out.prefixLength(start);
  }
}

/** Puts what was written since `start` in the place of what was written since `target`. */
function moveBack(out: ByteWriter, start: number, target: number): number {
  out.memory.copyWithin(target, start, out.length);
  out.length -= start - target;
  return target;
}

/** Some slots of an array that is made anew: kept ones, or captured values. */
export type Piece = { readonly start: number; readonly count: number } | { readonly added: readonly unknown[] };

/** Appends the segment that names a slot. */
type Slot = (out: ByteWriter) => void;

function slotOf(node: StateNode, key: unknown): Slot {
  return (out) => node.writeSlot(out, key);
}

/** The path of one of a container's slots. */
export function writePath(out: ByteWriter, node: StateNode, key: unknown): void {
  out.varint(node.depth + 1);
  writeSegments(out, node);
  node.writeSlot(out, key);
}

/** The path of a container; without one, the root. */
export function writePlace(out: ByteWriter, node: StateNode | undefined): void {
  out.varint(node?.depth ?? 0);
  if (node !== undefined) writeSegments(out, node);
}

function writeSegments(out: ByteWriter, node: StateNode): void {
  if (node.parent === undefined) return;
  writeSegments(out, node.parent);
  node.parent.writeSlot(out, node.parent.locate(node));
}

/** The segment of a slot of an object. */
export function writeName(out: ByteWriter, name: string): void {
  out.u8(KEY_SEGMENT);
  out.varint(wtf8Length(name));
  writeWtf8(out, name);
}

/** The segment of a slot of an array. */
export function writeIndex(out: ByteWriter, index: number): void {
  out.u8(INDEX_SEGMENT);
  out.varint(index);
}

/** The segment of an entry of a Map or a member of a Set whose key is no object: it has no twins. */
export function writeKey(out: ByteWriter, key: unknown): void {
  out.u8(ENTRY_SEGMENT);
  out.u8(0);
  encodeKey(out, key);
}

/** The segment of any other entry or member. */
export function writeEntry(out: ByteWriter, key: Uint8Array, rank: number): void {
  out.u8(ENTRY_SEGMENT);
  out.varint(rank);
  out.varint(key.length);
  out.bytes(key);
}
