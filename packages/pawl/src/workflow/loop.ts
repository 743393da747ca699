/** What a loop's callback returns. */
import type { LoopNext } from "../types.ts";

/** What a round of `ctx.loop` returns: `Loop.continue(state)` for another round, `Loop.break(value)` for the end. */
export const Loop: {
  /** Another round, with this state; a loop without state needs not say so. */
  continue(): LoopNext<void, never>;
  continue<L>(state: L): LoopNext<L, never>;
  /** The end of the loop, which resolves to this value. */
  break(): LoopNext<never, void>;
  break<R>(value: R): LoopNext<never, R>;
} = {
  continue: <L>(state?: L) => ({ continue: true, state: state as L }) as LoopNext<L, never>,
  break: <R>(value?: R) => ({ break: true, value: value as R }) as LoopNext<never, R>,
};

/** What a loop's callback said, if it said something; `undefined` otherwise. */
export function readNext(
  next: unknown,
  stateless: boolean,
): { readonly value: unknown; readonly ends: boolean } | undefined {
  if ((next === undefined || next === null) && stateless) return { value: undefined, ends: false };
  if (typeof next !== "object" || next === null) return undefined;
  const said = next as { break?: unknown; value?: unknown; continue?: unknown; state?: unknown };
  if (said.break === true) return { value: said.value, ends: true };
  return said.continue === true ? { value: said.state, ends: false } : undefined;
}
