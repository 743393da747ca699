/** What a host asks of a workflow from outside of its code: to end it, or to let it try again. */
import { isOurs, type Target, tell } from "./control-run.ts";
import { rowFrom } from "./driver-answer.ts";
import { DriverPort } from "./driver-port.ts";
import { stateKey } from "./keys.ts";
import { decodeState } from "./load.ts";
import { clearMarks } from "./poison-guard.ts";
import { inRow } from "./record-error.ts";
import { recoverWorkflow } from "./recover.ts";
import { bounded, runsOn } from "./under-way.ts";

/**
 * Ends a workflow as cancelled, whatever has become of it: one that has completed or failed is cancelled then, too, and keeps its
 * output (engine behaviour 4.10.3). Undoes nothing.
 */
export async function cancelWorkflow(target: Target): Promise<void> {
  const { driver, workflowId } = target;
  for (const run of runsOn(driver)) if (await run.cancel()) return;
  if (await isOurs(driver)) {
    await tell(target, unchecked, (input, handle, call) => input.cancel(handle, call, false, undefined));
    return;
  }
  await bounded(driver.set(stateKey(), new TextEncoder().encode("cancelled")));
  await bounded(driver.clearAlarm(workflowId));
}

/** Lets a workflow that has failed go on. Does nothing for any other. */
export async function recover(target: Target, scheduleAlarm: boolean): Promise<void> {
  const { driver, workflowId } = target;
  const stored = rowFrom("get", await bounded(driver.get(stateKey())));
  if (stored === null || inRow(stateKey(), () => decodeState(stored)) !== "failed") return;
  if (!(await isOurs(driver))) {
    await recoverWorkflow(workflowId, driver, { scheduleAlarm });
    return;
  }
  const told = { ...target, keepsAlarm: !scheduleAlarm };
  await tell(told, unchecked, (input, handle, call) => input.retry(handle, call));
}

/** Lets steps run again that were quarantined (`poisonGuard`). */
export async function release({ driver, workflowId, epoch }: Target): Promise<void> {
  await bounded(clearMarks(new DriverPort(driver, workflowId, { epoch })));
}

function unchecked(): void {}
