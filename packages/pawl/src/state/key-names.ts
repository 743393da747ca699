/**
 * What the engine calls the entries of one Map or Set whose keys are objects: the bytes of the key as the engine has them, and
 * the entry's rank among those with the same bytes.
 *
 * Made when the first of them has to be named, by encoding all of them once. One law: it follows every operation that is
 * written, in the order in which they are written.
 */

/** The names of one container's object keys. */
export class KeyNames {
  readonly #texts = new Map<object, string>();
  readonly #twins = new Map<string, object[]>();

  /** A key was added after all others. */
  add(key: object, bytes: Uint8Array): void {
    const text = Buffer.from(bytes).toString("latin1");
    this.#texts.set(key, text);
    const twins = this.#twins.get(text);
    if (twins === undefined) this.#twins.set(text, [key]);
    else twins.push(key);
  }

  remove(key: object): void {
    const text = this.#texts.get(key);
    if (text === undefined) return;
    this.#texts.delete(key);
    const twins = this.#twins.get(text) ?? [];
    twins.splice(twins.indexOf(key), 1);
    if (twins.length === 0) this.#twins.delete(text);
  }

  /** A key has other bytes now. `order`: all keys of the container in their order. */
  rename(key: object, bytes: Uint8Array, order: Iterable<unknown>): void {
    this.remove(key);
    this.add(key, bytes);
    const text = Buffer.from(bytes).toString("latin1");
    const twins = new Set<unknown>(this.#twins.get(text));
    if (twins.size > 1) this.#twins.set(text, [...order].filter((one) => twins.has(one)) as object[]);
  }

  /** The bytes and the rank of a key. */
  of(key: object): { readonly bytes: Uint8Array; readonly rank: number } {
    const text = this.#texts.get(key);
    if (text === undefined) throw new Error("found a key that was never named: this is a fault of Pawl's");
    return { bytes: Buffer.from(text, "latin1"), rank: this.#twins.get(text)?.indexOf(key) ?? 0 };
  }
}
