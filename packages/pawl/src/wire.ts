/**
 * The packed records that cross the boundary. `crates/node/src/wire` is the other half; a change here is a change there,
 * and of the boundary's number.
 *
 * A number is an unsigned LEB128 varint; a time or duration is a big-endian f64 of milliseconds; text and bytes are a length
 * and that many bytes; an optional is a byte 0 or 1 and the item. A record is its kind, the actor's handle, and its fields.
 */
import { FAILURE_KINDS, type FailureRecord } from "./failure.ts";
import { ByteReader, ByteWriter, ValueError } from "./values/index.ts";

/** What an attempt wrote, as its settle call carries it. */
export interface Writes {
  readonly cells: readonly CellWrites[];
  readonly sends: readonly Send[];
  /** Rows of an embedding host's own. */
  readonly rows: readonly HostRow[];
}

/** What an attempt did to one cell. */
export interface CellWrites {
  readonly cell: string;
  readonly pin: number;
  readonly delta: Uint8Array | undefined;
  readonly reads: Uint8Array | undefined;
}

/** The cell of an actor's state. */
export const STATE = "state";

export const NOTHING_WRITTEN: Writes = { cells: [], sends: [], rows: [] };

export interface Send {
  readonly name: string;
  readonly body: Uint8Array;
}

export interface StepPolicyRecord {
  readonly maxRetries: number;
  readonly backoffBase: number;
  readonly backoffMax: number;
  readonly timeout: number;
  readonly retryOnTimeout: boolean;
}

/** Appends inputs for the engine. */
export class InputWriter {
  readonly out: ByteWriter = new ByteWriter(4096);

  open(handle: number, name: string): void {
    this.#record(1, handle);
    this.#text(name);
  }

  close(handle: number): void {
    this.#record(2, handle);
  }

  resume(): void {
    this.#record(3, 0);
  }

  create(handle: number, call: number, actor: CreateRecord): void {
    this.#record(4, handle);
    this.out.varint(call);
    this.#flag(actor.workflow);
    this.#optionalBytes(actor.input);
    this.#optionalBytes(actor.state);
    this.out.varint(actor.version);
    this.#flag(actor.hosted === true);
  }

  migrate(handle: number, state: Uint8Array, version: number): void {
    this.#record(5, handle);
    this.#bytes(state);
    this.out.varint(version);
  }

  start(handle: number, reports: boolean, codeVersion: number, embedded?: EmbeddedRecord): void {
    this.#record(6, handle);
    this.#flag(reports);
    this.out.varint(codeVersion);
    this.#flag(embedded !== undefined);
    if (embedded === undefined) return;
    this.#flag(embedded.frontier);
    this.out.f64(embedded.patience);
    this.#flag(embedded.controlled);
  }

  send(handle: number, call: number, send: Send): void {
    this.#record(7, handle);
    this.out.varint(call);
    this.#text(send.name);
    this.#bytes(send.body);
  }

  step(handle: number, scope: number, op: number, name: string, policy: StepPolicyRecord, traits: number): void {
    this.#operation(8, handle, scope, op, name);
    this.out.varint(policy.maxRetries);
    this.out.f64(policy.backoffBase);
    this.out.f64(policy.backoffMax);
    this.#optionalTime(policy.timeout === 0 ? undefined : policy.timeout);
    this.#flag(policy.retryOnTimeout);
    this.out.u8(traits);
  }

  sleepFor(handle: number, scope: number, op: number, name: string, ms: number): void {
    this.#operation(9, handle, scope, op, name);
    this.#flag(false);
    this.out.f64(ms);
  }

  sleepUntil(handle: number, scope: number, op: number, name: string, at: number): void {
    this.#operation(9, handle, scope, op, name);
    this.#flag(true);
    this.out.f64(at);
  }

  next(handle: number, scope: number, op: number, wait: WaitRecord): void {
    this.#operation(10, handle, scope, op, wait.name);
    this.out.varint(wait.names.length);
    for (const wanted of wait.names) this.#text(wanted);
    this.#optionalTime(wait.timeout);
    this.out.varint(wait.count);
    this.#flag(wait.completable);
  }

  loop(handle: number, scope: number, op: number, loop: LoopRecord): void {
    this.#operation(11, handle, scope, op, loop.name);
    this.#optionalBytes(loop.state);
    this.out.varint(loop.keep);
    this.out.varint(loop.every);
  }

  settled(handle: number, op: number, attempt: number, output: Uint8Array | undefined, writes: Writes): void {
    this.#record(12, handle);
    this.out.varint(op);
    this.out.varint(attempt);
    this.#done(output, writes);
  }

