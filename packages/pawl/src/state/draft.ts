/**
 * Drafts: one attempt's uncommitted reads and writes of one cell.
 *
 * Owns the life of an attempt's view: open, sealed, and then committed or dropped. One law: once it is sealed nothing that
 * user code holds reads or writes through it any more.
 */
import type { CellSource } from "./cell.ts";
import { decodeStored } from "./codec.ts";
import type { Head } from "./head.ts";
import { StateNode } from "./place.ts";
import { encodeReads } from "./reads.ts";
import type { DraftListener, StateOptions } from "./tree.ts";
import { DraftTree } from "./tree.ts";

/** What the settle call carries for one cell. */
export interface Sealed {
  readonly pin: number;
  /** The operations; `undefined` if nothing was written. */
  readonly delta: Uint8Array | undefined;
  /** What was read of the pin; `undefined` if no other change can have come between, or nothing was written. */
  readonly reads: Uint8Array | undefined;
}

/** Where a draft gets the head from; made by the mirror. */
export interface DraftOrigin {
  readonly source: CellSource;
  readonly options: StateOptions;
  readonly listener: DraftListener | undefined;
  /** Seq of the newest queued change, without materialising anything. */
  readonly seq: () => number;
  readonly materialise: () => Head;
}

/** The operations of an attempt that cannot be committed: none. A settle call with these and pin 0 is a conflict. */
const NO_OPERATIONS = new Uint8Array([1]);

/** What the settle call of an attempt carries that is known to have been overtaken. */
export const OVERTAKEN: Sealed = { pin: 0, delta: NO_OPERATIONS, reads: undefined };

/** One attempt's view of one cell. It is pinned at its first touch, and sees that version and its own writes until it ends. */
export class Draft {
  readonly #origin: DraftOrigin;
  #tree: DraftTree | undefined;
  #stage: "open" | "sealed" | "ended" = "open";

  constructor(origin: DraftOrigin) {
    this.#origin = origin;
  }

  /** The change it is pinned to; before the first touch, the one it would be pinned to now. */
  get pin(): number {
    return this.#tree?.pin ?? this.#origin.seq();
  }

  /** True once user code has read or written anything. */
  get touched(): boolean {
    return this.#tree !== undefined;
  }

  /** True once there is an operation. A changed Map, Set, Date or other leaf becomes one in `seal` or `raw`. */
  get wrote(): boolean {
    return this.#tree?.delta.wrote === true;
  }

  /** True once other drafts were committed after its pin. */
  get behind(): boolean {
    return this.#tree?.behind === true;
  }

  /** True if its past is not kept any longer, and it wrote something, or wanted to go on reading. */
  get isLost(): boolean {
    return this.#tree?.isLost === true && (this.wrote || this.#tree.missed);
  }

  /** What it would settle with now, if other drafts were committed after its pin. Changes nothing. */
  soFar(): Sealed | undefined {
    const tree = this.#tree;
    if (this.#stage !== "open" || tree?.behind !== true) return undefined;
    return { pin: tree.pin, delta: tree.delta.bytes(), reads: encodeReads(tree.pinnedRoot, tree.wide) };
  }

  /** Whether anything was written, leaves that user code has changed included. */
  hasWritten(): boolean {
    if (this.#tree?.closed === false) this.#tree.flush();
    return this.wrote;
  }

  /** The root: a proxy for a plain object or an array. */
  get value(): unknown {
    const tree = this.#touch();
    return tree.rootPlace()?.handle ?? tree.root;
  }

  /** Replaces the root by a copy of `next`; changes nothing if it is refused. */
  set value(next: unknown) {
    const tree = this.#touch();
    tree.mayWrite();
    tree.assignRoot(next);
  }

  /** Replaces the root by a value that was stored once, however large it has grown. */
  restore(stored: unknown): void {
    this.#touch().replaceRoot(stored, Number.MAX_SAFE_INTEGER);
  }

  /** The cell is no more, if this is committed. Nothing may be read or written after it. */
  end(): void {
    const tree = this.#touch();
    tree.flush();
    tree.delta.end();
  }

  /** A plain, detached copy read back from the native handle, own writes included. Counts as reading everything. */
  raw(): unknown {
    const tree = this.#touch();
    tree.flush();
    const root = tree.rootPlace();
    if (root instanceof StateNode) root.sawSubtree();
    return decodeStored(this.#origin.source.readAt(tree.pin, tree.delta.bytes()));
  }

  /**
   * The body has ended: gives what the settle call carries. `queuedBefore` is the number of other settle calls that will be
   * applied before this one; with none, and the pin still the head, the reads are left out. Throws, and stays open, if a
   * Map, Date or other leaf was left with something that cannot be stored.
   */
  seal(queuedBefore: number): Sealed {
    this.#open();
    const tree = this.#tree;
    if (tree?.isLost === true) {
      this.#stage = "sealed";
      return this.isLost ? OVERTAKEN : { pin: tree.pin, delta: undefined, reads: undefined };
    }
    tree?.flush();
    this.#stage = "sealed";
    if (tree === undefined) return { pin: this.pin, delta: undefined, reads: undefined };
    const delta = tree.delta.bytes();
    const alone = queuedBefore === 0 && !tree.behind;
    const reads = delta === undefined || alone ? undefined : encodeReads(tree.pinnedRoot, tree.wide);
    tree.close();
    return { pin: tree.pin, delta, reads };
  }

  /** It was sealed, and passed validation as change `seq`: later drafts see what it wrote. */
  commit(seq: number): void {
    if (this.#stage !== "sealed")
      throw new Error(`found a draft that is ${this.#stage}: only a sealed one can be committed`);
    const tree = this.#tree;
    tree?.head.leave(tree);
    tree?.apply(seq);
    this.drop();
    tree?.head.committed(() => this.#origin.source.floor?.() ?? 0);
  }

  /** It failed, or has nothing to commit: nothing of it remains. */
  drop(): void {
    if (this.#stage === "ended") return;
    this.#stage = "ended";
    this.#tree?.head.leave(this.#tree);
    this.#tree?.clear();
  }

  #open(): void {
    if (this.#stage !== "open") throw this.#origin.options.stale(this.#origin.options.name ?? "state", "ended");
  }

  #touch(): DraftTree {
    this.#open();
    if (this.#tree !== undefined) {
      this.#tree.mayRead();
      return this.#tree;
    }
    const { options, listener } = this.#origin;
    const head = this.#origin.materialise();
    const tree = new DraftTree(head, options, listener);
    head.enter(tree);
    this.#tree = tree;
    return tree;
  }
}
