/** Rows to a host, in as few batches as it takes. */
import { MAX_KV_BATCH_ENTRIES, MAX_KV_BATCH_PAYLOAD_BYTES } from "./constants.ts";
import type { EngineDriver, KVWrite } from "./types.ts";

/**
 * Writes `rows` in their order: in one batch if the host's batches are atomic, else in batches within its limits, one after
 * another. Throws before anything is written if one row alone is beyond the limit.
 */
export async function writeRows(driver: EngineDriver, rows: KVWrite[]): Promise<void> {
  if (rows.length === 0) return;
  if (driver.atomicBatch === true) {
    await driver.batch(rows);
    return;
  }
  for (const chunk of chunksOf(rows, driver.limits ?? DEFAULT_LIMITS)) await driver.batch(chunk);
}

const DEFAULT_LIMITS = { rows: MAX_KV_BATCH_ENTRIES, bytes: MAX_KV_BATCH_PAYLOAD_BYTES };

function chunksOf(rows: readonly KVWrite[], limits: { rows: number; bytes: number }): KVWrite[][] {
  const chunks: KVWrite[][] = [];
  let chunk: KVWrite[] = [];
  let chunkBytes = 0;
  for (const row of rows) {
    const bytes = row.key.length + row.value.length;
    if (bytes > limits.bytes) {
      throw new Error(`KV batch write is ${bytes} bytes, exceeding the ${limits.bytes} byte limit`);
    }
    if (chunk.length >= limits.rows || (chunk.length > 0 && chunkBytes + bytes > limits.bytes)) {
      chunks.push(chunk);
      chunk = [];
      chunkBytes = 0;
    }
    chunk.push(row);
    chunkBytes += bytes;
  }
  chunks.push(chunk);
  return chunks;
}
