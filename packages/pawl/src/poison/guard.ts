/**
 * Finds what takes the process of a runtime down with it.
 *
 * After an end that was no clean one, every attempt is marked before its body begins, in a row of the store's own; before that
 * nothing is. What was at work at a second such end within ten minutes is under suspicion: it runs last, and one at a time. A
 * suspect that was alone with a death three times is quarantined, by name, until somebody releases it. Its settling, and a clean
 * end, clear it; a death with several at work says nothing of any.
 */
import { threadId } from "node:worker_threads";
import type { Attempt } from "../attempt.ts";
import type { Logger } from "../log.ts";
import { decode, encode } from "../values/index.ts";
import type { Gate } from "./guarded-bodies.ts";
import { afterDeath, isQuarantined, type Marks, noMarks, SUSPICIOUS_MS } from "./marks.ts";
import { actorOf, titleOf } from "./names.ts";

/** Where marks are kept. */
export interface Notes {
  read(prefix: string): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Resolves when it is durable. */
  write(name: string, body: Uint8Array | undefined): Promise<void>;
}

export interface GuardOptions {
  readonly notes: Notes;
  readonly store: string;
  readonly namespace: string;
  readonly log: Logger;
  now(): number;
  after(ms: number, run: () => void): () => void;
}

/** The places of the runtimes of this thread that are open, by store and namespace: of two that share a store, each has a note. */
const places = new Map<string, Set<number>>();

/** For so long nothing else must have begun or ended before a suspect does. */
const QUIET_MS = 250;
/** After so long a suspect's turn has come, however much else there is to do: what would begin waits. */
const PATIENCE_MS = 10_000;
/** For so long nothing begins beside a suspect: twice as long for each further death of the last ten minutes. */
const ALONE_MS = 2_000;
const ALONE_MAX_MS = 60_000;

export class Guard implements Gate {
  readonly #options: GuardOptions;
  #marks: Marks = noMarks();
  /** Whether attempts are marked. */
  #marksUntil = 0;
  /** The suspect that is at work, and whether others must not begin beside it. */
  #alone: { readonly name: string; isOver: boolean } | undefined;
  /** Since when a suspect waits. */
  #waitingSince: number | undefined;
  readonly #suspects = new Map<string, () => void>();
  #others: (() => void)[] = [];
  #quiet: (() => void) | undefined;
  #written: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #isClosed = false;
  readonly #note: string;
  readonly #leave: () => void;

  constructor(options: GuardOptions) {
    this.#options = options;
    const { store, namespace } = options;
    const taken = places.get(`${store} ${namespace}`) ?? new Set();
    places.set(`${store} ${namespace}`, taken);
    let place = 0;
    while (taken.has(place)) place += 1;
    taken.add(place);
    this.#leave = () => taken.delete(place);
    this.#note = noteOf(namespace, threadId, place);
  }

  /** Its process is taken for dead. For tests. */
  abandon(): void {
    this.#isClosed = true;
    this.#leave();
  }

