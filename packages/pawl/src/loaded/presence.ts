/** Whether an actor is in memory, and since when it has had nothing to do there. */

export class Presence {
  #isHere = false;
  #isWanted = false;
  /** In milliseconds since the epoch. */
  #activeAt: number;

  constructor(now: number) {
    this.#activeAt = now;
  }

  /** It is being loaded, read back, or forgotten. */
  leave(): void {
    this.#isHere = false;
    this.#isWanted = false;
  }

  /** It is loaded. */
  arrive(now: number): void {
    this.#isHere = true;
    this.#activeAt = now;
  }

  /** Somebody is about to ask something of it. */
  want(now: number): void {
    this.#isWanted = true;
    this.act(now);
  }

  /** It was to be forgotten, and is not. */
  stay(): void {
    this.#isHere = true;
  }

  /** It has nothing to do here for as long as nobody asks something of it. */
  rest(): void {
    this.#activeAt = 0;
  }

  /** It does something. */
  act(now: number): void {
    this.#activeAt = now;
  }

  /** Whether somebody has asked something of it since it began to leave. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** None while it is not there. */
  get idleSince(): number | undefined {
    return this.#isHere ? this.#activeAt : undefined;
  }
}
