/** A queue of messages in memory, first in, first out. */
import { EvictedError } from "./errors.ts";
import type { Message, WorkflowMessageDriver } from "./types.ts";

interface Waiter {
  /** None: any. */
  readonly names: readonly string[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class MemoryMessages implements WorkflowMessageDriver {
  private messages: Message[] = [];
  private readonly waiters = new Set<Waiter>();

  async addMessage(message: Message): Promise<void> {
    this.messages.push(message);
    for (const waiter of [...this.waiters]) if (isAmong(waiter.names, message)) waiter.resolve();
  }

  /** At least one message is looked for. A completable one stays until it is completed, and may be received again. */
  async receiveMessages(opts: { names?: readonly string[]; count: number; completable: boolean }): Promise<Message[]> {
    const names = opts.names ?? [];
    const found = this.messages.filter((message) => isAmong(names, message)).slice(0, Math.max(1, opts.count));
    if (!opts.completable) {
      this.messages = this.messages.filter((message) => !found.includes(message));
      return found;
    }
    return found.map((message) => ({ ...message, complete: () => this.completeMessage(message.id) }));
  }

  async completeMessage(messageId: string, _response?: unknown): Promise<void> {
    this.messages = this.messages.filter(({ id }) => id !== messageId);
  }

  /** Resolves when such a message is in the queue; rejects with `EvictedError` when `abortSignal` fires. */
  async waitForMessages(messageNames: string[], abortSignal: AbortSignal): Promise<void> {
    if (abortSignal.aborted) throw new EvictedError();
    if (this.messages.some((message) => isAmong(messageNames, message))) return;
    let waiter: Waiter | undefined;
    let onAbort: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { names: messageNames, resolve, reject };
        onAbort = () => reject(new EvictedError());
        this.waiters.add(waiter);
        abortSignal.addEventListener("abort", onAbort, { once: true });
      });
    } finally {
      if (waiter !== undefined) this.waiters.delete(waiter);
      if (onAbort !== undefined) abortSignal.removeEventListener("abort", onAbort);
    }
  }

  /** Forgets all messages, and rejects who waits. */
  clear(): void {
    this.messages = [];
    for (const waiter of [...this.waiters]) waiter.reject(new Error("cleared"));
  }
}

/** Asks `driver` every `intervalMs` until it has such a message; rejects with `EvictedError` when `abortSignal` fires. */
export async function pollForMessages(
  driver: WorkflowMessageDriver,
  names: readonly string[],
  intervalMs: number,
  abortSignal: AbortSignal,
): Promise<void> {
  const request = { ...(names.length > 0 && { names }), count: 1, completable: true };
  for (;;) {
    if (abortSignal.aborted) throw new EvictedError();
    const found = await driver.receiveMessages(request);
    if (found.length > 0) return;
    if (!abortSignal.aborted) await after(intervalMs, abortSignal);
  }
}

/** Resolves after `ms`, or when `abortSignal` fires. */
export function after(ms: number, abortSignal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      abortSignal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    abortSignal?.addEventListener("abort", done, { once: true });
  });
}

function isAmong(names: readonly string[], { name }: Message): boolean {
  return names.length === 0 || names.includes(name);
}
