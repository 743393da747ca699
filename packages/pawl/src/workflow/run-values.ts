/**
 * Values on their way between user code and the engine. One law: what user code gave is never what it gets back, so that changing
 * one later changes nothing else.
 */
import type { FailureRecord } from "../failure.ts";
import { traceIn } from "../telemetry/carried.ts";
import type { ResolvedValue } from "../wire.ts";
import type { Branches } from "./dialect.ts";
import { type Kept, NOTHING, type Ran } from "./operation.ts";
import type { RunOwner } from "./run.ts";
import type { ScopeContext } from "./scope-context.ts";

type Encoded = Ran | { readonly error: unknown };

const EFFECT = "the body had finished; what it did outside has happened. It is not run again.";

export class RunValues {
  readonly #owner: RunOwner;

  constructor(owner: RunOwner) {
    this.#owner = owner;
  }

  /** Encodes what a callback returned; `undefined` is no bytes. `what` begins the message of what cannot be stored. */
  encode(value: unknown, what: () => string): Encoded {
    if (value === undefined) return { bytes: undefined, kept: NOTHING };
    try {
      return this.#owner.dialect.encode(value, what, EFFECT);
    } catch (error) {
      return { error };
    }
  }

  /** What is given back of what was kept. */
  unkept(kept: Kept): unknown {
    return "bytes" in kept ? this.#owner.dialect.decode(kept.bytes) : kept.value;
  }

  /** What an operation resolves with; `kept` is what its callback gave, `context` where messages are taken. */
  read(value: ResolvedValue, kept: Kept, context: ScopeContext | undefined): unknown {
    const { dialect } = this.#owner;
    switch (value.kind) {
      case "kept":
        return this.unkept(kept);
      case "encoded":
        return dialect.decode(value.bytes);
      case "message":
        this.#took(value.bytes, context);
        return dialect.message(value.bytes, context);
      case "messages":
        for (const message of value.messages) this.#took(message, context);
        return value.messages.map((message) => dialect.message(message, context));
      default:
        return undefined;
    }
  }

  /** The branches of a join, race or map by their places. */
  branches(value: ResolvedValue & { readonly kind: "branches" }, kept: ReadonlyMap<number, Kept>): Branches {
    const [values, failures] = [new Map<number, unknown>(), new Map<number, FailureRecord>()];
    value.branches.forEach((branch, index) => {
      if (branch.kind === "failed") failures.set(index, branch.failure);
      else if (branch.kind === "encoded") values.set(index, this.#owner.dialect.decode(branch.bytes));
      else if (branch.kind === "nothing") values.set(index, undefined);
      else if (branch.kind === "kept") values.set(index, this.unkept(kept.get(index) ?? NOTHING));
    });
    return { winner: value.winner, values, failures };
  }

  #took(message: Uint8Array, context: ScopeContext | undefined): void {
    const { runTrace } = this.#owner;
    if (runTrace !== undefined && context?.replaying !== true) runTrace.took(traceIn(message));
  }
}