  /** `retryAt`: when the body asks to be tried again. */
  failed(handle: number, op: number, attempt: number, failure: FailureRecord, retryAt?: number): void {
    this.#record(12, handle);
    this.out.varint(op);
    this.out.varint(attempt);
    this.#threw(failure, undefined, retryAt);
  }

  acted(handle: number, call: number, writes: Writes): void {
    this.#record(13, handle);
    this.out.varint(call);
    this.#done(undefined, writes);
  }

  actionThrew(handle: number, call: number, failure: FailureRecord, pin: number | undefined): void {
    this.#record(13, handle);
    this.out.varint(call);
    this.#threw(failure, pin);
  }

  reported(handle: number, report: number, writes: Writes): void {
    this.#record(14, handle);
    this.out.varint(report);
    this.#done(undefined, writes);
  }

  reportThrew(handle: number, report: number, failure: FailureRecord): void {
    this.#record(14, handle);
    this.out.varint(report);
    this.#threw(failure, undefined);
  }

  continued(handle: number, scope: number, state: Uint8Array | undefined): void {
    this.#iterated(handle, scope, 0);
    this.#optionalBytes(state);
  }

  broke(handle: number, scope: number, value: Uint8Array | undefined): void {
    this.#iterated(handle, scope, 1);
    this.#optionalBytes(value);
  }

  iterationThrew(handle: number, scope: number): void {
    this.#iterated(handle, scope, 2);
  }

  returned(handle: number, scope: number, output: Uint8Array | undefined): void {
    this.#record(16, handle);
    this.out.varint(scope);
    this.#flag(false);
    this.#optionalBytes(output);
  }

  /** `because`: the operation whose failure it is. */
  workflowThrew(handle: number, scope: number, failure: FailureRecord, because: number | undefined): void {
    this.#record(16, handle);
    this.#endThrew(scope, failure, because);
  }

  fork(handle: number, scope: number, op: number, fork: ForkRecord): void {
    this.#operation(20, handle, scope, op, fork.name);
    this.out.u8(FORK_RULES.indexOf(fork.rule));
    this.out.varint(fork.concurrency);
    this.out.varint(fork.count);
    for (const branch of fork.branches) this.#text(branch);
  }

  branchReturned(handle: number, scope: number, output: Uint8Array | undefined): void {
    this.#record(21, handle);
    this.out.varint(scope);
    this.#flag(false);
    this.#optionalBytes(output);
  }

  branchThrew(handle: number, scope: number, failure: FailureRecord, because: number | undefined): void {
    this.#record(21, handle);
    this.#endThrew(scope, failure, because);
  }

  tryBlock(handle: number, scope: number, op: number, name: string): void {
    this.#operation(22, handle, scope, op, name);
  }

  left(handle: number, scope: number, threw: boolean): void {
    this.#record(23, handle);
    this.out.varint(scope);
    this.#flag(threw);
  }

  version(handle: number, scope: number, op: number, name: string, latest: number): void {
    this.#operation(24, handle, scope, op, name);
    this.out.varint(latest);
  }

  removed(handle: number, scope: number, op: number, name: string, kind: string): void {
    this.#operation(25, handle, scope, op, name);
    this.#text(kind);
  }

  checkpoint(handle: number, scope: number, op: number, name: string): void {
    this.#operation(26, handle, scope, op, name);
  }

  post(handle: number, scope: number, op: number, name: string, body: Uint8Array): void {
    this.#operation(27, handle, scope, op, name);
    this.#bytes(body);
  }

  complete(handle: number, op: number, messageId: string, reply: Uint8Array | undefined): void {
    this.#record(28, handle);
    this.out.varint(op);
    this.#text(messageId);
    this.#optionalBytes(reply);
  }

  rollBack(handle: number, scope: number, op: number, output: Uint8Array | undefined): void {
    this.#record(29, handle);
    this.out.varint(scope);
    this.out.varint(op);
    this.#optionalBytes(output);
  }

  cancel(handle: number, call: number, compensate: boolean, reason: string | undefined): void {
    this.#record(30, handle);
    this.out.varint(call);
    this.#flag(compensate);
    this.#optionalText(reason);
  }

  retry(handle: number, call: number): void {
    this.#record(31, handle);
    this.out.varint(call);
  }

  replay(handle: number, call: number, entryId: string | undefined): void {
    this.#record(32, handle);
    this.out.varint(call);
    this.#optionalText(entryId);
  }

  polled(handle: number, op: number, messages: readonly HostMessage[]): void {
    this.#record(33, handle);
    this.out.varint(op);
    this.out.varint(messages.length);
    for (const { id, name, body, sentAt } of messages) {
      this.#text(id);
      this.#text(name);
      this.#bytes(body);
      this.out.f64(sentAt);
    }
  }

