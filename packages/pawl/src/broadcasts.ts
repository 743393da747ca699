/**
 * What an attempt tells whoever listens to its actor: checked and taken by value at the call, kept until the commit.
 *
 * Live events are not kept: they leave at the call, tagged with the attempt.
 */
import type { AnyDefinition } from "./actor.ts";
import { badArgument, notStorable, unknownMember } from "./messages.ts";
import { checked, isLive, type Schema } from "./schema.ts";
import { encode, ValueError } from "./values/index.ts";

/** An event, encoded. */
export interface EventRecord {
  readonly event: string;
  readonly payload: Uint8Array;
  /** The connection that alone is told. */
  readonly to?: string | undefined;
  /** The connection that is not told. */
  readonly except?: string | undefined;
}

/** Whom an event is for; nobody named: for everybody. */
export type Audience = Pick<EventRecord, "to" | "except">;

/** Where an event that leaves at once comes from. */
export interface Source {
  readonly step: string | undefined;
  readonly attempt: number;
}

/** Hands events to whoever listens to the actor `name`. */
export type Emit = (name: string, record: EventRecord, source: Source | undefined) => void;

/** Who broadcasts. */
export interface Broadcaster {
  readonly type: string;
  readonly name: string;
  readonly maxBytes: number;
  readonly source: Source;
  readonly emit: Emit;
}

export class Broadcasts {
  readonly #kept: EventRecord[] = [];

  get length(): number {
    return this.#kept.length;
  }

  /** Drops all but the first so many. */
  takeBack(length: number): void {
    this.#kept.length = length;
  }

  /** Throws `unknown_event`, `invalid_payload`, `value_not_storable` or `value_too_large`. */
  add(
    events: ReadonlyMap<string, Schema>,
    by: Broadcaster,
    event: unknown,
    payload: unknown,
    audience: Audience = {},
  ): void {
    const schema = typeof event === "string" ? events.get(event) : undefined;
    if (typeof event !== "string" || schema === undefined)
      throw unknownMember("event", String(event), by.type, [...events.keys()]);
    const what = `event "${event}" of ${by.name}`;
    const encoded = checked(schema, payload, what, (value) => encodePayload(value, what, by.maxBytes));
    if (encoded instanceof Promise) {
      encoded.catch(() => {});
      throw badArgument(`${what} was broadcast, but its schema takes its time.
  found     a schema that validates asynchronously
  expected  one that answers at once: what an attempt broadcasts is part of its commit`);
    }
    const record = { event, payload: encoded, ...audience };
    if (isLive(schema)) by.emit(by.name, record, by.source);
    else this.#kept.push(record);
  }

  /** The commit is durable: everything leaves, in order. */
  leave(by: Pick<Broadcaster, "name" | "emit">): void {
    for (const record of this.#kept.splice(0)) by.emit(by.name, record, undefined);
  }
}

/** The events that a definition declares. */
export function eventsOf(definition: AnyDefinition): ReadonlyMap<string, Schema> {
  let events = declared.get(definition);
  if (events === undefined) {
    events = new Map(Object.entries(definition.events ?? {}));
    declared.set(definition, events);
  }
  return events;
}

const declared = new WeakMap<AnyDefinition, ReadonlyMap<string, Schema>>();

function encodePayload(value: unknown, what: string, maxBytes: number): Uint8Array {
  try {
    return encode(value, { maxBytes });
  } catch (error) {
    throw error instanceof ValueError ? notStorable(`${what} has a payload`, error, undefined) : error;
  }
}
