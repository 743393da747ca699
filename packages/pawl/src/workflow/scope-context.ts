/**
 * A callback's context: one pending operation at a time, each name once. What users see is made of it by a dialect.
 */
import * as say from "../messages.ts";
import type { Chance } from "./chance.ts";
import type { Operation, StepOperation } from "./operation.ts";
import type { Run } from "./run.ts";

/** What is pending, for messages. */
export interface PendingEntry {
  readonly kind: Operation["kind"];
  readonly name: string;
}

export class ScopeContext {
  readonly run: Run;
  readonly scope: number;
  /** Whether its branch can lose: then it has a signal of its own. */
  readonly isBranch: boolean;
  /** Whether others run side by side with it: what it does may be decided over without it. */
  readonly isForked: boolean;
  /** The context around it. */
  readonly around: ScopeContext | undefined;
  /** Whether more is recorded than the code has come to. */
  replaying: boolean;
  readonly #used = new Set<string>();
  #pending: (PendingEntry & { readonly op: number }) | undefined;
  #beside = 0;
  /** Whether it has waited for messages, which have rows whose names it does not know. */
  #hasRows = false;
  #closed = false;
  #cancelled: unknown;
  #controller: AbortController | undefined;
  #chance: Chance | undefined;

  constructor(run: Run, scope: number, around: ScopeContext | undefined, isBranch: boolean, replaying: boolean) {
    this.run = run;
    this.scope = scope;
    this.around = around;
    this.isBranch = isBranch;
    this.isForked = isBranch || around?.isForked === true;
    this.replaying = replaying;
  }

  get pending(): PendingEntry | undefined {
    return this.#pending;
  }

  /** Whether the callback waits for the engine: for the operation that is pending, or for one beside it. */
  get isWaiting(): boolean {
    return this.#pending !== undefined || this.#beside > 0;
  }

  /** Awaits an operation that may run beside the one that is pending. */
  async beside(operation: Promise<unknown>): Promise<void> {
    this.#beside++;
    try {
      await operation;
    } finally {
      this.#beside--;
    }
  }

  /** The operation that is pending. */
  get pendingOp(): number | undefined {
    return this.#pending?.op;
  }

  /** Its branch's, which follows the run's; the one around, if it is no branch. */
  get abortSignal(): AbortSignal {
    if (!this.isBranch) return this.around?.abortSignal ?? this.run.abortSignal;
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      const reason = this.#cancelled ?? this.run.abortReason;
      if (reason !== undefined) this.#controller.abort(reason);
    }
    return this.#controller.signal;
  }

  get chance(): Chance {
    this.#chance ??= this.run.chance(this.scope);
    return this.#chance;
  }

  abort(reason: unknown): void {
    this.#controller?.abort(reason);
  }

  /** Its operation has settled. */
  done(): void {
    this.#pending = undefined;
  }

  /** Its callback has ended. */
  close(): void {
    this.#closed = true;
  }

  /** Its branch has lost: what it starts from now on rejects. */
  cancel(reason: unknown): void {
    this.#cancelled = reason;
    this.abort(reason);
  }

  /**
   * Checks that an entry may start here and now, and starts it. What is wrong rejects, so that a missing `await` ends no
   * process. `rows` end the names of what the history keeps beside the entry: nothing else may have those.
   */
  enter(
    kind: Operation["kind"],
    name: unknown,
    begin: (name: string) => Begun,
    rows: readonly string[] = NO_ROWS,
  ): Promise<unknown> {
    try {
      this.admit(kind, name, rows);
      return this.entered(kind, name, begin(name), rows);
    } catch (error) {
      return refused(error);
    }
  }

  /** A step without handlers that is answered from what is at hand: as late as the engine would, and once. */
  answered(name: string, wrap: ((value: unknown) => unknown) | undefined): Begun | undefined {
    const answer = this.run.answer(this.scope, name);
    if (answer === undefined) return undefined;
    const hear = (): unknown => {
      if (!this.run.isLive) return NEVER;
      this.done();
      this.run.heard(this, answer.told);
      return wrap === undefined ? answer.value : wrap(answer.value);
    };
    return { op: AT_HAND, promise: RESOLVED.then(hear) };
  }

  /** Throws unless an entry of this name may start here and now. */
  admit(kind: Operation["kind"], name: unknown, rows: readonly string[]): asserts name is string {
    if (typeof name !== "string" || !this.run.owner.dialect.isName(name)) throw say.noName(kind, name);
    this.#check(kind, name, rows);
  }

  /** Notes an entry that was admitted and has started; its promise. */
  entered(kind: Operation["kind"], name: string, begun: Begun, rows: readonly string[]): Promise<unknown> {
    const { op, promise, fresh } = begun;
    this.#used.add(name);
    for (const row of rows) this.#used.add(name + row);
    if (rows.length > 0) this.#hasRows = true;
    this.#pending = { kind, name, op };
    // What is at hand already is known to match.
    if (this.replaying && op !== AT_HAND) this.run.owner.dialect.called?.(kind, name);
    if (fresh !== undefined) this.run.beginAttempt(op, fresh);
    return promise;
  }

  /** Whether an entry of this name, which was admitted, is certain to be new, so that it may begin before the engine is told. */
  isNew(name: string): boolean {
    return !this.replaying && !this.isForked && !(this.#hasRows && ROW.test(name));
  }

  #check(kind: Operation["kind"], name: string, rows: readonly string[]): void {
    const { name: actor, dialect } = this.run.owner;
    const pending = this.#pending;
    if (pending !== undefined && SCOPED.has(pending.kind))
      throw dialect.wrongContext(actor, kind, name, pending.kind, pending.name);
    if (pending !== undefined) throw dialect.entryInProgress(actor, kind, name, pending);
    if (this.#cancelled !== undefined) throw this.#cancelled;
    if (this.#closed) throw say.stale(`ctx, for ${kind} "${name}",`, actor);
    if (this.#used.has(name)) throw dialect.duplicateName(actor, kind, name, this);
    for (const row of rows) if (this.#used.has(name + row)) throw dialect.duplicateName(actor, kind, name + row, this);
  }
}

/** In the place of the number of an operation that the engine was not asked for. */
const AT_HAND = 0;
const RESOLVED = Promise.resolve();
const NEVER = new Promise<never>(() => {});

/** An operation that has started; one that was answered at once has no number. */
export interface Begun {
  readonly op: number;
  readonly promise: Promise<unknown>;
  /** A step whose body is to be called at once. */
  fresh?: StepOperation | undefined;
}

/** A promise for an entry that could not start. */
export function refused(error: unknown): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(ignored);
  return promise;
}

/** Of an entry with none beside it. */
export const NO_ROWS: readonly string[] = [];

/** How the names of a wait's rows end. */
const ROW = /:\d+$/;

/** What has callbacks with contexts of their own. */
const SCOPED: ReadonlySet<string> = new Set(["loop", "join", "race", "map", "try"]);

/** A rejection that nobody awaits fails the run where it matters; it need not end the process. */
function ignored(): void {}
