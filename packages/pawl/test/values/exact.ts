/**
 * Exact equality: what storing a value promises to keep. Leaves by `Object.is`, the same prototypes, the same own
 * properties in the same order with the same visibility, holes as holes; the bytes of memory, the order of entries.
 */

/** Where and how `actual` differs from `expected`; undefined if it does not. */
export function difference(actual: unknown, expected: unknown, path = "value"): string | undefined {
  if (Object.is(actual, expected)) return undefined;
  if (!isObject(actual) || !isObject(expected)) return `${path}: ${show(actual)} is not ${show(expected)}`;
  if (Object.getPrototypeOf(actual) !== Object.getPrototypeOf(expected)) return `${path}: another prototype`;
  return differenceOfContents(actual, expected, path) ?? differenceOfProperties(actual, expected, path);
}

function differenceOfContents(actual: object, expected: object, path: string): string | undefined {
  if (expected instanceof Map) return difference([...(actual as typeof expected)], [...expected], `${path} entries`);
  if (expected instanceof Set) return difference([...(actual as typeof expected)], [...expected], `${path} elements`);
  if (expected instanceof Date) return difference((actual as Date).getTime(), expected.getTime(), `${path} time`);
  if (expected instanceof URL) return difference((actual as URL).href, expected.href, `${path} href`);
  if (expected instanceof RegExp) return difference(String(actual), String(expected), `${path} pattern`);
  if (expected instanceof ArrayBuffer) return difference(hex(actual as ArrayBuffer), hex(expected), `${path} memory`);
  if (ArrayBuffer.isView(expected))
    return difference(hexOfView(actual as Uint8Array), hexOfView(expected), `${path} bytes`);
  return undefined;
}

function differenceOfProperties(actual: object, expected: object, path: string): string | undefined {
  if (ArrayBuffer.isView(expected)) return undefined; // all their own properties are elements
  const keys = Reflect.ownKeys(expected);
  const found = Reflect.ownKeys(actual);
  if (expected instanceof Error) for (const list of [keys, found]) list.sort(); // the engine decides on their order
  if (keys.length !== found.length || keys.some((key, i) => key !== found[i])) {
    return `${path}: keys ${found.map(String)} are not ${keys.map(String)}`;
  }
  for (const key of keys) {
    const step = `${path}[${JSON.stringify(String(key))}]`;
    const a = Object.getOwnPropertyDescriptor(actual, key);
    const e = Object.getOwnPropertyDescriptor(expected, key);
    if (a?.enumerable !== e?.enumerable) return `${step}: another visibility`;
    const found = difference(a?.value, e?.value, step);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  return Object.is(value, -0) ? "-0" : String(value);
}

function hex(memory: ArrayBuffer): string {
  return Buffer.from(memory).toString("hex");
}

function hexOfView(view: ArrayBufferView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString("hex");
}
