/** What a loaded actor is made with. */
import type { AnyDefinition } from "../actor.ts";
import type { Logger } from "../log.ts";
import type { Peers } from "../peers.ts";
import type { Guard } from "../poison/guard.ts";
import type { Pump } from "../pump.ts";

/** The sizes that are refused above. */
export interface Limits {
  /** One value: an output, an input, an argument, a value put into state. Default: 16 MiB. */
  readonly valueBytes: number;
  /** A message. Default: 1 MiB. */
  readonly messageBytes: number;
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
  readonly codeVersion: number;
  readonly peers: Peers;
  /** The runs of its type that the runtime knows to be parked, by the keys of their actors. */
  readonly parked: Set<string>;
  /** The file of the store; none: it has none. */
  readonly file: string | undefined;
  /** What lets attempts begin; none: they do by themselves. */
  readonly guard: Guard | undefined;
  /** Called when the actor cannot be used any more and a later call has to load it anew. */
  readonly forget: () => void;
}
