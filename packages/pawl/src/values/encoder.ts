/**
 * Values to bytes: CBOR, the bytes that cbor-x writes wherever cbor-x keeps the value, and tags of Pawl's own where
 * it would change it (`tags.ts`).
 *
 * Its one law: a value is written exactly or not at all. Nothing of the user's runs meanwhile: getters, proxy traps,
 * `toJSON` and iterators are never called.
 */
import { types } from "node:util";
import { blemishOf, cleanView, hrefOf, memoryOf, partsOfError, patternOf, timeOf } from "./builtins.ts";
import type { ByteWriter } from "./bytes.ts";
import { ValueError } from "./error.ts";
import { ARRAY, FALSE, ItemWriter, MAP, NULL, TAG, TRUE, UNDEFINED } from "./items.ts";
import { describe, isGenuine, type Known, knownByPrototype, withArticle } from "./kinds.ts";
import { describeProperty, hasValue, ordinaryElements, strayOfArray, strayOfTypedArray } from "./own.ts";
import { formatPath, type Segment } from "./path.ts";
import * as tag from "./tags.ts";

/** What a proxy, Map or Set of Pawl's own stands for. */
export interface Unwrapped {
  readonly found: true;
  readonly value: unknown;
}

/** Tells what one of Pawl's own proxies, Maps and Sets stands for; undefined for any other. Must not run user code. */
export type Unwrap = (handle: object) => Unwrapped | undefined;

/** Half as deep as can be read back: a property of an error is two levels down in the bytes. */
const DEEPEST = 5_000;
/** A container that took this many bytes is remembered, and written from its bytes when it is met again. */
const WORTH_REMEMBERING = 1024;

// The two most frequent kinds, known without a lookup.
const OBJECT: Known = { kind: "object", className: "Object" };
const ARRAY_LITERAL: Known = { kind: "array", className: "Array" };

let unwrap: Unwrap = () => undefined;

/** Registers what knows Pawl's own proxies, so that one nested in a value is stored as what it stands for. */
export function setUnwrap(next: Unwrap): void {
  unwrap = next;
}

/** A container that was written: where, and how many levels it nests. */
interface Remembered {
  readonly start: number;
  readonly end: number;
  readonly height: number;
}

/** Writes one value at a time. */
export class Encoder extends ItemWriter {
  private maxDepth = 0;
  /** The containers being written, outermost first: `containers[i + 1]` is in `containers[i]` at `segments[i]`. */
  private readonly containers: object[] = [];
  private readonly segments: Segment[] = [];
  /** The deepest level reached within the container being written. */
  private deepest = 0;
  private readonly remembered = new Map<object, Remembered>();

  /** Appends `value` to `out`, or throws a {@link ValueError} and leaves `out` as it was. */
  encode(out: ByteWriter, value: unknown, maxBytes: number, maxDepth: number): void {
    const start = out.length;
    this.begin(out, maxBytes);
    this.maxDepth = Math.min(maxDepth, DEEPEST);
    this.deepest = 0;
    try {
      this.value(value, 0);
      this.checkSize();
    } catch (error) {
      out.length = start;
      throw isStackOverflow(error) ? this.tooDeep(this.containers.length) : error;
    } finally {
      if (this.deepest > 0) this.release();
    }
  }

  private release(): void {
    this.containers.length = 0;
    this.segments.length = 0;
    if (this.remembered.size > 0) this.remembered.clear();
  }

