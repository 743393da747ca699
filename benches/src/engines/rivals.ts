/** B, B2: the same changes of the same state by other means, in memory and with nothing written anywhere. */
import { produce } from "immer";
import { fieldsOf, type Mutations, mutate } from "./mutations.ts";
import { setField, shelfOf, thingsIn } from "./things.ts";

export interface RivalBench {
  /** Steps that set one field of a state of `bytes` bytes of JSON; milliseconds of each. */
  oneField(bytes: number, steps: number): Promise<readonly number[]>;
  /** Steps of 1,000 mutations of such a state; milliseconds of each. */
  manyMutations(kind: Mutations, bytes: number, steps: number): Promise<readonly number[]>;
}

/** One step: changes the state, and could put back what it was. */
type Step<S> = (state: S, change: (state: S) => void) => S;

/** Copies the whole state before each step. */
export const cloning: RivalBench = bench((state, change) => {
  const before = structuredClone(state);
  try {
    change(state);
    return state;
  } catch {
    return before;
  }
});

/** Copies what a step touches, down from the root. */
export const immer: RivalBench = bench((state, change) => produce(state, change) as typeof state);

function bench(step: <S>(...args: Parameters<Step<S>>) => S): RivalBench {
  return {
    async oneField(bytes, steps) {
      const items = thingsIn(bytes);
      let state = shelfOf(items);
      return times(steps, (turn) => {
        state = step(state, (draft) => setField(draft, items, turn));
      });
    },

    async manyMutations(kind, bytes, steps) {
      let state = fieldsOf(thingsIn(bytes));
      return times(steps, (turn) => {
        state = step(state, (draft) => mutate[kind](draft, turn));
      });
    },
  };
}

/** A few untimed ones before, as many as the clock has patience for. */
const WARM_UP_MS = 200;
const WARM_UPS = 1_000;

function times(steps: number, step: (turn: number) => void): number[] {
  const until = performance.now() + WARM_UP_MS;
  let turn = 0;
  while (turn < WARM_UPS && (turn === 0 || performance.now() < until)) step(turn++);
  return Array.from({ length: steps }, () => {
    const began = performance.now();
    step(turn++);
    return performance.now() - began;
  });
}
