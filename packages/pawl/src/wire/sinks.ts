/** Who is told what came out. */
import type { FailureRecord } from "../failure.ts";
import type {
  AnswerRecord,
  DivergenceRecord,
  DriverCall,
  EventRecord,
  Facts,
  Halt,
  Looked,
  PastRecord,
  ReceiveRecord,
  Refusal,
  ResolvedValue,
  RunOutcome,
  Terminal,
  TickRecord,
  Told,
  Verdict,
} from "./records.ts";

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
  receiptVerdict(receipt: number, attempt: number, verdict: Verdict): void;
  /** Run the handler of a message. */
  receive(message: ReceiveRecord): void;
  tick(tick: TickRecord): void;
  /** The handler has taken too long: its attempt is dead. */
  abortReceipt(receipt: number, attempt: number, timeout: number): void;
  /** What became of a message, and what its handler did, is durable. */
  received(receipt: number): void;
  /** Another actor has ordered that this one be made. */
  ordered(input: Uint8Array | undefined): void;
  /** The actor is no more, durably. */
  destroyed(): void;
  runWorkflow(call: WorkflowCall): void;
  execute(op: number, attempt: number): void;
  /** Run the handler that undoes a step; `attempted`: the one for a step that never committed. */
  undo(op: number, attempt: number, attempted: boolean, output: ResolvedValue): void;
  /** `timeout` is undefined if the attempt was cancelled. */
  abort(op: number, attempt: number, timeout: number | undefined): void;
  /** `ahead`: how many rounds after it may begin by themselves, in scopes of the numbers that follow. */
  iterate(op: number, scope: number, state: ResolvedValue, replaying: boolean, ahead: number): void;
  branch(op: number, scope: number, index: number, replaying: boolean): void;
  enter(op: number, scope: number, replaying: boolean): void;
  /** A branch has lost: what is pending in this scope rejects. */
  cancelled(scope: number): void;
  /** The workflow's function is over, whatever it still does. */
  halted(reason: Halt): void;
  resolve(op: number, value: ResolvedValue, told: Told): void;
  /** Recorded steps that may be answered without asking: each its name, the time at which it became a fact, and its value. */
  ahead(scope: number, steps: Uint8Array, replaying: boolean): void;
  reject(op: number, terminal: Terminal, attempts: number, failure: FailureRecord, told: Told): void;
  rethrow(op: number): void;
  sent(call: number, messageId: string): void;
  answered(messageId: string, answer: AnswerRecord): void;
  /** Ask an embedding host's queue for these messages, once. */
  want(op: number, names: readonly string[], count: number): void;
  /** Of a step whose outcome was told before it was durable. */
  durable(op: number): void;
  /** The run waits, durably; `names` undefined: for no message; empty: for any. */
  suspended(alarm: number | undefined, names: readonly string[] | undefined): void;
  /** What the run waits for is due: look whether somebody else has written; if not, say `goOn`. */
  due(): void;
  report(report: number, event: EventRecord): void;
  /** What the failure hook did is durable. */
  reported(report: number): void;
  reply(call: number): void;
  refuse(call: number, reason: Refusal, why: string): void;
  /** What was asked of the past. */
  past(call: number, past: PastRecord): void;
  pastFailed(call: number, problem: StoreProblem): void;
  runEnded(outcome: RunOutcome): void;
  parked(divergence: DivergenceRecord): void;
  misuse(op: number | undefined, misuse: Misuse, name: string): void;
  opened(facts: Facts): void;
  openFailed(problem: StoreProblem): void;
  lost(problem: StoreProblem): void;
  reopened(facts: Facts): void;
  /** Whether the engine has forgotten an actor that it was asked to forget. */
  retired(gone: boolean): void;
}

/** Whoever the rest is for. */
export interface EngineSink {
  actor(handle: number): ActorSink | undefined;
  /** What was asked for under this ticket. */
  looked(ticket: number, found: Looked): void;
  lookFailed(ticket: number, problem: StoreProblem): void;
  ready(storeId: Uint8Array, url: string): void;
  storeFailed(problem: StoreProblem): void;
  wake(name: string): void;
  resumed(): void;
  resumeFailed(problem: StoreProblem): void;
  /** Another process asks something of an actor of ours; it may do so again until it has the reply. */
  called(name: string, id: string, body: Uint8Array): void;
  /** The reply to a call from here; with a problem: the call was not made. */
  replied(name: string, id: string, reply: Uint8Array, problem: StoreProblem | undefined): void;
  /** How the run of another process's actor has ended; undefined: it is parked. */
  outcome(name: string, outcome: RunOutcome | undefined): void;
  /** Whether somebody in another thread listens to what the actor broadcasts. */
  listened(name: string, listens: boolean): void;
  /** What an actor of another process, or thread, has broadcast; `writer` says which. */
  event(name: string, writer: string, body: Uint8Array): void;
  /** Other processes, or threads, that are no more. */
  died(processes: readonly string[]): void;
  /** Others may have taken this process for dead. */
  lapsed(): void;
  /** A receiver threw, which none should: the others still get theirs. */
  defect(error: unknown): void;
  /** The rows of an embedding host's actor are wanted. */
  load(ticket: number, actor: string): void;
  /** These calls are to be made, and those after them if all went well. */
  write(ticket: number, actor: string, calls: readonly DriverCall[], after: readonly DriverCall[]): void;
}
