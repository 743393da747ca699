/**
 * Assignments of a plain object or array that is built of parts of what it replaces: `{ ...state, x }`, `items.filter(f)`.
 *
 * Owns the comparison of the new top level with the old one. What was kept stays where it is, so that such an assignment costs
 * its top level, and what user code holds of a kept part stays valid; what it holds of the replaced container does not. One
 * law: everything is captured before anything changes.
 */
import { isProxy } from "node:util/types";
import { hasValue, ordinaryElements } from "../values/own.ts";
import { ArrayNode } from "./array.ts";
import type { Piece } from "./delta.ts";
import type { EntriesNode } from "./entries.ts";
import { ABSENT } from "./history.ts";
import { ObjectNode } from "./object.ts";
import { placeOf, type StateNode } from "./place.ts";
import type { DraftTree } from "./tree.ts";

/** Does an assignment whose values have been captured. */
export type Plan = () => void;

/** How `value` takes the slot that holds `old`; `undefined` unless it is built of parts of it. Throws what it cannot capture. */
export function planAssignment(
  tree: DraftTree,
  parent: ObjectNode | ArrayNode | EntriesNode | undefined,
  old: unknown,
  value: unknown,
): Plan | undefined {
  if (typeof value !== "object" || value === null || isProxy(value)) return undefined;
  const node = tree.placeIn(parent, old);
  if (node === undefined || node.gone || node.parent !== parent) return undefined;
  if (!(node instanceof ArrayNode || node instanceof ObjectNode)) return undefined;
  const slots = slotsOf(node, value);
  if (slots === undefined || !isBuiltOf(node, slots)) return undefined;
  return node instanceof ArrayNode ? planArray(node, value as readonly unknown[]) : planObject(node, slots as Pairs);
}

type Pairs = readonly (readonly [string, unknown])[];

/** What a value holds, if it is of the kind that a node is and holds nothing but data; capturing it will refuse the rest. */
function slotsOf(
  node: ArrayNode | ObjectNode,
  value: object,
): readonly (readonly [string | number, unknown])[] | undefined {
  if (node instanceof ObjectNode) return Object.getPrototypeOf(value) === node.prototype ? dataOf(value) : undefined;
  if (!Array.isArray(value) || Object.getPrototypeOf(value) !== Array.prototype) return undefined;
  const elements = ordinaryElements(value);
  if (elements === undefined) return undefined; // with holes, it is taken as a new value
  const isData = elements.every((one, i) => one !== undefined || hasValue(value, i)); // a setter alone reads as undefined
  return isData ? elements.map((one, i) => [i, one] as const) : undefined;
}

/** Whether a part of the node is in one of the slots, or in something that is built of what the slot holds. */
function isBuiltOf(node: ArrayNode | ObjectNode, slots: readonly (readonly [string | number, unknown])[]): boolean {
  return slots.some(([key, one]) => {
    if (typeof one !== "object" || one === null) return false;
    const place = placeOf(one);
    if (place !== undefined)
      return place.parent === node && !place.gone && (node instanceof ArrayNode || place.key === key);
    const child = node.tree.placeIn(node, node.slot(key as never));
    if (!(child instanceof ArrayNode || child instanceof ObjectNode) || isProxy(one)) return false;
    const below = slotsOf(child, one);
    return below !== undefined && isBuiltOf(child, below);
  });
}

function planObject(node: ObjectNode, slots: Pairs): Plan {
  const writes = slots.flatMap(([key, one]) => planSlot(node, key, one) ?? []);
  const keys = slots.map(([key]) => key);
  const names = new Set(keys);
  const dropped = node.keys().filter((key) => !names.has(key));
  return () => {
    node.sawLevel();
    const next = node.successor();
    for (const key of dropped) next.remove(key);
    for (const write of writes) write(next);
    if (next.keys().some((key, rank) => key !== keys[rank])) next.reorder(keys);
  };
}

/** The data properties of a value; `undefined` if it has others, which capturing will refuse. */
function dataOf(value: object): [string, unknown][] | undefined {
  const slots: [string, unknown][] = [];
  for (const key of Object.keys(value)) {
    const property = Object.getOwnPropertyDescriptor(value, key);
    if (property?.writable === undefined) return undefined;
    slots.push([key, property.value]);
  }
  return Reflect.ownKeys(value).length === slots.length ? slots : undefined;
}

