/** Numbers of repeated measurements. */

export interface Series {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: readonly number[];
}

/** A series of at least one sample. */
export function series(samples: readonly number[]): Series {
  if (samples.length === 0) throw new Error("a series needs at least one sample");
  return { median: median(samples), min: Math.min(...samples), max: Math.max(...samples), samples };
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/**
 * `above / below`, round by round. The two of a round are neighbours in time, so that what the machine was doing then falls
 * out: the median of these is steadier than the ratio of two medians.
 */
export function ratios(above: Series, below: Series): Series {
  return series(above.samples.map((value, round) => value / (below.samples[round] ?? Number.NaN)));
}

/** The same in another unit. */
export function scaled({ samples }: Series, by: number): Series {
  return series(samples.map((value) => value * by));
}

/** `above - below`, round by round. */
export function differences(above: Series, below: Series): Series {
  return series(above.samples.map((value, round) => value - (below.samples[round] ?? Number.NaN)));
}
