/** Another actor, as an attempt sees it. */
import type { AnyDefinition } from "./actor.ts";
import type { Attempt } from "./attempt.ts";
import { actionsProxy } from "./runtime/actions.ts";
import { messagesOf, type Receiver, type SendOptions } from "./sends.ts";

/** What user code gets from `c.get`. */
export class AttemptRef {
  readonly type: string;
  readonly key: string;
  readonly #attempt: Attempt;
  readonly #receiver: Receiver;
  readonly #declared: object;
  #actions: object | undefined;

  constructor(attempt: Attempt, type: string, key: string, definition: AnyDefinition) {
    this.type = type;
    this.key = key;
    this.#attempt = attempt;
    this.#declared = definition.actions ?? {};
    const name = `${type}/${key}`;
    this.#receiver = { type, name, messages: messagesOf(definition), isSelf: name === attempt.owner.name };
  }

  /** Not part of the attempt: each call is a transaction of its own, made at once. */
  get actions(): object {
    this.#actions ??= actionsProxy((name, args) =>
      this.#attempt.call(this.#receiver, this.key, this.#declared, name, args),
    );
    return this.#actions;
  }

  /** Cancels its workflow, with the attempt's commit. */
  cancel(): void {
    this.#attempt.cancel(this.#receiver);
  }

  /** Leaves with the attempt's commit, arrives once, and after what this actor sent there before. */
  send(name: unknown, body: unknown, options: SendOptions = {}): void {
    this.#attempt.send(this.#receiver, name, body, options);
  }
}
