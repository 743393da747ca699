/**
 * Plain copies of what a draft sees, its own writes included.
 *
 * Owns the walk over what was handed out and what was not. Records no reads. One law: a copy shares nothing with the state.
 */
import type { ArrayNode } from "./array.ts";
import { copyStored } from "./codec.ts";
import { EntriesNode } from "./entries.ts";
import { ABSENT } from "./history.ts";
import { Leaf } from "./leaf.ts";
import { ObjectNode } from "./object.ts";
import { IS_KEY, type StateNode } from "./place.ts";

/** How a leaf is copied. */
type CopyLeaf = (leaf: Leaf) => unknown;

/** As user code has made it. Throws if it can no longer be stored. */
const asItIs: CopyLeaf = (leaf) => leaf.copy();
/** As the engine has it: without what was done to it since. */
const asWritten: CopyLeaf = (leaf) => copyStored(leaf.base);

/** A container. */
export function copyOfView(node: StateNode): unknown {
  return node.tree.pristine ? copyStored(node.base) : copied(node, asItIs);
}

/** A key of a Map or member of a Set, as the engine has it. */
export function copyOfKey(parent: EntriesNode, key: object): unknown {
  return copiedSlot(parent, key, key, IS_KEY, asWritten);
}

function copied(node: StateNode, copyLeaf: CopyLeaf): unknown {
  if (node instanceof ObjectNode) return copiedObject(node, copyLeaf);
  if (node instanceof EntriesNode) return copiedEntries(node, copyLeaf);
  return copiedArray(node as ArrayNode, copyLeaf);
}

function copiedEntries(node: EntriesNode, copyLeaf: CopyLeaf): Map<unknown, unknown> | Set<unknown> {
  const keyOf = (key: unknown): unknown => copiedSlot(node, key, key, IS_KEY, copyLeaf);
  if (node.isSet) {
    const set = new Set<unknown>();
    for (const key of node.walk()) set.add(keyOf(key));
    return set;
  }
  const map = new Map<unknown, unknown>();
  for (const key of node.walk()) map.set(keyOf(key), copiedSlot(node, key, node.slot(key), 0, copyLeaf));
  return map;
}

function copiedObject(node: ObjectNode, copyLeaf: CopyLeaf): object {
  const copy = Object.create(node.prototype) as Record<string, unknown>;
  for (const key of node.keys()) {
    Object.defineProperty(copy, key, {
      value: copiedSlot(node, key, node.slot(key), 0, copyLeaf),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return copy;
}

function copiedArray(node: ArrayNode, copyLeaf: CopyLeaf): unknown[] {
  const copy: unknown[] = [];
  const { length } = node;
  for (let i = 0; i < length; i++) {
    const raw = node.slot(i);
    if (raw !== ABSENT) copy[i] = copiedSlot(node, i, raw, 0, copyLeaf);
  }
  copy.length = length;
  return copy;
}

function copiedSlot(parent: StateNode, key: unknown, raw: unknown, traits: number, copyLeaf: CopyLeaf): unknown {
  if (typeof raw !== "object" || raw === null) return raw;
  const known = parent.childOf(raw);
  if (known === undefined && parent.tree.atHead) return copyStored(raw);
  const place = known ?? parent.child(key, raw, traits);
  return place instanceof Leaf ? copyLeaf(place) : copied(place as StateNode, copyLeaf);
}
