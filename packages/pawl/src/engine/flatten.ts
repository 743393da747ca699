/**
 * Makes plain data of what Pawl's codec refuses, as the other engine stores it: a class instance becomes an object of its
 * own enumerable properties, an instance of a built-in class's subclass one of that class, another iterable an array, and
 * what has no properties an empty object. Getters and iterators of the user's do run here.
 *
 * What the codec stores exactly comes out the same. Cycles stay cycles, for the codec to refuse with their path.
 */
import { types } from "node:util";
import { cleanView, hrefOf, patternOf, timeOf } from "../values/builtins.ts";
import { encode } from "../values/index.ts";
import { isGenuine, type Known, knownByPrototype } from "../values/kinds.ts";
import { rebuildError } from "../values/rebuild.ts";
import type { TypedArray } from "../values/tags.ts";

/** A copy of `value` that the codec stores. `refusal` is why it does not store `value`: the cause of what is thrown. */
export function flatten(value: unknown, refusal: Error): unknown {
  return new Flattener(refusal).value(value);
}

class Flattener {
  private readonly refusal: Error;
  /** By original: what is shared stays shared, and a cycle leads back to its copy. */
  private readonly copies = new Map<object, unknown>();

  constructor(refusal: Error) {
    this.refusal = refusal;
  }

  value(value: unknown): unknown {
    if (typeof value === "function" || typeof value === "symbol") {
      throw new Error(`Unknown type: ${typeof value}`, { cause: this.refusal });
    }
    if (typeof value !== "object" || value === null) return value;
    return this.copies.has(value) ? this.copies.get(value) : this.object(value);
  }

  private object(value: object): unknown {
    if (types.isProxy(value) && isStorable(value)) return value; // one of Pawl's own
    if (Array.isArray(value)) return this.array(value);
    const known = builtInOf(value);
    if (known === undefined) return this.plain(value);
    if (known.kind === "map") return this.map(value as Map<unknown, unknown>);
    if (known.kind === "set") return this.set(value as Set<unknown>);
    if (known.kind === "error") return this.error(value as Error, known);
    return this.keep(value, cleanLeaf(value, known));
  }

  private keep<T>(original: object, copy: T): T {
    this.copies.set(original, copy);
    return copy;
  }

  private array(array: readonly unknown[]): unknown[] {
    const copy = this.keep(array, new Array<unknown>(array.length));
    for (let i = 0; i < array.length; i++) if (i in array) copy[i] = this.value(array[i]);
    return copy;
  }

  private map(map: ReadonlyMap<unknown, unknown>): Map<unknown, unknown> {
    const copy = this.keep(map, new Map<unknown, unknown>());
    for (const [key, value] of Map.prototype.entries.call(map)) copy.set(this.value(key), this.value(value));
    return copy;
  }

  private set(set: ReadonlySet<unknown>): Set<unknown> {
    const copy = this.keep(set, new Set());
    for (const element of Set.prototype.values.call(set)) copy.add(this.value(element));
    return copy;
  }

  /** Of the nearest built-in class; the name it went by, if another, becomes a property. */
  private error(error: Error, { className }: Known): Error {
    const copy = this.keep(error, emptyError(className));
    const hidden = className === "AggregateError" ? ["message", "stack", "cause", "errors"] : HIDDEN;
    for (const key of hidden) if (isHidden(error, key)) this.define(copy, key, read(error, key), false);
    for (const key of Object.keys(error)) this.define(copy, key, read(error, key), true);
    if (error.name !== copy.name) this.define(copy, "name", error.name, true);
    return copy;
  }

  private plain(value: object): unknown {
    const prototype: unknown = Object.getPrototypeOf(value);
    const isLiteral = prototype === null || prototype === Object.prototype || types.isProxy(value);
    if (!isLiteral && types.isBoxedPrimitive(value)) return this.keep(value, {});
    if (!isLiteral && isIterable(value)) return this.keep(value, this.array([...value]));
    const copy = this.keep(value, Object.create(prototype === null ? null : Object.prototype) as object);
    for (const key of Object.keys(value)) this.define(copy, key, read(value, key), true);
    return copy;
  }

  private define(owner: object, key: string, value: unknown, enumerable: boolean): void {
    Object.defineProperty(owner, key, { value: this.value(value), enumerable, configurable: true, writable: true });
  }
}

const HIDDEN = ["message", "stack", "cause"];

function isHidden(error: Error, key: string): boolean {
  return Object.hasOwn(error, key) && !Object.prototype.propertyIsEnumerable.call(error, key);
}

function read(owner: object, key: string): unknown {
  return (owner as Readonly<Record<string, unknown>>)[key];
}

/** The nearest built-in class that `value` really is an instance of; undefined for plain objects. */
function builtInOf(value: object): Known | undefined {
  if (types.isProxy(value)) return undefined;
  let prototype = Object.getPrototypeOf(value) as object | null;
  while (prototype !== null && !types.isProxy(prototype)) {
    const known = knownByPrototype(prototype);
    if (known?.kind === "object") return undefined;
    if (known !== undefined) return isGenuine(value, known) && isReadable(value, known) ? known : undefined;
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return undefined;
}

/** A URL is proven by its address only. */
function isReadable(value: object, { kind }: Known): boolean {
  return kind !== "url" || hrefOf(value) !== undefined;
}

/** A copy of the class itself, with no properties of its own and no memory that anyone else can change. */
function cleanLeaf(value: object, { kind, className }: Known): unknown {
  switch (kind) {
    case "date":
      return new Date(timeOf(value));
    case "regexp":
      return cleanRegExp(value as RegExp);
    case "url":
      return new URL(hrefOf(value) ?? "");
    case "array buffer":
      return new Uint8Array(value as ArrayBuffer).slice().buffer;
    case "buffer":
      return Buffer.from(cleanView(value as TypedArray, "Buffer") as Uint8Array);
    default:
      return cleanView(value as TypedArray, className).slice();
  }
}

function cleanRegExp(regexp: RegExp): RegExp {
  const { source, flags } = patternOf(regexp);
  const copy = new RegExp(source, flags);
  copy.lastIndex = regexp.lastIndex;
  return copy;
}

/** An error of that class with nothing of its own: every field but the properties is a hole. */
function emptyError(className: string): Error {
  const fields = new Array<unknown>(4);
  fields[0] = className;
  fields[3] = {};
  return rebuildError(fields) ?? new Error();
}

function isStorable(value: object): boolean {
  try {
    encode(value);
    return true;
  } catch {
    return false;
  }
}

function isIterable(value: object): value is Iterable<unknown> {
  return typeof (value as Partial<Iterable<unknown>>)[Symbol.iterator] === "function";
}
