/** Reads a value slot by slot, the way user code would, into a plain one. */
export function readThrough(value: unknown): unknown {
  if (Array.isArray(value)) return throughArray(value);
  if (value instanceof Map) return throughMap(value);
  if (value instanceof Set) return new Set(counted(value).map(readThrough));
  if (typeof value !== "object" || value === null) return value;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== Object.prototype && prototype !== null) return value;
  const out = Object.create(prototype) as object;
  for (const [key, one] of Object.entries(value)) {
    Object.defineProperty(out, key, { value: readThrough(one), writable: true, enumerable: true, configurable: true });
  }
  return out;
}

function throughMap(map: ReadonlyMap<unknown, unknown>): Map<unknown, unknown> {
  return new Map(counted(map).map((key) => [readThrough(key), readThrough(map.get(key))]));
}

/** The keys, which have to be as many as the size says. */
function counted(entries: ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>): unknown[] {
  const keys = [...entries.keys()];
  if (keys.length !== entries.size) throw new Error(`found ${keys.length} entries where the size is ${entries.size}`);
  return keys;
}

function throughArray(array: readonly unknown[]): unknown[] {
  const out: unknown[] = [];
  for (let i = 0; i < array.length; i++) if (i in array) out[i] = readThrough(array[i]);
  out.length = array.length;
  return out;
}
