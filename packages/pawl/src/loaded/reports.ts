/** Failures that are being reported to the hook: each an attempt of its own. */
import { Attempt, callUser, noteRerun } from "../attempt.ts";
import { toFailure, toRecord } from "../failure.ts";
import type { AttemptContext, ErrorEvent, Types } from "../types.ts";
import type { EventRecord, Verdict } from "../wire.ts";
import type { RunOwner } from "../workflow/run.ts";
import { randomKey } from "./random-key.ts";

interface Report {
  readonly event: EventRecord;
  /** Drawn by chance: a failure is reported once, and never again after a crash. */
  readonly idempotencyKey: string;
  attempt: Attempt | undefined;
}

export class Reports {
  readonly #owner: RunOwner;
  readonly #reports = new Map<number, Report>();

  constructor(owner: RunOwner) {
    this.#owner = owner;
  }

  /** Whether a failure is being reported. */
  get isAtWork(): boolean {
    return this.#reports.size > 0;
  }

  report(id: number, event: EventRecord): void {
    const report: Report = { event, idempotencyKey: randomKey(), attempt: undefined };
    this.#reports.set(id, report);
    this.#owner.pump.hold("work");
    this.#runReport(id, report);
  }

  verdict(id: number, verdict: Verdict): void {
    const report = this.#reports.get(id);
    if (report?.attempt === undefined) return;
    if (report.attempt.verdict(verdict)) {
      noteRerun(report.attempt, "onError", verdict);
      queueMicrotask(() => this.#runReport(id, report));
    } else if (verdict.kind === "stale") this.#endReport(id);
  }

  reported(id: number): void {
    this.#reports.get(id)?.attempt?.committed();
    this.#endReport(id);
  }

  #endReport(id: number): void {
    if (this.#reports.delete(id)) this.#owner.pump.release("work");
  }

  #runReport(id: number, report: Report): void {
    const { onError } = this.#owner.definition;
    if (onError === undefined || this.#reports.get(id) !== report) return;
    const attempt = new Attempt(this.#owner, 1, () => report.idempotencyKey);
    report.attempt = attempt;
    const settle = (): void => {
      const writes = attempt.seal(() => this.#owner.pump.settling(this.#owner.handle));
      this.#owner.pump.input.reported(this.#owner.handle, id, writes);
      this.#owner.pump.schedule();
    };
    const returned = (): void => {
      if (!attempt.isRunning) return;
      try {
        settle();
      } catch (error) {
        threw(error);
      }
    };
    const threw = (error: unknown): void => {
      if (!attempt.isRunning) return;
      if (attempt.isDoomed) return settle();
      attempt.fail(undefined);
      this.#endReport(id);
      this.#owner.log.error({ actor: this.#owner.name, err: error }, "onError threw; what it wrote is dropped");
      this.#owner.pump.input.reportThrew(this.#owner.handle, id, toRecord(error));
      this.#owner.pump.schedule();
    };
    callUser(() => onError(attempt.context as AttemptContext<Types>, this.#errorEvent(report.event)), returned, threw);
  }

  #errorEvent(event: EventRecord): ErrorEvent {
    const { part, step, attempt, retryAt, failure } = event;
    return {
      kind: part,
      name: step ?? this.#owner.type,
      attempt,
      willRetry: retryAt !== undefined,
      ...(retryAt === undefined ? {} : { retryAt }),
      error: toFailure(failure),
    };
  }

  /** They are dead: nothing is reported any more. */
  stop(reason: unknown): void {
    for (const [id, report] of [...this.#reports]) {
      report.attempt?.fail(reason);
      this.#endReport(id);
    }
  }
}
