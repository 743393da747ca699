/**
 * Which of the places below one container stands for a value: by the value itself, wherever it has moved to.
 *
 * A few are looked through; of many an index is made, when the first of them is asked for. Knows no paths. One law: of two
 * places for one value the later one stands for it.
 */
import type { Place } from "./place.ts";

/** So many are looked through faster than a Map finds one. */
const FEW = 8;

/** Finds places in a list that only grows. */
export class ChildIndex {
  readonly #known = new Map<object, Place>();
  #listed = 0;

  find(children: readonly Place[], raw: object): Place | undefined {
    for (; this.#listed < children.length; this.#listed += 1) {
      const place = children[this.#listed] as Place;
      this.#known.set(place.base, place);
    }
    const found = this.#known.get(raw);
    return found?.base === raw ? found : undefined; // a leaf that was written has another value since
  }

  /** A place stands for another value now. */
  renamed(place: Place): void {
    this.#known.set(place.base, place);
  }
}

/** Whether there are so many that an index is worth it. */
export function areMany(children: readonly Place[]): boolean {
  return children.length > FEW;
}

/** As an index would find it. */
export function findAmong(children: readonly Place[], raw: object): Place | undefined {
  for (let i = children.length - 1; i >= 0; i--) {
    const place = children[i];
    if (place?.base === raw) return place;
  }
  return undefined;
}
