/** Giving a failed workflow another chance, as an operation on its rows. It must not be running meanwhile. */
import { rowFrom } from "./driver-answer.ts";
import { errorKey, stateKey } from "./keys.ts";
import { decodeState, loadStorage } from "./load.ts";
import { inRow } from "./record-error.ts";
import { applyRewind, entriesInOrder, type KnownOrder, planRewind, type Rewind, withPending } from "./rewind.ts";
import { changedRows, deleteRows } from "./rewind-rows.ts";
import type { BranchStatus, EngineDriver, Entry, EntryMetadata, Storage } from "./types.ts";
import { writeRows } from "./write-rows.ts";

/**
 * If the workflow has failed, gives its failed steps all their retries back, forgets that a handler could not undo a step, starts failed branches anew, removes what was
 * created since the oldest step that has been undone, and that step, and lets it run again: at an alarm for now, unless
 * `scheduleAlarm` is false. Resolves to whether it had failed. After a failure, call it again.
 */
export async function recoverWorkflow(
  workflowId: string,
  driver: EngineDriver,
  options?: { scheduleAlarm?: boolean; order?: KnownOrder },
): Promise<boolean> {
  const state = rowFrom("get", await driver.get(stateKey()));
  if (state === null || inRow(stateKey(), () => decodeState(state)) !== "failed") return false;
  const storage = await loadStorage(driver);
  const undone = entriesInOrder(storage, options?.order).find(({ id }) => isUndone(storage.entryMetadata.get(id)));
  const rewind = undone === undefined ? NOTHING : planRewind(storage, undone, options?.order);
  applyRewind(storage, rewind);
  const revived = revive(storage);
  // By id: an entry that was opened again and has failed branches is written once, as it is after both.
  const entries = new Map([...rewind.entries.values(), ...revived.entries.values()].map((entry) => [entry.id, entry]));
  const metadata = new Map([...rewind.metadata, ...revived.metadata]);
  await writeRows(driver, changedRows(entries.values(), metadata));
  await deleteRows(driver, rewind.deleted, undone === undefined ? [] : [undone]);
  await driver.delete(errorKey());
  await driver.set(stateKey(), new TextEncoder().encode("sleeping"));
  if (options?.scheduleAlarm !== false) await driver.setAlarm(workflowId, Date.now());
  return true;
}

const NOTHING: Rewind = { deleted: new Set(), entries: new Map(), metadata: new Map() };

function isUndone(metadata: EntryMetadata | undefined): boolean {
  return metadata?.rollbackCompletedAt !== undefined;
}

/** What is to be written so that nothing in `storage` has failed. */
function revive(storage: Storage): Omit<Rewind, "deleted"> {
  const entries = new Map<Entry, Entry>();
  const metadata = new Map<string, EntryMetadata>();
  for (const entry of storage.history.entries.values()) {
    const revived = withoutFailedBranches(entry);
    if (revived !== undefined) entries.set(entry, revived);
  }
  for (const [id, record] of storage.entryMetadata) {
    const { error, rollbackError, ...rest } = record;
    const hasFailed = record.status === "failed" || record.status === "exhausted";
    if (hasFailed) metadata.set(id, { ...rest, status: "pending", attempts: 0, lastAttemptAt: 0 });
    else if (rollbackError !== undefined) metadata.set(id, { ...rest, ...(error !== undefined && { error }) });
  }
  return { entries, metadata };
}

/** The join or race with its failed branches not started; undefined if there is none. The losers of a race stay as they are. */
function withoutFailedBranches(entry: Entry): Entry | undefined {
  const { kind } = entry;
  if (kind.type !== "join" && (kind.type !== "race" || kind.data.winner !== null)) return undefined;
  const failed = namesOfFailed(kind.data.branches);
  if (failed.length === 0) return undefined;
  const branches = withPending(kind.data.branches, failed);
  return {
    ...entry,
    kind:
      kind.type === "join" ? { type: "join", data: { branches } } : { type: "race", data: { winner: null, branches } },
  };
}

function namesOfFailed(branches: Readonly<Record<string, BranchStatus>>): string[] {
  return Object.keys(branches).filter((name) => branches[name]?.status === "failed");
}
