/** The async context of a call: user code that runs later runs in it. */
import { AsyncResource } from "node:async_hooks";

/**
 * Captures the caller's async context (its `AsyncLocalStorage` stores). One resource costs a tenth of
 * `AsyncLocalStorage.snapshot()` on Node 20; nothing is told when it ends, so nothing need be tracked.
 */
export class CallersContext extends AsyncResource {
  constructor() {
    super("PawlCall", { requireManualDestroy: true });
  }

  run<R>(fn: () => R): R {
    return this.runInAsyncScope(fn);
  }

  /** As `run`, with a `this` and arguments: a function made only to pass them would cost more than the call. */
  call<T, A extends unknown[], R>(fn: (this: T, ...args: A) => R, self: T, ...args: A): R {
    return this.runInAsyncScope(fn, self, ...args);
  }
}