  private value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        this.text(value);
        break;
      case "number":
        this.number(value);
        break;
      case "object":
        if (value === null) this.out.u8(NULL);
        else this.object(value, depth);
        break;
      case "boolean":
        this.out.u8(value ? TRUE : FALSE);
        break;
      case "undefined":
        this.out.u8(UNDEFINED);
        break;
      case "bigint":
        this.bigint(value);
        break;
      default:
        throw this.refusal(describe(value), depth);
    }
  }

  /** A value held by the container at `depth`. */
  private child(value: unknown, depth: number, segment: Segment): void {
    this.segments[depth] = segment;
    this.value(value, depth + 1);
    this.checkSize();
  }

  private object(value: object, depth: number): void {
    if (types.isProxy(value)) {
      const unwrapped = unwrap(value);
      if (unwrapped === undefined) throw this.refusal("a Proxy", depth);
      this.value(unwrapped.value, depth);
      return;
    }
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === Object.prototype) {
      this.container(value, depth, OBJECT);
    } else if (prototype === Array.prototype && Array.isArray(value)) {
      this.container(value, depth, ARRAY_LITERAL);
    } else if (prototype === null) {
      this.head(TAG, tag.TAG_NULL_PROTOTYPE);
      this.container(value, depth, OBJECT);
    } else {
      this.builtin(value, depth, knownByPrototype(prototype));
    }
  }

  private builtin(value: object, depth: number, known: Known | undefined): void {
    if (known === undefined) throw this.refusal(describe(value), depth);
    const { kind, className } = known;
    if (!isGenuine(value, known)) throw this.refusal(`something that only has the prototype of ${className}`, depth);
    if ((kind === "map" || kind === "set") && this.unwrapped(value, depth)) return;
    if (kind === "date") this.date(value, depth);
    else if (kind === "url") this.url(value, depth);
    else if (kind === "array buffer") this.arrayBuffer(value as ArrayBuffer, depth);
    else if (kind === "buffer" || kind === "typed array") this.typedArray(value as tag.TypedArray, depth, className);
    else this.container(value, depth, known);
  }

  /** Writes what one of Pawl's own Maps and Sets stands for. */
  private unwrapped(value: object, depth: number): boolean {
    const unwrapped = unwrap(value);
    if (unwrapped !== undefined) this.value(unwrapped.value, depth);
    return unwrapped !== undefined;
  }

  // What holds other values

  /** Guards against cycles and depth, and copies what was written before. */
  private container(value: object, depth: number, known: Known): void {
    if (depth >= this.maxDepth) throw this.tooDeep(depth);
    const { containers, out } = this;
    for (let i = 0; i < depth; i++) if (containers[i] === value) throw this.cycle(i, depth);
    if (this.remembered.size > 0 && this.repeated(value, depth)) return;
    const start = out.length;
    const outerDeepest = this.deepest;
    this.deepest = depth + 1;
    containers[depth] = value;
    this.contents(value, depth, known);
    const { deepest } = this;
    if (out.length - start >= WORTH_REMEMBERING) {
      this.remembered.set(value, { start, end: out.length, height: deepest - depth });
    }
    if (deepest < outerDeepest) this.deepest = outerDeepest;
  }

  /** Two references to one object are two copies in storage; 2^30 of them must be noticed early, so bytes are copied. */
  private repeated(value: object, depth: number): boolean {
    const before = this.remembered.get(value);
    if (before === undefined) return false;
    if (depth + before.height > this.maxDepth) return false; // written again, to find the path of what is too deep
    this.checkRoom(before.end - before.start);
    this.out.repeat(before.start, before.end);
    this.deepest = Math.max(this.deepest, depth + before.height);
    return true;
  }

  private contents(value: object, depth: number, known: Known): void {
    switch (known.kind) {
      case "array":
        this.array(value as unknown[], depth);
        break;
      case "map":
        this.map(value as Map<unknown, unknown>, depth);
        break;
      case "set":
        this.set(value as Set<unknown>, depth);
        break;
      case "error":
        this.error(value as Error, depth, known.className);
        break;
      case "regexp":
        this.regexp(value as RegExp, depth);
        break;
      default:
        this.plain(value, depth);
    }
  }

  private plain(value: object, depth: number): void {
    const names = Object.getOwnPropertyNames(value);
    const symbols = Object.getOwnPropertySymbols(value);
    if (symbols.length > 0) throw this.strange(value, depth, symbols[0] as symbol);
    this.mapHead(names.length);
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      const property = Object.getOwnPropertyDescriptor(value, name);
      if (property?.writable === undefined || !property.enumerable) throw this.strange(value, depth, name);
      this.key(name);
      this.child(property.value, depth, name);
    }
  }

  private array(array: readonly unknown[], depth: number): void {
    const { length } = array;
    this.checkRoom(length);
    this.head(ARRAY, length);
    const elements = ordinaryElements(array);
    if (elements === undefined) {
      this.unusualArray(array, depth);
      return;
    }
    for (let i = 0; i < length; i++) {
      const element = elements[i];
      if (element === undefined && !hasValue(array, i)) throw this.strange(array, depth, i);
      this.child(element, depth, i);
    }
  }

  /** An array with holes, or with something that cannot be stored. */
  private unusualArray(array: readonly unknown[], depth: number): void {
    const stray = strayOfArray(array);
    if (stray !== undefined) throw this.strange(array, depth, stray);
    for (let i = 0; i < array.length; i++) {
      if (!Object.hasOwn(array, i)) {
        this.hole();
        this.checkSize();
      } else {
        const property = Object.getOwnPropertyDescriptor(array, i);
        if (property?.writable === undefined || !property.enumerable) throw this.strange(array, depth, i);
        this.child(property.value, depth, i);
      }
    }
  }

  private map(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    this.refuseProperties(map, depth);
    this.checkRoom(map.size * 2);
    this.head(TAG, tag.TAG_MAP);
    this.head(MAP, map.size);
    let position = 0;
    for (const [key, value] of map) {
      this.child(key, depth, position++);
      this.child(value, depth, position++);
    }
  }

  private set(set: ReadonlySet<unknown>, depth: number): void {
    this.refuseProperties(set, depth);
    this.checkRoom(set.size);
    this.head(TAG, tag.TAG_SET);
    this.head(ARRAY, set.size);
    let position = 0;
    for (const value of set) this.child(value, depth, position++);
  }

  private error(error: Error, depth: number, className: string): void {
    const { hidden, open, stray } = partsOfError(error, className);
    if (stray !== undefined) throw this.strange(error, depth, stray);
    const fields = "errors" in hidden ? 6 : "cause" in hidden ? 5 : 4;
    this.head(TAG, tag.TAG_ERROR);
    this.head(ARRAY, fields);
    this.text(className);
    this.hiddenPart(hidden, "message", depth);
    this.hiddenPart(hidden, "stack", depth);
    this.mapHead(open.length);
    for (const [name, value] of open) {
      this.key(name);
      this.child(value, depth, name);
    }
    if (fields > 4) this.hiddenPart(hidden, "cause", depth);
    if (fields > 5) this.hiddenPart(hidden, "errors", depth);
  }

  private hiddenPart(hidden: Readonly<Record<string, unknown>>, name: string, depth: number): void {
    if (name in hidden) this.child(hidden[name], depth, name);
    else this.hole();
  }

  private regexp(regexp: RegExp, depth: number): void {
    const stray = Reflect.ownKeys(regexp).find((key) => key !== "lastIndex");
    if (stray !== undefined) throw this.strange(regexp, depth, stray);
    const { source, flags } = patternOf(regexp);
    const fresh = Object.is(regexp.lastIndex, 0);
    this.head(TAG, fresh ? tag.TAG_NAMED : tag.TAG_REGEXP);
    this.head(ARRAY, 3);
    if (fresh) this.text("RegExp");
    this.text(source);
    this.text(flags);
    if (!fresh) this.child(regexp.lastIndex, depth, "lastIndex");
  }

  // What holds none

  private date(date: object, depth: number): void {
    this.refuseProperties(date, depth);
    const ms = timeOf(date);
    const seconds = ms / 1000;
    if (!Number.isNaN(ms) && Math.round(seconds * 1000) !== ms) {
      this.head(TAG, tag.TAG_DATE_MS);
      this.float(ms);
      return;
    }
    this.head(TAG, tag.TAG_DATE);
    if (seconds >>> 0 === seconds) this.wideInteger(seconds);
    else this.float(seconds);
  }

  private url(url: object, depth: number): void {
    this.refuseProperties(url, depth);
    const href = hrefOf(url);
    if (href === undefined) throw this.refusal("a URL whose address does not lead back to it", depth);
    this.head(TAG, tag.TAG_URL);
    this.text(href);
  }

  private arrayBuffer(memory: ArrayBuffer, depth: number): void {
    this.refuseProperties(memory, depth);
    const blemish = blemishOf(memory);
    if (blemish !== undefined) throw this.refusal(`an ArrayBuffer on ${blemish}`, depth);
    this.head(TAG, tag.TAG_ARRAY_BUFFER);
    this.bytes(new Uint8Array(memory));
  }

  private typedArray(array: tag.TypedArray, depth: number, className: string): void {
    const blemish = blemishOf(memoryOf(array));
    if (blemish !== undefined) throw this.refusal(`${withArticle(className)} on ${blemish}`, depth);
    const clean = cleanView(array, className);
    const stray = strayOfTypedArray(array, clean);
    if (stray !== undefined) throw this.strange(array, depth, stray);
    const number = tag.TAG_OF_TYPED_ARRAY.get(className);
    if (number !== undefined) this.head(TAG, number);
    this.bytes(new Uint8Array(clean.buffer, clean.byteOffset, clean.byteLength));
  }

  // Refusals

  private refuseProperties(value: object, depth: number): void {
    const keys = Reflect.ownKeys(value);
    if (keys.length > 0) throw this.strange(value, depth, keys[0] as string | symbol);
  }

  private tooDeep(depth: number): ValueError {
    return this.refusal(`nesting deeper than ${Math.min(depth, this.maxDepth)} levels`, depth);
  }

  private cycle(to: number, depth: number): ValueError {
    const target = formatPath(this.containers, this.segments, to);
    return this.refusal(`a cycle back to ${target === "" ? "the value itself" : target}`, depth);
  }

  /** For a property of `owner`, which is at `depth`, that is no plain data. */
  private strange(owner: object, depth: number, segment: Segment): ValueError {
    this.containers[depth] = owner;
    this.segments[depth] = segment;
    return this.refusal(describeProperty(owner, segment), depth + 1);
  }

  private refusal(found: string, depth: number): ValueError {
    return new ValueError("value_not_storable", { found, path: formatPath(this.containers, this.segments, depth) });
  }
}

function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === "Maximum call stack size exceeded";
}
