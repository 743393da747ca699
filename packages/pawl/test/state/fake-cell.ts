/**
 * A cell in memory, written from the specification of paths, deltas and reads, and sharing nothing with `src/state` but the
 * codec: it applies deltas to plain values, and tells which changes conflict with an attempt.
 */
import type { CellSource } from "../../src/state/index.ts";
import { ByteReader, decode, decodeAt, decodeWtf8, encode } from "../../src/values/index.ts";

/** A slot of a Map or Set: the key's bytes as text, and its rank among those with the same bytes. */
export interface EntrySegment {
  readonly entry: string;
  readonly rank: number;
}
export type Path = readonly (string | number | EntrySegment)[];

/** Some slots of a rebuilt array. */
export type Piece = { readonly start: number; readonly count: number } | { readonly added: unknown[] };

/** One operation of a delta. */
export type Op =
  | { readonly op: "set"; readonly path: Path; readonly value: unknown }
  | { readonly op: "delete"; readonly path: Path }
  | {
      readonly op: "splice";
      readonly path: Path;
      readonly start: number;
      readonly removed: number;
      readonly added: unknown[];
    }
  | { readonly op: "length"; readonly path: Path; readonly length: number }
  | { readonly op: "permute"; readonly path: Path; readonly order: number[] }
  | { readonly op: "add"; readonly path: Path }
  | { readonly op: "rename"; readonly path: Path; readonly value: unknown }
  | { readonly op: "bytes"; readonly path: Path; readonly start: number; readonly bytes: Uint8Array }
  | { readonly op: "rebuild"; readonly path: Path; readonly start: number; readonly pieces: Piece[] };

/** One entry of a read set. */
export interface Read {
  readonly kind: "slot" | "shape" | "level" | "subtree";
  readonly path: Path;
}

/** What an operation wrote: a slot and all below it, a shape, or all slots from an index on. */
type Write =
  | { readonly kind: "slot"; readonly path: Path }
  | { readonly kind: "shape"; readonly path: Path }
  | { readonly kind: "from"; readonly path: Path; readonly start: number };

interface Change {
  readonly seq: number;
  readonly writes: readonly Write[];
}

type Container = Record<string | number, unknown>;

/** The truth of one cell: every version, and what each change wrote. */
export class FakeCell implements CellSource {
  readonly versions: Map<number, Uint8Array> = new Map();
  readonly changes: Change[] = [];
  reads = 0;
  seq: number;

  constructor(initial: unknown, seq = 1) {
    this.seq = seq;
    this.versions.set(seq, encode(initial));
  }

  read(): Uint8Array {
    this.reads += 1;
    return this.version(this.seq);
  }

  readAt(pin: number, delta: Uint8Array | undefined): Uint8Array {
    return encode(apply(decode(this.version(pin)), delta).value);
  }

  get value(): unknown {
    return decode(this.version(this.seq));
  }

  /** Whether a change queued after `pin` wrote what an attempt read or wrote. */
  conflicts(pin: number, delta: Uint8Array, reads: Uint8Array | undefined): boolean {
    const own = apply(decode(this.version(pin)), delta).writes;
    const read = reads === undefined ? [] : parseReads(reads);
    const later = this.changes.filter(({ seq }) => seq > pin).flatMap(({ writes }) => writes);
    if (reads === undefined && later.length > 0) throw new Error("reads were left out of an attempt that is behind");
    return later.some(
      (theirs) => read.some((one) => readMeets(one, theirs)) || own.some((ours) => writesMeet(ours, theirs)),
    );
  }

  /** Queues a delta that passed validation, and gives its seq. */
  queue(delta: Uint8Array): number {
    const { value, writes } = apply(this.value, delta);
    this.seq += 1;
    this.versions.set(this.seq, encode(value));
    this.changes.push({ seq: this.seq, writes });
    return this.seq;
  }

  private version(seq: number): Uint8Array {
    const bytes = this.versions.get(seq);
    if (bytes === undefined) throw new Error(`no version ${seq}`);
    return bytes;
  }
}

