/**
 * The calls of one actor that wait for an answer, and the actions among them, which are attempts.
 *
 * One law: an answer leaves when the engine says that what it rests on is durable, and not before.
 */
import { encodeGiven, noteRerun } from "../attempt.ts";
import { type CalledBody, callInAttempt } from "../call-attempt.ts";
import type { CallersContext } from "../callers-context.ts";
import type { PawlError } from "../errors.ts";
import { type FailureRecord, toError, toRecord } from "../failure.ts";
import * as say from "../messages.ts";
import { packed } from "../runtime/reply.ts";
import type { ActionContext, Types } from "../types.ts";
import { decode } from "../values/index.ts";
import type { Refusal, Verdict } from "../wire.ts";
import type { RunOwner } from "../workflow/run.ts";

/** Something that a caller waits for. */
export interface Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** An action, with what is needed to run it again. */
  readonly action?: Action;
  /** What resolves it, or why it rejects, once it may. */
  answer: { readonly bytes: Uint8Array | undefined } | { readonly failure: FailureRecord } | undefined;
  /** Whether the engine has it. */
  submitted: boolean;
}

interface Action extends CalledBody {
  readonly name: string;
  /** The call of another process that it is. */
  readonly called: string | undefined;
}

export class Calls {
  readonly #owner: RunOwner;
  readonly #calls = new Map<number, Call>();
  #next = 1;

  constructor(owner: RunOwner) {
    this.#owner = owner;
  }

  /** Whether anybody waits for an answer. */
  get isAtWork(): boolean {
    return this.#calls.size > 0;
  }

  /** Asks the engine for something whose answer is that it is durable. */
  submit(write: (call: number) => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#calls.set(id, { resolve, reject, answer: undefined, submitted: true });
      write(id);
      this.#owner.pump.schedule();
    });
  }

  /** Runs an action until it is answered. `called`: as that call of another process, which is told what `packed` makes of it. */
  act(
    name: string,
    args: Uint8Array,
    idempotencyKey: string,
    callersContext: CallersContext,
    called?: string,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      const run = this.#owner.definition.actions?.[name] as unknown as (
        c: ActionContext<Types>,
        ...args: unknown[]
      ) => unknown;
      const action: Action = {
        name,
        idempotencyKey,
        called,
        attempt: undefined,
        run: (attempt) => callersContext.run(() => run(attempt.context, ...(decode(args) as unknown[]))),
        returned: (output) => {
          const what = `action "${name}" of ${this.#owner.name} returned something`;
          call.answer = { bytes: output === undefined ? undefined : this.#encode(output, what) };
        },
        threw: (error) => {
          const failure = toRecord(error);
          call.answer = { failure };
          call.submitted = true;
          return failure;
        },
        settle: (writes) => {
          call.submitted = true;
          const { input } = this.#owner.pump;
          if (called === undefined) input.acted(this.#owner.handle, id, writes);
          else input.actedFor(this.#owner.handle, id, called, packed(call.answer), writes);
        },
      };
      const call: Call = { resolve, reject, action, answer: undefined, submitted: false };
      this.#calls.set(id, call);
      callInAttempt(this.#owner, id, action);
    });
  }

  sent(id: number, messageId: string): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    call.resolve(messageId);
  }

  actionVerdict(id: number, verdict: Verdict): void {
    const call = this.#calls.get(id);
    const action = call?.action;
    if (call === undefined || action?.attempt === undefined) return;
    if (!action.attempt.verdict(verdict)) return;
    noteRerun(action.attempt, `action "${action.name}"`, verdict);
    // Another attempt came between: run it again, on fresh state, under the same key.
    call.submitted = false;
    call.answer = undefined;
    queueMicrotask(() => {
      if (this.#calls.has(id)) callInAttempt(this.#owner, id, action);
    });
  }

  reply(id: number): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    call.action?.attempt?.committed();
    const { answer } = call;
    if (call.action?.called !== undefined)
      call.resolve(answer !== undefined && "failure" in answer ? answer.failure : undefined);
    else if (answer === undefined) call.resolve(undefined);
    else if ("failure" in answer) call.reject(toError(answer.failure));
    else call.resolve(answer.bytes === undefined ? undefined : decode(answer.bytes));
  }

  refuse(id: number, reason: Refusal, why: string): void {
    this.fail(id, say.refused(this.#owner.name, reason, why));
  }

  fail(id: number, error: PawlError): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    call.action?.attempt?.fail(error);
    call.reject(error);
  }

  /** Fails every call, and ends every attempt. */
  failAll(error: PawlError): void {
    for (const [id] of [...this.#calls]) this.fail(id, error);
  }

  /** Ends every attempt, and fails the calls that the engine has not been told of. */
  failUnsubmitted(error: PawlError): void {
    for (const [id, call] of [...this.#calls]) {
      call.action?.attempt?.fail(error);
      if (!call.submitted) this.fail(id, error);
    }
  }

  #encode(value: unknown, what: string): Uint8Array {
    return encodeGiven(value, what, this.#owner.limits.valueBytes);
  }
}
