/**
 * The head of one cell, materialised: the decoded value of the newest queued change and the undo lists behind it.
 *
 * Owns the containers that all drafts of the cell share. One law: they change only in `Head.applied`, that is when a draft
 * has passed validation.
 */
import { Graves } from "./graves.ts";
import { History } from "./history.ts";

/** A draft as the head sees it. */
export interface Reader {
  readonly pin: number;
  /** The head is no longer what it is pinned to. */
  fallBehind(): void;
  /** Another draft was committed: what this one has read or written may be of the past. */
  overtaken(): void;
  /** What it needs of the past is not kept any longer: it can read nothing more. */
  lose(): void;
}

/** Decoded value, seq and undo lists of one cell. */
export class Head {
  /** The root lives in a slot like every other value, so that its replacement goes on an undo list, too. */
  readonly holder: { root: unknown };
  readonly history: History = new History();
  readonly graves: Graves = new Graves();
  /** Drafts that are pinned, in the order of their pins. */
  readonly #readers = new Set<Reader>();

  #seq: number;

  /** True if parts of it may not have been read yet. */
  readonly isPartial: boolean;

  constructor(root: unknown, seq: number, isPartial: boolean) {
    this.isPartial = isPartial;
    this.holder = { root };
    this.#seq = seq;
  }

  /** Seq of the newest queued change that wrote the cell. */
  get seq(): number {
    return this.#seq;
  }

  /** The containers are now as change `seq` has left them. The draft that made it is no longer pinned. */
  advance(seq: number): void {
    this.#seq = seq;
    for (const reader of this.#readers) reader.fallBehind();
  }

  /** The oldest pin of an open draft. */
  get oldestPin(): number | undefined {
    for (const reader of this.#readers) return reader.pin;
    return undefined;
  }

  /** Pins a draft to the head as it is now. */
  enter(reader: Reader): void {
    this.#readers.add(reader);
  }

  /** Releases a pin, and the old values that only it could read. */
  leave(reader: Reader): void {
    this.#readers.delete(reader);
    const { oldestPin } = this;
    this.history.cut(oldestPin);
    this.graves.cut(oldestPin);
  }

  /**
   * A draft was committed: the others hear of it, and those that need more of the past than may be kept lose it, the oldest
   * first. `floor` is the oldest pin that the engine keeps the past for.
   */
  committed(floor: () => number): void {
    if (this.#readers.size === 0) return;
    const oldest = floor();
    for (const reader of this.#readers) {
      if (reader.pin === this.seq || (reader.pin >= oldest && !this.history.isOverfull)) break;
      reader.lose();
      this.leave(reader);
    }
    for (const reader of this.#readers) if (reader.pin !== this.seq) reader.overtaken();
  }

  /** The newest pin of an open draft, or -1: what is overwritten now is kept for pins up to this one. */
  newestPin(): number {
    let newest = -1;
    for (const reader of this.#readers) newest = reader.pin;
    return newest;
  }
}
