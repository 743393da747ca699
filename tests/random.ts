/** Chance that can be had again: everything drawn follows from the seed. */
export interface Random {
  /** An integer from 0, below `bound`. */
  below(bound: number): number;
  of<T>(items: readonly T[]): T;
}

/** Mulberry32, by Tommy Ettinger: <https://gist.github.com/tommyettinger/46a874533244883189143505d203312c>. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound: number) => Math.floor(next() * bound);
  return {
    below,
    of: (items) => {
      const item = items[below(items.length)];
      if (item === undefined) throw new Error("there is nothing to choose from");
      return item;
    },
  };
}