  /** The rows of an embedding host, and how much one of its batches takes. */
  loaded(ticket: number, rows: readonly HostRow[], limits: HostLimits | undefined, atomic: boolean): void {
    this.#record(40, ticket);
    this.#flag(limits !== undefined);
    if (limits !== undefined) {
      this.out.varint(limits.rows);
      this.out.varint(limits.bytes);
    }
    this.#flag(atomic);
    this.out.varint(rows.length);
    for (const { key, value } of rows) {
      this.#bytes(key);
      this.#bytes(value);
    }
  }

  notLoaded(ticket: number, why: string): void {
    this.#record(41, ticket);
    this.#text(why);
  }

  /** `failed.certain`: the call that failed did nothing. */
  written(ticket: number, failed: { readonly certain: boolean; readonly why: string } | undefined): void {
    this.#record(42, ticket);
    this.#flag(failed !== undefined);
    if (failed === undefined) return;
    this.#flag(failed.certain);
    this.#text(failed.why);
  }

  settledAfter(ticket: number, failed: readonly number[]): void {
    this.#record(43, ticket);
    this.out.varint(failed.length);
    for (const index of failed) this.out.varint(index);
  }

  /** Gives a further cell its first value; one that is there keeps its own, unless it is to be replaced. */
  cell(handle: number, name: string, value: Uint8Array, replace: boolean): void {
    this.#record(34, handle);
    this.#text(name);
    this.#bytes(value);
    this.#flag(replace);
  }

  /** Forgets what is running, and nothing that is recorded. */
  evict(handle: number): void {
    this.#record(35, handle);
  }

  pulse(): void {
    this.#record(19, 0);
  }

  pins(handle: number, oldest: number | undefined): void {
    this.#record(17, handle);
    this.#flag(oldest !== undefined);
    if (oldest !== undefined) this.out.varint(oldest);
  }

  suspend(handle: number): void {
    this.#record(18, handle);
  }

  #record(kind: number, handle: number): void {
    this.out.u8(kind);
    this.out.varint(handle);
  }

  #operation(kind: number, handle: number, scope: number, op: number, name: string): void {
    this.#record(kind, handle);
    this.out.varint(scope);
    this.out.varint(op);
    this.#text(name);
  }

  #iterated(handle: number, scope: number, how: number): void {
    this.#record(15, handle);
    this.out.varint(scope);
    this.out.u8(how);
  }

  #done(output: Uint8Array | undefined, writes: Writes): void {
    this.#flag(false);
    this.#optionalBytes(output);
    this.out.varint(writes.cells.length);
    for (const { cell, pin, delta, reads } of writes.cells) {
      this.#text(cell);
      this.out.varint(pin);
      this.#optionalBytes(delta);
      this.#optionalBytes(reads);
    }
    this.out.varint(writes.sends.length);
    for (const { name, body } of writes.sends) {
      this.#text(name);
      this.#bytes(body);
    }
    this.out.varint(writes.rows.length);
    for (const { key, value } of writes.rows) {
      this.#bytes(key);
      this.#bytes(value);
    }
  }

  #threw(failure: FailureRecord, pin: number | undefined, retryAt?: number): void {
    this.#flag(true);
    this.#failure(failure);
    this.#flag(pin !== undefined);
    if (pin !== undefined) this.out.varint(pin);
    this.#optionalTime(retryAt);
  }

  #endThrew(scope: number, failure: FailureRecord, because: number | undefined): void {
    this.out.varint(scope);
    this.#flag(true);
    this.#failure(failure);
    this.#flag(because !== undefined);
    if (because !== undefined) this.out.varint(because);
  }

  #optionalText(text: string | undefined): void {
    this.#flag(text !== undefined);
    if (text !== undefined) this.#text(text);
  }

  #failure(failure: FailureRecord): void {
    this.out.u8(FAILURE_KINDS.indexOf(failure.kind));
    this.#text(failure.name);
    this.#text(failure.message);
    this.#flag(failure.stack !== undefined);
    if (failure.stack !== undefined) this.#text(failure.stack);
    this.#optionalBytes(failure.fields);
  }

  #flag(flag: boolean): void {
    this.out.u8(flag ? 1 : 0);
  }

  #optionalTime(ms: number | undefined): void {
    this.#flag(ms !== undefined);
    if (ms !== undefined) this.out.f64(ms);
  }

  #optionalBytes(bytes: Uint8Array | undefined): void {
    this.#flag(bytes !== undefined);
    if (bytes !== undefined) this.#bytes(bytes);
  }

  #bytes(bytes: Uint8Array): void {
    this.out.varint(bytes.length);
    this.out.bytes(bytes);
  }

  /** UTF-8; a lone surrogate becomes U+FFFD. Names have none: they were checked. */
  #text(text: string): void {
    const { out } = this;
    const length = text.length;
    if (length < 64) {
      out.reserve(length + 1);
      const start = out.length;
      let at = start + 1;
      for (let i = 0; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit > 0x7f) {
          at = 0;
          break;
        }
        out.memory[at++] = unit;
      }
      if (at !== 0) {
        out.memory[start] = length;
        out.length = at;
        return;
      }
    }
    const size = Buffer.byteLength(text);
    out.varint(size);
    out.reserve(size);
    out.memory.write(text, out.length, "utf8");
    out.length += size;
  }
}

