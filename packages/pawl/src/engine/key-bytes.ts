/** Keys as bytes. */

/** Lowercase. */
export function keyToHex(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("hex");
}

/** By bytes; of two of which one starts with the other, the shorter first. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** Whether the first bytes of `key` are those of `prefix`. */
export function keyStartsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.length <= key.length && prefix.every((byte, i) => key[i] === byte);
}
