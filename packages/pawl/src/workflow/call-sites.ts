/** Where operations were called that may turn out not to match the history: of those that a replay has asked the engine for. */
import { type CallSite, callSite } from "../call-site.ts";

/** Looking where a call comes from costs as much as a step: a run that replays more than this does not look any more. */
const MOST = 64;
/** Between a call and whoever notes it there are about eight frames. */
const FRAMES = 12;

export class CallSites {
  readonly #kept = new Map<string, CallSite>();
  #left = MOST;

  note(kind: string, name: string): void {
    if (this.#left === 0) return;
    this.#left -= 1;
    this.#kept.set(`${kind} ${name}`, callSite(FRAMES));
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

/** Types of actors whose code has started an entry wrongly. */
const suspects = new Set<string>();

/** From now on it is noted where entries of this actor's type are called: the same mistake, made again, is told with both its places. */
export function suspect(actor: string): void {
  suspects.add(typeOf(actor));
}

export function isSuspect(actor: string): boolean {
  return suspects.size > 0 && suspects.has(typeOf(actor));
}

/** The type in `type/key`. */
function typeOf(actor: string): string {
  return actor.slice(0, actor.indexOf("/"));
}
