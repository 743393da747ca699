/**
 * The marks that processes share, as notes of their store, and what a death makes of them.
 *
 * | note             | who writes it                  | until                                      |
 * | ---------------- | ------------------------------ | ------------------------------------------ |
 * | `at/PROCESS`     | the process, while it lives    | it ends well, or its death is looked into  |
 * | `death/BOOT`     | whoever looks into it          | ten minutes later, or it was none          |
 * | `suspect/HASH`   | whoever looks into a death     | it settles, or is released                 |
 *
 * One law: **who looks into the same death twice, or beside another process, writes the same.** So nobody has to be the one
 * that does it: a death is a member of sets, and counts once.
 */
import { createHash } from "node:crypto";
import { decode, encode } from "../values/index.ts";
import { notesOf, type Rows } from "./ledger.ts";
import { SUSPICIOUS_MS } from "./marks.ts";

/** What a process says of itself. */
export interface AtWork {
  /** The operating system's process: several stores that it has open die together. */
  readonly boot: string;
  readonly working: readonly string[];
  /** Whether attempts may have been at work beside them that nobody has marked. */
  readonly hasOthers: boolean;
}

export interface Death {
  /** When it was found, in milliseconds since the epoch. */
  readonly at: number;
  readonly working: readonly string[];
  readonly hasOthers: boolean;
}

export interface Suspect {
  readonly name: string;
  /** The death that has put it under suspicion. */
  readonly since: string;
  /** The deaths with which it was alone. */
  readonly alone: readonly string[];
}

/** All that is noted, by process, boot and name. */
export interface Shared {
  readonly atWork: Map<string, AtWork>;
  readonly deaths: Map<string, Death>;
  readonly suspects: Map<string, Suspect>;
}

const VERSION = 1;

export function rowsOf(namespace: string): SharedNames {
  const prefix = notesOf(namespace);
  return {
    prefix,
    atWork: (process) => `${prefix}at/${process}`,
    death: (boot) => `${prefix}death/${createHash("sha256").update(boot).digest("hex").slice(0, 32)}`,
    // A path may be longer than what can be the key of a row.
    suspect: (name) => `${prefix}suspect/${createHash("sha256").update(name).digest("hex").slice(0, 32)}`,
  };
}

export interface SharedNames {
  readonly prefix: string;
  atWork(process: string): string;
  death(boot: string): string;
  suspect(name: string): string;
}

export function writeShared(row: AtWork | Suspect | (Death & { boot: string })): Uint8Array {
  return encode({ version: VERSION, ...row });
}

export function readShared(prefix: string, notes: ReadonlyMap<string, Uint8Array>): Shared {
  const shared: Shared = { atWork: new Map(), deaths: new Map(), suspects: new Map() };
  for (const [name, body] of notes) {
    const [kind, process = ""] = name.slice(prefix.length).split("/");
    if (kind === "at") shared.atWork.set(process, decode(body) as AtWork);
    else if (kind === "death") {
      const death = decode(body) as Death & { boot: string };
      shared.deaths.set(death.boot, death);
    } else if (kind === "suspect") {
      const suspect = decode(body) as Suspect;
      shared.suspects.set(suspect.name, suspect);
    }
  }
  return shared;
}

/** What is to be written because these processes have died. `shared` is brought up to date. */
export function lookInto(shared: Shared, dead: readonly string[], names: SharedNames, now: number): Rows {
  const rows = new Map<string, Uint8Array | undefined>();
  for (const [boot, { at }] of shared.deaths) {
    if (now - at <= SUSPICIOUS_MS) continue;
    shared.deaths.delete(boot);
    rows.set(names.death(boot), undefined);
  }
  for (const process of dead) {
    const boot = shared.atWork.get(process)?.boot;
    if (boot === undefined) continue;
    const death = deathOf(shared, boot, now);
    for (const suspect of suspectsAfter(shared, boot, death)) {
      shared.suspects.set(suspect.name, suspect);
      rows.set(names.suspect(suspect.name), writeShared(suspect));
    }
    shared.deaths.set(boot, death);
    rows.set(names.death(boot), writeShared({ boot, ...death }));
    shared.atWork.delete(process);
    rows.set(names.atWork(process), undefined);
  }
  return [...rows];
}

/** Everything that was at work in the process, whichever of the stores that it had open. */
function deathOf({ atWork, deaths }: Shared, boot: string, now: number): Death {
  const known = deaths.get(boot);
  const parts = [...atWork.values()].filter((it) => it.boot === boot);
  return {
    at: known?.at ?? now,
    working: [...new Set([...(known?.working ?? []), ...parts.flatMap(({ working }) => working)])].sort(),
    hasOthers: known?.hasOthers === true || parts.some(({ hasOthers }) => hasOthers),
  };
}

/** A suspect that was alone is one death nearer; what was at work at a second death is under suspicion. */
function suspectsAfter({ deaths, suspects }: Shared, boot: string, { working, hasOthers }: Death): Suspect[] {
  const [only, ...others] = working;
  const culprit = only === undefined || others.length > 0 || hasOthers ? undefined : suspects.get(only);
  // Its count is of deaths before this one: that which has put it under suspicion is none of them.
  if (culprit !== undefined && culprit.since !== boot && !culprit.alone.includes(boot))
    return [{ ...culprit, alone: [...culprit.alone, boot] }];
  const isSecond = [...deaths.keys()].some((other) => other !== boot);
  if (!isSecond) return [];
  return working.filter((name) => !suspects.has(name)).map((name) => ({ name, since: boot, alone: [] }));
}

/** What is to be written because a process that was taken for dead is alive. */
export function undo(shared: Shared, boot: string, names: SharedNames): Rows {
  const rows: [string, Uint8Array | undefined][] = [[names.death(boot), undefined]];
  shared.deaths.delete(boot);
  for (const suspect of [...shared.suspects.values()]) {
    const { name, since, alone } = suspect;
    if (since !== boot && !alone.includes(boot)) continue;
    const others = alone.filter((death) => death !== boot);
    if (since === boot && others.length === 0) {
      shared.suspects.delete(name);
      rows.push([names.suspect(name), undefined]);
      continue;
    }
    const kept = { ...suspect, alone: others };
    shared.suspects.set(name, kept);
    rows.push([names.suspect(name), writeShared(kept)]);
  }
  return rows;
}
