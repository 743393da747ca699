/** Which actors a filter lets through: by what their row says, then by what is recorded of them. */
import type { RowRecord } from "../wire.ts";
import type { Status, Wait } from "./status.ts";
import type { ListFilter } from "./types.ts";

const ENDED: ReadonlySet<string> = new Set(["none", "completed", "failed", "cancelled"]);

/** Whether an actor need be looked at. What is in memory may be ahead of its row, so its state is judged later. */
export function rowMatches(row: RowRecord, { type, prefix }: ListFilter): boolean {
  const slash = row.name.indexOf("/");
  if (type !== undefined && row.name.slice(0, slash) !== type) return false;
  return prefix === undefined || row.name.slice(slash + 1).startsWith(prefix);
}

export function matches(
  status: Status,
  { state, waitingFor }: ListFilter,
  stuckMs: number | undefined,
  now: number,
): boolean {
  if (state !== undefined && status.state !== state) return false;
  if (waitingFor !== undefined && !status.waitingFor.some((wait) => namesOf(wait).includes(waitingFor))) return false;
  return stuckMs === undefined || (!ENDED.has(status.state) && status.since <= now - stuckMs);
}

function namesOf(wait: Wait): readonly string[] {
  if (wait.kind === "message") return wait.names;
  const path = wait.kind === "timer" ? wait.name : wait.step;
  return [path, path.slice(path.lastIndexOf("/") + 1)];
}
