/**
 * Actors that other processes own: what is asked of them, and what other processes ask of ours.
 *
 * One law: **a call is answered by the process whose change, or whose epoch, carries the answer.** Whoever finds that it cannot
 * leaves the call where it is: it is told again, here or to the next owner.
 */
import { createHash } from "node:crypto";
import type { AnyDefinition } from "../actor.ts";
import { PawlError } from "../errors.ts";
import { toRecord } from "../failure.ts";
import { randomKey } from "../loaded/random-key.ts";
import { ofOutcome } from "../loaded/waiters.ts";
import type { LoadedActor } from "../loaded.ts";
import type { Logger } from "../log.ts";
import * as say from "../messages.ts";
import type { Pump } from "../pump.ts";
import { decode, encode } from "../values/index.ts";
import type { RunOutcome, StoreProblem } from "../wire.ts";
import { type ActorCall, callTimeout, isOfAction, isOwnedElsewhere } from "./call.ts";
import { packed, packedValue, unpacked } from "./reply.ts";

/** How long it is believed that another process owns an actor. */
const BELIEVED_MS = 1_000;
/** How long a store keeps a call. */
const KEPT_MS = 600_000;
/** So long a call that was answered here may still be told once more. */
const ANSWERED_MS = 10_000;
const ROOM = 256 << 20;

/** What this needs of the runtime. */
export interface ElsewhereHost {
  readonly pump: Pump | undefined;
  readonly log: Logger;
  find(type: string, key: string): { readonly definition: AnyDefinition };
  actor(type: string, key: string): Promise<LoadedActor>;
  working<R>(run: () => Promise<R>): Promise<R>;
  /** Why the workflow of an actor does not go on, if something of it is quarantined. */
  held(name: string): PawlError | undefined;
}

interface Waiter {
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

type Watcher = (outcome: RunOutcome | undefined) => void;

export class Elsewhere {
  readonly #host: ElsewhereHost;
  /** Until when it is believed. */
  readonly #owned = new Map<string, number>();
  /** By actor and id. */
  readonly #waiting = new Map<string, Waiter[]>();
  readonly #watching = new Map<string, { readonly resolve: Watcher; readonly reject: (error: unknown) => void }[]>();
  /** Calls of others that are being answered here, or have just been. */
  readonly #serving = new Set<string>();

  constructor(host: ElsewhereHost) {
    this.#host = host;
  }

  /** Asks something of an actor: here, if this process owns it or may; otherwise of whoever does. */
  async call(type: string, key: string, call: ActorCall): Promise<unknown> {
    const name = `${type}/${key}`;
    if (!this.#isOwned(name)) {
      try {
        return await (await this.#host.actor(type, key)).call(call);
      } catch (error) {
        if (!isOwnedElsewhere(error)) throw error;
        this.#owned.set(name, Date.now() + BELIEVED_MS);
      }
    }
    return this.#away(type, key, call);
  }

  #isOwned(name: string): boolean {
    if (this.#owned.size === 0) return false;
    const until = this.#owned.get(name);
    if (until === undefined) return false;
    if (until > Date.now()) return true;
    this.#owned.delete(name);
    return false;
  }

  async #away(type: string, key: string, call: ActorCall): Promise<unknown> {
    const name = `${type}/${key}`;
    if (call.kind === "action") return this.#travel(name, call, idOf(call));
    if (call.kind === "ask") {
      const { asked, body } = call;
      asked.messageId ??= (await this.#travel(name, {
        kind: "send",
        name: call.name,
        body,
        delay: 0,
        key: call.key,
      })) as string;
      return this.#travel(name, { kind: "answer", messageId: asked.messageId, name: call.name });
    }
    if (call.kind === "send") return void (await this.#travel(name, call));
    if (call.kind === "result" && this.#host.find(type, key).definition.workflow !== undefined) {
      await this.#travel(name, { kind: "exist" });
      const outcome = await this.#watch(name);
      if (outcome !== undefined) return ofOutcome(name, outcome);
    }
    return this.#travel(name, call);
  }

