/**
 * The marks of a process that shares its store with others: what it has at work is in a note of its own, what is known of deaths
 * in notes of all (`shared-rows.ts`).
 *
 * A process is dead whose lease has run out and that has not ended well. One whose lease was lost, and that comes round, says so:
 * then it was none.
 */
import { hostname } from "node:os";
import { type Ledger, type Notes, type Rows, Writing } from "./ledger.ts";
import { takeOver } from "./left.ts";
import { type Marks, MOST_DEATHS } from "./marks.ts";
import { lookInto, readShared, rowsOf, type Shared, type SharedNames, undo, writeShared } from "./shared-rows.ts";

export interface SharedOptions {
  readonly notes: Notes;
  readonly namespace: string;
  /** The number of this process in the store; of each thread, where several share it. */
  readonly process: string;
  /** What dies as one: this process, whatever it has open. */
  readonly boot: string;
  /** Whether processes share the store, and leases say which of them live. Otherwise everything of another boot is dead. */
  readonly hasLeases: boolean;
  now(): number;
  /** Whether actors are loaded whose attempts are not marked. */
  hasUnmarked(): boolean;
}

/** Lists the processes whose leases hold. */
const LIVING = "process/";

export class SharedLedger implements Ledger {
  readonly #options: SharedOptions;
  readonly #names: SharedNames;
  readonly #writing: Writing = new Writing(() => this.#put());
  readonly marks: Marks = { working: new Set(), suspects: new Map(), deaths: [] };
  /** The suspects of which there are notes, as far as is known. */
  readonly #noted = new Set<string>();
  /** Threads of this process that are gone. */
  readonly #gone = new Set<string>();
  #isOver = false;

  constructor(options: SharedOptions) {
    this.#options = options;
    this.#names = rowsOf(options.namespace);
  }

  async open(): Promise<boolean> {
    await takeOver(this.#options.notes, this.#options.namespace);
    await this.write();
    return this.refresh();
  }

  write(): Promise<void> {
    return this.#writing.ask();
  }

  refresh(): Promise<boolean> {
    return this.#writing.after(() => this.#refresh());
  }

  heard(processes: readonly string[]): void {
    if (!this.#options.hasLeases) for (const process of processes) this.#gone.add(process);
  }

  async #refresh(): Promise<boolean> {
    const { now } = this.#options;
    let [shared, dead] = await this.#read();
    // One that has ended well between the two answers has taken its note away.
    if (dead.length > 0) {
      const sure = (await this.#read())[1];
      dead = dead.filter((process) => sure.includes(process));
    }
    const known = this.marks.deaths.length;
    const rows = [...lookInto(shared, dead, this.#names, now()), ...this.#left(shared)];
    if (rows.length > 0) await this.#options.notes.write(rows);
    this.#take(shared);
    return dead.length > 0 || this.marks.deaths.length > known;
  }

  /** A thread that was terminated leaves its process alive: that is no death, and what it was at is not at work any more. */
  #left({ atWork }: Shared): Rows {
    const left = [...this.#gone].filter((process) => atWork.delete(process));
    this.#gone.clear();
    return left.map((process) => [this.#names.atWork(process), undefined]);
  }

  /** The notes, and who has one and does not live any more. */
  async #read(): Promise<[Shared, string[]]> {
    const { notes, process, boot, hasLeases } = this.#options;
    const shared = readShared(this.#names.prefix, await notes.read(this.#names.prefix));
    if (shared.atWork.size === 1 && shared.atWork.has(process)) return [shared, []];
    if (!hasLeases) {
      const others = [...shared.atWork].filter(([, row]) => row.boot !== boot);
      // What an earlier opening of this very process left behind was a thread's that was terminated.
      for (const [other, row] of others) if (inOneProcess(row.boot, boot)) this.#gone.add(other);
      return [shared, others.filter(([other]) => !this.#gone.has(other)).map(([other]) => other)];
    }
    const living = await notes.read(LIVING);
    const isDead = (other: string) => other !== process && !living.has(LIVING + other);
    return [shared, [...shared.atWork.keys()].filter(isDead)];
  }

  /** What is known from now on. A suspect that has settled here, of which that is still to be noted, is none. */
  #take({ deaths, suspects }: Shared): void {
    const { marks } = this;
    const cleared = [...this.#noted].filter((name) => !marks.suspects.has(name));
    marks.deaths = Array.from(deaths.values(), ({ at }) => at).sort((a, b) => a - b);
    marks.suspects.clear();
    for (const [name, { alone }] of suspects) if (!cleared.includes(name)) marks.suspects.set(name, alone.length);
    for (const name of suspects.keys()) this.#noted.add(name);
    for (const name of [...this.#noted]) if (!suspects.has(name)) this.#noted.delete(name);
  }

  async revive(): Promise<void> {
    await this.#writing.after(async () => {
      const [shared] = await this.#read();
      const rows = undo(shared, this.#options.boot, this.#names);
      await this.#options.notes.write([...rows, this.#own()]);
      this.#take(shared);
    });
  }

  async close(halted: ReadonlySet<string>): Promise<void> {
    this.#isOver = true;
    const cleared = [...halted].filter((name) => this.#noted.has(name));
    await this.#writing.after(async () =>
      this.#options.notes.write([
        [this.#names.atWork(this.#options.process), undefined],
        ...cleared.map((name) => [this.#names.suspect(name), undefined] as const),
        ...(await this.#endOfAll()),
      ]),
    );
  }

  /** The last thread of a process that has the store for itself: it ends well, and nobody is under suspicion for what was. */
  async #endOfAll(): Promise<Rows> {
    if (this.#options.hasLeases) return [];
    const [shared] = await this.#read();
    if ([...shared.atWork.keys()].some((other) => other !== this.#options.process)) return [];
    const suspects = [...shared.suspects.values()].filter(({ alone }) => alone.length < MOST_DEATHS);
    const deaths = Array.from(shared.deaths.keys(), (boot) => this.#names.death(boot));
    return [...deaths, ...suspects.map(({ name }) => this.#names.suspect(name))].map((note) => [note, undefined]);
  }

  abandon(): void {
    this.#isOver = true;
  }

  /** What is at work here, and what is not under suspicion any more. */
  async #put(): Promise<void> {
    if (this.#isOver) return;
    const cleared = [...this.#noted].filter((name) => !this.marks.suspects.has(name));
    await this.#options.notes.write([
      this.#own(),
      ...cleared.map((name) => [this.#names.suspect(name), undefined] as const),
    ]);
    for (const name of cleared) this.#noted.delete(name);
  }

  #own(): Rows[number] {
    const { process, boot, hasUnmarked } = this.#options;
    const row = { boot, working: [...this.marks.working], hasOthers: hasUnmarked() };
    return [this.#names.atWork(process), writeShared(row)];
  }
}

/** This process of the operating system: when it began, by a clock that nobody sets. The same in all its threads. */
export function bootOf(): string {
  const began = Number(process.hrtime.bigint()) / 1e9 - process.uptime();
  return `${hostname()} ${process.pid} ${Math.round(began)}`;
}

/** What an opening of a file is known by: its process, and which opening it is. */
export function bootOfOpening(epoch: number): string {
  return `${bootOf()} epoch ${epoch}`;
}

function inOneProcess(boot: string, other: string): boolean {
  const processOf = (opening: string) => opening.slice(0, opening.lastIndexOf(" epoch "));
  return processOf(boot) === processOf(other);
}
