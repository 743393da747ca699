/** A host in memory, for tests. */
import { compareKeys, keyStartsWith, keyToHex } from "./key-bytes.ts";
import { after, MemoryMessages, pollForMessages } from "./memory-messages.ts";
import type { EngineDriver, KVEntry, KVWrite, WorkflowMessageDriver } from "./types.ts";

/** A message driver that can tell when a message comes; others are asked again and again. */
interface WaitingMessageDriver extends WorkflowMessageDriver {
  waitForMessages(messageNames: string[], abortSignal: AbortSignal): Promise<void>;
}

/**
 * A driver whose rows, alarms and messages live as long as it does. Every operation on rows and alarms takes `latency`; methods may
 * be overridden, or replaced on the instance.
 */
export class InMemoryDriver implements EngineDriver {
  /** Milliseconds that each operation takes; with 0, still one turn of the timer. */
  latency = 10;
  workerPollInterval = 100;
  messageDriver: WorkflowMessageDriver = new MemoryMessages();
  // Not `#private`: tests wrap drivers in proxies.
  private readonly rows = new Map<string, Uint8Array>();
  private readonly alarms = new Map<string, number>();

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    await this.delay();
    return this.rows.get(keyToHex(key)) ?? null;
  }

  async set(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.delay();
    this.rows.set(keyToHex(key), value);
  }

  async delete(key: Uint8Array): Promise<void> {
    await this.delay();
    this.rows.delete(keyToHex(key));
  }

  /** As `delete` of each of `keys`. */
  async batchDelete(keys: Uint8Array[]): Promise<void> {
    await this.delay();
    for (const key of keys) this.rows.delete(keyToHex(key));
  }

  async deletePrefix(prefix: Uint8Array): Promise<void> {
    await this.delay();
    this.deleteWhere((key) => keyStartsWith(key, prefix));
  }

  async deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
    await this.delay();
    this.deleteWhere((key) => compareKeys(key, start) >= 0 && compareKeys(key, end) < 0);
  }

  async list(prefix: Uint8Array): Promise<KVEntry[]> {
    await this.delay();
    const found: KVEntry[] = [];
    for (const [hex, value] of this.rows) {
      const key = bytesOf(hex);
      if (keyStartsWith(key, prefix)) found.push({ key, value });
    }
    return found.sort((a, b) => compareKeys(a.key, b.key));
  }

  async batch(writes: KVWrite[]): Promise<void> {
    await this.delay();
    for (const { key, value } of writes) this.rows.set(keyToHex(key), value);
  }

  async setAlarm(workflowId: string, wakeAt: number): Promise<void> {
    await this.delay();
    this.alarms.set(workflowId, wakeAt);
  }

  async clearAlarm(workflowId: string): Promise<void> {
    await this.delay();
    this.alarms.delete(workflowId);
  }

  async waitForMessages(messageNames: string[], abortSignal: AbortSignal): Promise<void> {
    const { messageDriver } = this;
    if (canWait(messageDriver)) return messageDriver.waitForMessages(messageNames, abortSignal);
    return pollForMessages(messageDriver, messageNames, Math.max(1, this.latency), abortSignal);
  }

  /** When the workflow is to be woken, in epoch milliseconds. */
  getAlarm(workflowId: string): number | undefined {
    return this.alarms.get(workflowId);
  }

  /** The workflows that are to be woken by now. */
  getDueAlarms(): string[] {
    const now = Date.now();
    return [...this.alarms].filter(([, wakeAt]) => wakeAt <= now).map(([workflowId]) => workflowId);
  }

  /** Forgets everything; who waits for a message is told so. */
  clear(): void {
    this.rows.clear();
    this.alarms.clear();
    if (this.messageDriver instanceof MemoryMessages) this.messageDriver.clear();
  }

  /** Rows by the hex of their keys, and alarms by workflow. */
  snapshot(): { kv: Record<string, Uint8Array>; alarms: Record<string, number> } {
    return { kv: Object.fromEntries(this.rows), alarms: Object.fromEntries(this.alarms) };
  }

  /** Hex. */
  keys(): string[] {
    return [...this.rows.keys()];
  }

  private delay(): Promise<void> {
    return after(this.latency);
  }

  private deleteWhere(matches: (key: Uint8Array) => boolean): void {
    for (const hex of [...this.rows.keys()]) if (matches(bytesOf(hex))) this.rows.delete(hex);
  }
}

function canWait(driver: WorkflowMessageDriver): driver is WaitingMessageDriver {
  return "waitForMessages" in driver && typeof driver.waitForMessages === "function";
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}
