/** What marks say to whoever looks at a store from outside, and how they are changed there: of either form. */
import { notesOf, type Rows } from "./ledger.ts";
import { actorOf } from "./names.ts";
import { readRow, writeRow } from "./own-ledger.ts";
import { readShared, rowsOf } from "./shared-rows.ts";

/** How often each suspect of an actor was alone with a death. */
export function suspectsIn(
  namespace: string,
  notes: ReadonlyMap<string, Uint8Array>,
  actor: string,
): ReadonlyMap<string, number> {
  const { prefix } = rowsOf(namespace);
  const shared = Array.from(readShared(prefix, notes).suspects, ([name, { alone }]) => [name, alone.length] as const);
  const own = Array.from(notes)
    .filter(([note]) => isOwn(namespace, note))
    .flatMap(([, row]) => [...(readRow(row)?.marks.suspects ?? [])]);
  return new Map([...shared, ...own].filter(([name]) => actorOf(name) === actor));
}

/** What is to be written so that nothing of an actor is under suspicion, or quarantined. Empty: nothing is. */
export function released(namespace: string, notes: ReadonlyMap<string, Uint8Array>, actor: string): Rows {
  const { prefix, suspect } = rowsOf(namespace);
  const names = [...readShared(prefix, notes).suspects.keys()].filter((name) => actorOf(name) === actor);
  const rows: [string, Uint8Array | undefined][] = names.map((name) => [suspect(name), undefined]);
  for (const [note, body] of notes) {
    const row = isOwn(namespace, note) ? readRow(body) : undefined;
    const own = [...(row?.marks.suspects.keys() ?? [])].filter((name) => actorOf(name) === actor);
    if (row === undefined || own.length === 0) continue;
    for (const name of own) row.marks.suspects.delete(name);
    rows.push([note, writeRow(row)]);
  }
  return rows;
}

/** Whether a note is that of a process which has its store for itself. */
function isOwn(namespace: string, note: string): boolean {
  return /^\d+\.\d+$/.test(note.slice(notesOf(namespace).length));
}