export interface CreateRecord {
  readonly workflow: boolean;
  readonly input: Uint8Array | undefined;
  readonly state: Uint8Array | undefined;
  readonly version: number;
  /** Whether an embedding host keeps it: the call is answered at once. */
  readonly hosted?: boolean;
}

/** How an embedding host runs a workflow: `patience` is how long it waits in memory, in milliseconds. */
export interface EmbeddedRecord {
  readonly frontier: boolean;
  readonly patience: number;
  /** Only opened to be told something: no code is called. */
  readonly controlled: boolean;
}

/** A step's traits, as bits. */
export const EPHEMERAL = 1;
export const UNDO = 2;
export const UNDO_ATTEMPTED = 4;

export interface LoopRecord {
  readonly name: string;
  readonly state: Uint8Array | undefined;
  /** How many past iterations stay, and after how many the others go. */
  readonly keep: number;
  readonly every: number;
}

/** A message of an embedding host. */
export interface HostMessage {
  readonly id: string;
  readonly name: string;
  readonly body: Uint8Array;
  readonly sentAt: number;
}

export interface HostRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface HostLimits {
  readonly rows: number;
  readonly bytes: number;
}

/** One call of an embedding host's driver. */
export type DriverCall =
  | { readonly kind: "set"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: "batch"; readonly writes: HostRow[] }
  | { readonly kind: "delete"; readonly key: Uint8Array }
  | { readonly kind: "deletePrefix"; readonly prefix: Uint8Array }
  | { readonly kind: "deleteRange"; readonly start: Uint8Array; readonly end: Uint8Array }
  | { readonly kind: "setAlarm"; readonly at: number }
  | { readonly kind: "clearAlarm" }
  | {
      readonly kind: "addMessage";
      readonly id: string;
      readonly name: string;
      readonly body: Uint8Array;
      readonly sentAt: number;
    }
  | { readonly kind: "completeMessage"; readonly id: string; readonly response: Uint8Array | undefined };

export interface WaitRecord {
  readonly name: string;
  /** None: any message. */
  readonly names: readonly string[];
  readonly timeout: number | undefined;
  readonly count: number;
  readonly completable: boolean;
}

export const FORK_RULES = ["join", "race", "map", "mapSettled"] as const;
export type ForkRule = (typeof FORK_RULES)[number];

export interface ForkRecord {
  readonly name: string;
  readonly rule: ForkRule;
  readonly concurrency: number;
  readonly count: number;
  /** The branches' names; of a map none, for its items are known by their places. */
  readonly branches: readonly string[];
}

/** What the engine says of a value that resolves an operation. */
export type ResolvedValue =
  | { readonly kind: "kept" | "nothing" }
  | { readonly kind: "encoded" | "message"; readonly bytes: Uint8Array }
  | { readonly kind: "messages"; readonly messages: readonly Uint8Array[] }
  | {
      readonly kind: "branches";
      readonly winner: number | undefined;
      readonly branches: readonly BranchRecord[];
    };

/** What became of a branch. */
export type BranchRecord =
  | { readonly kind: "kept" | "nothing" | "cancelled" }
  | { readonly kind: "encoded"; readonly bytes: Uint8Array }
  | { readonly kind: "failed"; readonly failure: FailureRecord };

/** What goes with a fact: when it became one (0: unknown), and whether more is recorded that the code has not come to. */
export interface Told {
  readonly at: number;
  readonly replaying: boolean;
}

export const HALTS = ["rolling_back", "cancelled", "restarted"] as const;
export type Halt = (typeof HALTS)[number];

const BRANCH_KEPT: BranchRecord = { kind: "kept" };
const BRANCH_NOTHING: BranchRecord = { kind: "nothing" };
const BRANCH_CANCELLED: BranchRecord = { kind: "cancelled" };

const CLEAN: Verdict = { kind: "clean" };
const STALE: Verdict = { kind: "stale" };

