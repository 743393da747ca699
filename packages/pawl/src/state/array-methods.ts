/**
 * The array methods that change an array, each as one operation where the format has one.
 *
 * Owns their semantics (ECMA-262, 23.1.3). One law: every argument is captured before anything changes, so that a refused value
 * leaves the array as it was.
 */
import type { ArrayNode } from "./array.ts";
import { ABSENT } from "./history.ts";

/** Runs on an array that may be written. */
export type ArrayMethod = (node: ArrayNode, args: readonly unknown[]) => unknown;
type Comparator = (a: unknown, b: unknown) => number;

/** The methods by name. */
export const arrayMethods: ReadonlyMap<string | symbol, ArrayMethod> = new Map<string, ArrayMethod>([
  ["push", push],
  ["pop", pop],
  ["shift", shift],
  ["unshift", unshift],
  ["splice", splice],
  ["reverse", reverse],
  ["sort", sort],
  ["fill", fill],
  ["copyWithin", copyWithin],
]);

function push(node: ArrayNode, args: readonly unknown[]): number {
  const start = node.length;
  node.splice(start, 0, captured(node, start, args));
  return node.length;
}

function pop(node: ArrayNode): unknown {
  node.sawShape();
  const last = node.length - 1;
  if (last < 0) return undefined;
  const value = taken(node, last);
  node.setLength(last);
  return value === ABSENT ? undefined : value;
}

function shift(node: ArrayNode): unknown {
  node.sawShape();
  if (node.length === 0) return undefined;
  const value = taken(node, 0);
  node.splice(0, 1, []);
  return value === ABSENT ? undefined : value;
}

function unshift(node: ArrayNode, args: readonly unknown[]): number {
  node.splice(0, 0, captured(node, 0, args));
  return node.length;
}

function splice(node: ArrayNode, args: readonly unknown[]): unknown[] {
  node.sawShape();
  const { length } = node;
  const start = clamped(args[0], length, 0);
  const rest = length - start;
  const removed = args.length === 0 ? 0 : args.length === 1 ? rest : Math.min(Math.max(integer(args[1]), 0), rest);
  const added = captured(node, start, args.slice(2));
  const out: unknown[] = [];
  for (let i = 0; i < removed; i++) {
    const value = taken(node, start + i);
    if (value !== ABSENT) out[i] = value;
  }
  out.length = removed;
  node.splice(start, removed, added);
  return out;
}

function reverse(node: ArrayNode): unknown {
  node.sawShape();
  const { length } = node;
  node.permute(Array.from({ length }, (_, i) => length - 1 - i));
  return node.handle;
}

function sort(node: ArrayNode, args: readonly unknown[]): unknown {
  const compare = args[0];
  if (compare !== undefined && typeof compare !== "function") {
    throw new TypeError("The comparison function must be either a function or undefined");
  }
  node.sawLevel();
  const { values, undefineds, holes } = sortable(node);
  const { edits } = node;
  values.sort(compare === undefined ? byText() : (a, b) => (compare as Comparator)(a.value, b.value));
  if (node.edits !== edits || node.gone) return sortedCopies(node, values, undefineds.length, holes.length);
  node.permute([...values.map(({ index }) => index), ...undefineds, ...holes]);
  return node.handle;
}

interface Sortable {
  readonly index: number;
  readonly value: unknown;
}

function sortable(node: ArrayNode): { values: Sortable[]; undefineds: number[]; holes: number[] } {
  const values: Sortable[] = [];
  const undefineds: number[] = [];
  const holes: number[] = [];
  for (let index = 0; index < node.length; index++) {
    const raw = node.slot(index);
    if (raw === ABSENT) holes.push(index);
    else if (raw === undefined) undefineds.push(index);
    else values.push({ index, value: node.view(index, raw) });
  }
  return { values, undefineds, holes };
}

function byText(): (a: Sortable, b: Sortable) => number {
  const texts = new Map<Sortable, string>();
  const text = (one: Sortable): string => {
    const known = texts.get(one) ?? String(one.value);
    texts.set(one, known);
    return known;
  };
  return (a, b) => (text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0);
}

/** The comparator changed the array itself: as on a plain array, the sorted values then take the places of the old ones. */
function sortedCopies(node: ArrayNode, values: readonly Sortable[], undefineds: number, holes: number): unknown {
  node.writable();
  const list = [...values.map(({ value }) => value), ...Array.from({ length: undefineds }, () => undefined)];
  const copies = captured(node, 0, list);
  const covered = Math.min(node.length, list.length + holes);
  node.splice(0, Math.min(covered, list.length), copies);
  for (let i = list.length; i < covered; i++) node.remove(i);
  return node.handle;
}

function fill(node: ArrayNode, [value, from, to]: readonly unknown[]): unknown {
  node.sawShape();
  const { length } = node;
  const start = clamped(from, length, 0);
  const end = clamped(to, length, length);
  const copies: unknown[] = [];
  for (let i = start; i < end; i++) copies.push(node.tree.capture(value, node, i));
  putAll(node, start, copies);
  return node.handle;
}

function copyWithin(node: ArrayNode, [to, from, until]: readonly unknown[]): unknown {
  node.sawShape();
  const { length } = node;
  const target = clamped(to, length, 0);
  const start = clamped(from, length, 0);
  const count = Math.min(clamped(until, length, length) - start, length - target);
  const copies: unknown[] = [];
  for (let i = 0; i < count; i++) copies.push(taken(node, start + i));
  putAll(node, target, copies);
  return node.handle;
}

function putAll(node: ArrayNode, start: number, copies: readonly unknown[]): void {
  copies.forEach((raw, i) => {
    if (raw === ABSENT) {
      node.remove(start + i);
    } else {
      if (typeof raw === "object" && raw !== null) node.tree.own(raw);
      node.put(start + i, raw);
    }
  });
}

function captured(node: ArrayNode, start: number, values: readonly unknown[]): unknown[] {
  return values.map((value, i) => node.tree.capture(value, node, start + i));
}

/** A plain copy of an element, or `ABSENT`. */
function taken(node: ArrayNode, index: number): unknown {
  const raw = node.slot(index);
  if (typeof raw !== "object" || raw === null) {
    node.sawIndex(String(index));
    return raw;
  }
  return node.tree.copyOut(node, index, raw);
}

function integer(value: unknown): number {
  const number = Math.trunc(Number(value));
  return Number.isNaN(number) ? 0 : number;
}

/** A relative index as the array methods read it: negative counts from the end. */
function clamped(value: unknown, length: number, absent: number): number {
  if (value === undefined) return absent;
  const number = integer(value);
  return number < 0 ? Math.max(length + number, 0) : Math.min(number, length);
}
