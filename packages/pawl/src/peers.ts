/** Other actors, as an attempt sees them: what it says to them leaves with its commit. */
import type { AnyDefinition } from "./actor.ts";
import type { Emit } from "./broadcasts.ts";
import type { ActorCall } from "./runtime/call.ts";
import type { Actor } from "./types.ts";

/** What attempts need of their runtime. */
export interface Peers {
  /** Throws `unknown_actor`, or `bad_argument` for a key that cannot be stored. */
  find(actor: Actor | string, key: string): { readonly type: string; readonly definition: AnyDefinition };
  /** The input of an actor that is to be made. Throws `invalid_payload`, `value_not_storable`, `bad_argument`. */
  inputOf(actor: string, definition: AnyDefinition, input: unknown): Uint8Array | undefined;
  /** Asks something of an actor, wherever it is; `what` names the call for people. Rejects when it takes too long. */
  callFrom(type: string, key: string, call: ActorCall, what: string, signal: AbortSignal): Promise<unknown>;
  /** Hands an event to whoever listens. */
  readonly emit: Emit;
  /** How many messages wait in an actor's inbox, as far as is known here. */
  messagesWaiting(name: string): number;
  /** Where clients and actors are. */
  readonly switchboard: Switchboard;
}

/** Why a connection has ended: by its client; by the actor; with the actor; because a process, or its hold on the store, was lost. */
export type Closed = "client" | "actor" | "destroyed" | "lost";

/** What actors need of the processes in which those are who are connected to them. */
export interface Switchboard {
  /** Names this process among those that have the store open. */
  readonly process: string;
  /** Whether a client of this process has the connection, or is about to. */
  has(id: string): boolean;
  /** A connection to an actor has ended: its client is told. */
  hangUp(actor: string, client: { readonly id: string; readonly process: string }, why: Closed): void;
  /** Whether another process may be alive. It is told to the actors here if it dies. */
  mayLive(process: string): boolean;
}
