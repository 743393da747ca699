/** Defining actors. */
import { milliseconds } from "./duration.ts";
import type { PawlError } from "./errors.ts";
import { badArgument, shown } from "./messages.ts";
import { checkSchedule } from "./schedules/schedule.ts";
import type { AnySchedule } from "./schedules/types.ts";
import { isSchema, messageKind, type Schema } from "./schema.ts";
import type { Actor, Ask, Bag, Definition, NoConnectionState, NoState, StepPolicy, Types } from "./types.ts";

/** A definition without its types: what the runtime works with. */
export type AnyDefinition = Definition<
  unknown,
  unknown,
  unknown,
  unknown,
  Record<string, Schema | Ask>,
  Record<string, Schema>,
  unknown,
  unknown,
  unknown,
  Actions,
  unknown,
  Types
>;
type Actions = Record<string, (c: never, ...args: never[]) => unknown>;

const definitions = new WeakMap<object, AnyDefinition>();

const TYPE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const MEMBERS: ReadonlySet<string> = new Set(
  "input messages events version migrate state vars connection actions receive schedules workflow onError steps".split(
    " ",
  ),
);
const FUNCTIONS = ["migrate", "state", "vars", "workflow", "onError"] as const;

/**
 * Defines an actor. `name` is persisted with everything that its actors store.
 *
 * @throws PawlError `bad_argument` for a name of another form, an unknown member, or a member of the wrong kind.
 */
export function actor<
  const N extends string,
  I = void,
  G = I,
  S = NoState,
  V = undefined,
  M = {},
  E = {},
  P = void,
  D = P,
  CS = NoConnectionState,
  A = {},
  O = void,
>(
  name: N,
  definition: Definition<I, G, S, V, M, E, P, D, CS, A, O, Bag<I, G, S, V, M, E, P, D, CS>>,
): Actor<N, Bag<I, G, S, V, M, E, P, D, CS>, A, O> {
  if (typeof name !== "string" || !TYPE_NAME.test(name)) {
    throw badArgument(`actor() was given a name that cannot be one.
  found     ${JSON.stringify(name)}
  expected  a letter, then up to 63 letters, digits, "_" or "-": it is stored with the actor's data for ever`);
  }
  const untyped = definition as unknown as AnyDefinition;
  checkDefinition(name, untyped);
  const made = Object.freeze({ name }) as unknown as Actor<N, Bag<I, G, S, V, M, E, P, D, CS>, A, O>;
  definitions.set(made, untyped);
  return made;
}

/** The definition behind what `actor()` returned. Throws `bad_argument` for anything else. */
export function definitionOf(actor: Actor): AnyDefinition {
  const definition = typeof actor === "object" && actor !== null ? definitions.get(actor) : undefined;
  if (definition !== undefined) return definition;
  throw badArgument(`something that is not an actor was given where one is expected.
  found     ${shown(actor)}
  expected  what actor("name", { ... }) returned`);
}

function checkDefinition(name: string, definition: AnyDefinition): void {
  if (typeof definition !== "object" || definition === null) throw wrong(name, "no definition", "an object");
  for (const member of Object.keys(definition)) {
    if (!MEMBERS.has(member)) throw wrong(name, `the member \`${member}\``, [...MEMBERS].join(", "));
  }
  for (const member of FUNCTIONS) {
    const value = definition[member];
    if (value !== undefined && typeof value !== "function")
      throw wrong(name, `\`${member}\` that is ${shown(value)}`, "a function");
  }
  if (definition.input !== undefined && !isSchema(definition.input))
    throw wrong(name, "`input` that is no schema", "type<T>(), or a schema of zod, valibot, ...");
  for (const [message, schema] of Object.entries(definition.messages ?? {})) {
    checkName(message, `a message of actor "${name}"`);
    if (messageKind(schema) === undefined)
      throw wrong(
        name,
        `message "${message}" that is no schema`,
        "type<T>(), a schema of zod, valibot, ..., or ask(body, reply)",
      );
  }
  for (const [event, schema] of Object.entries(definition.events ?? {})) {
    checkName(event, `an event of actor "${name}"`);
    if (!isSchema(schema))
      throw wrong(
        name,
        `event "${event}" that is no schema`,
        "type<T>(), a schema of zod, valibot, ..., or live(schema)",
      );
  }
  for (const [action, run] of Object.entries(definition.actions ?? {})) {
    if (action === "then")
      throw wrong(name, 'an action called "then"', "another name: `then` would make its handle look like a promise");
    if (typeof run !== "function") throw wrong(name, `action "${action}" that is ${shown(run)}`, "a function");
  }
  checkConnection(name, definition);
  checkHandlers(name, definition);
  checkSchedules(name, definition);
  checkVersion(name, definition);
  refuseUnknown(definition.steps ?? {}, POLICY_MEMBERS, `\`steps\` of actor "${name}"`);
  checkPolicy(definition.steps ?? {}, `\`steps\` of actor "${name}"`);
}

const CONNECTION = ["params", "state", "open", "close"];

function checkConnection(name: string, { connection }: AnyDefinition): void {
  if (connection === undefined) return;
  if (typeof connection !== "object" || connection === null)
    throw wrong(name, `\`connection\` that is ${shown(connection)}`, `an object with ${CONNECTION.join(", ")}`);
  refuseUnknown(connection, CONNECTION, `\`connection\` of actor "${name}"`);
  const { params, ...functions } = connection;
  if (params !== undefined && !isSchema(params))
    throw wrong(name, "`connection.params` that is no schema", "type<T>(), or a schema of zod, valibot, ...");
  for (const [member, value] of Object.entries(functions)) {
    if (value !== undefined && typeof value !== "function")
      throw wrong(name, `\`connection.${member}\` that is ${shown(value)}`, "a function");
  }
}

