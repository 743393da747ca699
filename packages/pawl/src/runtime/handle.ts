/** Handles: one actor, from outside. */
import { type AnyDefinition, refuseUnknown } from "../actor.ts";
import { encodeGiven } from "../attempt.ts";
import { eventsOf } from "../broadcasts.ts";
import { milliseconds } from "../duration.ts";
import type { Inspection } from "../inspection.ts";
import type { Limits, LoadedActor } from "../loaded.ts";
import * as say from "../messages.ts";
import type { Closed, Switchboard } from "../peers.ts";
import { checked, checkedArgs, messageKind } from "../schema.ts";
import { delayOf, SEND_OPTIONS, type SendOptions } from "../sends.ts";
import type { Actor, EventMeta } from "../types.ts";
import type { RowRecord } from "../wire.ts";
import { actionsProxy } from "./actions.ts";
import { type ActorCall, type Asked, boundedBy, CALL_TIMEOUT_MS, callersKey, onlyCall } from "./call.ts";
import type { Client } from "./clients.ts";
import { connect } from "./connect.ts";
import type { Events } from "./events.ts";
import type { CallOptions, Handle } from "./types.ts";

/** What handles need of their runtime. */
export interface HandleHost {
  readonly limits: Limits;
  /** How long callers' keys are remembered, in milliseconds. */
  readonly keepKeys: number;
  readonly events: Events;
  /** Throws `unknown_actor` or `bad_argument`. */
  find(actor: Actor | string, key: string): { type: string; definition: AnyDefinition };
  actor(type: string, key: string): Promise<LoadedActor>;
  readonly store: string;
  copyTo(store: string): Promise<{ actors: number }>;
  now(): number;
  /** The actors behind `after`, in order of name. */
  listed(after: string | undefined, limit: number): Promise<readonly RowRecord[]>;
  /** Lets go of what is quarantined of an actor, and forgets every suspicion of it; whether there was any. */
  release(type: string, key: string): Promise<boolean>;
  /** How often each suspect of an actor was alone with a death. */
  suspectsOf(name: string): ReadonlyMap<string, number>;
  /** An actor as it is recorded; loads nothing. */
  seen(name: string): Promise<Inspection>;
  /** Asks something of an actor, wherever it is. */
  call(type: string, key: string, call: ActorCall): Promise<unknown>;
  /** A call that is under way keeps the process alive, and `close` waits for it. */
  working<R>(run: () => Promise<R>): Promise<R>;
  /** Someone who waits for a result keeps the process alive; `close` does not wait for it. */
  waiting<R>(run: () => Promise<R>): Promise<R>;
  after(ms: number, run: () => void): () => void;
  /** Why an actor that is loaded here cannot be written, and does not answer. */
  troubleOf(name: string): string | undefined;
  readonly switchboard: Switchboard;
  /** A client that is about to connect. */
  dial(id: string, name: string): Client;
  /** Ends a connection from the client's end; its actor is told. Resolves when that is durable there. */
  endClient(id: string, why: Closed): Promise<void>;
  /** Listens to an actor, wherever it is. Returns what ends that. */
  listen(name: string, event: string, listener: (payload: unknown, meta: EventMeta) => void): () => void;
}

const CALL_OPTIONS = ["timeout", "signal", "idempotencyKey"];
const RESULT_OPTIONS = ["timeout", "signal"];

interface KeyedSendOptions extends SendOptions {
  readonly idempotencyKey?: string;
}

