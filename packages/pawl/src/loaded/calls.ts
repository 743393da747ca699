/**
 * The calls of one actor that wait for an answer, and the actions among them, which are attempts.
 *
 * One law: an answer leaves when the engine says that what it rests on is durable, and not before.
 */
import { Attempt, callUser, encodeGiven, isThenable, noteRerun } from "../attempt.ts";
import { CallersContext } from "../callers-context.ts";
import type { PawlError } from "../errors.ts";
import { type FailureRecord, toError, toRecord } from "../failure.ts";
import * as say from "../messages.ts";
import { type CallKey, ofAction, onlyCall } from "../runtime/call.ts";
import { packed } from "../runtime/reply.ts";
import { watched } from "../stall.ts";
import type { ActionContext, Types } from "../types.ts";
import { decode, encode } from "../values/index.ts";
import { type Refusal, readAnswer, type Verdict } from "../wire.ts";
import type { RunOwner } from "../workflow/run.ts";
import type { GuardedAttempts } from "./guarded.ts";

/** As it is when this is loaded: a test that puts a fake one in its place must not stop an action. */
const { setImmediate } = globalThis;

const NO_ARGUMENTS = encode([]);

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

interface CallsOwner extends RunOwner {
  /** None: nothing is marked before it begins. */
  readonly guarded: GuardedAttempts | undefined;
}

interface Action {
  readonly name: string;
  readonly args: Uint8Array;
  readonly key: CallKey;
  readonly callersContext: CallersContext;
  /** The call of another process that it is. */
  readonly called: string | undefined;
  /** The connection that it came through. */
  readonly connection: string | undefined;
  /** What is run in the place of an action of the definition. */
  readonly body: ((attempt: Attempt) => unknown) | undefined;
  /** What it is part of. */
  readonly trace: string | undefined;
  /** Whether an attempt of this process waits for it: then the mark of that one stands for both. */
  readonly isPart: true | undefined;
  attempt: Attempt | undefined;
}

/** What an action under a caller's key is remembered as. */
function keptAs({ name, key }: Action): string {
  return `action ${name} ${key.text}`;
}

/** Another attempt came between a call and the state that it rests on: it has not happened. */
export class Overtaken extends Error {}

export class Calls {
  readonly #owner: CallsOwner;
  readonly #calls = new Map<number, Call>();
  /** Actions that are under way under a caller's key. */
  readonly #kept = new Map<string, Promise<unknown>>();
  /** Actions that are to run again; the first is about to. */
  readonly #again: (() => void)[] = [];
  #next = 1;

  constructor(owner: CallsOwner) {
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
  act(asked: Omit<Action, "attempt" | "body">): Promise<unknown> {
    const action: Action = { ...asked, body: undefined, attempt: undefined };
    if (action.key.keep === 0) return this.#act(action);
    const kept = keptAs(action);
    const known = this.#kept.get(kept) ?? this.#remembered(kept);
    if (known !== undefined) return known;
    const acted = this.#act(action).finally(() => this.#kept.delete(kept));
    this.#kept.set(kept, acted);
    return acted;
  }

  /** Runs `body` as an action of this name, which came through a connection, if any. Resolves to nothing. */
  run(name: string, connection: string | undefined, body: (attempt: Attempt) => unknown): Promise<unknown> {
    const [key, callersContext] = [onlyCall(), new CallersContext()];
    return this.#act({
      name,
      args: NO_ARGUMENTS,
      key,
      callersContext,
      called: undefined,
      connection,
      trace: undefined,
      isPart: undefined,
      body: (attempt) => {
        const result = body(attempt);
        return isThenable(result) ? Promise.resolve(result).then(nothing) : undefined;
      },
      attempt: undefined,
    });
  }

  /** What a call under the same key has returned, some time ago. */
  #remembered(kept: string): Promise<unknown> | undefined {
    const { pump, handle } = this.#owner;
    const reply = pump.engine.remembered(handle, kept, pump.now());
    if (reply.length === 0) return undefined;
    const answer = readAnswer(reply);
    return Promise.resolve(answer.kind === "reply" && answer.bytes !== undefined ? decode(answer.bytes) : undefined);
  }

  #act(action: Action): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      const call: Call = { resolve, reject, action, answer: undefined, submitted: false };
      this.#calls.set(id, call);
      this.#runAction(id, call, action);
    });
  }

  #runAction(id: number, call: Call, action: Action): void {
    const attempt = new Attempt(this.#owner, 1, () => this.#keyOf(action));
    action.attempt = attempt;
    attempt.caller = action.connection;
    attempt.what = action.name;
    const run = this.#owner.definition.actions?.[action.name] as unknown as (
      c: ActionContext<Types>,
      ...args: unknown[]
    ) => unknown;
    const args = decode(action.args) as unknown[];
    const settle = (): void => {
      const writes = attempt.seal(() => this.#owner.pump.settling(this.#owner.handle));
      call.submitted = true;
      const { keep, always } = action.key;
      const remembered = keep === 0 ? undefined : { key: keptAs(action), ms: keep, always };
      const reply = call.answer !== undefined && "bytes" in call.answer ? call.answer.bytes : undefined;
      const { input } = this.#owner.pump;
      if (action.called === undefined) input.acted(this.#owner.handle, id, remembered && reply, writes, remembered);
      else input.actedFor(this.#owner.handle, id, action.called, packed(call.answer), writes);
      this.#owner.pump.schedule();
    };
    const returned = (output: unknown): void => {
      if (!attempt.isRunning) return;
      try {
        call.answer = {
          bytes:
            output === undefined
              ? undefined
              : this.#encode(output, `action "${action.name}" of ${this.#owner.name} returned something`),
        };
        settle();
      } catch (error) {
        threw(error);
      }
    };
    const threw = (error: unknown): void => {
      if (!attempt.isRunning) return;
      if (attempt.isDoomed) return settle();
      const { pin } = attempt;
      attempt.fail(undefined);
      const failure = toRecord(error);
      call.answer = { failure };
      call.submitted = true;
      this.#owner.pump.input.actionThrew(this.#owner.handle, id, failure, pin);
      this.#owner.pump.schedule();
    };
    const own = () =>
      action.body === undefined ? run(attempt.context as ActionContext<Types>, ...args) : action.body(attempt);
    const { telemetry } = this.#owner;
    // Innermost: what it does is part of it, not of what its caller does.
    const traced = telemetry === undefined ? own : attempt.traced(telemetry, "action", action.name, own, action.trace);
    const body = () => action.callersContext.run(traced);
    callUser(() => watched(attempt, "action", action.name, body), returned, threw);
  }

  /** What is done outside for a call is known by the caller's key, if it has one. */
  #keyOf(action: Action): string | undefined {
    const { keep, text } = action.key;
    const { pump, handle } = this.#owner;
    return keep === 0 ? text : (pump.engine.callKey(handle, keptAs(action)) ?? undefined);
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
      if (this.#calls.has(id)) this.#runAction(id, call, action);
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
    else if ("failure" in answer) call.reject(ofAction(toError(answer.failure)));
    else call.resolve(answer.bytes === undefined ? undefined : decode(answer.bytes));
  }

  refuse(id: number, reason: Refusal, why: string): void {
    const { name, limits } = this.#owner;
    this.fail(id, say.refused(name, reason, reason === "inbox_full" ? `${limits.inboxMessages}` : why));
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

function nothing(): undefined {
  return undefined;
}
