/** What 1,000 mutations of a step are, for every side alike. */
import { type Shelf, shelfOf } from "./things.ts";

/** `objects`: one field of each of 1,000 objects. `object`: one field of one object. `keys`: 1,000 keys of a dictionary. */
export type Mutations = "objects" | "object" | "keys";

export const MUTATIONS = 1_000;
/** A prime, as in the things. */
const STRIDE = 7_919;

export interface Fields extends Shelf {
  readonly byKey: Record<string, number>;
}

/** A state of so many things, and a dictionary. */
export function fieldsOf(things: number): Fields {
  const byKey = Object.fromEntries(Array.from({ length: MUTATIONS * 2 }, (_, i) => [`key ${i}`, 0]));
  return { ...shelfOf(things), byKey };
}

/** By kind: does `count` mutations, 1,000 without it; other values each `turn`. */
export const mutate: Readonly<Record<Mutations, (state: Fields, turn: number, count?: number) => void>> = {
  objects({ things }, turn, count = MUTATIONS) {
    const { length } = things;
    for (let i = 0; i < count; i++) {
      const thing = things[((turn + i) * STRIDE) % length];
      if (thing !== undefined) thing.count = turn + i + 1;
    }
  },

  object({ things }, turn, count = MUTATIONS) {
    const thing = things[turn % things.length];
    if (thing === undefined) return;
    for (let i = 0; i < count; i++) thing.count += 1;
  },

  keys({ byKey }, turn, count = MUTATIONS) {
    for (let i = 0; i < count; i++) byKey[`key ${(turn + i) % (2 * MUTATIONS)}`] = turn + i + 1;
  },
};
