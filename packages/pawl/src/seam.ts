/**
 * The seam between a workflow and what plays it: where `pawl/testing` puts other bodies in, and watches where a run is.
 *
 * A seam belongs to a definition, and there is none for the definitions that `actor()` makes.
 */
import type { AnyDefinition } from "./actor.ts";
import type { AttemptContext, Types } from "./types.ts";

export type Body = (c: AttemptContext<Types>) => unknown;

/** What a run has come to, and waits at. */
export interface Wait {
  readonly kind: "sleep" | "message";
  readonly name: string;
  /** The messages that end it; none for a sleep. */
  readonly messages: readonly string[];
}

export interface Seam {
  /** The body to run for a step of the actor `key`. Asked once each time that the code comes to the step. */
  body(key: string, step: string, own: Body): Body;
  /** The run of the actor `key` waits until `over` settles. */
  waits(key: string, wait: Wait, over: Promise<unknown>): void;
}

const seams = new WeakMap<AnyDefinition, Seam>();

/** The same definition, with a seam. */
export function withSeam(definition: AnyDefinition, seam: Seam): AnyDefinition {
  const copy = { ...definition };
  seams.set(copy, seam);
  return copy;
}

export function seamOf(definition: AnyDefinition): Seam | undefined {
  return seams.get(definition);
}
