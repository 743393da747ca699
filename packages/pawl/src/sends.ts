/**
 * What an attempt sends: checked at the call, kept until the commit.
 *
 * One law: whether there is room is judged at the call; a commit is never refused for it.
 */
import { type AnyDefinition, refuseUnknown } from "./actor.ts";
import { type Duration, milliseconds } from "./duration.ts";
import type { Limits } from "./loaded/types.ts";
import { badArgument, notStorable, refused, unknownMember } from "./messages.ts";
import { checked, type MessageKind, messageKind, type Schema } from "./schema.ts";
import { encode, ValueError } from "./values/index.ts";
import type { Send } from "./wire.ts";

export const SEND_OPTIONS: readonly string[] = ["delay"];

export interface SendOptions {
  /** How long it stays out of the receiver's sight. Default: not at all. */
  readonly delay?: Duration;
}

/** Whom something is sent to. */
export interface Receiver {
  readonly type: string;
  /** `type/key`. */
  readonly name: string;
  readonly messages: ReadonlyMap<string, MessageKind>;
  /** Whether it is the sender itself. */
  readonly isSelf: boolean;
}

/** What adds the trace to what is sent. */
export interface Carrier {
  carried(body: Uint8Array): Uint8Array;
  /** A message goes to an actor of this type, for which so many wait. */
  sent(type: string, waiting: number): void;
}

export class Sends {
  readonly #limits: Pick<Limits, "messageBytes" | "inboxMessages">;
  readonly #carrier: Carrier | undefined;
  readonly #waiting: (name: string) => number;
  readonly #list: Send[] = [];
  /** How many by receiver. */
  readonly #counts = new Map<string, number>();

  constructor(
    limits: Pick<Limits, "messageBytes" | "inboxMessages">,
    waiting: (name: string) => number,
    carrier?: Carrier,
  ) {
    this.#limits = limits;
    this.#carrier = carrier;
    this.#waiting = waiting;
  }

  get list(): readonly Send[] {
    return this.#list;
  }

  /** Drops all but the first so many. */
  takeBack(length: number): void {
    for (const { to } of this.#list.splice(length)) {
      if (to !== undefined) this.#counts.set(to, (this.#counts.get(to) ?? 1) - 1);
    }
  }

  /** A message. Throws `unknown_message`, `invalid_payload`, `value_not_storable`, `value_too_large` or `inbox_full`. */
  message(to: Receiver, name: unknown, body: unknown, options: SendOptions): void {
    refuseUnknown(options, SEND_OPTIONS, "send");
    const delay = delayOf(options, String(name));
    const schema = typeof name === "string" ? to.messages.get(name)?.body : undefined;
    if (typeof name !== "string" || schema === undefined)
      throw unknownMember("message", String(name), to.type, [...to.messages.keys()]);
    const count = this.#counts.get(to.name) ?? 0;
    const { inboxMessages, messageBytes } = this.#limits;
    const waiting = this.#waiting(to.name) + count;
    if (waiting >= inboxMessages) throw refused(to.name, "inbox_full", `${inboxMessages}`);
    const what = `message "${name}" to ${to.name}`;
    const encoded = encodeAtOnce(schema, body, what, messageBytes);
    this.#counts.set(to.name, count + 1);
    const told = this.#carrier?.carried(encoded) ?? encoded;
    this.#carrier?.sent(to.type, waiting);
    this.#list.push({ to: to.isSelf ? undefined : to.name, name, body: told, delay, purpose: "plain" });
  }

  /** What is for another actor itself, and not for its code. None for `to`: for this one. */
  order(to: string | undefined, purpose: Send["purpose"], body: Uint8Array = NOTHING): void {
    const told = purpose === "create" ? (this.#carrier?.carried(body) ?? body) : body;
    this.#list.push({ to, name: "", body: told, delay: 0, purpose });
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** The messages that a definition declares. */
export function messagesOf(definition: AnyDefinition): ReadonlyMap<string, MessageKind> {
  let kinds = declared.get(definition);
  if (kinds === undefined) {
    const all = Object.entries(definition.messages ?? {}).map(([name, given]) => [name, messageKind(given)]);
    kinds = new Map(all as [string, MessageKind][]);
    declared.set(definition, kinds);
  }
  return kinds;
}

const declared = new WeakMap<AnyDefinition, ReadonlyMap<string, MessageKind>>();

/** In milliseconds. Throws `bad_argument`. */
export function delayOf({ delay }: SendOptions, name: string): number {
  return delay === undefined ? 0 : milliseconds(delay, `the delay of message "${name}"`);
}

/** A body that leaves with a commit. Throws what is wrong with it. */
export function encodeAtOnce(schema: Schema, body: unknown, what: string, maxBytes: number): Uint8Array {
  const encoded = checked(schema, body, what, (value) => encodeBody(value, what, maxBytes));
  if (!(encoded instanceof Promise)) return encoded;
  encoded.catch(() => {});
  throw badArgument(`${what} was sent by an attempt, but its schema takes its time.
  found     a schema that validates asynchronously
  expected  one that answers at once: what an attempt sends is part of its commit`);
}

/** Throws `value_not_storable` or `value_too_large`. */
export function encodeBody(value: unknown, what: string, maxBytes: number): Uint8Array {
  try {
    return encode(value, { maxBytes });
  } catch (error) {
    throw error instanceof ValueError ? notStorable(`${what} has a body`, error, undefined) : error;
  }
}
