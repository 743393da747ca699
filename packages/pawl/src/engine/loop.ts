/** What an iteration of a loop returns. Plain objects of these shapes are as good. */
export const Loop: {
  readonly continue: <S>(state: S) => { continue: true; state: S };
  readonly break: <T>(value: T) => { break: true; value: T };
} = {
  continue: (state) => ({ continue: true, state }),
  break: (value) => ({ break: true, value }),
};