/** How a slot gets a value of its own; `undefined` if it has it. */
function planSlot<K extends string | number>(
  node: Container<K>,
  key: K,
  value: unknown,
): ((next: Container<K>) => void) | undefined {
  const { tree } = node;
  const old = node.slot(key);
  if (old !== ABSENT && tree.holds(old, value)) return undefined;
  const nested = planAssignment(tree, node as unknown as ObjectNode | ArrayNode, old, value);
  if (nested !== undefined) return nested;
  const raw = tree.capture(value, node, key);
  return (next) => next.put(key, raw);
}

/** An object or an array, as far as it is written here. */
interface Container<K> extends StateNode {
  slot(key: K): unknown;
  put(key: K, raw: unknown): void;
}

function planArray(node: ArrayNode, value: readonly unknown[]): Plan {
  const sources = sourcesOf(node, value);
  const isAligned = value.length === node.length && sources.every((source, i) => source < 0 || source === i);
  return isAligned ? planAligned(node, value) : planMoved(node, value, sources);
}

/** For each element of the new array the index that it has in the old one, or -1. No index comes twice. */
function sourcesOf(node: ArrayNode, value: readonly unknown[]): number[] {
  const used = new Set<number>();
  let positions: ReadonlyMap<unknown, number> | undefined;
  return value.map((one) => {
    const place = placeOf(one);
    if (place === undefined || place.parent !== node || place.gone) return -1;
    if (used.size === 0) positions = node.positions();
    const index = positions === undefined ? (place.key as number) : (positions.get(place.base) ?? -1);
    if (index < 0 || used.has(index) || node.slot(index) !== place.base) return -1;
    used.add(index);
    return index;
  });
}

/** Every kept element keeps its place: `items.map((item) => (item.id === id ? { ...item, done: true } : item))`. */
function planAligned(node: ArrayNode, value: readonly unknown[]): Plan {
  const writes = value.flatMap((one, i) => planSlot(node, i, one) ?? []);
  return () => {
    node.sawLevel();
    const next = node.successor();
    for (const write of writes) write(next);
  };
}

function planMoved(node: ArrayNode, value: readonly unknown[], sources: readonly number[]): Plan {
  const { tree } = node;
  const isKept = (to: number, from: number): boolean => {
    const old = node.slot(from);
    return sources[to] === from || (sources[to] === -1 && isScalar(old) && tree.holds(old, value[to]));
  };
  const shorter = Math.min(value.length, node.length);
  let head = 0;
  while (head < shorter && isKept(head, head)) head += 1;
  let tail = 0;
  while (tail < shorter - head && isKept(value.length - 1 - tail, node.length - 1 - tail)) tail += 1;
  const end = value.length - tail;
  const raws = value.map((one, i) => {
    if (i < head) return node.slot(i);
    if (i >= end) return node.slot(i - value.length + node.length);
    const source = sources[i] as number;
    return source >= 0 ? node.slot(source) : tree.capture(one, node, i);
  });
  const isSplice = sources.slice(head, end).every((source) => source < 0);
  const pieces = isSplice ? [] : piecesOf(node, { head, end, sources, raws });
  return () => {
    node.sawLevel();
    const removed = node.length - tail - head;
    const next = node.successor();
    if (isSplice) next.splice(head, removed, raws.slice(head, end));
    else next.rebuild(head, pieces, raws);
  };
}

/** A primitive: one that is equal is as good as the same. */
function isScalar(raw: unknown): boolean {
  return raw !== ABSENT && (typeof raw !== "object" || raw === null);
}

interface Moved {
  readonly head: number;
  readonly end: number;
  readonly sources: readonly number[];
  readonly raws: readonly unknown[];
}

function piecesOf(node: ArrayNode, { head, end, sources, raws }: Moved): Piece[] {
  const pieces: Piece[] = [];
  let i = head;
  while (i < end) {
    const start = i;
    const source = sources[i] as number;
    if (source >= 0) {
      while (i < end && sources[i] === source + i - start) i += 1;
      pieces.push({ start: source, count: i - start });
    } else {
      while (i < end && (sources[i] as number) < 0) i += 1;
      pieces.push({ added: raws.slice(start, i) });
    }
  }
  const tail = raws.length - end;
  if (tail > 0) pieces.push({ start: node.length - tail, count: tail });
  return pieces;
}
