/**
 * Recorded steps that the engine has handed out before they are asked for: a replay that is answered from here does not cross
 * for each. Whoever uses some says how many before anything else of that scope.
 */
import { OutputReader, type Told } from "../wire.ts";

export interface Answer {
  readonly value: unknown;
  readonly told: Told;
}

export class Ahead {
  readonly scope: number;
  readonly #steps: OutputReader;
  /** Whether more is recorded than these. */
  readonly #replaying: boolean;
  #name: string | undefined;
  #taken = 0;

  constructor(scope: number, steps: Uint8Array, replaying: boolean) {
    this.scope = scope;
    this.#steps = new OutputReader(steps, steps.length);
    this.#replaying = replaying;
  }

  /** How many have been used. */
  get taken(): number {
    return this.#taken;
  }

  /** The outcome of the step of this name, if it is the next one. Throws what `decode` throws; it is not used then. */
  next(name: string, decode: (bytes: Uint8Array) => unknown): Answer | undefined {
    if (this.#name === undefined && this.#steps.hasMore) this.#name = this.#steps.text();
    if (this.#name !== name) return undefined;
    const at = this.#steps.number();
    const read = this.#steps.value();
    const value = read.kind === "encoded" ? decode(read.bytes) : undefined;
    this.#name = undefined;
    this.#taken += 1;
    return { value, told: { at, replaying: this.#replaying || this.#steps.hasMore } };
  }
}
