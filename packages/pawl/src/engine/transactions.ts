/** The transactions of an embedding host's actor: attempts that are answered when what they did is durable. */
import type { Attempt, AttemptOwner } from "../attempt.ts";
import { type CalledBody, callInAttempt } from "../call-attempt.ts";
import { toRecord } from "../failure.ts";
import { raw } from "../state/index.ts";
import { nodeOf } from "../state/place.ts";
import type { Verdict } from "../wire.ts";

interface Transaction extends CalledBody {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  result: { readonly value: unknown } | { readonly error: unknown } | undefined;
}

export class Transactions {
  readonly #owner: AttemptOwner;
  readonly #open = new Map<number, Transaction>();

  constructor(owner: AttemptOwner) {
    this.#owner = owner;
  }

  /** Runs `run` as call `id`. Resolves to what it returned when that is durable. */
  run(id: number, run: (attempt: Attempt) => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const transaction: Transaction = {
        resolve,
        reject,
        idempotencyKey: crypto.randomUUID().replaceAll("-", ""),
        attempt: undefined,
        result: undefined,
        run,
        returned: (value) => {
          // A proxy of a cell is of no use after the attempt.
          transaction.result = { value: nodeOf(value) === undefined ? value : raw(value) };
        },
        threw: (error) => {
          transaction.result = { error };
          return toRecord(error);
        },
        settle: (writes) => this.#owner.pump.input.acted(this.#owner.handle, id, undefined, writes),
      };
      this.#open.set(id, transaction);
      callInAttempt(this.#owner, id, transaction);
    });
  }

  verdict(id: number, verdict: Verdict): void {
    const transaction = this.#open.get(id);
    if (transaction?.attempt?.verdict(verdict) !== true) return;
    // Another attempt came between: again, on what is there now.
    queueMicrotask(() => {
      if (this.#open.has(id)) callInAttempt(this.#owner, id, transaction);
    });
  }

  /** What transaction `id` did is durable. False if there is none. */
  durable(id: number): boolean {
    const transaction = this.#open.get(id);
    if (transaction === undefined) return false;
    this.#open.delete(id);
    transaction.attempt?.committed();
    const { result } = transaction;
    if (result !== undefined && "error" in result) transaction.reject(result.error);
    else transaction.resolve(result?.value);
    return true;
  }

  /** Transaction `id` has not happened. False if there is none. */
  refused(id: number, why: string): boolean {
    const transaction = this.#open.get(id);
    if (transaction === undefined) return false;
    this.#fail(id, transaction, new Error(`a transaction of the actor "${this.#owner.key}" was refused: ${why}`));
    return true;
  }

  failAll(error: unknown): void {
    for (const [id, transaction] of [...this.#open]) this.#fail(id, transaction, error);
  }

  #fail(id: number, transaction: Transaction, error: unknown): void {
    this.#open.delete(id);
    transaction.attempt?.fail(error);
    transaction.reject(error);
  }
}
