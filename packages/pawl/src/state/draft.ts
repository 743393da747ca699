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
import type { StateOptions } from "./tree.ts";
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
  /** Seq of the newest queued change, without materialising anything. */
  readonly seq: () => number;
  readonly materialise: () => Head;
}

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

  /** The root: a proxy for a plain object or an array. */
  get value(): unknown {
    const tree = this.#touch();
    return tree.rootPlace()?.handle ?? tree.root;
  }

  /** Replaces the root by a copy of `next`; changes nothing if it is refused. */
  set value(next: unknown) {
    this.#touch().assignRoot(next);
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
    tree?.flush();
    this.#stage = "sealed";
    if (tree === undefined) return { pin: this.pin, delta: undefined, reads: undefined };
    const delta = tree.delta.bytes();
    const alone = queuedBefore === 0 && !tree.behind;
    const reads = delta === undefined || alone ? undefined : encodeReads(tree.pinnedRoot, tree.wide);
    tree.closed = true;
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
    if (this.#tree !== undefined) return this.#tree;
    const head = this.#origin.materialise();
    const tree = new DraftTree(head, this.#origin.options);
    head.enter(tree);
    this.#tree = tree;
    return tree;
  }
}
