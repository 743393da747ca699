/** The marks of a process that has its store for itself, or with other threads of its own: one row for each of them. */
import { threadId } from "node:worker_threads";
import { decode, encode } from "../values/index.ts";
import { type Ledger, type Notes, notesOf, Writing } from "./ledger.ts";
import { afterDeath, type Marks, noMarks, quarantinedOf } from "./marks.ts";

export interface OwnOptions {
  readonly notes: Notes;
  readonly store: string;
  readonly namespace: string;
  now(): number;
}

/** The places of the runtimes of this thread that are open, by store and namespace: of two that share a store, each has a note. */
const places = new Map<string, Set<number>>();

export class OwnLedger implements Ledger {
  readonly #options: OwnOptions;
  readonly #note: string;
  readonly #leave: () => void;
  readonly #writing: Writing = new Writing(() => this.#put({ running: true, marks: this.marks }));
  marks: Marks = noMarks();

  constructor(options: OwnOptions) {
    this.#options = options;
    const { store, namespace } = options;
    const taken = places.get(`${store} ${namespace}`) ?? new Set();
    places.set(`${store} ${namespace}`, taken);
    let place = 0;
    while (taken.has(place)) place += 1;
    taken.add(place);
    this.#leave = () => taken.delete(place);
    // The threads of a process have the same numbers each time.
    this.#note = `${notesOf(namespace)}${threadId}.${place}`;
  }

  async open(): Promise<boolean> {
    const { notes, now } = this.#options;
    const row = readRow((await notes.read(this.#note)).get(this.#note));
    const hasDied = row?.running === true;
    if (hasDied) {
      const { working, suspects } = row.marks;
      const [only, ...others] = working;
      const isAlone = only !== undefined && others.length === 0 && suspects.has(only);
      this.marks = afterDeath(row.marks, now(), isAlone ? only : undefined);
    } else if (row !== undefined) this.marks = { ...noMarks(), suspects: quarantinedOf(row.marks) };
    await this.write();
    return hasDied;
  }

  write(): Promise<void> {
    return this.#writing.ask();
  }

  /** Nobody is under suspicion for what ends well. */
  close(): Promise<void> {
    this.#leave();
    const marks = { ...noMarks(), suspects: quarantinedOf(this.marks) };
    return this.#writing.after(() => this.#put({ running: false, marks }));
  }

  abandon(): void {
    this.#leave();
  }

  #put(row: OwnRow): Promise<void> {
    return this.#options.notes.write([[this.#note, writeRow(row)]]);
  }
}

/** A process: whether it has ended well is seen by the next one. */
export interface OwnRow {
  readonly running: boolean;
  readonly marks: Marks;
}

const VERSION = 1;

export function writeRow({ running, marks: { working, suspects, deaths } }: OwnRow): Uint8Array {
  return encode({ version: VERSION, running, working: [...working], suspects: [...suspects], deaths });
}

export function readRow(row: Uint8Array | undefined): OwnRow | undefined {
  if (row === undefined) return undefined;
  const { running, working, suspects, deaths } = decode(row) as {
    running: boolean;
    working: string[];
    suspects: [string, number][];
    deaths: number[];
  };
  return { running, marks: { working: new Set(working), suspects: new Map(suspects), deaths } };
}
