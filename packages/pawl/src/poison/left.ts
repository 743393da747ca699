/** What marks say to whoever looks at a store from outside, and how they are changed there; what a copy has brought along. */
import type { Notes, Rows } from "./ledger.ts";
import { MOST_DEATHS } from "./marks.ts";
import { actorOf } from "./names.ts";
import { readShared, rowsOf } from "./shared-rows.ts";

/** How often each suspect of an actor was alone with a death. */
export function suspectsIn(
  namespace: string,
  notes: ReadonlyMap<string, Uint8Array>,
  actor: string,
): ReadonlyMap<string, number> {
  const { suspects } = readShared(rowsOf(namespace).prefix, notes);
  const counts = Array.from(suspects, ([name, { alone }]) => [name, alone.length] as const);
  return new Map(counts.filter(([name]) => actorOf(name) === actor));
}

/** What is to be written so that nothing of an actor is under suspicion, or quarantined. Empty: nothing is. */
export function released(namespace: string, notes: ReadonlyMap<string, Uint8Array>, actor: string): Rows {
  const { prefix, suspect } = rowsOf(namespace);
  const names = [...readShared(prefix, notes).suspects.keys()].filter((name) => actorOf(name) === actor);
  return names.map((name) => [suspect(name), undefined]);
}

/** What the names of notes begin with that came with a copy of a store. */
const COPIED = "copied/";

/**
 * What is quarantined in the store of which this one is a copy is so here: who kills his process does that everywhere. Suspicions are
 * not taken over, nor what was at work: the processes of which that tells never had the copy.
 */
export async function takeOver(notes: Notes, namespace: string): Promise<void> {
  const { prefix, suspect } = rowsOf(namespace);
  const copied = await notes.read(COPIED + prefix);
  if (copied.size === 0) return;
  const { suspects } = readShared(COPIED + prefix, copied);
  const quarantined = [...suspects.values()].filter(({ alone }) => alone.length >= MOST_DEATHS);
  const rows = quarantined.map(({ name }) => [suspect(name), copied.get(COPIED + suspect(name))] as const);
  await notes.write([...rows, ...Array.from(copied.keys(), (note) => [note, undefined] as const)]);
}
