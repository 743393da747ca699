/** Waiting for what no promise tells of, turn by turn of the event loop, and not for long at full speed. */

/** After as many turns, what is waited for is slow: a body at work, a driver that does not answer. */
const QUICK_TURNS = 50;
const PAUSE_MS = 5;

export class Pauses {
  #taken = 0;

  /** Resolves in the next turn; later on, after a pause. */
  next(): Promise<void> {
    this.#taken += 1;
    const isQuick = this.#taken <= QUICK_TURNS;
    return new Promise((resolve) => {
      if (isQuick) setImmediate(resolve);
      else setTimeout(resolve, PAUSE_MS);
    });
  }
}