const KEPT: ResolvedValue = { kind: "kept" };
const NOTHING: ResolvedValue = { kind: "nothing" };

export const TERMINALS = ["exhausted", "critical", "rollback", "timeout"] as const;
export type Terminal = (typeof TERMINALS)[number];

export type Verdict =
  | { readonly kind: "queued"; readonly seq: number }
  | { readonly kind: "clean" | "stale" }
  | { readonly kind: "conflict"; readonly path: string; readonly alone: boolean };

export const REFUSALS = ["exists", "run_ended", "inbox_full", "busy", "broken", "lost", "nothing"] as const;
export type Refusal = (typeof REFUSALS)[number];

export type RunOutcome =
  | { readonly kind: "completed"; readonly output: Uint8Array | undefined }
  | { readonly kind: "failed"; readonly failure: FailureRecord }
  | { readonly kind: "cancelled"; readonly reason: string | undefined };

export interface OperationRecord {
  readonly kind: string;
  readonly name: string;
  readonly status: string;
}

export interface DivergenceRecord {
  readonly scope: string;
  readonly recorded: readonly OperationRecord[];
  readonly code: readonly OperationRecord[];
  readonly mismatch:
    | { readonly kind: "new"; readonly code: OperationRecord }
    | { readonly kind: "other"; readonly recorded: OperationRecord; readonly code: OperationRecord }
    | { readonly kind: "ends" }
    | { readonly kind: "no_handler"; readonly recorded: OperationRecord };
}

export const FAILED_PARTS = ["step", "rollback", "workflow"] as const;

export interface EventRecord {
  readonly part: (typeof FAILED_PARTS)[number];
  readonly step: string | undefined;
  readonly attempt: number;
  readonly retryAt: number | undefined;
  readonly failure: FailureRecord;
}

export interface Facts {
  readonly exists: boolean;
  readonly hasRun: boolean;
  readonly outcome: RunOutcome | undefined;
  readonly state: { readonly version: number; readonly head: number } | undefined;
  /** The number of its newest change. */
  readonly seq: number;
}

export interface StoreProblem {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly unknown: boolean;
  readonly data: Readonly<Record<string, string>>;
}

export const MISUSES = [
  "entry_in_progress",
  "entry_pending",
  "duplicate_name",
  "too_many_operations",
  "not_completable",
] as const;
export type Misuse = (typeof MISUSES)[number];

/** How the workflow's function is called. */
export interface WorkflowCall {
  readonly scope: number;
  readonly input: Uint8Array | undefined;
  readonly replaying: boolean;
  /** Only to find handlers: nothing is decided. */
  readonly rebuild: boolean;
  /** When the actor was created. */
  readonly at: number;
}

/** Whoever an actor's outputs are for. */
export interface ActorSink {
  stepVerdict(op: number, attempt: number, verdict: Verdict): void;
  actionVerdict(call: number, verdict: Verdict): void;
  reportVerdict(report: number, verdict: Verdict): void;
  runWorkflow(call: WorkflowCall): void;
  execute(op: number, attempt: number): void;
  /** Run the handler that undoes a step; `attempted`: the one for a step that never committed. */
  undo(op: number, attempt: number, attempted: boolean, output: ResolvedValue): void;
  /** `timeout` is undefined if the attempt was cancelled. */
  abort(op: number, attempt: number, timeout: number | undefined): void;
  iterate(op: number, scope: number, state: ResolvedValue, replaying: boolean): void;
  branch(op: number, scope: number, index: number, replaying: boolean): void;
  enter(op: number, scope: number, replaying: boolean): void;
  /** A branch has lost: what is pending in this scope rejects. */
  cancelled(scope: number): void;
  /** The workflow's function is over, whatever it still does. */
  halted(reason: Halt): void;
  resolve(op: number, value: ResolvedValue, told: Told): void;
  reject(op: number, terminal: Terminal, attempts: number, failure: FailureRecord, told: Told): void;
  rethrow(op: number): void;
  sent(call: number, messageId: string): void;
  answered(messageId: string, reply: Uint8Array | undefined): void;
  /** Ask an embedding host's queue for these messages, once. */
  want(op: number, names: readonly string[], count: number): void;
  /** Of a step whose outcome was told before it was durable. */
  durable(op: number): void;
  /** The run waits, durably; `names` undefined: for no message; empty: for any. */
  suspended(alarm: number | undefined, names: readonly string[] | undefined): void;
  report(report: number, event: EventRecord): void;
  /** What the failure hook did is durable. */
  reported(report: number): void;
  reply(call: number): void;
  refuse(call: number, reason: Refusal, why: string): void;
  runEnded(outcome: RunOutcome): void;
  parked(divergence: DivergenceRecord): void;
  misuse(op: number | undefined, misuse: Misuse, name: string): void;
  opened(facts: Facts): void;
  openFailed(problem: StoreProblem): void;
  lost(problem: StoreProblem): void;
  reopened(facts: Facts): void;
}

