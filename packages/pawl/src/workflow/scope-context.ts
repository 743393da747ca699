/**
 * A callback's context: one pending operation at a time, each name once. What users see is made of it by a dialect.
 */
import * as say from "../messages.ts";
import { CallSites, isSuspect } from "./call-sites.ts";
import type { Chance } from "./chance.ts";
import type { Operation, StepOperation } from "./operation.ts";
import type { Run } from "./run.ts";

/** What is pending, for messages. */
export interface PendingEntry {
  readonly kind: Operation["kind"];
  readonly name: string;
}

/** An entry that the code has started, by where it stands in its scope. */
export interface StartedEntry extends PendingEntry {
  /** How many were started before it. */
  readonly index: number;
  readonly after: PendingEntry | undefined;
  /** Where it was called, as `file:line`, if that was noted. */
  readonly site: string | undefined;
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
  /** By their names, in the order in which the code started them; `undefined` of rows, which have no call of their own. */
  readonly #used = new Map<string, Operation["kind"] | undefined>();
  /** Where entries were called; looked at only where something was wrong before. */
  readonly #sites: CallSites | undefined;
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
    this.#sites = isSuspect(run.owner.name) ? new CallSites() : undefined;
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
    this.#used.set(name, kind);
    for (const row of rows) this.#used.set(name + row, undefined);
    this.#sites?.note(kind, name);
    if (rows.length > 0) this.#hasRows = true;
    this.#pending = { kind, name, op };
    // What is at hand already is known to match.
    if (this.replaying && op !== AT_HAND) this.run.owner.dialect.called?.(kind, name);
    if (!this.replaying) this.run.isComingBack = false;
    if (fresh !== undefined) this.run.beginAttempt(op, fresh);
    return promise;
  }

  /** Whether an entry of this name, which was admitted, is certain to be new, so that it may begin before the engine is told. */
  isNew(name: string): boolean {
    return !this.replaying && !this.isForked && !(this.#hasRows && ROW.test(name));
  }

  /** What has used a name. Rows belong to the wait before them. */
  startedAs(name: string): StartedEntry | undefined {
    let found: { kind: Operation["kind"]; name: string; index: number } | undefined;
    let after: PendingEntry | undefined;
    for (const [used, kind] of this.#used) {
      if (kind !== undefined) {
        after = found;
        found = { kind, name: used, index: (found?.index ?? -1) + 1 };
      }
      if (used === name) break;
    }
    return found && { ...found, after, site: this.#sites?.of(found.kind, found.name) };
  }

  #check(kind: Operation["kind"], name: string, rows: readonly string[]): void {
    const { name: actor, dialect } = this.run.owner;
    const pending = this.#pending;
    if (pending !== undefined && SCOPED.has(pending.kind))
      throw dialect.wrongContext(actor, kind, name, pending.kind, pending.name);
    if (pending !== undefined) throw dialect.entryInProgress(actor, kind, name, pending, this);
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
