/** Running a workflow again from one of its steps, as an operation on its rows. It must not be running meanwhile. */
import { checkDriver, checkEpoch, checkId } from "./checked-call.ts";
import { isOurs, tell } from "./control-run.ts";
import { errorKey, outputKey, stateKey } from "./keys.ts";
import { loadStorage } from "./load.ts";
import { applyRewind, enclosingEntries, type KnownOrder, planRewind, type Rewind } from "./rewind.ts";
import { changedRows, deleteRows } from "./rewind-rows.ts";
import { createHistorySnapshot } from "./storage.ts";
import type { EngineDriver, Entry, Storage, WorkflowHistorySnapshot } from "./types.ts";
import { writeRows } from "./write-rows.ts";

const RUNNING = "Cannot replay a workflow while a step is currently running";

/**
 * Removes the step `entryId` and everything that was created after it, so that the workflow runs again from there; without
 * `entryId`, everything. A step in a loop takes the innermost loop with it. Waits, messages and versions of before stay.
 * Sets an alarm for now unless `scheduleAlarm` is false. After a failure, call it again: what it starts from goes last.
 */
export async function replayWorkflowFromStep(
  workflowId: string,
  driver: EngineDriver,
  entryId?: string,
  options?: { scheduleAlarm?: boolean; epoch?: bigint },
): Promise<WorkflowHistorySnapshot> {
  checkId("replayWorkflowFromStep", workflowId);
  checkDriver("replayWorkflowFromStep", driver, "rows");
  checkEpoch("replayWorkflowFromStep", options?.epoch);
  return await replayAnyone(workflowId, driver, entryId, options);
}

/** In one change if Pawl knows the history; row by row if another engine alone has written it. */
async function replayAnyone(
  workflowId: string,
  driver: EngineDriver,
  entryId: string | undefined,
  options: { scheduleAlarm?: boolean; epoch?: bigint } = {},
): Promise<WorkflowHistorySnapshot> {
  if (!(await isOurs(driver))) return replayInOrder(workflowId, driver, entryId, options);
  const check = (history: WorkflowHistorySnapshot) => mayReplay(history, entryId);
  const target = { workflowId, driver, epoch: options.epoch, keepsAlarm: options.scheduleAlarm === false };
  const told = tell(target, check, (input, handle, call) => input.replay(handle, call, entryId));
  return await told.catch((error: unknown) => {
    // In the words of the other engine.
    throw error instanceof Error && error.message === "a step is running" ? new Error(RUNNING) : error;
  });
}

function mayReplay({ entries, entryMetadata }: WorkflowHistorySnapshot, entryId: string | undefined): void {
  if (entryId === undefined) return;
  const target = entries.find(({ id }) => id === entryId);
  if (target === undefined) throw new Error(`Workflow step not found: ${entryId}`);
  if (target.kind.type !== "step") throw new Error("Workflow replay target must be a step");
  const isRunning = ({ id, kind }: (typeof entries)[number]) =>
    kind.type === "step" && kind.data.output === undefined && entryMetadata.get(id)?.status === "running";
  if (entries.some((entry) => entry.id !== entryId && isRunning(entry))) throw new Error(RUNNING);
}

/** As {@link replayWorkflowFromStep}, for an order of creation that is known. */
export async function replayInOrder(
  workflowId: string,
  driver: EngineDriver,
  entryId: string | undefined,
  options?: { scheduleAlarm?: boolean; order?: KnownOrder },
): Promise<WorkflowHistorySnapshot> {
  const storage = await loadStorage(driver);
  const from = entryId === undefined ? [] : startOf(storage, entryId);
  const rewind = from[0] === undefined ? everything(storage) : planRewind(storage, from[0], options?.order);
  refuseWhileRunning(storage, rewind);
  await writeRows(driver, [
    ...changedRows(rewind.entries.values(), rewind.metadata),
    { key: stateKey(), value: new TextEncoder().encode("sleeping") },
  ]);
  await driver.delete(outputKey());
  await driver.delete(errorKey());
  await deleteRows(driver, rewind.deleted, from);
  if (options?.scheduleAlarm !== false) await driver.setAlarm(workflowId, Date.now());
  applyRewind(storage, rewind);
  return createHistorySnapshot(storage);
}

function everything(storage: Storage): Rewind {
  return { deleted: new Set(storage.history.entries.values()), entries: new Map(), metadata: new Map() };
}

/** The innermost loop around the step, if there is one, and the step. */
function startOf(storage: Storage, entryId: string): Entry[] {
  const step = [...storage.history.entries.values()].find(({ id }) => id === entryId);
  if (step === undefined) throw new Error(`Workflow step not found: ${entryId}`);
  if (step.kind.type !== "step") throw new Error("Workflow replay target must be a step");
  const enclosing = enclosingEntries(storage).get(step) ?? [];
  const loop = enclosing
    .map(({ entry }) => entry)
    .filter(({ kind }) => kind.type === "loop")
    .at(-1);
  return loop === undefined ? [step] : [loop, step];
}

/** A step with an output has ended, whatever its metadata says: the other engine may leave it behind. */
function refuseWhileRunning(storage: Storage, { deleted }: Rewind): void {
  for (const entry of storage.history.entries.values()) {
    if (deleted.has(entry) || entry.kind.type !== "step" || entry.kind.data.output !== undefined) continue;
    if (storage.entryMetadata.get(entry.id)?.status === "running") {
      throw new Error(RUNNING);
    }
  }
}