export function parseDelta(delta: Uint8Array): Op[] {
  const reader = new ByteReader(delta);
  if (reader.u8() !== 1) throw new Error("unknown version of a delta");
  const ops: Op[] = [];
  while (reader.remaining > 0) ops.push(parseOp(reader));
  return ops;
}

export function parseReads(reads: Uint8Array): Read[] {
  const reader = new ByteReader(reads);
  const entries: Read[] = [];
  while (reader.remaining > 0) {
    const kind = (["slot", "shape", "level", "subtree"] as const)[reader.u8() - 1];
    if (kind === undefined) throw new Error("unknown kind of read");
    entries.push({ kind, path: parsePath(reader) });
  }
  return entries;
}

function parseOp(reader: ByteReader): Op {
  const code = reader.u8();
  const path = parsePath(reader);
  switch (code) {
    case 1:
      return { op: "set", path, value: parseValue(reader) };
    case 2:
      return { op: "delete", path };
    case 3: {
      const start = reader.varint();
      const removed = reader.varint();
      const added = Array.from({ length: reader.varint() }, () => parseValue(reader));
      return { op: "splice", path, start, removed, added };
    }
    case 4:
      return { op: "length", path, length: reader.varint() };
    case 5:
      return { op: "permute", path, order: Array.from({ length: reader.varint() }, () => reader.varint()) };
    case 6:
      return { op: "add", path };
    case 7:
      return { op: "rename", path, value: parseValue(reader) };
    case 8:
      return { op: "bytes", path, start: reader.varint(), bytes: reader.bytes(reader.varint()) };
    case 9:
      return {
        op: "rebuild",
        path,
        start: reader.varint(),
        pieces: Array.from({ length: reader.varint() }, () => parsePiece(reader)),
      };
    default:
      throw new Error(`unknown operation ${code}`);
  }
}

function parsePiece(reader: ByteReader): Piece {
  if (reader.u8() === 0) return { start: reader.varint(), count: reader.varint() };
  return { added: Array.from({ length: reader.varint() }, () => parseValue(reader)) };
}

function parsePath(reader: ByteReader): Path {
  return Array.from({ length: reader.varint() }, () => {
    const kind = reader.u8();
    if (kind === 1) return reader.varint();
    if (kind === 2) {
      const rank = reader.varint();
      return { rank, entry: Buffer.from(reader.bytes(reader.varint())).toString("latin1") };
    }
    if (kind !== 0) throw new Error(`unknown segment ${kind}`);
    return decodeWtf8(reader.bytes(reader.varint()));
  });
}

function parseValue(reader: ByteReader): unknown {
  const part = new ByteReader(reader.bytes(reader.varint()));
  const value = decodeAt(part);
  part.finish();
  return value;
}

function apply(root: unknown, delta: Uint8Array | undefined): { value: unknown; writes: Write[] } {
  const holder = { root };
  const writes: Write[] = [];
  for (const op of delta === undefined ? [] : parseDelta(delta)) writes.push(...applyOp(holder, op));
  return { value: holder.root, writes };
}

