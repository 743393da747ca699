/**
 * The peer's driver without a cost of its own: a `Map`, and promises that are resolved already.
 *
 * The peer's own in-memory driver waits on a timer in every operation, so that it measures the timer. Keys are kept as latin1
 * text, one character a byte, whose order is the order of the bytes. Values are kept, not copied: the peer encodes each anew.
 */
import type { EngineDriver, KVEntry, KVWrite, Message, WorkflowMessageDriver } from "@rivetkit/workflow-engine";

const DONE: Promise<void> = Promise.resolve();

export class PlainDriver implements EngineDriver {
  /** A flush is one call of `batch`, of any size: the fewest calls that the peer can make. */
  readonly atomicBatch = true;
  readonly workerPollInterval = 100;
  readonly messageDriver: PlainMessages = new PlainMessages();
  readonly #entries = new Map<string, Uint8Array>();
  readonly #alarms = new Map<string, number>();

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    return this.#entries.get(textOf(key)) ?? null;
  }

  set(key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#entries.set(textOf(key), value);
    return DONE;
  }

  delete(key: Uint8Array): Promise<void> {
    this.#entries.delete(textOf(key));
    return DONE;
  }

  batchDelete(keys: Uint8Array[]): Promise<void> {
    for (const key of keys) this.#entries.delete(textOf(key));
    return DONE;
  }

  deletePrefix(prefix: Uint8Array): Promise<void> {
    const start = textOf(prefix);
    for (const key of this.#entries.keys()) if (key.startsWith(start)) this.#entries.delete(key);
    return DONE;
  }

  deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
    const [from, to] = [textOf(start), textOf(end)];
    for (const key of this.#entries.keys()) if (key >= from && key < to) this.#entries.delete(key);
    return DONE;
  }

  async list(prefix: Uint8Array): Promise<KVEntry[]> {
    const start = textOf(prefix);
    const found = [...this.#entries.keys()].filter((key) => key.startsWith(start)).sort();
    return found.map((key) => ({ key: bytesOf(key), value: this.#entries.get(key) as Uint8Array }));
  }

  batch(writes: KVWrite[]): Promise<void> {
    for (const { key, value } of writes) this.#entries.set(textOf(key), value);
    return DONE;
  }

  setAlarm(workflowId: string, wakeAt: number): Promise<void> {
    this.#alarms.set(workflowId, wakeAt);
    return DONE;
  }

  clearAlarm(workflowId: string): Promise<void> {
    this.#alarms.delete(workflowId);
    return DONE;
  }

  /** Only for runs that stay in memory while they wait; those of the benches never wait. */
  waitForMessages(): Promise<void> {
    return this.messageDriver.isEmpty ? Promise.reject(new Error("a bench waits for a message")) : DONE;
  }
}

/** Messages in the order in which they came. Taking the next one costs the same however many wait. */
export class PlainMessages implements WorkflowMessageDriver {
  #waiting: Message[] = [];
  #taken = 0;

  get isEmpty(): boolean {
    return this.#taken === this.#waiting.length;
  }

  addMessage(message: Message): Promise<void> {
    this.#waiting.push(message);
    return DONE;
  }

  async receiveMessages({ names, count }: { names?: readonly string[]; count: number }): Promise<Message[]> {
    const received: Message[] = [];
    while (received.length < Math.max(1, count)) {
      const next = this.#waiting[this.#taken];
      if (next === undefined) break;
      if (names !== undefined && names.length > 0 && !names.includes(next.name)) break;
      received.push(next);
      this.#taken += 1;
    }
    return received;
  }

  completeMessage(): Promise<void> {
    return DONE;
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

/** Not a `Buffer`: the peer takes only plain `Uint8Array`s from a driver. */
function bytesOf(key: string): Uint8Array {
  return new Uint8Array(Buffer.from(key, "latin1"));
}
