/** Plain copies of parts of the state. */
import { copy } from "../values/copy.ts";
import type { StateNode } from "./place.ts";
import { nodeOf } from "./place.ts";

/**
 * A plain, detached copy of any part of state, the attempt's own writes included; of any other value, what storing it and
 * reading it back gives. Counts as reading the whole part. Throws for a part of an attempt that has ended.
 */
export function raw<T>(value: T): T {
  const node = nodeOf(value);
  return (node === undefined ? copy(value) : copyOf(node)) as T;
}

function copyOf(node: StateNode): unknown {
  node.readable();
  return node.tree.copyNode(node);
}
