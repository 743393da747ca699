/**
 * The packed operations of one draft, in the persisted format: `delta := version op*`, `op := code path body`.
 *
 * Owns those bytes. One law: a path names places at the time of its operation, and an operation is written whole or not at all.
 */
import { ByteWriter } from "../values/bytes.ts";
import { writeWtf8, wtf8Length } from "../values/wtf8.ts";
import { encodeInto } from "./codec.ts";
import type { StateNode } from "./place.ts";

const VERSION = 1;
const SET = 1;
const DELETE = 2;
const SPLICE = 3;
const LENGTH = 4;
const PERMUTE = 5;

const KEY_SEGMENT = 0;
const INDEX_SEGMENT = 1;
const INITIAL_BYTES = 256;

/** What a draft changed, as paths. */
export class Delta {
  #out: ByteWriter | undefined;
  /** The slot that the last operation set, and where that operation begins: setting it again replaces the operation. */
  #lastNode: StateNode | undefined;
  #lastKey: string | number | undefined;
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
  setRoot(raw: unknown): void {
    const fresh = new Delta(this.maxValueBytes);
    fresh.#op(SET, undefined, undefined, (out) => this.#value(out, raw));
    this.#out = fresh.#out;
    this.#lastNode = undefined;
    this.#captured.clear();
  }

  /** Sets one slot of a container. */
  set(node: StateNode, key: string | number, raw: unknown): void {
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
  remove(node: StateNode, key: string | number): void {
    this.#op(DELETE, node, key);
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

  /** Reorders an array: the new slot `i` is the old slot `order[i]`. */
  permute(node: StateNode, order: readonly number[]): void {
    this.#op(PERMUTE, node, undefined, (out) => {
      out.varint(order.length);
      for (const index of order) out.varint(index);
    });
  }

  #op(code: number, node: StateNode | undefined, key?: string | number, body?: (out: ByteWriter) => void): void {
    const out = this.#begun();
    const start = out.length;
    try {
      out.u8(code);
      writePath(out, node, key);
      body?.(out);
    } catch (error) {
      throw this.#undone(start, error, node, key);
    }
    this.#written(node);
  }

  #written(node: StateNode | undefined): void {
    if (this.#captured.size > 0) this.#captured.clear();
    this.#lastNode = undefined;
    if (node !== undefined) node.wrote = true;
  }

  #undone(start: number, error: unknown, node: StateNode | undefined, key?: string | number): unknown {
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

/** The path of a container, or with `key` of one of its slots; without a node, the root. */
export function writePath(out: ByteWriter, node: StateNode | undefined, key?: string | number): void {
  out.varint((node?.depth ?? 0) + (key === undefined ? 0 : 1));
  if (node !== undefined) writeSegments(out, node);
  if (key !== undefined) writeSegment(out, key);
}

function writeSegments(out: ByteWriter, node: StateNode): void {
  if (node.parent === undefined) return;
  writeSegments(out, node.parent);
  writeSegment(out, node.parent.locate(node));
}

function writeSegment(out: ByteWriter, key: string | number): void {
  if (typeof key === "number") {
    out.u8(INDEX_SEGMENT);
    out.varint(key);
    return;
  }
  out.u8(KEY_SEGMENT);
  out.varint(wtf8Length(key));
  writeWtf8(out, key);
}
