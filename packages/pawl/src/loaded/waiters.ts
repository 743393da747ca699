/** Whoever waits for the end of an actor's run, or for the answer to a message. */
import { PawlError } from "../errors.ts";
import { toError, toFailure } from "../failure.ts";
import { decode } from "../values/index.ts";
import { type AnswerRecord, type RunOutcome, readAnswer } from "../wire.ts";
import type { RunOwner } from "../workflow/run.ts";

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Of one that asked: whether nobody will answer once the run has ended. */
  readonly endsWithRun?: boolean;
}

/** What a run comes to, for its caller. Throws `workflow_failed` or `cancelled`. */
export function ofOutcome(name: string, outcome: RunOutcome): unknown {
  if (outcome.kind === "completed") return outcome.output === undefined ? undefined : decode(outcome.output);
  if (outcome.kind === "cancelled")
    throw new PawlError(
      "cancelled",
      `the workflow of ${name} was cancelled${outcome.reason === undefined ? "" : `: ${outcome.reason}`}`,
      { data: { reason: outcome.reason } },
    );
  const { failure } = outcome;
  throw new PawlError("workflow_failed", `the workflow of ${name} has failed: ${failure.message}`, {
    cause: toError(failure),
    data: { error: toFailure(failure) },
  });
}

export class Waiters {
  readonly #owner: RunOwner;
  /** By the message's id. */
  readonly #askers = new Map<string, Waiter>();
  readonly #results = new Set<Waiter>();

  constructor(owner: RunOwner) {
    this.#owner = owner;
  }

  /** Whether anybody waits. */
  get isAtWork(): boolean {
    return this.#askers.size > 0 || this.#results.size > 0;
  }

  get wantsResult(): boolean {
    return this.#results.size > 0;
  }

  /** The answer to a message. */
  answer(messageId: string, endsWithRun: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#askers.set(messageId, { resolve, reject, endsWithRun });
      this.answerAskers();
    });
  }

  /** The output of the run. */
  result(): Promise<unknown> {
    return new Promise((resolve, reject) => this.#results.add({ resolve, reject }));
  }

  /** Answers whoever asked what has been answered in the meantime. */
  answerAskers(): void {
    const { pump, handle } = this.#owner;
    for (const messageId of [...this.#askers.keys()]) {
      const answer = pump.engine.answer(handle, messageId);
      if (answer.length > 0) this.answered(messageId, readAnswer(answer));
    }
  }

  answered(messageId: string, answer: AnswerRecord): void {
    const asker = this.#askers.get(messageId);
    this.#askers.delete(messageId);
    if (answer.kind === "failed") asker?.reject(toError(answer.failure));
    else asker?.resolve(answer.bytes === undefined ? undefined : decode(answer.bytes));
  }

  /** Whoever waits for an answer of the run, which has ended, waits in vain. */
  failAskersOfRun(why: () => PawlError): void {
    for (const [id, asker] of [...this.#askers]) {
      if (asker.endsWithRun !== true) continue;
      this.#askers.delete(id);
      asker.reject(why());
    }
  }

  failAskers(error: PawlError): void {
    for (const asker of this.#askers.values()) asker.reject(error);
    this.#askers.clear();
  }

  tellResult(outcome: RunOutcome): void {
    for (const waiter of this.#results) {
      try {
        waiter.resolve(ofOutcome(this.#owner.name, outcome));
      } catch (error) {
        waiter.reject(error);
      }
    }
    this.#results.clear();
  }

  failResults(error: PawlError): void {
    for (const waiter of this.#results) waiter.reject(error);
    this.#results.clear();
  }
}
