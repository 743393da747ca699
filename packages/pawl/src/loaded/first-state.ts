/** The state of an actor that has just been loaded: of this code's version, and mirrored. */
import type { AnyDefinition } from "../actor.ts";
import { encodeGiven } from "../attempt.ts";
import { PawlError } from "../errors.ts";
import * as say from "../messages.ts";
import { Mirror } from "../state/index.ts";
import { ByteWriter, decode } from "../values/index.ts";
import { type Facts, STATE } from "../wire.ts";
import type { RunOwner } from "../workflow/run.ts";

/** Of a cell as its newest queued change left it. */
export const NO_VIEW: Uint8Array = new Uint8Array(0);

/** The newest change of the state, once it is of this code's version; none without state. */
export function stateHead(owner: RunOwner, facts: Facts): number | undefined {
  const { definition } = owner;
  const version = definition.version ?? 1;
  const stored = facts.state;
  if (stored === undefined)
    return definition.state === undefined
      ? undefined
      : replaceState(owner, facts, firstState(owner, definition), version);
  if (stored.version > version) throw say.stateVersion(owner.name, stored.version, version);
  if (stored.version === version || definition.migrate === undefined) return stored.head;
  const old = decode(owner.pump.engine.readCell(owner.handle, STATE, NO_VIEW));
  return replaceState(owner, facts, migrated(owner, definition.migrate, old, stored.version, version), version);
}

/** Writes the state anew, as the first change since the actor was loaded; returns that change's number. */
function replaceState(owner: RunOwner, facts: Facts, state: unknown, version: number): number {
  owner.pump.input.migrate(
    owner.handle,
    encodeGiven(state, `\`migrate\` or \`state\` of ${owner.name} returned a value`, owner.limits.valueBytes),
    version,
  );
  return facts.seq + 1;
}

/** State as it was, in the shape of this code's version. */
export function presentShape(owner: RunOwner, old: unknown, from: number): unknown {
  const { version = 1, migrate } = owner.definition;
  if (from > version) throw say.stateVersion(owner.name, from, version);
  return from === version || migrate === undefined ? old : migrated(owner, migrate, old, from, version);
}

function migrated(
  owner: RunOwner,
  migrate: (old: unknown, from: number) => unknown,
  old: unknown,
  from: number,
  to: number,
): unknown {
  try {
    return migrate(old, from);
  } catch (error) {
    const because = error instanceof Error ? error.message : String(error);
    const message = `\`migrate\` of ${owner.name} threw, from version ${from} to ${to}: ${because}. The actor is as it was.`;
    throw new PawlError("migration_failed", message, { cause: error });
  }
}

/** The state of an actor that was made when its type had none. */
function firstState(owner: RunOwner, definition: AnyDefinition): unknown {
  if (definition.input === undefined) return definition.state?.(undefined, { key: owner.key });
  throw new PawlError(
    "migration_failed",
    `${owner.name} was created when its type had no state, and its first state depends on its input.
  do        take \`input\` out of \`state\`, or give such actors another type`,
  );
}

export function mirrorAt(owner: RunOwner, head: number): Mirror {
  return cellMirror(owner, STATE, head, `c.`, `the state of ${owner.name}`);
}

/** The mirror of any cell. `of` and `what` name it for people, before the name of a part and by itself. */
export function cellMirror(owner: RunOwner, cell: string, head: number, of: string, what: string): Mirror {
  const { engine } = owner.pump;
  const source = {
    read: () => engine.readCell(owner.handle, cell, NO_VIEW),
    readAt: (pin: number, delta: Uint8Array | undefined) => engine.readCell(owner.handle, cell, viewOf(pin, delta)),
    floor: () => engine.cellFloor(owner.handle, cell),
  };
  return new Mirror(source, head, {
    stale: (part, why) => say.unusable(`${of}${part}`, owner.name, why),
    refused: (error) => say.notStorable(`something was put into ${what}`, error, undefined),
    maxValueBytes: owner.limits.valueBytes,
  });
}

function viewOf(pin: number, delta: Uint8Array | undefined): Uint8Array {
  const view = new ByteWriter();
  view.varint(pin);
  view.u8(delta === undefined ? 0 : 1);
  if (delta !== undefined) {
    view.varint(delta.length);
    view.bytes(delta);
  }
  return view.copy();
}
