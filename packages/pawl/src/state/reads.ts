/**
 * The read set of one draft in the persisted format: `reads := entry*`, `entry := kind path`.
 *
 * Owns the walk over what was handed out. One law: a container that was reached names the slot it was reached by, unless
 * something below it is named or written: a write to that slot conflicts with all below it.
 */
import { ByteWriter } from "../values/bytes.ts";
import { ArrayNode } from "./array.ts";
import { arrayIndex } from "./array-slots.ts";
import { writePath, writePlace } from "./delta.ts";
import { EntriesNode } from "./entries.ts";
import type { Place } from "./place.ts";
import { LEVEL_AFTER, StateNode } from "./place.ts";

const SLOT = 1;
const SHAPE = 2;
const LEVEL = 3;
const SUBTREE = 4;

/** What was read of the pin, from the root's node down. `wide`: so much that the root counts as read. */
export function encodeReads(root: StateNode | undefined, wide: boolean): Uint8Array {
  const out = new ByteWriter(64);
  if (wide) place(out, SUBTREE, undefined);
  else if (root !== undefined) collect(out, root);
  return out.copy();
}

/** Writes the entries at and below a node; says whether a conflict there would be noticed without the slot that leads to it. */
function collect(out: ByteWriter, node: StateNode): boolean {
  if (node.subtreeSeen) {
    place(out, SUBTREE, node);
    return true;
  }
  if (node instanceof EntriesNode && node.children?.some(isUnderObject) === true) {
    place(out, SUBTREE, node); // keys that are objects have no names that hold as of the pin
    return true;
  }
  const start = out.length;
  const silent: Place[] = [];
  for (const child of node.children ?? []) {
    if (child.owned) continue;
    if (!(child instanceof StateNode) || !collect(out, child)) silent.push(child);
  }
  if (node.levelSeen || silent.length > LEVEL_AFTER) place(out, LEVEL, node);
  else ownLevel(out, node, silent);
  return node.wrote || out.length > start;
}

function isUnderObject({ owned, key }: Place): boolean {
  return !owned && typeof key === "object" && key !== null;
}

function ownLevel(out: ByteWriter, node: StateNode, silent: readonly Place[]): void {
  if (node.shapeSeen) place(out, SHAPE, node);
  for (const key of node.slotsSeen ?? []) {
    const slot = node instanceof ArrayNode ? arrayIndex(key as string) : key;
    if (slot !== -1) entry(out, SLOT, node, slot);
  }
  for (const child of silent) entry(out, SLOT, node, child.key);
}

function entry(out: ByteWriter, kind: number, node: StateNode, key: unknown): void {
  out.u8(kind);
  writePath(out, node, key);
}

function place(out: ByteWriter, kind: number, node: StateNode | undefined): void {
  out.u8(kind);
  writePlace(out, node);
}
