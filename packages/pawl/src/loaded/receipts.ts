/** Messages that handlers take, and schedules that are due: each try at one is an attempt of its own. */
import { Attempt, callUser, encodeGiven, noteRerun } from "../attempt.ts";
import { PawlError } from "../errors.ts";
import { toRecord } from "../failure.ts";
import type { Schedule } from "../schedules/schedule.ts";
import { checked } from "../schema.ts";
import { traceOf } from "../telemetry/carried.ts";
import type { ActionContext, AttemptContext, Types } from "../types.ts";
import { decode } from "../values/index.ts";
import type { ReceiveRecord, Send, TickRecord, Verdict } from "../wire.ts";
import type { RunOwner } from "../workflow/run.ts";
import type { GuardedAttempts } from "./guarded.ts";

type Handler = (c: ActionContext<Types>, body: unknown) => unknown;

/** What is to be done. */
interface Task {
  readonly receipt: number;
  readonly attempt: number;
  readonly id: string;
  readonly kind: "message" | "schedule";
  readonly name: string;
  readonly run: (c: unknown) => unknown;
  /** What whoever sent it is told of what that returned; nothing if it is not answered. */
  readonly reply?: (value: unknown) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** What is sent with it, whatever it does itself. */
  readonly sends: readonly Send[];
  /** What it is part of. */
  readonly trace?: string | undefined;
}

interface Receipt {
  readonly task: Task;
  /** None: it has not begun. */
  attempt: Attempt | undefined;
}

/** What has schedules. */
interface ScheduleOwner extends RunOwner {
  readonly schedules: ReadonlyMap<string, Schedule>;
  readonly guarded: GuardedAttempts | undefined;
}

export class Receipts {
  readonly #owner: ScheduleOwner;
  readonly #receipts = new Map<number, Receipt>();

  constructor(owner: ScheduleOwner) {
    this.#owner = owner;
  }

  /** Whether a message is being handled, or a schedule runs. */
  get isAtWork(): boolean {
    return this.#receipts.size > 0;
  }

