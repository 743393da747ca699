/** The state that the benches of state work on: many small objects in an array. */

export interface Thing {
  readonly id: number;
  readonly name: string;
  readonly price: number;
  readonly tags: readonly string[];
  count: number;
}

export interface Shelf {
  readonly things: Thing[];
}

/** A prime, so that the objects that are touched jump about the state, and none comes twice soon. */
const STRIDE = 7_919;

/** About how many bytes the JSON of a thing has. */
export const THING_BYTES = 70;

/** A thing, whose JSON has about so many bytes. */
export function thing(id: number): Thing {
  return { id, name: `thing ${id}`, price: id * 1.25 + 0.5, tags: ["new", "blue"], count: 0 };
}

/** A shelf of so many things. */
export function shelfOf(count: number): Shelf {
  return { things: Array.from({ length: count }, (_, id) => thing(id)) };
}

/** How many things have about `bytes` bytes as JSON. */
export function thingsIn(bytes: number): number {
  return Math.max(1, Math.round(bytes / JSON.stringify(thing(1_000)).length));
}

/** Sets one field: of another thing for each `turn`. */
export function setField({ things }: Shelf, count: number, turn: number): void {
  const written = things[(turn * STRIDE) % count];
  if (written !== undefined) written.count = turn;
}
