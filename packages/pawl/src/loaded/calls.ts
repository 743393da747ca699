/**
 * The calls of one actor that wait for an answer, and the actions among them, which are attempts.
 *
 * One law: an answer leaves when the engine says that what it rests on is durable, and not before.
 */
import { type Attempt, encodeGiven, noteRerun } from "../attempt.ts";
import { type CalledBody, callInAttempt } from "../call-attempt.ts";
import type { CallersContext } from "../callers-context.ts";
import type { PawlError } from "../errors.ts";
import { type FailureRecord, toError, toRecord } from "../failure.ts";
import * as say from "../messages.ts";
import { packed } from "../runtime/reply.ts";
import { watched } from "../stall.ts";
import type { ActionContext, Types } from "../types.ts";
import { decode } from "../values/index.ts";
import type { Refusal, Verdict } from "../wire.ts";
import type { RunOwner } from "../workflow/run.ts";

/** As it is when this is loaded: a test that puts a fake one in its place must not stop an action. */
const { setImmediate } = globalThis;

/** Something that a caller waits for. */
export interface Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** An action, with what is needed to run it again. */
  readonly action?: Action;
  /** What it does to the state, if it is something else. It rejects with `Overtaken` if another attempt came between. */
  readonly attempt?: Attempt;
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

/** Another attempt came between a call and the state that it rests on: it has not happened. */
export class Overtaken extends Error {}

export class Calls {
  readonly #owner: RunOwner;
  readonly #calls = new Map<number, Call>();
  /** Actions that are to run again; the first is about to. */
  readonly #again: (() => void)[] = [];
  #next = 1;

  constructor(owner: RunOwner) {
    this.#owner = owner;
  }

  /** Whether anybody waits for an answer. */
  get isAtWork(): boolean {
    return this.#calls.size > 0;
  }

  /** Asks the engine for something whose answer is that it is durable. */
  submit(write: (call: number) => void, attempt?: Attempt): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      const own = attempt === undefined ? {} : { attempt };
      this.#calls.set(id, { resolve, reject, ...own, answer: undefined, submitted: true });
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
        run: (attempt) => {
          const body = () => callersContext.run(() => run(attempt.context, ...(decode(args) as unknown[])));
          return watched(attempt, "action", name, body);
        },
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

  /** The engine's answer to something that has one. */
  told(id: number, answer: unknown): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    call.resolve(answer);
  }

  actionVerdict(id: number, verdict: Verdict): void {
    const call = this.#calls.get(id);
    const action = call?.action;
    if (call?.attempt?.verdict(verdict) === true) {
      this.#calls.delete(id);
      call.reject(new Overtaken());
    }
    if (call === undefined || action?.attempt === undefined) return;
    if (!action.attempt.verdict(verdict)) return;
    noteRerun(action.attempt, `action "${action.name}"`, verdict);
    // Another attempt came between: run it again, on fresh state, under the same key.
    call.submitted = false;
    call.answer = undefined;
    this.#runAgain(() => {
      if (this.#calls.has(id)) callInAttempt(this.#owner, id, action);
    });
  }

  /**
   * Each in a turn of the event loop of its own: what was woken in one instant, and met there, would meet again if it were begun
   * in one.
   */
  #runAgain(run: () => void): void {
    this.#again.push(run);
    this.#owner.pump.hold("work");
    if (this.#again.length === 1) queueMicrotask(this.#startNext);
  }

  readonly #startNext = (): void => {
    const run = this.#again[0];
    run?.();
    this.#again.shift();
    this.#owner.pump.release("work");
    if (this.#again.length > 0) setImmediate(this.#startNext);
  };

  reply(id: number): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    attemptOf(call)?.committed();
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
    attemptOf(call)?.fail(error);
    call.reject(error);
  }

  /** Fails every call, and ends every attempt. */
  failAll(error: PawlError): void {
    for (const [id] of [...this.#calls]) this.fail(id, error);
  }

  /** Ends every attempt, and fails the calls that the engine has not been told of. */
  failUnsubmitted(error: PawlError): void {
    for (const [id, call] of [...this.#calls]) {
      attemptOf(call)?.fail(error);
      if (!call.submitted) this.fail(id, error);
    }
  }

  #encode(value: unknown, what: string): Uint8Array {
    return encodeGiven(value, what, this.#owner.limits.valueBytes);
  }
}

function attemptOf(call: Call): Attempt | undefined {
  return call.action?.attempt ?? call.attempt;
}
