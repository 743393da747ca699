/** What a loaded actor is made with. */
import type { AnyDefinition } from "../actor.ts";
import type { Logger } from "../log.ts";
import type { Peers } from "../peers.ts";
import type { Guard } from "../poison/guard.ts";
import type { Pump } from "../pump.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";

/** Above what is refused, at the call. */
export interface Limits {
  /** One value: an output, an input, an argument, a value put into state. Default: 16 MiB. */
  readonly valueBytes: number;
  /** A message. Default: 1 MiB. */
  readonly messageBytes: number;
  /** An actor's state, encoded. What grows past it is refused with its attempt; what is stored already is loaded. Default: 256 MiB. */
  readonly stateBytes: number;
  /** Messages in an inbox that nobody has taken. Default: 10,000. */
  readonly inboxMessages: number;
  /** Operations of a run that are pending at once: steps, waits, branches. Default: 100,000. */
  readonly pendingOperations: number;
}

/** What a loaded actor needs of its runtime. */
export interface LoadedOptions {
  readonly pump: Pump;
  readonly definition: AnyDefinition;
  readonly type: string;
  readonly key: string;
  readonly handle: number;
  readonly log: Logger;
  readonly limits: Limits;
  /** Empty: the code has no name. */
  readonly codeVersion: string;
  /** Whether other processes share the store. */
  readonly isShared: boolean;
  readonly peers: Peers;
  /** None: nobody wants to know of traces and metrics. */
  readonly telemetry: Telemetry | undefined;
  /** The runs of its type that the runtime knows to be parked, by the keys of their actors. */
  readonly parked: Set<string>;
  /** The file of the store; none: it has none. */
  readonly file: string | undefined;
  /** What lets attempts begin; none: they do by themselves. */
  readonly guard: Guard | undefined;
  /** Called when the actor cannot be used any more and a later call has to load it anew. */
  readonly forget: () => void;
}
