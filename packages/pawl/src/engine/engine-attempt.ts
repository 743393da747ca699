/** One attempt, as an embedding host's code sees it: the actor's cells, and what leaves with the commit. */
import type { Attempt } from "../attempt.ts";
import { RAW_STATE } from "../symbols.ts";
import type { HostedActor } from "./hosted-actor.ts";
import type { Cell, EngineAttempt } from "./types.ts";

/** `actor`: none for a workflow without one, which has no cells. */
export function engineAttempt(
  attempt: Attempt,
  actor: HostedActor | undefined,
): EngineAttempt<Record<string, unknown>> {
  const draft = (cell: string) => {
    if (actor === undefined)
      throw new Error(`cell "${cell}": the workflow was run without an actor: openActor(driver, ...)`);
    return attempt.draftOf(cell, actor.cellMirror(cell));
  };
  const cells = new Proxy({} as Record<string, unknown>, {
    get: (_, cell) => (typeof cell === "string" ? draft(cell).value : undefined),
    set: (_, cell, value) => {
      if (typeof cell !== "string") return false;
      draft(cell).value = value;
      return true;
    },
    has: (_, cell) => typeof cell === "string" && actor?.hasCell(cell) === true,
    ownKeys: () => [...(actor?.cellNames() ?? [])],
    getOwnPropertyDescriptor: (_, cell) =>
      typeof cell === "string" && actor?.hasCell(cell) === true
        ? { value: draft(cell).value, writable: true, enumerable: true, configurable: true }
        : undefined,
  });
  return {
    cells,
    raw: (cell) => draft(cell).raw(),
    open: <T>({ name }: Cell<T>) => ({
      get value(): T {
        return draft(name).value as T;
      },
      set value(next: T) {
        draft(name).value = next;
      },
      [RAW_STATE]: () => draft(name).raw() as T,
    }),
    write: (row) => attempt.writeRow(row),
    afterCommit: (fn) => attempt.afterCommit(fn),
    get abortSignal() {
      return attempt.abortSignal;
    },
    get idempotencyKey() {
      return attempt.idempotencyKey;
    },
  };
}