/** Whoever the rest is for. */
export interface EngineSink {
  actor(handle: number): ActorSink | undefined;
  ready(storeId: Uint8Array, url: string): void;
  storeFailed(problem: StoreProblem): void;
  wake(name: string): void;
  resumed(): void;
  resumeFailed(problem: StoreProblem): void;
  /** A receiver threw, which none should: the others still get theirs. */
  defect(error: unknown): void;
  /** The rows of an embedding host's actor are wanted. */
  load(ticket: number, actor: string): void;
  /** These calls are to be made, and those after them if all went well. */
  write(ticket: number, actor: string, calls: readonly DriverCall[], after: readonly DriverCall[]): void;
}

/**
 * Hands everything that a turn says to `sink`, in order. Returns the next deadline (NaN: none), what the store is doing, and
 * whether a pulse is wanted.
 */
export function dispatch(
  bytes: Uint8Array,
  length: number,
  sink: EngineSink,
): { next: number; pending: number; pulse: boolean } {
  const reader = new OutputReader(bytes, length);
  const next = reader.time();
  const pending = reader.number();
  const pulse = reader.flag();
  while (reader.hasMore) {
    const start = reader.offset;
    try {
      dispatchOne(reader, sink);
    } catch (error) {
      if (error instanceof ValueError || reader.offset === start) throw error;
      sink.defect(error);
    }
  }
  return { next, pending, pulse };
}

/** Reads what is needed before anything is called, so that a callback that throws leaves the reader in its place. */
function dispatchOne(reader: OutputReader, sink: EngineSink): void {
  const kind = reader.byte();
  const handle = reader.number();
  if (kind === 40) {
    const actor = reader.text();
    return sink.load(handle, actor);
  }
  if (kind === 41) {
    const [actor, calls, after] = [reader.text(), reader.calls(), reader.calls()];
    return sink.write(handle, actor, calls, after);
  }
  if (kind >= 16 && (kind < 20 || kind > 28)) return dispatchControl(kind, reader, sink.actor(handle));
  if (kind >= 20) {
    if (kind <= 21 || kind >= 26) return dispatchEngine(kind, reader, sink);
    return dispatchLife(kind, reader, sink.actor(handle));
  }
  const actor = sink.actor(handle);
  switch (kind) {
    case 1:
      return dispatchVerdict(reader, actor);
    case 2: {
      const [scope, input, replaying] = [reader.number(), reader.optionalBytes(), reader.flag()];
      return actor?.runWorkflow({ scope, input, replaying, rebuild: reader.flag(), at: reader.number() });
    }
    case 3: {
      const [op, attempt] = [reader.number(), reader.number()];
      return actor?.execute(op, attempt);
    }
    case 4: {
      const [op, attempt] = [reader.number(), reader.number()];
      const timeout = reader.byte() === 0 ? reader.time() : undefined;
      return actor?.abort(op, attempt, timeout);
    }
    case 5: {
      const [op, scope, state, replaying] = [reader.number(), reader.number(), reader.value(), reader.flag()];
      return actor?.iterate(op, scope, state, replaying);
    }
    case 6: {
      const op = reader.number();
      const told = reader.told();
      const value = reader.value();
      return actor?.resolve(op, value, told);
    }
    case 7: {
      const [op, told] = [reader.number(), reader.told()];
      const [terminal, attempts] = [TERMINALS[reader.byte()] as Terminal, reader.number()];
      const failure = reader.failure();
      return actor?.reject(op, terminal, attempts, failure, told);
    }
    case 8: {
      const op = reader.number();
      return actor?.rethrow(op);
    }
    case 9: {
      const [report, event] = [reader.number(), reader.event()];
      return actor?.report(report, event);
    }
    case 10: {
      const call = reader.number();
      return actor?.reply(call);
    }
    case 11: {
      const [call, reason, why] = [reader.number(), REFUSALS[reader.byte()] as Refusal, reader.text()];
      return actor?.refuse(call, reason, why);
    }
    case 12: {
      const outcome = reader.outcome();
      return actor?.runEnded(outcome);
    }
    case 13: {
      const divergence = reader.divergence();
      return actor?.parked(divergence);
    }
    case 14: {
      const op = reader.flag() ? reader.number() : undefined;
      const [misuse, name] = [MISUSES[reader.byte()] as Misuse, reader.text()];
      return actor?.misuse(op, misuse, name);
    }
    case 15: {
      const report = reader.number();
      return actor?.reported(report);
    }
    default:
      throw new Error(`the engine says something of kind ${kind}, which this version does not know`);
  }
}

