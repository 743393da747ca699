/** Bodies of steps and of undo handlers, which a guard lets begin. */
import type { Attempt } from "../attempt.ts";

/** What lets bodies begin. */
export interface Gate {
  /** Resolves when the attempt of this name may begin; rejects if it must not. */
  begin(name: string): Promise<void>;
  /** The attempt that has begun under this name; undefined: it will not. */
  begun(name: string, attempt: Attempt | undefined): void;
}

/** What is needed of the run. */
export interface GuardedRun {
  /** Whether no body may begin any more. */
  isOver(): boolean;
  /** Tells the engine that a body begins: its time counts from now. */
  begins(op: number, attempt: number): void;
  fail(error: unknown): void;
}

export class GuardedBodies {
  readonly #guard: Gate;
  readonly #run: GuardedRun;

  constructor(guard: Gate, run: GuardedRun) {
    this.#guard = guard;
    this.#run = run;
  }

  /** `call` calls the body, and gives its attempt. */
  async begin(name: string, op: number, number: number, call: () => Attempt | undefined): Promise<void> {
    try {
      await this.#guard.begin(name);
    } catch (error) {
      return this.#run.fail(error);
    }
    if (this.#run.isOver()) return this.#guard.begun(name, undefined);
    this.#run.begins(op, number);
    this.#guard.begun(name, call());
  }
}
