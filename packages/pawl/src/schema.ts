/** Schemas: what checks a value where it enters. Pawl brings no validator; any library with Standard Schema will do. */
import { PawlError } from "./errors.ts";
import { badArgument, shown } from "./messages.ts";
import type { Ask, Live } from "./types.ts";

/** The part of Standard Schema (version 1, <https://standardschema.dev>) that Pawl uses. Its licence invites the copy. */
export interface StandardSchemaV1<In = unknown, Out = In> {
  /** What the specification puts under this name. */
  readonly "~standard": {
    /** Of the specification. */
    readonly version: 1;
    /** The library that made the schema. */
    readonly vendor: string;
    /** Gives the value that is let in, or the issues for which it is not. */
    readonly validate: (value: unknown) => SchemaResult<Out> | Promise<SchemaResult<Out>>;
    /** For the compiler only: what goes in, and what comes out. */
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}

type SchemaResult<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** zod, valibot, arktype and others. Checks where a value enters, never on replay. */
export type Schema<In = unknown, Out = In> = StandardSchemaV1<In, Out>;

const UNCHECKED: Schema = { "~standard": { version: 1, vendor: "pawl", validate: (value) => ({ value }) } };

/** A type and no check. */
export function type<T>(): Schema<T> {
  return UNCHECKED as Schema<T>;
}

/** A message that is answered: with `message.complete(reply)`. */
export function ask<In, Out, R>(body: Schema<In, Out>, reply: Schema<unknown, R>): Ask<In, Out, R> {
  return Object.freeze({ body, reply });
}

/** An event that leaves at once, also from attempts that fail: for what is only to be looked at, such as text that is being written. */
export function live<In, Out>(payload: Schema<In, Out>): Live<In, Out> {
  return Object.freeze({ "~standard": payload["~standard"], live: true });
}

/** Whether what `events` declares under a name leaves at once. */
export function isLive(event: Schema): boolean {
  return (event as Partial<Live>).live === true;
}

/** The arguments of actions that `action()` made. */
const args = new WeakMap<object, Schema>();

/**
 * An action whose argument is checked, where it is called: `run` is given what the schema lets in.
 *
 * @throws PawlError `invalid_payload`, at the call; nothing has happened then.
 */
export function action<C, In, Out, R>(schema: Schema<In, Out>, run: (c: C, args: Out) => R): (c: C, args: In) => R {
  if (!isSchema(schema) || typeof run !== "function")
    throw badArgument(`action() was given something else than a schema and a function.
  found     ${shown(isSchema(schema) ? run : schema)}
  expected  action(schema, (c, argument) => ...)`);
  const checkedAction = (c: C, given: In) => run(c, given as unknown as Out);
  args.set(checkedAction, schema);
  return checkedAction;
}

/** Gives `use` the arguments of a call as an action's schema lets them in; as they are, if it has none. */
export function checkedArgs<R>(
  run: unknown,
  given: readonly unknown[],
  what: string,
  use: (args: readonly unknown[]) => R,
): R | Promise<R> {
  const schema = typeof run === "function" ? args.get(run) : undefined;
  return schema === undefined
    ? use(given)
    : checked(schema, given[0], `the argument of ${what}`, (value) => use([value]));
}

/** A message's schemas; `reply`: it is answered. */
export interface MessageKind {
  readonly body: Schema;
  readonly reply: Schema | undefined;
}

/** What `messages` declares under a name; `undefined` if that is nothing of the kind. */
export function messageKind(declared: unknown): MessageKind | undefined {
  if (isSchema(declared)) return { body: declared, reply: undefined };
  if (typeof declared !== "object" || declared === null) return undefined;
  const { body, reply } = declared as Partial<Ask>;
  return isSchema(body) && isSchema(reply) ? { body, reply } : undefined;
}

export function isSchema(value: unknown): value is Schema {
  const standard = (value as { readonly "~standard"?: { readonly validate?: unknown } } | null | undefined)?.[
    "~standard"
  ];
  return typeof standard?.validate === "function";
}

/**
 * Gives `use` the value that a schema lets in: at once, unless the schema takes its time. Throws `invalid_payload` with its
 * issues. `what` names the value in the message.
 */
export function checked<R>(schema: Schema, value: unknown, what: string, use: (value: unknown) => R): R | Promise<R> {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then((late) => use(letIn(late, what))) : use(letIn(result, what));
}

function letIn(result: SchemaResult<unknown>, what: string): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map((issue) => `${pathOf(issue)}${issue.message}`);
  throw new PawlError(
    "invalid_payload",
    `${what} does not fit its schema.\n  found     ${issues.join("\n            ")}`,
    {
      data: { issues: result.issues.map((issue) => ({ message: issue.message, path: pathOf(issue) })) },
    },
  );
}

function pathOf(issue: SchemaIssue): string {
  const keys = (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part));
  return keys.length === 0 ? "" : `.${keys.join(".")}: `;
}
