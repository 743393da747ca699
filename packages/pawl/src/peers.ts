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
}