  receive(message: ReceiveRecord): void {
    const { definition, name: actor, messages, limits } = this.#owner;
    const { receipt, attempt, id, name, body } = message;
    const handler = (definition.receive as Readonly<Record<string, Handler>> | undefined)?.[name];
    const schema = messages.get(name)?.reply;
    const what = `the answer to message "${name}" of ${actor}`;
    const encoded = (value: unknown) =>
      value === undefined ? undefined : encodeGiven(value, `${what} is a value`, limits.messageBytes);
    this.#begin({
      receipt,
      attempt,
      id,
      kind: "message",
      name,
      run: (c) => handler?.(c as ActionContext<Types>, decode(body)),
      ...(schema === undefined ? {} : { reply: (value: unknown) => checked(schema, value, what, encoded) }),
      sends: [],
      trace: this.#owner.telemetry === undefined ? undefined : traceOf(body),
    });
  }

  /** A schedule is due. The next tick leaves with what it does, or instead of it. */
  tick({ receipt, attempt, id, name, spec, dueAt }: TickRecord): void {
    const schedule = this.#owner.schedules.get(name);
    const plan = schedule?.plan(dueAt, Buffer.from(spec).toString(), this.#owner.pump.now());
    const next = schedule && plan && tickOf(schedule, plan.next);
    const runs = attempt > 0 && plan?.runs === true;
    this.#begin({
      receipt,
      attempt,
      id,
      kind: "schedule",
      name,
      run: (c) => (runs ? schedule?.run(c as AttemptContext<Types>) : undefined),
      sends: next === undefined ? [] : [next],
    });
  }

  #begin(task: Task): void {
    this.#end(task.receipt);
    this.#owner.pump.hold("work");
    const receipt: Receipt = { task, attempt: undefined };
    this.#receipts.set(task.receipt, receipt);
    this.#start(receipt);
  }

  #start(receipt: Receipt): void {
    const { guarded, pump, handle } = this.#owner;
    const { task } = receipt;
    // What only plans the next tick runs no code.
    if (guarded === undefined || task.attempt === 0) return void this.#run(receipt);
    const isOver = () => this.#receipts.get(task.receipt) !== receipt;
    const refuse = (error: PawlError) => {
      if (isOver()) return;
      this.#logFailure(task, error.message);
      pump.input.receiveThrew(handle, task.receipt, task.attempt, toRecord(error, "critical"));
      pump.schedule();
    };
    const failed = (err: unknown) =>
      this.#owner.log.error({ actor: this.#owner.name, err }, "an attempt could not be marked");
    guarded.attempt(task.kind, task.name, () => (isOver() ? undefined : this.#run(receipt)), refuse).catch(failed);
  }

  #run(own: Receipt): Attempt {
    const { task } = own;
    const { pump, handle, dialect } = this.#owner;
    const { receipt } = task;
    const key = () => pump.engine.messageKey(handle, task.id) ?? undefined;
    const attempt = new Attempt(this.#owner, task.attempt, key);
    own.attempt = attempt;
    const threw = (error: unknown, kind?: "critical"): void => {
      if (!attempt.isRunning) return;
      if (attempt.isDoomed) return settle(undefined);
      attempt.fail(undefined);
      const failure = toRecord(error, kind);
      this.#logFailure(task, `${failure.name}: ${failure.message}`);
      pump.input.receiveThrew(handle, receipt, task.attempt, failure, dialect.retryAt(error, pump.now()));
      pump.schedule();
    };
    const settle = (reply: Uint8Array | undefined): void => {
      if (!attempt.isRunning) return;
      try {
        const writes = attempt.seal(() => pump.settling(handle));
        const sends = task.sends.length === 0 ? writes.sends : [...writes.sends, ...task.sends];
        pump.input.received(handle, receipt, task.attempt, reply, { ...writes, sends });
        pump.schedule();
      } catch (error) {
        threw(error, "critical");
      }
    };
    const returned = (value: unknown): void => {
      if (task.reply === undefined) return settle(undefined);
      try {
        const reply = task.reply(value);
        if (reply instanceof Promise) reply.then(settle, (error) => threw(error, "critical"));
        else settle(reply);
      } catch (error) {
        threw(error, "critical");
      }
    };
    attempt.what = task.name;
    callUser(this.#body(task, attempt), returned, threw);
    return attempt;
  }

  #body({ kind, name, run, trace }: Task, attempt: Attempt): () => unknown {
    const body = () => run(attempt.context);
    const { telemetry } = this.#owner;
    if (telemetry === undefined) return body;
    return attempt.traced(telemetry, kind === "message" ? "receive" : "schedule", name, body, trace);
  }

  #logFailure({ kind, name, attempt }: Task, failure: string): void {
    const fields = { actor: this.#owner.name, [kind]: name, attempt, failure };
    this.#owner.log.warn(
      fields,
      `an attempt at ${kind === "message" ? "handling a message" : "running a schedule"} failed`,
    );
  }

  verdict(id: number, number: number, verdict: Verdict): void {
    const receipt = this.#receipts.get(id);
    if (receipt?.attempt === undefined || receipt.task.attempt !== number) return;
    if (receipt.attempt.verdict(verdict)) {
      const { kind, name } = receipt.task;
      noteRerun(receipt.attempt, `${kind === "message" ? "the handler of message" : "schedule"} "${name}"`, verdict);
      queueMicrotask(() => {
        if (this.#receipts.get(id) === receipt) this.#start(receipt);
      });
    } else if (verdict.kind === "stale") this.#end(id);
  }

  /** It has taken too long. */
  abort(id: number, number: number, timeout: number): void {
    const receipt = this.#receipts.get(id);
    if (receipt === undefined || receipt.task.attempt !== number) return;
    const { kind, name } = receipt.task;
    const what = `attempt ${number} at ${kind === "message" ? "handling message" : "schedule"} "${name}" of ${this.#owner.name}`;
    const reason = new PawlError("step_timeout", `${what} has taken longer than ${timeout} ms`);
    this.#logFailure(receipt.task, reason.message);
    receipt.attempt?.fail(reason);
    this.#end(id);
  }

  /** What became of it is durable. */
  received(id: number): void {
    this.#receipts.get(id)?.attempt?.committed();
    this.#end(id);
  }

  #end(id: number): void {
    if (this.#receipts.delete(id)) this.#owner.pump.release("work");
  }

  /** They are dead. */
  stop(reason: unknown): void {
    for (const [id, { attempt }] of [...this.#receipts]) {
      attempt?.fail(reason);
      this.#end(id);
    }
  }
}

function tickOf(schedule: Schedule, at: number): Send {
  const body = Buffer.from(schedule.spec);
  return { to: undefined, name: schedule.name, body, delay: at, purpose: "tick" };
}
