/** What an iteration of a loop returns. Plain objects of these shapes are as good. */
export const Loop: {
  /** Another iteration, with this state. */
  readonly continue: <S>(state: S) => { continue: true; state: S };
  /** The end of the loop, which resolves to this value. */
  readonly break: <T>(value: T) => { break: true; value: T };
} = {
  continue: (state) => ({ continue: true, state }),
  break: (value) => ({ break: true, value }),
};
