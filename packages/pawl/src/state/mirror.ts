/**
 * The mirror: a lazy cache of the head of one cell.
 *
 * Owns when the head is decoded and when it is forgotten. One law: a value is decoded at the first touch of a draft and not
 * before, and a large part of it at the first look at that part, so that state which nobody reads costs nothing here.
 */
import type { CellSource } from "./cell.ts";
import { Draft } from "./draft.ts";
import { Head } from "./head.ts";
import type { DraftListener, StateOptions } from "./tree.ts";
import { decodeLevel, LEAVE_FROM } from "./unread.ts";

/** The JavaScript half of one cell. */
export class Mirror {
  readonly #source: CellSource;
  readonly #options: StateOptions;
  #head: Head | undefined;
  #seq: number;

  /** `head` is the seq of the newest queued change that wrote the cell. */
  constructor(source: CellSource, head: number, options: StateOptions) {
    this.#source = source;
    this.#options = options;
    this.#seq = head;
  }

  /** Seq of the newest queued change that wrote the cell. */
  get head(): number {
    return this.#head?.seq ?? this.#seq;
  }

  /** Whether the value is decoded in memory. */
  get materialised(): boolean {
    return this.#head !== undefined;
  }

  /** Old slots held for drafts with an older pin. */
  get undoSlots(): number {
    return this.#head?.history.size ?? 0;
  }

  /** The oldest pin of a touched draft that has not ended. */
  oldestPin(): number | undefined {
    return this.#head?.oldestPin;
  }

  /** Begins an attempt. Costs nothing until the attempt touches the state. `listener` hears what becomes of its version. */
  open(listener?: DraftListener): Draft {
    return new Draft({
      source: this.#source,
      options: this.#options,
      listener,
      seq: () => this.head,
      materialise: () => this.#materialise(),
    });
  }

  /** Forgets the decoded value. Only while no touched draft is open. */
  drop(): void {
    if (this.oldestPin() !== undefined)
      throw new Error("found an open draft: the mirror can be dropped only between attempts");
    this.#seq = this.head;
    this.#head = undefined;
  }

  #materialise(): Head {
    if (this.#head === undefined) {
      const bytes = this.#source.read();
      const leaveFrom = this.#options.leaveFrom ?? LEAVE_FROM;
      this.#head = new Head(decodeLevel(bytes, leaveFrom), this.#seq, bytes.length > leaveFrom);
    }
    return this.#head;
  }
}