function applyOp(holder: { root: unknown }, op: Op): Write[] {
  switch (op.op) {
    case "set":
      return applySet(holder, op.path, op.value);
    case "delete":
      return applyDelete(holder, op.path);
    case "splice": {
      const array = arrayAt(holder, op.path);
      if (op.start + op.removed > array.length) throw new Error("a splice beyond the end");
      const tail = array.slice(op.start + op.removed);
      array.length = op.start;
      array.push(...op.added);
      const offset = array.length;
      array.length += tail.length;
      tail.forEach((value, i) => {
        array[offset + i] = value;
      });
      return [
        { kind: "shape", path: op.path },
        { kind: "from", path: op.path, start: op.start },
      ];
    }
    case "length": {
      const array = arrayAt(holder, op.path);
      const start = Math.min(array.length, op.length);
      array.length = op.length;
      return [
        { kind: "shape", path: op.path },
        { kind: "from", path: op.path, start },
      ];
    }
    case "permute": {
      const container = containerAt(holder, op.path);
      if (!Array.isArray(container)) {
        const names = Object.keys(container);
        const values = names.map((name) => container[name]);
        if (op.order.length !== names.length) throw new Error("no permutation");
        for (const name of names) delete container[name];
        for (const old of op.order) define(container, names[old] as string, values[old]);
        return [{ kind: "shape", path: op.path }];
      }
      const array = container as unknown[];
      const old = array.slice();
      if (op.order.length !== old.length || new Set(op.order).size !== old.length) throw new Error("no permutation");
      op.order.forEach((from, to) => {
        if (from in old) array[to] = old[from];
        else delete array[to];
      });
      return [
        { kind: "shape", path: op.path },
        { kind: "from", path: op.path, start: 0 },
      ];
    }
    case "add": {
      const [set, key] = entriesAt(holder, op.path);
      if (!(set instanceof Set) || find(set, key) !== NONE) throw new Error("no new member of a Set");
      set.add(decode(Buffer.from(key.entry, "latin1")));
      return slotAndShape(op.path);
    }
    case "rename": {
      const [entries, key] = entriesAt(holder, op.path);
      const old = find(entries, key);
      if (old === NONE) throw new Error("nothing to rename");
      const pairs = [...entries.entries()];
      entries.clear();
      for (const [one, value] of pairs) put(entries, one === old ? op.value : one, value);
      return slotAndShape(op.path);
    }
    case "bytes": {
      const value = valueAt(holder, op.path) as ArrayBufferView | ArrayBuffer;
      const memory = ArrayBuffer.isView(value)
        ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
        : Buffer.from(value);
      if (op.start + op.bytes.length > memory.length) throw new Error("bytes beyond the end");
      memory.set(op.bytes, op.start);
      return [{ kind: "slot", path: op.path }];
    }
    case "rebuild": {
      const array = arrayAt(holder, op.path);
      const old = array.splice(op.start);
      const used = new Set<number>();
      for (const piece of op.pieces) {
        if ("added" in piece) {
          array.push(...piece.added);
          continue;
        }
        for (let i = piece.start; i < piece.start + piece.count; i++) {
          if (used.has(i) || i < op.start || i >= op.start + old.length) throw new Error("no slot to keep");
          used.add(i);
          if (i - op.start in old) array[array.length] = old[i - op.start];
          else array.length += 1;
        }
      }
      return [
        { kind: "shape", path: op.path },
        { kind: "from", path: op.path, start: op.start },
      ];
    }
  }
}

const NONE: unique symbol = Symbol("none");
type Entries = Map<unknown, unknown> | Set<unknown>;

function entriesAt(holder: { root: unknown }, path: Path): [Entries, EntrySegment] {
  const key = path.at(-1);
  const entries = valueAt(holder, path.slice(0, -1));
  if (typeof key !== "object" || !(entries instanceof Map || entries instanceof Set)) throw new Error("no entry");
  return [entries, key];
}

/** The key of an entry, or `NONE`. */
function find(entries: Entries, { entry, rank }: EntrySegment): unknown {
  let left = rank;
  for (const key of entries.keys()) {
    if (Buffer.from(encode(key)).toString("latin1") === entry && left-- === 0) return key;
  }
  return NONE;
}

function put(entries: Entries, key: unknown, value: unknown): void {
  if (entries instanceof Map) entries.set(key, value);
  else entries.add(key);
}

function slotAndShape(path: Path): Write[] {
  return [
    { kind: "slot", path },
    { kind: "shape", path: path.slice(0, -1) },
  ];
}

function define(container: Container, key: string | number, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true });
  else container[key] = value;
}

function applySet(holder: { root: unknown }, path: Path, value: unknown): Write[] {
  const key = path.at(-1);
  if (key === undefined) {
    holder.root = value;
    return [{ kind: "slot", path }];
  }
  if (typeof key === "object") {
    const [map, name] = entriesAt(holder, path);
    if (!(map instanceof Map)) throw new Error("a value for a member of a Set");
    const old = find(map, name);
    map.set(old === NONE ? decode(Buffer.from(name.entry, "latin1")) : old, value);
    return old === NONE ? slotAndShape(path) : [{ kind: "slot", path }];
  }
  const container = containerAt(holder, path.slice(0, -1), key);
  const grows = Array.isArray(container) ? (key as number) >= container.length : !Object.hasOwn(container, key);
  define(container, key, value);
  return grows
    ? [
        { kind: "slot", path },
        { kind: "shape", path: path.slice(0, -1) },
      ]
    : [{ kind: "slot", path }];
}

