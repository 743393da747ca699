/** What a host gives the engine: rows of one workflow, an alarm, and messages. */

/** A row, as read. */
export interface KVEntry {
  /** Its key. */
  key: Uint8Array;
  /** Its value. */
  value: Uint8Array;
}
/** A row, to be written. */
export interface KVWrite {
  /** Its key. */
  key: Uint8Array;
  /** Its value. */
  value: Uint8Array;
}

/** A message to a workflow. */
export interface Message {
  /** Unique in the queue, for ever. */
  id: string;
  /** The queue that it is for. */
  name: string;
  /** What was sent: any value that can be stored. */
  data: unknown;
  /** Epoch milliseconds. */
  sentAt: number;
  /** Of this delivery only; never stored. */
  complete?: (response?: unknown) => Promise<void>;
}

/** A workflow's queue. */
export interface WorkflowMessageDriver {
  /** Adds a message. One whose id is there, or was, should be ignored. */
  addMessage(message: Message): Promise<void>;
  /** Up to `count` messages of these names (none: any) that are there now; does not wait. */
  receiveMessages(opts: { names?: readonly string[]; count: number; completable: boolean }): Promise<Message[]>;
  /** Takes a message out of the queue, and hands its answer to whoever waits for it. Of one that is gone: nothing. */
  completeMessage(messageId: string, response?: unknown): Promise<void>;
}

/** All writes of one transition. They become durable together or not at all. */
export interface Change {
  /** What `lastCommit` answers once this change is durable. */
  readonly id: string;
  /** Of whoever writes. A driver that has seen a newer one refuses the change with a `FencedError`. */
  readonly epoch: bigint;
  /** Rows to write. */
  readonly puts: readonly KVWrite[];
  /** Half open. Not of what `puts` puts. */
  readonly deletes: readonly { start: Uint8Array; end: Uint8Array }[];
  /** Ids of messages that leave the queue with this change. Those that are answered leave it by `completeMessage`, after it. */
  readonly consumed: readonly string[];
  /** Messages that enter queues with this change. */
  readonly sent: readonly Message[];
  /** Epoch milliseconds; null clears it, undefined leaves it. */
  readonly alarm: number | null | undefined;
}

/** One driver is one workflow's private rows; while it runs, the engine is their only writer. */
export interface EngineDriver {
  /** A flush reaches `batch` as one call of any size, which is all or nothing. */
  readonly atomicBatch?: boolean;
  /** The most rows and bytes of one `batch`. Absent: none if `atomicBatch`, else 128 and 999,424. */
  readonly limits?: {
    /** The most rows. */
    rows: number;
    /** The most bytes of keys and values together. */
    bytes: number;
  };
  /** The value of a row; null if there is none. */
  get(key: Uint8Array): Promise<Uint8Array | null>;
  /** Writes a row. */
  set(key: Uint8Array, value: Uint8Array): Promise<void>;
  /** Deletes a row. */
  delete(key: Uint8Array): Promise<void>;
  /** Deletes every row whose key begins with `prefix`. */
  deletePrefix(prefix: Uint8Array): Promise<void>;
  /** `start <= key < end`. */
  deleteRange(start: Uint8Array, end: Uint8Array): Promise<void>;
  /** Sorted by the bytes of the keys. */
  list(prefix: Uint8Array): Promise<KVEntry[]>;
  /** Writes rows: all of them, or none, within `limits`. */
  batch(writes: KVWrite[]): Promise<void>;
  /**
   * All writes of a change in one call: then runs call none of `set`, `delete`, `deletePrefix`, `deleteRange`, `batch` and
   * `addMessage`, and leave the alarm to it.
   */
  commit?(change: Change): Promise<void>;
  /** The id of the newest durable change; asked after a `commit` that has rejected, with anything but a `FencedError`. */
  lastCommit?(): Promise<string | null>;
  /** `wakeAt` in epoch milliseconds. */
  setAlarm(workflowId: string, wakeAt: number): Promise<void>;
  /** Removes the alarm. */
  clearAlarm(workflowId: string): Promise<void>;
  /** Milliseconds. A sleep shorter than this is waited for in memory. */
  readonly workerPollInterval: number;
  /** The workflow's queue. */
  readonly messageDriver: WorkflowMessageDriver;
  /** Resolves when a message of one of these names (none: any) is there. Only called in live mode. */
  waitForMessages(messageNames: string[], abortSignal: AbortSignal): Promise<void>;
}