function dispatchControl(kind: number, reader: OutputReader, actor: ActorSink | undefined): void {
  switch (kind) {
    case 16: {
      const [op, attempt, attempted, output] = [reader.number(), reader.number(), reader.flag(), reader.value()];
      return actor?.undo(op, attempt, attempted, output);
    }
    case 17: {
      const [op, scope, index, replaying] = [reader.number(), reader.number(), reader.number(), reader.flag()];
      return actor?.branch(op, scope, index, replaying);
    }
    case 18: {
      const [op, scope, replaying] = [reader.number(), reader.number(), reader.flag()];
      return actor?.enter(op, scope, replaying);
    }
    case 19: {
      const scope = reader.number();
      return actor?.cancelled(scope);
    }
    case 29: {
      const reason = HALTS[reader.byte()] as Halt;
      return actor?.halted(reason);
    }
    case 30: {
      const [call, messageId] = [reader.number(), reader.text()];
      return actor?.sent(call, messageId);
    }
    case 31: {
      const [messageId, reply] = [reader.text(), reader.optionalBytes()];
      return actor?.answered(messageId, reply);
    }
    case 34: {
      const op = reader.number();
      return actor?.durable(op);
    }
    case 32: {
      const alarm = reader.flag() ? reader.time() : undefined;
      const names = reader.flag() ? Array.from({ length: reader.number() }, () => reader.text()) : undefined;
      return actor?.suspended(alarm, names);
    }
    case 33: {
      const [op, names] = [reader.number(), Array.from({ length: reader.number() }, () => reader.text())];
      const count = reader.number();
      return actor?.want(op, names, count);
    }
    default:
      throw new Error(`the engine says something of kind ${kind}, which this version does not know`);
  }
}

function dispatchVerdict(reader: OutputReader, actor: ActorSink | undefined): void {
  const whose = reader.byte();
  const id = reader.number();
  const attempt = whose === 0 ? reader.number() : 0;
  const verdict = reader.verdict();
  if (whose === 0) actor?.stepVerdict(id, attempt, verdict);
  else if (whose === 1) actor?.actionVerdict(id, verdict);
  else actor?.reportVerdict(id, verdict);
}

function dispatchEngine(kind: number, reader: OutputReader, sink: EngineSink): void {
  if (kind === 20) {
    const id = reader.fixed(16);
    sink.ready(id, reader.text());
  } else if (kind === 21) sink.storeFailed(reader.problem());
  else if (kind === 26) sink.wake(reader.text());
  else if (kind === 27) sink.resumed();
  else sink.resumeFailed(reader.problem());
}

function dispatchLife(kind: number, reader: OutputReader, actor: ActorSink | undefined): void {
  if (kind === 22 || kind === 25) {
    const facts = reader.facts();
    if (kind === 22) actor?.opened(facts);
    else actor?.reopened(facts);
  } else {
    const problem = reader.problem();
    if (kind === 23) actor?.openFailed(problem);
    else actor?.lost(problem);
  }
}

/** Every turn begins with a time: a view made for each would be a tenth of what a step costs. */
const TIME: DataView = new DataView(new ArrayBuffer(8));
const TIME_BYTES: Uint8Array = new Uint8Array(TIME.buffer);

/** Reads the fields of records, one after another. */
export class OutputReader {
  readonly #in: ByteReader;

  constructor(bytes: Uint8Array, length: number) {
    this.#in = new ByteReader(bytes, 0, length);
  }

  get offset(): number {
    return this.#in.offset;
  }

  get hasMore(): boolean {
    return this.#in.remaining > 0;
  }

  byte(): number {
    return this.#in.u8();
  }

  flag(): boolean {
    return this.#in.u8() !== 0;
  }

  number(): number {
    return this.#in.varint();
  }

  time(): number {
    for (let i = 0; i < 8; i++) TIME_BYTES[i] = this.#in.u8();
    return TIME.getFloat64(0);
  }

  fixed(count: number): Uint8Array {
    return this.#in.bytes(count);
  }

  bytes(): Uint8Array {
    return this.#in.bytes(this.number());
  }

  text(): string {
    const length = this.number();
    if (length === 0) return "";
    const view = this.#in.view(length);
    return Buffer.from(view.buffer, view.byteOffset, length).toString("utf8");
  }

  optionalBytes(): Uint8Array | undefined {
    return this.flag() ? this.bytes() : undefined;
  }

