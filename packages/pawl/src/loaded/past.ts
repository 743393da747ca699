/**
 * What was, and going back to it: the state after a step, replay from one.
 *
 * One law: a replay takes the state back in the change that takes the steps away, and only if nobody has written it since it was
 * looked at.
 */
import { Attempt, encodeGiven } from "../attempt.ts";
import * as say from "../messages.ts";
import { decode } from "../values/index.ts";
import { type PastRecord, STATE, type WasRecord, type Writes } from "../wire.ts";
import type { RunOwner } from "../workflow/run.ts";
import { type Calls, Overtaken } from "./calls.ts";
import { presentShape } from "./first-state.ts";

/** Where a replay begins, and what becomes of the state. */
export interface ReplayFrom {
  readonly entry: string;
  readonly rewinds: boolean;
  readonly force: boolean;
  readonly dryRun: boolean;
}

type Way = Extract<PastRecord, { kind: "way" }>;

/** A delta without operations: says only that nobody may have written since the pin. */
const NO_OPERATIONS = new Uint8Array([1]);

export async function stateAt(owner: RunOwner, calls: Calls, entry: string): Promise<unknown> {
  const { handle, pump } = owner;
  const past = (await calls.submit((call) => pump.input.askState(handle, call, entry))) as PastRecord;
  return past.was?.value === undefined ? undefined : decode(past.was.value);
}

/** Resolves to the ids of the entries that are taken away; with `dryRun`, would be. */
export async function replay(owner: RunOwner, calls: Calls, from: ReplayFrom): Promise<readonly string[]> {
  if (from.rewinds && owner.mirror !== undefined) return rewind(owner, calls, from);
  const { entryIds } = await wayBack(owner, calls, from.entry, false);
  if (!from.dryRun) await calls.submit((call) => owner.pump.input.replay(owner.handle, call, from.entry));
  return entryIds;
}

async function rewind(owner: RunOwner, calls: Calls, from: ReplayFrom): Promise<readonly string[]> {
  for (;;) {
    const attempt = new Attempt(owner, 1, () => undefined);
    // Pinned first: whatever is written from here on is seen as a conflict.
    void attempt.draft.value;
    try {
      const { entryIds, was, moved } = await wayBack(owner, calls, from.entry, true);
      if (moved.length > 0 && !from.force) throw say.stateMoved(owner.name, from.entry, moved);
      if (was !== undefined) attempt.draft.restore(stateOf(owner, from.entry, was));
      if (from.dryRun) return entryIds;
      const writes = sealed(owner, attempt);
      await calls.submit((call) => owner.pump.input.replay(owner.handle, call, from.entry, writes), attempt);
      return entryIds;
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error;
    } finally {
      attempt.fail(undefined);
    }
  }
}

async function wayBack(owner: RunOwner, calls: Calls, entry: string, rewinds: boolean): Promise<Way> {
  const { handle, pump } = owner;
  return (await calls.submit((call) => pump.input.askWay(handle, call, entry, rewinds))) as Way;
}

function stateOf(owner: RunOwner, entry: string, { value, version }: WasRecord): unknown {
  if (value === undefined) throw say.noStateThen(owner.name, entry);
  const was = decode(value);
  const now = presentShape(owner, was, version);
  return now === was
    ? was
    : decode(encodeGiven(now, `\`migrate\` of ${owner.name} returned a value`, owner.limits.valueBytes));
}

function sealed(owner: RunOwner, attempt: Attempt): Writes {
  const { cells } = attempt.seal(() => owner.pump.settling(owner.handle));
  const [cell = { cell: STATE, pin: 0, delta: undefined }] = cells;
  return { cells: [{ ...cell, delta: cell.delta ?? NO_OPERATIONS, reads: undefined }], sends: [], rows: [] };
}