function checkHandlers(name: string, { receive, messages = {} }: AnyDefinition): void {
  if (receive === undefined) return;
  if (typeof receive !== "object" || receive === null)
    throw wrong(name, `\`receive\` that is ${shown(receive)}`, "functions by the messages that they handle");
  for (const [message, run] of Object.entries(receive)) {
    if (!Object.hasOwn(messages, message))
      throw wrong(
        name,
        `a handler of message "${message}", which is not declared`,
        Object.keys(messages).join(", ") || "none: `messages` is empty",
      );
    if (typeof run !== "function")
      throw wrong(name, `a handler of message "${message}" that is ${shown(run)}`, "a function");
  }
}

function checkSchedules(name: string, { schedules }: AnyDefinition): void {
  if (schedules === undefined) return;
  if (typeof schedules !== "object" || schedules === null)
    throw wrong(name, `\`schedules\` that is ${shown(schedules)}`, "schedules by their names");
  for (const [schedule, definition] of Object.entries(schedules)) {
    checkName(schedule, `a schedule of actor "${name}"`);
    checkSchedule(definition as AnySchedule, schedule, name);
  }
}

function checkVersion(name: string, definition: AnyDefinition): void {
  const version = definition.version ?? 1;
  if (!Number.isInteger(version) || version < 1 || version > 0xffff_ffff)
    throw wrong(name, `version ${shown(definition.version)}`, "an integer from 1");
  if (version > 1 && definition.migrate === undefined)
    throw wrong(
      name,
      `version ${version} without \`migrate\``,
      "migrate(old, from), which brings older state to this version",
    );
}

function wrong(name: string, found: string, expected: string): PawlError {
  return badArgument(`the definition of actor "${name}" is not right.
  found     ${found}
  expected  ${expected}`);
}

/** Throws `bad_argument` if there is an option that is not known: a mistyped one must not pass silently. */
export function refuseUnknown(options: object, known: readonly string[], where: string): void {
  if (typeof options !== "object" || options === null)
    throw badArgument(`${where} was given options of the wrong kind.
  found     ${shown(options)}
  expected  an object: ${known.join(", ")}`);
  const unknown = Object.keys(options).find((option) => !known.includes(option));
  if (unknown === undefined) return;
  throw badArgument(`${where} was given an option that does not exist.
  found     ${unknown}
  expected  ${known.join(", ") || "none"}`);
}

/** Throws `bad_argument` unless `name` can name an entry or a message: 1 to 512 bytes of well-formed text. */
export function checkName(name: unknown, what: string): asserts name is string {
  if (typeof name === "string" && name !== "" && isShortText(name)) return;
  throw badArgument(`${what} has no name that can be stored.
  found     ${shown(name)}
  expected  text of 1 to 512 bytes, without lone surrogates`);
}

/** Whether text takes at most 512 bytes and is well-formed. Most names are short and ASCII: that costs one look at each unit. */
export function isShortText(text: string): boolean {
  const { length } = text;
  if (length <= 64) {
    let at = 0;
    while (at < length && text.charCodeAt(at) < 0x80) at++;
    if (at === length) return true;
  }
  return text.length <= 512 && Buffer.byteLength(text) <= 512 && !/\p{Surrogate}/u.test(text);
}

/** A policy in numbers. `timeout` 0: none. */
export interface Policy {
  readonly maxRetries: number;
  readonly backoffBase: number;
  readonly backoffMax: number;
  readonly timeout: number;
  readonly retryOnTimeout: boolean;
}

const DEFAULTS: Required<StepPolicy> = {
  maxRetries: 10,
  retryBackoffBase: 100,
  retryBackoffMax: 30_000,
  timeout: 300_000,
  retryOnTimeout: true,
};

/** A step's policy, with the actor's defaults and Pawl's behind it. Throws `bad_argument`. */
export function checkPolicy(policy: StepPolicy, what: string, defaults: StepPolicy = {}): Policy {
  const { maxRetries, retryBackoffBase, retryBackoffMax, timeout, retryOnTimeout } = {
    ...DEFAULTS,
    ...defined(defaults),
    ...defined(policy),
  };
  if (!Number.isInteger(maxRetries) || maxRetries < 0 || maxRetries > 0xffff_ffff)
    throw badArgument(
      `maxRetries of ${what} is not a count.\n  found     ${shown(maxRetries)}\n  expected  an integer from 0`,
    );
  if (typeof retryOnTimeout !== "boolean")
    throw badArgument(
      `retryOnTimeout of ${what} is neither true nor false.\n  found     ${shown(retryOnTimeout)}\n  expected  true or false`,
    );
  return {
    maxRetries,
    backoffBase: milliseconds(retryBackoffBase, `retryBackoffBase of ${what}`),
    backoffMax: milliseconds(retryBackoffMax, `retryBackoffMax of ${what}`),
    timeout: milliseconds(timeout, `timeout of ${what}`),
    retryOnTimeout,
  };
}

export const POLICY_MEMBERS: readonly (keyof StepPolicy)[] = Object.keys(DEFAULTS) as (keyof StepPolicy)[];

function defined(policy: StepPolicy): Partial<Required<StepPolicy>> {
  const given: Record<string, unknown> = {};
  for (const member of POLICY_MEMBERS) if (policy[member] !== undefined) given[member] = policy[member];
  return given as Partial<Required<StepPolicy>>;
}