function applyDelete(holder: { root: unknown }, path: Path): Write[] {
  const key = path.at(-1);
  if (key === undefined) throw new Error("the root cannot be deleted");
  if (typeof key === "object") {
    const [entries, name] = entriesAt(holder, path);
    const old = find(entries, name);
    if (old === NONE || !entries.delete(old)) throw new Error("nothing to delete");
    return slotAndShape(path);
  }
  const container = containerAt(holder, path.slice(0, -1), key);
  if (!Object.hasOwn(container, key)) throw new Error(`nothing to delete at ${path.join("/")}`);
  delete container[key];
  if (Array.isArray(container)) return [{ kind: "slot", path }];
  return [
    { kind: "slot", path },
    { kind: "shape", path: path.slice(0, -1) },
  ];
}

function valueAt(holder: { root: unknown }, path: Path): unknown {
  let value: unknown = holder.root;
  for (const segment of path) {
    if (typeof segment !== "object") value = (checked(value, segment) as Container)[segment];
    else if (value instanceof Map) value = value.get(find(value, segment));
    else throw new Error("an entry of what is no Map");
  }
  return value;
}

function containerAt(holder: { root: unknown }, path: Path, key?: string | number): Container {
  const value = valueAt(holder, path);
  return (key === undefined ? value : checked(value, key)) as Container;
}

function checked(value: unknown, key: string | number): object {
  if (typeof value !== "object" || value === null) throw new Error(`no container for ${key}`);
  const prototype: unknown = Object.getPrototypeOf(value);
  const isArray = Array.isArray(value);
  if (!isArray && prototype !== Object.prototype && prototype !== null) throw new Error(`a leaf, entered by ${key}`);
  if (isArray !== (typeof key === "number")) throw new Error(`a container of the wrong kind for ${key}`);
  return value;
}

function arrayAt(holder: { root: unknown }, path: Path): unknown[] {
  return containerAt(holder, path, 0) as unknown as unknown[];
}

// Conflicts

function isPrefix(a: Path, b: Path): boolean {
  return a.length <= b.length && a.every((segment, i) => name(segment) === name(b[i]));
}

/** Entries whose keys have the same bytes are one place to conflicts. */
function name(segment: string | number | EntrySegment | undefined): string | number | undefined {
  return typeof segment === "object" ? `entry ${segment.entry}` : segment;
}

function fromCovers(write: { path: Path; start: number }, path: Path): boolean {
  const index = path[write.path.length];
  return (
    path.length > write.path.length && isPrefix(write.path, path) && typeof index === "number" && index >= write.start
  );
}

/** Whether a write replaces the place `path` or one above it. */
function replaces(write: Write, path: Path): boolean {
  if (write.kind === "slot") return isPrefix(write.path, path);
  return write.kind === "from" && fromCovers(write, path);
}

function readMeets(read: Read, write: Write): boolean {
  if (replaces(write, read.path)) return true;
  switch (read.kind) {
    case "slot":
      return false;
    case "shape":
      return write.kind === "shape" && samePath(write.path, read.path);
    case "level":
      if (write.kind === "slot") return write.path.length === read.path.length + 1 && isPrefix(read.path, write.path);
      return samePath(write.path, read.path);
    case "subtree":
      return isPrefix(read.path, write.path);
  }
}

function writesMeet(a: Write, b: Write): boolean {
  if (replaces(a, b.path) && b.kind !== "from") return true;
  if (replaces(b, a.path) && a.kind !== "from") return true;
  if (a.kind === "from" && b.kind === "from")
    return samePath(a.path, b.path) || fromCovers(a, b.path) || fromCovers(b, a.path);
  if (a.kind === "from" && b.kind === "slot") return isPrefix(b.path, a.path);
  if (b.kind === "from" && a.kind === "slot") return isPrefix(a.path, b.path);
  return a.kind === "shape" && b.kind === "shape" && samePath(a.path, b.path);
}

function samePath(a: Path, b: Path): boolean {
  return a.length === b.length && isPrefix(a, b);
}