  value(): ResolvedValue {
    switch (this.byte()) {
      case 0:
        return KEPT;
      case 1:
        return NOTHING;
      case 2:
        return { kind: "encoded", bytes: this.bytes() };
      case 3:
        return { kind: "message", bytes: this.bytes() };
      case 4:
        return { kind: "messages", messages: Array.from({ length: this.number() }, () => this.bytes()) };
      default: {
        const winner = this.flag() ? this.number() : undefined;
        return { kind: "branches", winner, branches: Array.from({ length: this.number() }, () => this.branch()) };
      }
    }
  }

  branch(): BranchRecord {
    switch (this.byte()) {
      case 0:
        return BRANCH_KEPT;
      case 1:
        return BRANCH_NOTHING;
      case 2:
        return { kind: "encoded", bytes: this.bytes() };
      case 3:
        return { kind: "failed", failure: this.failure() };
      default:
        return BRANCH_CANCELLED;
    }
  }

  calls(): DriverCall[] {
    return Array.from({ length: this.number() }, () => this.call());
  }

  call(): DriverCall {
    switch (this.byte()) {
      case 0:
        return { kind: "set", key: this.bytes(), value: this.bytes() };
      case 1:
        return {
          kind: "batch",
          writes: Array.from({ length: this.number() }, () => ({ key: this.bytes(), value: this.bytes() })),
        };
      case 2:
        return { kind: "delete", key: this.bytes() };
      case 3:
        return { kind: "deletePrefix", prefix: this.bytes() };
      case 4:
        return { kind: "deleteRange", start: this.bytes(), end: this.bytes() };
      case 5:
        return { kind: "setAlarm", at: this.time() };
      case 6:
        return { kind: "clearAlarm" };
      case 7:
        return { kind: "addMessage", id: this.text(), name: this.text(), body: this.bytes(), sentAt: this.time() };
      default:
        return { kind: "completeMessage", id: this.text(), response: this.optionalBytes() };
    }
  }

  told(): Told {
    return { at: this.number(), replaying: this.flag() };
  }

  verdict(): Verdict {
    switch (this.byte()) {
      case 0:
        return { kind: "queued", seq: this.number() };
      case 1:
        return CLEAN;
      case 2:
        return { kind: "conflict", path: this.text(), alone: this.flag() };
      default:
        return STALE;
    }
  }

  failure(): FailureRecord {
    const kind = FAILURE_KINDS[this.byte()] ?? "error";
    const [name, message] = [this.text(), this.text()];
    const stack = this.flag() ? this.text() : undefined;
    return { kind, name, message, stack, fields: this.optionalBytes() };
  }

  event(): EventRecord {
    const part = FAILED_PARTS[this.byte()] ?? "step";
    const step = this.flag() ? this.text() : undefined;
    const attempt = this.number();
    const retryAt = this.flag() ? this.time() : undefined;
    return { part, step, attempt, retryAt, failure: this.failure() };
  }

  outcome(): RunOutcome {
    switch (this.byte()) {
      case 0:
        return { kind: "completed", output: this.optionalBytes() };
      case 1:
        return { kind: "failed", failure: this.failure() };
      default:
        return { kind: "cancelled", reason: this.flag() ? this.text() : undefined };
    }
  }

  facts(): Facts {
    const [exists, hasRun] = [this.flag(), this.flag()];
    const outcome = this.flag() ? this.outcome() : undefined;
    const state = this.flag() ? { version: this.number(), head: this.number() } : undefined;
    return { exists, hasRun, outcome, state, seq: this.number() };
  }

  problem(): StoreProblem {
    const [code, message, retryable, unknown] = [this.text(), this.text(), this.flag(), this.flag()];
    const data: Record<string, string> = {};
    for (let left = this.number(); left > 0; left--) {
      const name = this.text();
      data[name] = this.text();
    }
    return { code, message, retryable, unknown, data };
  }

  divergence(): DivergenceRecord {
    const [scope, recorded, code] = [this.text(), this.operations(), this.operations()];
    const kind = this.byte();
    if (kind === 0) return { scope, recorded, code, mismatch: { kind: "new", code: this.operation() } };
    if (kind === 2) return { scope, recorded, code, mismatch: { kind: "ends" } };
    if (kind === 3) return { scope, recorded, code, mismatch: { kind: "no_handler", recorded: this.operation() } };
    return { scope, recorded, code, mismatch: { kind: "other", recorded: this.operation(), code: this.operation() } };
  }

  operations(): OperationRecord[] {
    return Array.from({ length: this.number() }, () => this.operation());
  }

  operation(): OperationRecord {
    return { kind: this.text(), name: this.text(), status: this.text() };
  }
}
