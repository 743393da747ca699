/**
 * A host of one workflow: rows, messages and the alarm of a process-wide world, apart from any engine, so that one engine can go on where another
 * stopped. A driver gives an engine access to it, and is the place where a test makes writes fail, hang or answer late.
 */
import type { EngineDriver, KVEntry, KVWrite, Message } from "@rivetkit/workflow-engine";

/** The operations of a driver, by the name of the method. */
export type Operation =
  | "get"
  | "set"
  | "delete"
  | "batchDelete"
  | "deletePrefix"
  | "deleteRange"
  | "list"
  | "batch"
  | "setAlarm"
  | "clearAlarm"
  | "addMessage"
  | "receiveMessages"
  | "completeMessage";

/** One call of a driver, as a test sees it. `writes` is empty unless the call is `set` or `batch`. */
export interface Call {
  readonly operation: Operation;
  readonly writes: readonly KVWrite[];
}

/** What is durable: everything here survives the death of an engine. */
export class Host {
  /** Rows by the lowercase hex of their keys. */
  readonly rows = new Map<string, Uint8Array>();
  messages: Message[] = [];
  /** Milliseconds since the epoch, or null if none is set. */
  alarm: number | null = null;

  /** A copy that shares nothing that changes with this one. */
  copy(): Host {
    const copy = new Host();
    for (const [key, value] of this.rows) copy.rows.set(key, value.slice());
    copy.messages = [...this.messages];
    copy.alarm = this.alarm;
    return copy;
  }

  /** Adds a message to the inbox, as a client would. */
  send(name: string, data: unknown): string {
    const id = `message-${crypto.randomUUID()}`;
    this.messages.push({ id, name, data, sentAt: Date.now() });
    return id;
  }

  /** The stored state word, or null before the first write of it. */
  get state(): string | null {
    const row = this.rows.get("15031501");
    return row === undefined ? null : Buffer.from(row).toString();
  }
}

/** A driver on a host. Replace `before` or `after` to put a fault around a call; both see every call. */
export class HostDriver implements EngineDriver {
  readonly atomicBatch: boolean;
  /** 0: no sleep is waited for in memory, each one ends the run. */
  workerPollInterval = 0;
  /** What the host states about its batches, if anything; the peer does not ask. */
  limits?: { rows: number; bytes: number };
  /** Every call so far, in order. */
  readonly calls: Call[] = [];
  /** Awaited before a call takes effect; if it throws, the call has had none. */
  before: (call: Call) => void | Promise<void> = () => {};
  /** Awaited after a call has taken effect; if it throws, the call fails although it has written. */
  after: (call: Call) => void | Promise<void> = () => {};
  readonly messageDriver: EngineDriver["messageDriver"];
  readonly #host: Host;

  constructor(host: Host, options: { atomicBatch?: boolean } = {}) {
    this.#host = host;
    this.atomicBatch = options.atomicBatch ?? true;
    this.messageDriver = {
      addMessage: (message) => this.#call("addMessage", [], () => void host.messages.push(message)),
      receiveMessages: (wanted) => this.#call("receiveMessages", [], () => receive(host, wanted)),
      completeMessage: (id) => this.#call("completeMessage", [], () => complete(host, id)),
    };
  }

  /** How often `operation` was called. */
  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  get(key: Uint8Array): Promise<Uint8Array | null> {
    return this.#call("get", [], () => this.#host.rows.get(hex(key)) ?? null);
  }

  set(key: Uint8Array, value: Uint8Array): Promise<void> {
    return this.#call("set", [{ key, value }], () => this.#write([{ key, value }]));
  }

  delete(key: Uint8Array): Promise<void> {
    return this.#call("delete", [], () => void this.#host.rows.delete(hex(key)));
  }

  batchDelete(keys: Uint8Array[]): Promise<void> {
    return this.#call("batchDelete", [], () => {
      for (const key of keys) this.#host.rows.delete(hex(key));
    });
  }

  deletePrefix(prefix: Uint8Array): Promise<void> {
    return this.#call("deletePrefix", [], () => this.#drop((key) => key.startsWith(hex(prefix))));
  }

  deleteRange(start: Uint8Array, end: Uint8Array): Promise<void> {
    return this.#call("deleteRange", [], () => this.#drop((key) => hex(start) <= key && key < hex(end)));
  }

  list(prefix: Uint8Array): Promise<KVEntry[]> {
    return this.#call("list", [], () => entriesUnder(this.#host.rows, hex(prefix)));
  }

  batch(writes: KVWrite[]): Promise<void> {
    return this.#call("batch", writes, () => this.#write(writes));
  }

  setAlarm(_workflowId: string, wakeAt: number): Promise<void> {
    return this.#call("setAlarm", [], () => void (this.#host.alarm = wakeAt));
  }

  clearAlarm(_workflowId: string): Promise<void> {
    return this.#call("clearAlarm", [], () => void (this.#host.alarm = null));
  }

  async waitForMessages(names: string[], signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#host.messages.some(wantedBy(names))) await new Promise((r) => setTimeout(r, 1));
    signal.throwIfAborted();
  }

  async #call<T>(operation: Operation, writes: readonly KVWrite[], effect: () => T): Promise<T> {
    const call = { operation, writes };
    this.calls.push(call);
    await this.before(call);
    const answer = effect();
    await this.after(call);
    return answer;
  }

  #write(writes: readonly KVWrite[]): void {
    for (const { key, value } of writes) this.#host.rows.set(hex(key), value.slice());
  }

  #drop(matches: (key: string) => boolean): void {
    for (const key of [...this.#host.rows.keys()]) if (matches(key)) this.#host.rows.delete(key);
  }
}

/** The lowercase hex of a key. Hex keeps the order of bytes, and a prefix of bytes is a prefix of text. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** The rows whose keys start with `prefix`, in hex, sorted by key. */
export function entriesUnder(rows: ReadonlyMap<string, Uint8Array>, prefix: string): KVEntry[] {
  const keys = [...rows.keys()].filter((key) => key.startsWith(prefix)).sort();
  return keys.map((key) => ({
    key: Uint8Array.from(Buffer.from(key, "hex")),
    value: rows.get(key) ?? new Uint8Array(),
  }));
}

function receive(host: Host, wanted: { names?: readonly string[]; count: number; completable: boolean }): Message[] {
  const taken = host.messages.filter(wantedBy(wanted.names ?? [])).slice(0, Math.max(1, wanted.count));
  if (!wanted.completable) host.messages = host.messages.filter((message) => !taken.includes(message));
  return taken.map((message) => ({ ...message }));
}

function complete(host: Host, id: string): void {
  host.messages = host.messages.filter((message) => message.id !== id);
}

function wantedBy(names: readonly string[]): (message: Message) => boolean {
  return (message) => names.length === 0 || names.includes(message.name);
}
