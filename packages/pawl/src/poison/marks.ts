/** Which attempts were at work, and what is known of earlier ends in the midst of them. */

/** Milliseconds within which a second death puts what was at work under suspicion. */
export const SUSPICIOUS_MS = 600_000;
/** So often a suspect has to have been alone with a death. */
export const MOST_DEATHS = 3;

export interface Marks {
  /** The names of the attempts at work. */
  readonly working: Set<string>;
  /** How often each suspect was the only one at work when the process died. */
  readonly suspects: Map<string, number>;
  /** When a process died, in milliseconds since the epoch, the newest last: the deaths of the last ten minutes. */
  deaths: number[];
}

export function noMarks(): Marks {
  return { working: new Set(), suspects: new Map(), deaths: [] };
}

/**
 * What marks say that a process has left which died. `culprit` is the suspect that was alone with the death, if one was. What was
 * at work at a second death within ten minutes is under suspicion.
 */
export function afterDeath({ working, suspects, deaths }: Marks, now: number, culprit: string | undefined): Marks {
  const counted = new Map(suspects);
  if (culprit !== undefined) counted.set(culprit, (counted.get(culprit) ?? 0) + 1);
  const recent = [...deaths.filter((at) => now - at <= SUSPICIOUS_MS), now];
  if (recent.length > 1) for (const name of working) counted.set(name, counted.get(name) ?? 0);
  return { working: new Set(), suspects: counted, deaths: recent };
}

export function isQuarantined({ suspects }: Marks, name: string): boolean {
  return (suspects.get(name) ?? 0) >= MOST_DEATHS;
}

export function quarantinedOf(marks: Marks): Map<string, number> {
  return new Map([...marks.suspects].filter(([name]) => isQuarantined(marks, name)));
}
