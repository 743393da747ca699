/** What the engine says of a run's callbacks and operations, handed to the run that is there. */
import type { FailureRecord } from "../failure.ts";
import type { Halt, Misuse, ResolvedValue, Terminal, Told, Verdict } from "../wire.ts";
import type { Run } from "../workflow/run.ts";
import { EntryInProgressError, EvictedError } from "./errors.ts";

export abstract class RunSink {
  /** The run that is there; none before the workflow is called, and after it is reloaded. */
  protected run: Run | undefined;

  /** Ends the run with an error. */
  protected abstract fail(error: unknown): void;

  /** What cannot be decoded of the rows ends the run, which has written nothing on account of it. */
  protected reading(use: () => void): void {
    try {
      use();
    } catch (error) {
      this.fail(error);
    }
  }

  execute(op: number, attempt: number): void {
    this.run?.execute(op, attempt);
  }

  undo(op: number, attempt: number, attempted: boolean, output: ResolvedValue): void {
    this.reading(() => this.run?.undo(op, attempt, attempted, output));
  }

  abort(op: number, attempt: number, timeout: number | undefined): void {
    this.run?.abort(op, attempt, timeout);
  }

  iterate(op: number, scope: number, state: ResolvedValue, replaying: boolean, ahead: number): void {
    this.reading(() => this.run?.iterate(op, scope, state, replaying, ahead));
  }

  branch(op: number, scope: number, index: number, replaying: boolean): void {
    this.run?.branch(op, scope, index, replaying);
  }

  enter(op: number, scope: number, replaying: boolean): void {
    this.run?.enter(op, scope, replaying);
  }

  cancelled(scope: number): void {
    this.run?.cancelled(scope);
  }

  halted(reason: Halt): void {
    if (reason === "rolling_back") this.run?.halt(new EvictedError());
    else this.run?.drop(new EvictedError());
  }

  resolve(op: number, value: ResolvedValue, told: Told): void {
    this.reading(() => this.run?.resolve(op, value, told));
  }

  ahead(scope: number, steps: Uint8Array, replaying: boolean): void {
    this.run?.ahead(scope, steps, replaying);
  }

  reject(op: number, terminal: Terminal, attempts: number, failure: FailureRecord, told: Told): void {
    this.reading(() => this.run?.reject(op, terminal, attempts, failure, told));
  }

  rethrow(op: number): void {
    this.run?.rethrow(op);
  }

  stepVerdict(op: number, attempt: number, verdict: Verdict): void {
    this.run?.verdict(op, attempt, verdict);
  }

  durable(op: number): void {
    this.run?.durable(op);
  }

  misuse(op: number | undefined, _misuse: Misuse, _name: string): void {
    this.run?.misuse(op, new EntryInProgressError());
  }

  actionVerdict(): void {}
  reportVerdict(): void {}
  reported(): void {}
  sent(): void {}
  answered(): void {}
  receiptVerdict(): void {}
  receive(): void {}
  tick(): void {}
  abortReceipt(): void {}
  received(): void {}
  ordered(): void {}
  destroyed(): void {}
  past(): void {}
  pastFailed(): void {}
}
