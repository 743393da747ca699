/** `handle.connect()`: the client's end of a connection, as users see it. */
import type { AnyDefinition } from "../actor.ts";
import { encodeGiven } from "../attempt.ts";
import { randomKey } from "../loaded/random-key.ts";
import * as say from "../messages.ts";
import { checked } from "../schema.ts";
import type { ActorCall } from "./call.ts";
import type { Client } from "./clients.ts";
import type { HandleHost } from "./handle.ts";

/** Whom to connect to, and how to ask. */
export interface Dialling {
  readonly host: HandleHost;
  readonly type: string;
  readonly key: string;
  readonly definition: AnyDefinition;
  /** Asks something of the actor, for as long as a call may take. */
  readonly ask: (what: string, call: () => ActorCall) => Promise<unknown>;
}

/** Connects. Rejects with what `connection.open` threw. */
export async function connect(dialling: Dialling, given: readonly unknown[]): Promise<Client> {
  const { host, type, key, ask } = dialling;
  const name = `${type}/${key}`;
  const params = await paramsOf(dialling, given);
  const client = host.dial(randomKey(), name);
  const { id } = client;
  try {
    await ask("connect()", () => ({ kind: "connect", id, process: host.switchboard.process, params }));
  } catch (error) {
    // Whether it was opened after all, the actor may know.
    host.endClient(id, "lost").catch(() => {});
    throw error;
  }
  if (client.isOver) throw say.connectionClosed(name);
  client.opened();
  return client;
}

function paramsOf(
  { host, type, key, definition }: Dialling,
  given: readonly unknown[],
): Uint8Array | Promise<Uint8Array> {
  const schema = definition.connection?.params;
  const name = `${type}/${key}`;
  const what = `connect() to ${name} was given parameters`;
  const encode = (value: unknown) => encodeGiven(value, what, host.limits.valueBytes);
  if (schema !== undefined) return checked(schema, given[0], `the parameters of connect() to ${name}`, encode);
  if (given[0] === undefined) return encode(undefined);
  throw say.badArgument(`connect() to ${name} was given parameters, but its type declares none.
  found     ${say.shown(given[0])}
  expected  nothing, or a type with \`connection.params\`: actor("${type}", { connection: { params: type<T>() }, ... })`);
}
