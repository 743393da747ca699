/** Defaults of the embedding API, and the limits of a host that states none. */
import type { Limits } from "../loaded/types.ts";

/** How often a failed step is tried again. */
export const DEFAULT_MAX_RETRIES = 3;
/** Milliseconds; doubled with every attempt. */
export const DEFAULT_RETRY_BACKOFF_BASE = 100;
/** Milliseconds. */
export const DEFAULT_RETRY_BACKOFF_MAX = 30_000;
/** Iterations between two prunings of a loop's history, and how many are kept. */
export const DEFAULT_LOOP_HISTORY_PRUNE_INTERVAL = 20;
/** Milliseconds. */
export const DEFAULT_STEP_TIMEOUT = 30_000;

/** The most rows of one `batch` on a host without `atomicBatch` and without `limits`. */
export const MAX_KV_BATCH_ENTRIES = 128;
/** The most bytes of keys and values of one such batch, and so of one row. */
export const MAX_KV_BATCH_PAYLOAD_BYTES: number = 976 * 1024;

/** A host's own limits hold for what is in its actors. */
export const HOSTED_LIMITS: Limits = {
  valueBytes: 2 ** 30,
  messageBytes: 2 ** 30,
  stateBytes: 2 ** 30,
  inboxMessages: 10_000,
  pendingOperations: 100_000,
};
