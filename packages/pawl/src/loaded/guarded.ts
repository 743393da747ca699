/** The attempts of one actor, which a guard lets begin; what it has quarantined waits until it is released. */
import type { Attempt } from "../attempt.ts";
import type { PawlError } from "../errors.ts";
import { quarantined } from "../messages.ts";
import type { Guard } from "../poison/guard.ts";
import { GuardedBodies } from "../poison/guarded-bodies.ts";
import { type Guarded, labelOf, nameOfAttempt } from "../poison/names.ts";
import type { RunOwner } from "../workflow/run.ts";

export interface GuardedOwner extends RunOwner {
  /** Nothing goes on until somebody releases it. */
  stop(error: PawlError): void;
  /** It has been released. */
  goOn(): void;
}

export class GuardedAttempts {
  readonly #owner: GuardedOwner;
  readonly #guard: Guard;
  readonly #bodies: GuardedBodies;
  #waiting: (() => void)[] = [];
  /** Rises when what waits must not begin any more. */
  #life = 0;

  constructor(owner: GuardedOwner, guard: Guard) {
    const { pump, handle, log, name } = owner;
    this.#owner = owner;
    this.#guard = guard;
    this.#bodies = new GuardedBodies(guard, {
      isOver: () => false,
      begins: (op, attempt) => {
        pump.input.begun(handle, op, attempt);
        pump.schedule();
      },
      fail: (err) => log.error({ actor: name, err }, "an attempt could not be marked, and does not begin"),
    });
  }

  /** `call` calls the body of a step, or of a handler that undoes one, and gives its attempt. */
  body(kind: Guarded, path: string, op: number, number: number, call: () => Attempt | undefined): void {
    const name = nameOfAttempt(this.#owner.name, kind, path);
    const life = this.#life;
    const begin = () => {
      if (life !== this.#life) return;
      void this.#bodies.begin(name, op, number, () => (life === this.#life ? call() : undefined));
    };
    if (!this.#guard.isQuarantined(name)) return begin();
    this.#waiting.push(begin);
    this.#owner.stop(quarantined(labelOf(name), this.#owner.name));
  }

  /** The same of what has no operation: throws `quarantined` into `refuse`. */
  async attempt(
    kind: Guarded,
    path: string,
    call: () => Attempt | undefined,
    refuse: (error: PawlError) => void,
  ): Promise<void> {
    const name = nameOfAttempt(this.#owner.name, kind, path);
    if (this.#guard.isQuarantined(name)) return refuse(quarantined(labelOf(name), this.#owner.name));
    const life = this.#life;
    await this.#guard.begin(name);
    this.#guard.begun(name, life === this.#life ? call() : undefined);
  }

  /** What was quarantined may begin. */
  released(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length > 0) this.#owner.goOn();
    for (const begin of waiting) begin();
  }

  /** Whatever waits does not begin. */
  forget(): void {
    this.#life += 1;
    this.#waiting = [];
  }
}
