/** The names of attempts, as marks have them: unique in a store's namespace, and the same over processes. */

/** What an attempt is one of. */
export type Guarded = "step" | "undo" | "message" | "schedule" | "action";

/** `path`: the names on the way to the step; the name of the message or the schedule. */
export function nameOfAttempt(actor: string, kind: Guarded, path: string): string {
  return JSON.stringify([actor, kind, path]);
}

export function actorOf(name: string): string {
  return parts(name)[0];
}

export function kindOf(name: string): Guarded {
  return parts(name)[1];
}

/** Whether an actor's workflow stands still without it. */
export function isOfRun(name: string): boolean {
  return kindOf(name) === "step" || kindOf(name) === "undo";
}

/** As people call it. */
export function titleOf(name: string): string {
  const [actor, kind, path] = parts(name);
  return `${labelOf(name, kind, path)} of ${actor}`;
}

/** The same, where the actor is known. */
export function labelOf(name: string, kind: Guarded = parts(name)[1], path: string = parts(name)[2]): string {
  return kind === "undo" ? `the undoing of step "${path}"` : `${kind} "${path}"`;
}

function parts(name: string): [string, Guarded, string] {
  return JSON.parse(name) as [string, Guarded, string];
}
