/** Where marks are kept between processes. */
import type { Marks } from "./marks.ts";

/** Rows of a store that belong to no actor. */
export interface Notes {
  read(prefix: string): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Writes all of them at once, in place of what is there; undefined takes one away. Resolves when it is durable. */
  write(rows: Rows): Promise<void>;
}

export type Rows = readonly (readonly [name: string, body: Uint8Array | undefined])[];

export interface Ledger {
  /** As they are known here. Whoever changes them has them written. */
  readonly marks: Marks;
  /** Reads what earlier processes have left, and notes that one is at work. Resolves to whether one has died. */
  open(): Promise<boolean>;
  /** Writes the marks as they are when it comes to that. */
  write(): Promise<void>;
  /** The process ends well; `halted`: what it had begun, or kept waiting. */
  close(halted: ReadonlySet<string>): Promise<void>;
  /** The process is taken for dead. For tests. */
  abandon(): void;
  /** Where processes share the marks: looks at what others have done, and left. Resolves to whether one has died since. */
  refresh?(): Promise<boolean>;
  /** These have left without a word. */
  heard?(processes: readonly string[]): void;
  /** Where processes share the marks: others have taken this one for dead, and were wrong. */
  revive?(): Promise<void>;
}

/** What the names of all notes of marks begin with. */
export function notesOf(namespace: string): string {
  return `poison/${namespace}/`;
}

/** Writes follow each other; those that are asked for while one is under way are one. */
export class Writing {
  readonly #write: () => Promise<void>;
  #last: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(write: () => Promise<void>) {
    this.#write = write;
  }

  ask(): Promise<void> {
    this.#next ??= this.after(() => {
      this.#next = undefined;
      return this.#write();
    });
    return this.#next;
  }

  /** Does something once what was asked for before is done. */
  after<R>(run: () => Promise<R>): Promise<R> {
    const done = this.#last.catch(() => {}).then(run);
    this.#last = done.then(
      () => {},
      () => {},
    );
    return done;
  }
}
