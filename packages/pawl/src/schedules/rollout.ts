/**
 * What the code says of schedules holds for actors that sleep, too: at a start whose code says something else than the last one did,
 * the actors of the type are gone through once. Loading one plans what it has to do.
 */
import type { AnyDefinition } from "../actor.ts";
import { schedulesOf } from "./schedule.ts";

/** What is needed of the runtime. */
export interface Rollout {
  readonly namespace: string;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  notes(prefix: string): Promise<ReadonlyMap<string, Uint8Array>>;
  note(name: string, body: Uint8Array | undefined): Promise<void>;
  /** The names of actors behind this one, in their order. */
  names(after: string | undefined, limit: number): Promise<readonly string[]>;
  /** Loads an actor, if no other process has it. Rejects if it cannot be loaded. */
  load(type: string, key: string): Promise<void>;
}

const PAGE = 500;
/** So many are loaded at once. */
const ABREAST = 50;

/** Resolves to how many actors were gone through. */
export async function rollOut(to: Rollout): Promise<number> {
  const prefix = `schedules/${to.namespace}/`;
  const known = await to.notes(prefix);
  const said = (type: string) => known.get(prefix + type);
  const changed = [...to.definitions].filter(([type, definition]) => sayingOf(definition) !== textOf(said(type)));
  const planned = changed.filter(([, definition]) => sayingOf(definition) !== "").map(([type]) => type);
  let count = 0;
  for (const type of planned) count += await goThrough(to, type);
  for (const [type, definition] of changed) {
    const saying = sayingOf(definition);
    await to.note(prefix + type, saying === "" ? undefined : Buffer.from(saying));
  }
  return count;
}

/** Names begin with their type and a slash. */
async function goThrough(to: Rollout, type: string): Promise<number> {
  const first = `${type}/`;
  let after = first;
  for (let count = 0; ; ) {
    const names = await to.names(after, PAGE);
    const own = names.filter((name) => name.startsWith(first));
    for (let at = 0; at < own.length; at += ABREAST)
      await Promise.all(own.slice(at, at + ABREAST).map((name) => to.load(type, name.slice(first.length))));
    count += own.length;
    const last = own.at(-1);
    if (last === undefined || own.length < PAGE) return count;
    after = last;
  }
}

/** What a definition says of its schedules; nothing if it has none. */
function sayingOf(definition: AnyDefinition): string {
  const all = Array.from(schedulesOf(definition).values(), ({ name, spec }) => [name, spec]);
  return all.length === 0 ? "" : JSON.stringify(all.sort());
}

function textOf(body: Uint8Array | undefined): string {
  return body === undefined ? "" : Buffer.from(body).toString();
}
