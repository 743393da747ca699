/**
 * What a value is, told without running any code of the user's: no getter, no proxy trap, no `constructor` lookup
 * through one. The one law: only built-in classes themselves are data; a subclass, or an object that merely claims
 * the prototype, is not.
 */
import { types } from "node:util";
import { ERROR_CLASSES, TAG_OF_TYPED_ARRAY } from "./tags.ts";

export type Kind =
  | "object"
  | "array"
  | "map"
  | "set"
  | "date"
  | "regexp"
  | "url"
  | "error"
  | "buffer"
  | "array buffer"
  | "typed array";

/** A built-in prototype: what its instances are, and the name of their class. */
export interface Known {
  readonly kind: Kind;
  readonly className: string;
}

const BY_CLASS_NAME: ReadonlyMap<string, Known> = new Map(
  [
    ["Object", "object"],
    ["Array", "array"],
    ["Map", "map"],
    ["Set", "set"],
    ["Date", "date"],
    ["RegExp", "regexp"],
    ["ArrayBuffer", "array buffer"],
    ...Object.keys(ERROR_CLASSES).map((name) => [name, "error"]),
    ...[...TAG_OF_TYPED_ARRAY.keys()].map((name) => [name, "typed array"]),
  ].map(([className, kind]) => [className, { kind, className }] as [string, Known]),
);

/** Filled with this realm's prototypes at load, and with other realms' as they are met. */
const BY_PROTOTYPE = new WeakMap<object, Known>([
  [URL.prototype, { kind: "url", className: "URL" }],
  [Buffer.prototype, { kind: "buffer", className: "Buffer" }],
]);
for (const [className, known] of BY_CLASS_NAME) {
  const own = (globalThis as unknown as Record<string, { prototype: object }>)[className];
  if (own !== undefined) BY_PROTOTYPE.set(own.prototype, known);
}

/** What instances of `prototype` are, or undefined if they are no data. */
export function knownByPrototype(prototype: object): Known | undefined {
  return BY_PROTOTYPE.get(prototype) ?? (isStandInDate(prototype) ? DATE : knownElsewhere(prototype));
}

const DATE: Known = { kind: "date", className: "Date" };

/** Whether `prototype` is of the class that stands in for `Date` at the moment: fake timers of tests put one there. */
function isStandInDate(prototype: object): boolean {
  return prototype === globalThis.Date.prototype;
}

/** A built-in prototype of another realm (`node:vm`): its constructor is native, has a known name, and points back. */
function knownElsewhere(prototype: object): Known | undefined {
  const maker = constructorOf(prototype);
  if (maker === undefined || !isNative(maker)) return undefined;
  const known = BY_CLASS_NAME.get(ownText(maker, "name") ?? "");
  if (known === undefined || Object.getOwnPropertyDescriptor(maker, "prototype")?.value !== prototype) return undefined;
  BY_PROTOTYPE.set(prototype, known);
  return known;
}

/** Whether `value` really is what its prototype says: `Object.create(Map.prototype)` is no Map. */
export function isGenuine(value: object, known: Known): boolean {
  switch (known.kind) {
    case "object":
    case "url": // proven by reading its address
      return true;
    case "array":
      return Array.isArray(value);
    case "map":
      return types.isMap(value);
    case "set":
      return types.isSet(value);
    case "date":
      return types.isDate(value);
    case "regexp":
      return types.isRegExp(value);
    case "error":
      return types.isNativeError(value);
    case "array buffer":
      return types.isArrayBuffer(value);
    case "buffer":
      return typedArrayName(value) === "Uint8Array";
    case "typed array":
      return typedArrayName(value) === known.className;
  }
}

const TYPED_ARRAY_PROTOTYPE = Object.getPrototypeOf(Uint8Array.prototype) as object;
const readTypedArrayName = nativeGetter(TYPED_ARRAY_PROTOTYPE, Symbol.toStringTag);

function typedArrayName(value: object): unknown {
  return readTypedArrayName.call(value);
}

/** A getter of the platform, taken at load so that nothing the user puts in front of it is run. */
export function nativeGetter(prototype: object, key: PropertyKey): (this: unknown) => unknown {
  const getter = Object.getOwnPropertyDescriptor(prototype, key)?.get;
  if (getter === undefined) throw new TypeError(`this platform has no getter ${String(key)}`);
  return getter;
}

/** A noun phrase for a value that is no data: `a function`, `a Promise object`, `an instance of class Decimal`. */
export function describe(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "symbol") return "a symbol";
  if (typeof value !== "object" || value === null) return `${typeof value}`;
  if (types.isProxy(value)) return "a Proxy";
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null) return "an object without a prototype";
  const maker = types.isProxy(prototype) ? undefined : constructorOf(prototype);
  const name = maker === undefined ? undefined : ownText(maker, "name");
  if (maker === undefined || name === undefined || name === "") return "an object with a prototype of its own";
  return isNative(maker) ? `${withArticle(name)} object` : `an instance of class ${name}`;
}

/** `an Int8Array`, `a Uint8Array`. */
export function withArticle(className: string): string {
  return `${/^[AEIO]/.test(className) ? "an" : "a"} ${className}`;
}

function constructorOf(prototype: object): object | undefined {
  if (types.isProxy(prototype)) return undefined;
  const maker: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof maker === "function" && !types.isProxy(maker) ? maker : undefined;
}

function ownText(owner: object, key: string): string | undefined {
  const text: unknown = Object.getOwnPropertyDescriptor(owner, key)?.value;
  return typeof text === "string" ? text : undefined;
}

function isNative(maker: object): boolean {
  return Function.prototype.toString.call(maker).endsWith("{ [native code] }");
}
