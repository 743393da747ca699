/** What the tests of this folder share: a mirror over a fake cell, and ways to look at values exactly. */
import { type Draft, Mirror } from "../../src/state/index.ts";
import { encode } from "../../src/values/index.ts";
import { FakeCell, type Op, parseDelta, parseReads } from "./fake-cell.ts";

export class StaleError extends Error {
  readonly what: string;
  readonly why: string;
  constructor(what: string, why: string) {
    super(`${what}: ${why}`);
    this.what = what;
    this.why = why;
  }
}

export interface World {
  readonly cell: FakeCell;
  readonly mirror: Mirror;
}

/** So that nearly every container is read only when it is looked at. The tests that use an engine have the default. */
const LEAVE_FROM = 8;

/** With more than the default, small parts of a long container come to lie in one page. */
export function given(initial: unknown, leaveFrom: number = LEAVE_FROM): World {
  const cell = new FakeCell(initial);
  const stale = (what: string, why: string): Error => new StaleError(what, why);
  return { cell, mirror: new Mirror(cell, cell.seq, { stale, leaveFrom }) };
}

/** Settles a draft as the core would: false, and dropped, if it conflicts. */
export function settle({ cell }: World, draft: Draft, queuedBefore = 0): boolean {
  const { pin, delta, reads } = draft.seal(queuedBefore);
  if (delta === undefined || cell.conflicts(pin, delta, reads)) {
    draft.drop();
    return delta === undefined;
  }
  draft.commit(cell.queue(delta));
  return true;
}

/** The operations a draft would settle with. */
export function opsOf(draft: Draft): Op[] {
  const { delta } = draft.seal(0);
  return delta === undefined ? [] : parseDelta(delta);
}

/** The reads a draft would settle with, as text: `shape items`, `slot items/3`. */
export function readsOf(draft: Draft): string[] {
  const { reads } = draft.seal(1);
  return (reads === undefined ? [] : parseReads(reads))
    .map(({ kind, path }) => `${kind} ${path.join("/")}`.trim())
    .sort();
}

/** Equal as storage sees it: order of keys, holes and the sign of zero included. */
export function sameValue(a: unknown, b: unknown): boolean {
  return Buffer.compare(encode(a), encode(b)) === 0;
}
