/** A call whose body is an attempt: an action, or a transaction of an embedding host. */
import { Attempt, type AttemptOwner, callUser } from "./attempt.ts";
import type { FailureRecord } from "./failure.ts";
import type { Writes } from "./wire.ts";

export interface CalledBody {
  readonly idempotencyKey: string;
  /** The newest attempt. */
  attempt: Attempt | undefined;
  run(attempt: Attempt): unknown;
  /** Keeps what the body returned until it may leave. What it throws, the body is taken to have thrown. */
  returned(output: unknown): void;
  /** Keeps what the body threw until it may leave. */
  threw(error: unknown): FailureRecord;
  /** Tells the engine what the attempt wrote. */
  settle(writes: Writes): void;
}

/** Calls the body in a new attempt, and tells the engine what became of it, as call `id`. */
export function callInAttempt(owner: AttemptOwner, id: number, body: CalledBody): void {
  const attempt = new Attempt(owner, 1, () => body.idempotencyKey);
  body.attempt = attempt;
  const { pump, handle } = owner;
  const settle = (): void => {
    body.settle(attempt.seal(() => pump.settling(handle)));
    pump.schedule();
  };
  const returned = (output: unknown): void => {
    if (!attempt.isRunning) return;
    try {
      body.returned(output);
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
    pump.input.actionThrew(handle, id, body.threw(error), pin);
    pump.schedule();
  };
  callUser(() => body.run(attempt), returned, threw);
}
