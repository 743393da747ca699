/**
 * Graves: entries of Maps and Sets that a commit removed while an attempt with an older pin was open.
 *
 * A Map cannot put a key back into its old place, so such an entry stays where it is until no pin needs it. One law: whoever
 * reads a Map or Set of the mirror asks here whether an entry is still alive.
 */

interface Buried {
  readonly seq: number;
  readonly container: Entries;
  readonly key: unknown;
}

/** A Map or Set of the mirror. */
export type Entries = Map<unknown, unknown> | Set<unknown>;

/** The graves of one mirror. */
export class Graves {
  readonly #dead = new Map<Entries, Map<unknown, number>>();
  /** In the order of commits. */
  #log: Buried[] = [];

  get size(): number {
    return this.#log.length;
  }

  /** How many entries of a container are dead. */
  count(container: Entries): number {
    return this.#dead.get(container)?.size ?? 0;
  }

  /** Whether an entry that is in the container is dead at the head. */
  has(container: Entries, key: unknown): boolean {
    return this.#log.length > 0 && this.#dead.get(container)?.has(key) === true;
  }

  /** Change `seq` removed an entry. */
  bury(container: Entries, key: unknown, seq: number): void {
    const keys = this.#dead.get(container) ?? new Map<unknown, number>();
    if (keys.size === 0) this.#dead.set(container, keys);
    keys.set(key, seq);
    this.#log.push({ seq, container, key });
  }

  /** Takes a dead entry out at once: one with its key is about to be added. */
  exhume(container: Entries, key: unknown): void {
    const keys = this.#dead.get(container);
    if (keys?.delete(key) !== true) return;
    if (keys.size === 0) this.#dead.delete(container);
    container.delete(key);
  }

  /** Takes out what no pin at or above `oldestPin` reads; `undefined`: no pin is open. */
  cut(oldestPin: number | undefined): void {
    let done = 0;
    for (const { seq, container, key } of this.#log) {
      if (oldestPin !== undefined && seq > oldestPin) break;
      if (this.#dead.get(container)?.get(key) === seq) this.exhume(container, key);
      done += 1;
    }
    if (done > 0) this.#log = this.#log.slice(done);
  }
}
