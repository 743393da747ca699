/** Where in a value something is, as one would write it in JavaScript after the value's name. */
import { types } from "node:util";

/**
 * A step from a container to what it holds: the name of a property, or a position. Positions of a Map count its keys
 * and values alternately, from key 0.
 */
export type Segment = string | number | symbol;

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
const LONGEST_KEY = 64;
const LONGEST_PATH = 1000;

/** The path that leads through `containers[0]`, by `segments[0]`, to `containers[1]` and so on, `depth` steps. */
export function formatPath(containers: readonly object[], segments: readonly Segment[], depth: number): string {
  let path = "";
  for (let i = 0; i < depth; i++) path += formatStep(containers[i] as object, segments[i] as Segment);
  return path.length <= LONGEST_PATH ? path : `${path.slice(0, LONGEST_PATH / 2)}…${path.slice(-LONGEST_PATH / 2)}`;
}

function formatStep(container: object, segment: Segment): string {
  if (typeof segment === "symbol") return `[${String(segment)}]`;
  if (typeof segment === "string")
    return IDENTIFIER.test(segment) && segment.length <= LONGEST_KEY ? `.${segment}` : `[${quote(segment)}]`;
  if (Array.isArray(container)) return `[${segment}]`;
  if (types.isMap(container)) return formatMapStep(container, segment);
  return `.values()[${segment}]`;
}

function formatMapStep(map: ReadonlyMap<unknown, unknown>, segment: number): string {
  const position = segment >> 1;
  if (segment % 2 === 0) return `.keys()[${position}]`;
  const key = [...map.keys()][position];
  if (typeof key === "string") return `.get(${quote(key)})`;
  const literal = typeof key === "bigint" ? `${key}n` : String(key);
  return typeof key === "object" ? `.values()[${position}]` : `.get(${literal})`;
}

function quote(key: string): string {
  return JSON.stringify(key.length <= LONGEST_KEY ? key : `${key.slice(0, LONGEST_KEY)}…`);
}
