/**
 * The marks of a process that shares its store with others: what it has at work is in a note of its own, what is known of deaths
 * in notes of all (`shared-rows.ts`).
 *
 * A process is dead whose lease has run out and that has not ended well. One whose lease was lost, and that comes round, says so:
 * then it was none.
 */
import { hostname } from "node:os";
import { type Ledger, type Notes, type Rows, Writing } from "./ledger.ts";
import type { Marks } from "./marks.ts";
import { lookInto, readShared, rowsOf, type Shared, type SharedNames, undo, writeShared } from "./shared-rows.ts";

export interface SharedOptions {
  readonly notes: Notes;
  readonly namespace: string;
  /** The number of this process in the store. */
  readonly process: string;
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
  #isOver = false;

  constructor(options: SharedOptions) {
    this.#options = options;
    this.#names = rowsOf(options.namespace);
  }

  async open(): Promise<boolean> {
    await this.write();
    return this.refresh();
  }

  write(): Promise<void> {
    return this.#writing.ask();
  }

  refresh(): Promise<boolean> {
    return this.#writing.after(() => this.#refresh());
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
    const rows = lookInto(shared, dead, this.#names, now());
    if (rows.length > 0) await this.#options.notes.write(rows);
    this.#take(shared);
    return dead.length > 0 || this.marks.deaths.length > known;
  }

  /** The notes, and who has one and does not live any more. */
  async #read(): Promise<[Shared, string[]]> {
    const { notes, process } = this.#options;
    const shared = readShared(this.#names.prefix, await notes.read(this.#names.prefix));
    if (shared.atWork.size === 1 && shared.atWork.has(process)) return [shared, []];
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
      const rows = undo(shared, bootOf(), this.#names);
      await this.#options.notes.write([...rows, this.#own()]);
      this.#take(shared);
    });
  }

  async close(halted: ReadonlySet<string>): Promise<void> {
    this.#isOver = true;
    const cleared = [...halted].filter((name) => this.#noted.has(name));
    await this.#writing.after(() =>
      this.#options.notes.write([
        [this.#names.atWork(this.#options.process), undefined],
        ...cleared.map((name) => [this.#names.suspect(name), undefined] as const),
      ]),
    );
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
    const { process, hasUnmarked } = this.#options;
    const row = { boot: bootOf(), working: [...this.marks.working], hasOthers: hasUnmarked() };
    return [this.#names.atWork(process), writeShared(row)];
  }
}

/** This process of the operating system: when it began, by a clock that nobody sets. The same in all its threads. */
function bootOf(): string {
  const began = Number(process.hrtime.bigint()) / 1e9 - process.uptime();
  return `${hostname()} ${process.pid} ${Math.round(began)}`;
}
