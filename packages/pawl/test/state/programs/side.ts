/**
 * The two sides of a comparison, and what operations use to act alike on both.
 *
 * One law: a value that is put somewhere is copied on the plain side, as the state captures by value; what the state keeps,
 * the plain side keeps.
 */
import { raw } from "../../../src/state/index.ts";
import { copy } from "../../../src/values/index.ts";

/** One side of a comparison: how to reach the root and how to write it, and what user code goes on holding. */
export interface Side {
  root: unknown;
  readonly held: unknown[];
  readonly iterators: Iterator<unknown>[];
}

export interface Step {
  readonly name: string;
  /** Picks a place, slot or length. */
  readonly picks: readonly number[];
  readonly value: unknown;
}

export type Bag = Record<string, unknown>;
export type Entries = Map<unknown, unknown> | Set<unknown>;

/** The plain side; everything else is the state. */
export class PlainSide implements Side {
  root: unknown;
  readonly held: unknown[] = [];
  readonly iterators: Iterator<unknown>[] = [];

  constructor(root: unknown) {
    this.root = root;
  }
}

export function isPlain(side: Side): boolean {
  return side instanceof PlainSide;
}

export const KEYS: readonly string[] = [
  "a",
  "b",
  "c",
  "items",
  "7",
  "0",
  "__proto__",
  "constructor",
  "é\ud800",
  "",
  "length",
  "toString",
];

export const pick = (step: Step, i: number): number => step.picks[i] ?? 0;
export const keyOf = (step: Step): string => KEYS[pick(step, 1) % KEYS.length] as string;
export const existing = (at: Bag, step: Step): string =>
  Object.keys(at)[pick(step, 1) % Math.max(1, Object.keys(at).length)] ?? keyOf(step);
export const indexIn = (at: readonly unknown[], step: Step, i = 1): number => pick(step, i) % (at.length + 1);
export const get = (at: object, key: string | number): unknown =>
  Object.hasOwn(at, key) ? (at as Bag)[key] : undefined;
export const fresh = (step: Step): unknown => copy(step.value);

/** What is given to a place that it did not come from: the state captures it, the plain side has to. */
export const given = <T>(side: Side, value: T): T => (isPlain(side) ? (copy(value) as T) : value);

/** Sets an own property on either side: on a plain object `__proto__ =` would change the prototype. */
export function put(at: Bag, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(at, key, { value, writable: true, enumerable: true, configurable: true });
  else at[key] = value;
}

/** What the state does at once: no two slots hold one object. */
export function separate(at: unknown[], from: number, to: number): void {
  for (let i = from; i < to; i++) if (i in at) at[i] = copy(at[i]);
}

export function isBag(value: unknown): value is Bag {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.prototype.toString.call(value) === "[object Object]" &&
    !Array.isArray(value) &&
    !(value instanceof URL)
  );
}

export function isEntries(value: unknown): value is Entries {
  return value instanceof Map || value instanceof Set;
}

export function isLeaf(value: unknown): value is object {
  return typeof value === "object" && value !== null && !isBag(value) && !Array.isArray(value) && !isEntries(value);
}

/** What a container holds, keys of Maps and members of Sets that hold something themselves included. */
function within(value: unknown): unknown[] {
  if (Array.isArray(value)) return [...value];
  if (isBag(value)) return Object.keys(value).map((key) => get(value, key));
  const keys = (entries: Entries): unknown[] => [...entries.keys()].filter((key) => !isLeaf(key));
  if (value instanceof Map) return [...value.keys()].flatMap((key) => [isLeaf(key) ? undefined : key, value.get(key)]);
  return value instanceof Set ? keys(value) : [];
}

/** Every container or leaf of the value, in the order of a walk. */
export function places(value: unknown, accept: (value: unknown) => boolean, found: unknown[] = []): unknown[] {
  if (accept(value)) found.push(value);
  for (const one of within(value)) if (typeof one === "object" && one !== null) places(one, accept, found);
  return found;
}

/** Whether the root holds this very object. */
export function isReachable(side: Side, value: unknown): boolean {
  return places(side.root, (one) => one === value).length > 0;
}

/** What an operation gave, plain. */
export function plainResult(result: unknown): unknown {
  if (Array.isArray(result)) return result.map(plainResult);
  return typeof result === "object" && result !== null ? raw(result) : result;
}

export const byText = (a: unknown, b: unknown): number =>
  String(key(a)) < String(key(b)) ? -1 : String(key(a)) > String(key(b)) ? 1 : 0;
const key = (value: unknown): unknown =>
  typeof value === "object" && value !== null ? Object.keys(value).length : value;