export function handleIn(
  host: HandleHost,
  actor: Actor | string,
  key: string,
  options: CallOptions,
  client?: Client,
): Handle<Actor> {
  const { type, definition } = host.find(actor, key);
  const timeout = options.timeout === undefined ? undefined : milliseconds(options.timeout, "the timeout of a call");
  const after = (ms: number, run: () => void) => host.after(ms, run);
  const trouble = () => host.troubleOf(`${type}/${key}`);
  const bounded = <R>(what: string, call: () => Promise<R>, ms: number | undefined, own?: CallOptions) =>
    boundedBy(call, `${what} of ${type}/${key}`, ms, own?.signal ?? options.signal, after, trouble);
  // Whoever has stopped waiting no longer keeps the process alive: what was waited for may take days.
  const awaited = async (
    what: string,
    hold: HandleHost["waiting"],
    call: ActorCall,
    ms?: number,
    own?: CallOptions,
  ) => {
    let leave = () => {};
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const wait = () => hold(() => Promise.race([host.call(type, key, call), left]));
    return bounded(what, wait, ms, own).finally(leave);
  };
  const keyOf = (own = options.idempotencyKey) => callersKey(own, host.keepKeys);
  keyOf();
  const working = (call: ActorCall) => () => host.working(() => host.call(type, key, call));
  const { actions = {}, messages = {} } = definition;
  const act = async (name: string, args: unknown[]) => {
    if (!Object.hasOwn(actions, name)) throw say.unknownMember("action", name, type, Object.keys(actions));
    const what = `action "${name}" of ${type}/${key}`;
    const encode = (given: readonly unknown[]) =>
      encodeGiven(given, `${what} was given arguments`, host.limits.valueBytes);
    const encoded = await checkedArgs((actions as Readonly<Record<string, unknown>>)[name], args, what, encode);
    if (client?.isOver === true) throw say.connectionClosed(`${type}/${key}`);
    const through = client === undefined ? {} : { connection: client.id };
    const call = working({ kind: "action", name, args: encoded, key: keyOf() ?? onlyCall(), ...through });
    return bounded(`action "${name}"`, call, timeout ?? CALL_TIMEOUT_MS);
  };
  const encodeBody = (name: string, body: unknown): Uint8Array | Promise<Uint8Array> => {
    const schema = Object.hasOwn(messages, name) ? messageKind(messages[name])?.body : undefined;
    if (schema === undefined) throw say.unknownMember("message", String(name), type, Object.keys(messages));
    const what = `message "${name}" to ${type}/${key}`;
    const encode = (value: unknown) => encodeGiven(value, `${what} has a body`, host.limits.messageBytes);
    return checked(schema, body, what, encode);
  };
  const send = async (name: string, body: unknown, own: KeyedSendOptions = {}): Promise<void> => {
    refuseUnknown(own, [...SEND_OPTIONS, "idempotencyKey"], "send");
    const delay = delayOf(own, name);
    const kept = keyOf(own.idempotencyKey);
    const encoded = await encodeBody(name, body);
    const call = working({ kind: "send", name, body: encoded, delay, key: kept });
    await bounded(`message "${name}"`, call, timeout ?? CALL_TIMEOUT_MS);
  };
  const ask = async (name: string, body: unknown, own: CallOptions = {}, asked: Asked = {}): Promise<unknown> => {
    refuseUnknown(own, CALL_OPTIONS, "ask");
    if (Object.hasOwn(messages, name) && messageKind(messages[name])?.reply === undefined)
      throw say.badArgument(`message "${name}" of "${type}" is not answered.
found     a message without a reply
expected  one that is declared so:  messages: { ${name}: ask(body, reply) }; or send it: handle.send("${name}", ...)`);
    const kept = keyOf(own.idempotencyKey);
    const encoded = await encodeBody(name, body);
    const ms = own.timeout === undefined ? timeout : milliseconds(own.timeout, "the timeout of ask()");
    const call: ActorCall = { kind: "ask", name, body: encoded, asked, key: kept };
    return awaited(`message "${name}"`, (run) => host.working(run), call, ms ?? CALL_TIMEOUT_MS, own);
  };
  const cancel = async (own: { compensate?: boolean; reason?: string } = {}): Promise<void> => {
    refuseUnknown(own, ["compensate", "reason"], "cancel");
    const { compensate = true, reason } = own;
    if (typeof compensate !== "boolean" || (reason !== undefined && typeof reason !== "string"))
      throw say.badArgument(`cancel() was given options of the wrong kind.
found     compensate: ${say.shown(compensate)}, reason: ${say.shown(reason)}
expected  true or false, and text`);
    await bounded("cancel()", working({ kind: "cancel", compensate, reason }), timeout ?? CALL_TIMEOUT_MS);
  };
  const destroy = async (): Promise<void> => {
    await bounded("destroy()", working({ kind: "destroy" }), timeout ?? CALL_TIMEOUT_MS);
  };
  const on = (event: string, listener: (payload: unknown, meta: EventMeta) => void): (() => void) => {
    const events = eventsOf(definition);
    if (!events.has(event)) throw say.unknownMember("event", String(event), type, [...events.keys()]);
    if (typeof listener !== "function") throw say.noFunction(`the listener of event "${event}"`, listener);
    return client === undefined ? host.listen(`${type}/${key}`, event, listener) : client.on(event, listener);
  };
  const dial = async (...params: unknown[]) => {
    const ask = (what: string, call: () => ActorCall) =>
      bounded(what, () => host.working(() => host.call(type, key, call())), timeout ?? CALL_TIMEOUT_MS);
    const dialled = await connect({ host, type, key, definition, ask }, params);
    void host.waiting(() => dialled.closed).catch(() => {});
    return handleIn(host, actor, key, options, dialled);
  };
  const result = async (own: CallOptions = {}) => {
    refuseUnknown(own, RESULT_OPTIONS, "result");
    const ms = own.timeout === undefined ? timeout : milliseconds(own.timeout, "the timeout of result()");
    return awaited("the result", (run) => host.waiting(run), { kind: "result" }, ms, own);
  };
  return {
    type,
    key,
    actions: actionsProxy(act),
    with: (next: CallOptions) => {
      refuseUnknown(next, CALL_OPTIONS, "with");
      return handleIn(host, actor, key, { ...options, ...next }, client);
    },
    send,
    ask,
    cancel,
    destroy,
    on,
    result,
    connect: dial,
    ...(client === undefined ? {} : connected(host, client)),
  } as unknown as Handle<Actor>;
}

/** What a handle has beside, once it is connected. */
function connected(host: HandleHost, client: Client): object {
  const close = () => host.endClient(client.id, "client");
  return { connectionId: client.id, closed: client.closed, close, [Symbol.asyncDispose]: close };
}
