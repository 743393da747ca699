/** Where operations were called that may turn out not to match the history: of those that a replay has asked the engine for. */
import { type CallSite, callSite } from "../call-site.ts";

/** Looking where a call comes from costs as much as a step: a run that replays more than this does not look any more. */
const MOST = 64;

export class CallSites {
  readonly #kept = new Map<string, CallSite>();
  #left = MOST;

  note(kind: string, name: string): void {
    if (this.#left === 0) return;
    this.#left -= 1;
    this.#kept.set(`${kind} ${name}`, callSite());
  }

  /** Where the newest one of this kind and name was called, if that was noted. */
  of(kind: string, name: string): string | undefined {
    return this.#kept.get(`${kind} ${name}`)?.();
  }

  /** The code is called anew, or has come to what is not recorded. */
  clear(): void {
    this.#kept.clear();
    this.#left = MOST;
  }
}