  /** Reads what an earlier process has left, and notes that one is at work. */
  async open(): Promise<void> {
    const { notes, now, log } = this.#options;
    const row = readRow((await notes.read(this.#note)).get(this.#note));
    if (row?.running === true) {
      const { working, suspects } = row.marks;
      const [only, ...others] = working;
      const isAlone = only !== undefined && others.length === 0 && suspects.has(only);
      this.#marks = afterDeath(row.marks, now(), isAlone ? only : undefined);
      this.#marksUntil = now() + SUSPICIOUS_MS;
      const named = [...this.#marks.suspects.keys()].map(titleOf);
      // To be killed is how many processes end: that is only worth a line once somebody is suspected of it.
      log[named.length === 0 ? "debug" : "warn"](
        { suspects: named },
        "the process before this one did not end well: attempts are marked before they begin",
      );
    } else if (row !== undefined) this.#marks = { ...noMarks(), suspects: quarantinedOf(row.marks) };
    for (const [suspect] of quarantinedOf(this.#marks))
      log.error({ attempt: titleOf(suspect) }, "an attempt is quarantined: it has taken its process down three times");
    await this.#write();
  }

  /** Whether attempts are marked before they begin, or some must not begin at all. */
  get isOn(): boolean {
    return this.#isMarking || this.#marks.suspects.size > 0;
  }

  isQuarantined(name: string): boolean {
    return isQuarantined(this.#marks, name);
  }

  /** The attempts of an actor that are under suspicion, or quarantined: how often each was alone with a death. */
  suspectsOf(actor: string): ReadonlyMap<string, number> {
    return new Map([...this.#marks.suspects].filter(([name]) => actorOf(name) === actor));
  }

  /** Resolves when the attempt of this name is marked, and may begin. */
  async begin(name: string): Promise<void> {
    if (this.#isClosed) return never();
    if (!this.#isMarking) return;
    this.#stir();
    if (this.#marks.suspects.has(name)) await this.#turnOf(name);
    else await this.#besideSuspects();
    this.#marks.working.add(name);
    await this.#write();
    if (this.#isClosed) return never();
  }

  begun(name: string, attempt: Attempt | undefined): void {
    if (!this.#marks.working.has(name)) return;
    if (attempt === undefined || !attempt.isRunning) this.#end(name);
    else attempt.whenOver = () => this.#end(name);
  }

  /** Marks count until ten minutes after the last death, or as long as there are suspects. */
  get #isMarking(): boolean {
    if (this.#options.now() < this.#marksUntil) return true;
    return [...this.#marks.suspects.keys()].some((name) => !this.isQuarantined(name));
  }

  #end(name: string): void {
    if (this.#isClosed || !this.#marks.working.delete(name)) return;
    this.#marks.suspects.delete(name);
    if (this.#alone?.name === name) this.#alone = undefined;
    this.#stir();
    this.#admit();
    this.#write().catch((err: unknown) =>
      this.#options.log.error({ err }, "the end of a marked attempt was not noted"),
    );
  }

  /** Resolves when it is this suspect's turn: nothing else is at work. */
  #turnOf(name: string): Promise<void> {
    this.#waitingSince ??= this.#options.now();
    return new Promise((resolve) => {
      this.#suspects.set(name, resolve);
      this.#options.after(PATIENCE_MS, () => this.#admit());
    });
  }

  /** Resolves when no suspect has to be alone, nor has waited for too long. */
  async #besideSuspects(): Promise<void> {
    while (this.#holdsOthers) await new Promise<void>((resolve) => this.#others.push(resolve));
  }

  get #holdsOthers(): boolean {
    if (this.#alone !== undefined) return !this.#alone.isOver;
    return this.#waitingSince !== undefined && this.#options.now() - this.#waitingSince >= PATIENCE_MS;
  }

  /** Something has begun or ended: the next suspect waits until nothing more does. */
  #stir(): void {
    this.#quiet?.();
    this.#quiet = this.#options.after(QUIET_MS, () => {
      this.#quiet = undefined;
      this.#admit();
    });
  }

  #admit(): void {
    if (this.#isClosed) return;
    const isQuiet = this.#quiet === undefined || this.#holdsOthers;
    if (this.#alone === undefined && this.#suspects.size > 0 && this.#marks.working.size === 0 && isQuiet)
      return this.#admitSuspect();
    if (!this.#holdsOthers) for (const go of this.#others.splice(0)) go();
  }

  /** The one that is least suspected. */
  #admitSuspect(): void {
    const count = (name: string) => this.#marks.suspects.get(name) ?? 0;
    const [first] = [...this.#suspects.keys()].sort((a, b) => count(a) - count(b));
    if (first === undefined) return;
    const go = this.#suspects.get(first);
    this.#suspects.delete(first);
    this.#waitingSince = this.#suspects.size > 0 ? this.#options.now() : undefined;
    const alone = { name: first, isOver: false };
    this.#alone = alone;
    const ms = Math.min(ALONE_MS * 2 ** Math.max(this.#marks.deaths.length - 2, 0), ALONE_MAX_MS);
    this.#options.after(ms, () => {
      alone.isOver = true;
      this.#admit();
    });
    go?.();
  }

  /** Lets go of what is quarantined of an actor, and forgets every suspicion of it. Resolves to whether there was any. */
  async release(actor: string): Promise<boolean> {
    const names = [...this.suspectsOf(actor).keys()];
    for (const name of names) this.#marks.suspects.delete(name);
    if (names.length > 0) await this.#write();
    return names.length > 0;
  }

  /** The process ends well: nobody is under suspicion for it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#leave();
    this.#quiet?.();
    await this.#written.catch(() => {});
    const marks = { ...noMarks(), suspects: quarantinedOf(this.#marks) };
    await this.#options.notes.write(this.#note, writeRow({ running: false, marks }));
  }

  /** Writes the marks as they are when it comes to that. */
  #write(): Promise<void> {
    this.#next ??= this.#written
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#options.notes.write(this.#note, writeRow({ running: true, marks: this.#marks }));
      });
    this.#written = this.#next;
    return this.#next;
  }
}

/** A process: whether it has ended well is seen by the next one. */
interface Row {
  readonly running: boolean;
  readonly marks: Marks;
}

/** The threads of a process have the same numbers each time. */
function noteOf(namespace: string, thread: number, place: number): string {
  return `${notesOf(namespace)}${thread}.${place}`;
}

/** What the names of the notes begin with. */
export function notesOf(namespace: string): string {
  return `poison/${namespace}/`;
}

/** Takes what is quarantined of an actor out of a row that no process has. None: there was nothing. */
export function released(row: Uint8Array | undefined, actor: string): Uint8Array | undefined {
  const read = readRow(row);
  const names = [...(read?.marks.suspects.keys() ?? [])].filter((name) => actorOf(name) === actor);
  for (const name of names) read?.marks.suspects.delete(name);
  return read === undefined || names.length === 0 ? undefined : writeRow(read);
}

/** How often each suspect of an actor was alone with a death, as a row says. */
export function suspectsIn(row: Uint8Array | undefined, actor: string): ReadonlyMap<string, number> {
  const suspects = readRow(row)?.marks.suspects ?? new Map<string, number>();
  return new Map([...suspects].filter(([name]) => actorOf(name) === actor));
}

const VERSION = 1;

function writeRow({ running, marks: { working, suspects, deaths } }: Row): Uint8Array {
  return encode({ version: VERSION, running, working: [...working], suspects: [...suspects], deaths });
}

function readRow(row: Uint8Array | undefined): Row | undefined {
  if (row === undefined) return undefined;
  const { running, working, suspects, deaths } = decode(row) as {
    running: boolean;
    working: string[];
    suspects: [string, number][];
    deaths: number[];
  };
  return { running, marks: { working: new Set(working), suspects: new Map(suspects), deaths } };
}

function quarantinedOf(marks: Marks): Map<string, number> {
  return new Map([...marks.suspects].filter(([name]) => isQuarantined(marks, name)));
}

function never(): Promise<never> {
  return new Promise(() => {});
}
