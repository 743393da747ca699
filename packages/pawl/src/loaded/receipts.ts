/** Messages that handlers take: each try at one is an attempt of its own. */
import { Attempt, callUser, encodeGiven, noteRerun } from "../attempt.ts";
import { PawlError } from "../errors.ts";
import { toRecord } from "../failure.ts";
import { checked } from "../schema.ts";
import type { ActionContext, Types } from "../types.ts";
import { decode } from "../values/index.ts";
import type { ReceiveRecord, Verdict } from "../wire.ts";
import type { RunOwner } from "../workflow/run.ts";

type Handler = (c: ActionContext<Types>, body: unknown) => unknown;

interface Receipt {
  readonly message: ReceiveRecord;
  attempt: Attempt;
}

export class Receipts {
  readonly #owner: RunOwner;
  readonly #receipts = new Map<number, Receipt>();

  constructor(owner: RunOwner) {
    this.#owner = owner;
  }

  /** Whether a message is being handled. */
  get isAtWork(): boolean {
    return this.#receipts.size > 0;
  }

  receive(message: ReceiveRecord): void {
    this.#end(message.receipt);
    this.#owner.pump.hold("work");
    this.#run(message);
  }

  #run(message: ReceiveRecord): void {
    const { pump, handle, name: actor, definition, dialect, messages } = this.#owner;
    const key = () => pump.engine.messageKey(handle, message.id) ?? undefined;
    const attempt = new Attempt(this.#owner, message.attempt, key);
    this.#receipts.set(message.receipt, { message, attempt });
    const { receipt, name } = message;
    const threw = (error: unknown, kind?: "critical"): void => {
      if (!attempt.isRunning) return;
      if (attempt.isDoomed) return settle(undefined);
      attempt.fail(undefined);
      const failure = toRecord(error, kind);
      this.#logFailure(name, attempt.count, `${failure.name}: ${failure.message}`);
      pump.input.receiveThrew(handle, receipt, message.attempt, failure, dialect.retryAt(error, pump.now()));
      pump.schedule();
    };
    const settle = (reply: Uint8Array | undefined): void => {
      if (!attempt.isRunning) return;
      try {
        const writes = attempt.seal(() => pump.settling(handle));
        pump.input.received(handle, receipt, message.attempt, reply, writes);
        pump.schedule();
      } catch (error) {
        threw(error, "critical");
      }
    };
    const schema = messages.get(name)?.reply;
    const what = `the answer to message "${name}" of ${actor}`;
    const encoded = (value: unknown) =>
      value === undefined ? undefined : encodeGiven(value, `${what} is a value`, this.#owner.limits.messageBytes);
    const returned = (value: unknown): void => {
      if (schema === undefined) return settle(undefined);
      try {
        const reply = checked(schema, value, what, encoded);
        if (reply instanceof Promise) reply.then(settle, (error) => threw(error, "critical"));
        else settle(reply);
      } catch (error) {
        threw(error, "critical");
      }
    };
    const handler = (definition.receive as Readonly<Record<string, Handler>> | undefined)?.[name];
    callUser(() => handler?.(attempt.context as ActionContext<Types>, decode(message.body)), returned, threw);
  }

  #logFailure(message: string, attempt: number, failure: string): void {
    const { log, name } = this.#owner;
    log.warn({ actor: name, message, attempt, failure }, "an attempt at handling a message failed");
  }

  verdict(id: number, number: number, verdict: Verdict): void {
    const receipt = this.#receipts.get(id);
    if (receipt === undefined || receipt.message.attempt !== number) return;
    if (receipt.attempt.verdict(verdict)) {
      noteRerun(receipt.attempt, `the handler of message "${receipt.message.name}"`, verdict);
      queueMicrotask(() => {
        if (this.#receipts.get(id) === receipt) this.#run(receipt.message);
      });
    } else if (verdict.kind === "stale") this.#end(id);
  }

  /** It has taken too long. */
  abort(id: number, number: number, timeout: number): void {
    const receipt = this.#receipts.get(id);
    if (receipt === undefined || receipt.message.attempt !== number) return;
    const { name } = receipt.message;
    const what = `attempt ${number} at handling message "${name}" of ${this.#owner.name}`;
    const reason = new PawlError("step_timeout", `${what} has taken longer than ${timeout} ms`);
    this.#logFailure(name, number, reason.message);
    receipt.attempt.fail(reason);
    this.#end(id);
  }

  /** What became of it is durable. */
  received(id: number): void {
    this.#receipts.get(id)?.attempt.committed();
    this.#end(id);
  }

  #end(id: number): void {
    if (this.#receipts.delete(id)) this.#owner.pump.release("work");
  }

  /** They are dead. */
  stop(reason: unknown): void {
    for (const [id, { attempt }] of [...this.#receipts]) {
      attempt.fail(reason);
      this.#end(id);
    }
  }
}