  async #travel(name: string, call: ActorCall, id: string = randomKey()): Promise<unknown> {
    const { pump } = this.#host;
    if (pump === undefined) throw say.runtimeClosed();
    const tag = `${id} ${name}`;
    const reply = await new Promise<Uint8Array>((resolve, reject) => {
      const others = this.#waiting.get(tag) ?? [];
      this.#waiting.set(tag, [...others, { resolve, reject }]);
      const expired = () => this.#settle(tag, ({ reject }) => reject(callTimeout(`a call of ${name}`, KEPT_MS)));
      setTimeout(expired, KEPT_MS).unref();
      pump.input.call(name, id, encode(call, { maxBytes: ROOM }));
      pump.schedule();
    });
    return unpacked(reply);
  }

  #watch(name: string): Promise<RunOutcome | undefined> {
    const held = this.#host.held(name);
    if (held !== undefined) return Promise.reject(held);
    return new Promise((resolve, reject) => {
      this.#watching.set(name, [...(this.#watching.get(name) ?? []), { resolve, reject }]);
      this.#host.pump?.input.watch(name);
      this.#host.pump?.schedule();
    });
  }

  #settle(tag: string, settle: (waiter: Waiter) => void): void {
    const waiters = this.#waiting.get(tag) ?? [];
    this.#waiting.delete(tag);
    waiters.forEach(settle);
  }

  replied(name: string, id: string, reply: Uint8Array, problem: StoreProblem | undefined): void {
    this.#settle(`${id} ${name}`, ({ resolve, reject }) => {
      if (problem === undefined) resolve(reply);
      else reject(say.ofStore(problem));
    });
  }

  outcome(name: string, outcome: RunOutcome | undefined): void {
    const watchers = this.#watching.get(name) ?? [];
    this.#watching.delete(name);
    for (const { resolve } of watchers) resolve(outcome);
  }

  /** The workflow of an actor does not go on until somebody releases it: nobody waits for that. */
  held(name: string, error: PawlError): void {
    const watchers = this.#watching.get(name) ?? [];
    this.#watching.delete(name);
    for (const { reject } of watchers) reject(error);
  }

  /** Fails whoever still waits. */
  fail(error: PawlError): void {
    for (const tag of [...this.#waiting.keys()]) this.#settle(tag, ({ reject }) => reject(error));
    for (const { reject } of [...this.#watching.values()].flat()) reject(error);
    this.#watching.clear();
  }

  /** Another process asks something of an actor of ours. */
  called(name: string, id: string, body: Uint8Array): void {
    const tag = `${id} ${name}`;
    if (this.#serving.has(tag)) return;
    this.#serving.add(tag);
    const forget = () => this.#serving.delete(tag);
    this.#host
      .working(() => this.#serve(name, id, body))
      .then(
        () => void setTimeout(forget, ANSWERED_MS).unref(),
        (error: unknown) => {
          forget();
          this.#host.log.debug({ actor: name, err: error }, "a call of another process could not be answered here");
        },
      );
  }

  async #serve(name: string, id: string, body: Uint8Array): Promise<void> {
    const slash = name.indexOf("/");
    const actor = await this.#host.actor(name.slice(0, slash), name.slice(slash + 1));
    const reply = await replyOf(actor, id, decode(body) as ActorCall);
    if (reply === undefined) return;
    actor.pump.input.answer(actor.handle, id, reply);
    actor.pump.schedule();
  }
}

/** Names a call among all of its actor: of one under a caller's key, the same whoever makes it again. */
function idOf({ name, key }: Extract<ActorCall, { kind: "action" }>): string {
  if (key.keep === 0) return key.text;
  return createHash("sha256").update(`${name} ${key.text}`).digest("hex").slice(0, 32);
}

/** What a call comes to; undefined: it is recorded already. Throws what is not for the caller: the next one may do better. */
async function replyOf(actor: LoadedActor, id: string, call: ActorCall): Promise<Uint8Array | undefined> {
  try {
    switch (call.kind) {
      case "action": {
        const { actions = {} } = actor.definition;
        if (!Object.hasOwn(actions, call.name))
          throw say.unknownMember("action", call.name, actor.type, Object.keys(actions));
        // What is remembered under its key is the reply, whoever asks again.
        if (call.key.keep > 0) return packedValue(await actor.call(call));
        const failure = await actor.actFor(id, call);
        return failure === undefined ? undefined : packed({ failure });
      }
      case "send":
        if (call.key !== undefined) return Buffer.from(await actor.send(call.name, call.body, call.delay, call.key));
        return void (await actor.sendFor(id, call.name, call.body, call.delay));
      default:
        return packedValue(await actor.call(call));
    }
  } catch (error) {
    if (isPassing(error)) throw error;
    return packed({ failure: toRecord(error) });
  }
}

/** Whether an error is about this process, its store or what it owns, and not about the call. */
function isPassing(error: unknown): boolean {
  if (isOfAction(error)) return false;
  if (isOwnedElsewhere(error)) return true;
  const passing = ["store_unavailable", "runtime_closed", "fenced", "conflict"];
  return error instanceof PawlError && (passing.includes(error.code) || error.outcome === "unknown");
}
