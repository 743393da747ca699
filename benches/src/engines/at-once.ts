/** Runs many of something, so many at once. */

export interface Rate {
  /** In a second. */
  readonly rate: number;
  /** Microseconds that the process has computed for one, on all its threads. */
  readonly cpu: number;
}

/** `run` is told which one it is: from `first` on. */
export async function atOnce(
  first: number,
  count: number,
  width: number,
  run: (n: number) => Promise<unknown>,
): Promise<Rate> {
  let next = first;
  const work = async () => {
    while (next < first + count) await run(next++);
  };
  const [began, computed] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: width }, work));
  const { user, system } = process.cpuUsage(computed);
  return { rate: (count * 1_000) / (performance.now() - began), cpu: (user + system) / count };
}
