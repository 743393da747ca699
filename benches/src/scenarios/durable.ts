/** A1D and A5: steps on SQLite, each durable before the next. */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { alternate } from "../alternate.ts";
import { betterSqlite3 } from "../better-sqlite3.ts";
import type { DurableParts, DurableSteps } from "../engines/durable.ts";
import { bar, type Effort, type Progress, type Row, type Section } from "../section.ts";
import { ratios, type Series, scaled, series } from "../series.ts";
import { Side } from "../side.ts";

const STEPS = 2_000;
const WORKFLOWS = 10_000;
const PEERS_WORKFLOWS = 3_000;
const AT_ONCE = 1_000;
const STEPS_A_WORKFLOW = 3;
/** Its creation, and one for each step, the last of which ends it. */
const ROWS_A_WORKFLOW = 4;
const GROUPS = 200;
/** A file system in memory, on Linux: a sync there costs nothing but the call. */
const SHARED = "/dev/shm";
/** Where a commit takes longer than this, in microseconds, the disk is most of a step. */
const SLOW_COMMIT = 400;

/** One workflow: its steps against the pace at which the same disk takes single rows. */
export async function a1d({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const count = Math.ceil(STEPS / divisor);
  const sides = { durable: new Side("durable"), machine: new Side("machine"), grouped: new Side("grouped") };
  const found = betterSqlite3(progress);
  const pawl = (parent: string | undefined) => () => sides.durable.ask("steps", parent, count);
  const us = (of: readonly DurableSteps[]) => series(of.map(({ ms }) => (ms * 1_000) / count));
  try {
    const own = {
      disk: pawl(tmpdir()),
      memory: pawl(undefined),
      ...(existsSync(SHARED) && { shared: pawl(SHARED) }),
    };
    const inMicroseconds = (ms: number): DurableSteps => ({ ms, crossings: Number.NaN, transactions: Number.NaN });
    const others = "missing" in found ? {} : peers(found.folder);
    function peers(from: string) {
      const commit = (parent: string) => async () =>
        inMicroseconds((count * 1_000) / (await sides.machine.ask("commits", from, count, parent)));
      return {
        commit: commit(tmpdir()),
        rivet: async () => inMicroseconds(await sides.grouped.ask("steps", from, tmpdir(), count)),
        ...(existsSync(SHARED) && { sharedCommit: commit(SHARED) }),
      };
    }
    const samples: Record<string, DurableSteps[]> = await alternate<string, DurableSteps>(
      { ...own, ...others },
      rounds,
      progress,
    );
    const of = (name: string): Series | undefined => (samples[name] === undefined ? undefined : us(samples[name]));
    const row = (what: string, name: string): Row[] => {
      const series = of(name);
      return series === undefined ? [] : [{ what, unit: "us/step", series }];
    };
    const disk = samples["disk"] ?? [];
    const [steps, commits] = [us(disk), of("commit")];
    return {
      id: "A1D",
      title: "trivial steps of one workflow on SQLite, each durable before the next",
      timed: `from the creation of the workflow to its result, ${count} steps; the row alone: a commit through better-sqlite3, WAL and FULL`,
      rows: [
        ...row("pawl", "disk"),
        ...row("peer, on a driver that groups commits", "rivet"),
        ...row("a row alone", "commit"),
        ...row("pawl, in a file system in memory: two threads, two hops, no disk", "shared"),
        ...row("a row alone, there", "sharedCommit"),
        ...row("pawl, memory:", "memory"),
        { what: "calls of the engine", unit: "a step", series: series(disk.map(({ crossings }) => crossings)) },
        {
          what: "calls of the engine, memory:",
          unit: "a step",
          series: series((samples["memory"] ?? []).map(({ crossings }) => crossings)),
        },
      ],
      bars: [
        ...(commits === undefined
          ? []
          : [
              bar(
                "pawl's steps a second, of the rows a second that the disk takes",
                ratios(commits, steps),
                "at least",
                commits.median > SLOW_COMMIT ? 0.9 : 0.75,
              ),
            ]),
        bar("syncs a step", series(disk.map(({ transactions }) => transactions)), "at most", 1 + 10 / count),
        bar("calls of the engine a step", series(disk.map(({ crossings }) => crossings)), "at most", 3),
      ],
    };
  } finally {
    for (const side of Object.values(sides)) side.end();
  }
}

/** Many workflows at once: what of a durable step is whose. */
export async function a5({ rounds, divisor }: Effort, progress: Progress): Promise<Section> {
  const [count, peers] = [Math.ceil(WORKFLOWS / divisor), Math.ceil(PEERS_WORKFLOWS / divisor)];
  const width = Math.ceil(AT_ONCE / divisor);
  const [durable, grouped] = [new Side("durable"), new Side("grouped")];
  const installed = betterSqlite3(progress);
  const from = "missing" in installed ? undefined : installed.folder;
  try {
    const [own, beside, rows]: [DurableParts[], { rate: number; cpu: number }[], number[]] = [[], [], []];
    for (let round = 0; round <= rounds; round++) {
      progress(round === 0 ? "warming up" : `round ${round} of ${rounds}`);
      const pawl = await durable.ask("many", tmpdir(), count, width);
      const peer = from === undefined ? undefined : await grouped.ask("many", from, tmpdir(), peers, width);
      const row =
        from === undefined ? undefined : await grouped.ask("rows", from, tmpdir(), Math.ceil(GROUPS / divisor), width);
      if (round === 0) continue;
      own.push(pawl);
      if (peer !== undefined) beside.push(peer);
      if (row !== undefined) rows.push(row / ROWS_A_WORKFLOW);
    }
    const part = (what: string, name: keyof DurableParts): Row => ({
      what: `of pawl's: ${what}`,
      unit: "us/step",
      series: scaled(series(own.map((of) => of[name])), 1 / STEPS_A_WORKFLOW),
    });
    const rate = (what: string, samples: readonly number[]): Row[] =>
      samples.length === 0 ? [] : [{ what, unit: "workflows/s", series: series(samples) }];
    const cpu = (samples: readonly { cpu: number }[]) => series(samples.map(({ cpu }) => cpu / STEPS_A_WORKFLOW));
    return {
      id: "A5",
      title: `workflows of 3 steps on SQLite, ${width} at once, each commit synced`,
      timed: `${count} workflows of pawl's, ${peers} of the peer's; computing is of all threads of the process`,
      rows: [
        ...rate(
          "pawl",
          own.map((of) => of.rate),
        ),
        ...rate(
          "peer, on a driver that groups commits",
          beside.map((of) => of.rate),
        ),
        ...rate(`what SQLite takes, ${width} rows a transaction`, rows),
        { what: "computing, pawl", unit: "us/step", series: cpu(own) },
        ...(beside.length === 0 ? [] : [{ what: "computing, peer", unit: "us/step", series: cpu(beside) }]),
        part("JavaScript", "javascript"),
        part("boundary: calls that say nothing, as many", "boundary"),
        part("core: the rest of the engine on JavaScript's thread", "core"),
        part("SQLite: the writer's thread", "sqlite"),
        part("V8's and libuv's threads", "others"),
      ],
      bars:
        beside.length === 0
          ? []
          : [bar("peer / pawl, computing of a step", ratios(cpu(beside), cpu(own)), "at least", 5)],
    };
  } finally {
    durable.end();
    grouped.end();
  }
}
