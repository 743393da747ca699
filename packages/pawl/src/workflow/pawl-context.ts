/** What a workflow's function, and each callback in it, is given: named entries, one at a time. */
import { type AnyDefinition, checkPolicy, isShortText, POLICY_MEMBERS, refuseUnknown } from "../actor.ts";
import { encodeGiven } from "../attempt.ts";
import { CallersContext } from "../callers-context.ts";
import { type Duration, milliseconds, pointInTime, type Time } from "../duration.ts";
import { attributed, toFailure, toRecord } from "../failure.ts";
import type { Logger } from "../log.ts";
import * as say from "../messages.ts";
import type { Peers } from "../peers.ts";
import type { Body, Wait } from "../seam.ts";
import { encodeAtOnce, messagesOf } from "../sends.ts";
import { carried } from "../telemetry/carried.ts";
import type { Actor, EntryKind, StepOptions, Types } from "../types.ts";
import { type CallRecord, EPHEMERAL, EXCLUSIVE, type ForkRule, UNDO, UNDO_ATTEMPTED } from "../wire.ts";
import {
  type CaughtFailure,
  type ForkOperation,
  type Handlers,
  type LoopOperation,
  NOTHING,
  type StepOperation,
} from "./operation.ts";
import type { RunOwner } from "./run.ts";
import { type Begun, NO_ROWS, refused, type ScopeContext } from "./scope-context.ts";

type Callback = (ctx: unknown) => unknown;

export class PawlContext {
  readonly #context: ScopeContext;
  #log: Logger | undefined;
  #queue: Queue | undefined;

  constructor(context: ScopeContext) {
    this.#context = context;
  }

  get type(): string {
    return this.#owner.type;
  }

  get key(): string {
    return this.#owner.key;
  }

  get abortSignal(): AbortSignal {
    return this.#context.abortSignal;
  }

  /** Silent while what is recorded is gone through again. */
  get log(): Logger {
    this.#log ??= loggerOf(this.#context);
    return this.#log;
  }

  get state(): never {
    throw say.notInWorkflow("state");
  }

  get vars(): never {
    throw say.notInWorkflow("vars");
  }

  now(): number {
    return this.#context.run.now;
  }

  random(): number {
    return this.#context.chance.random();
  }

  uuid(): string {
    return this.#context.chance.uuid();
  }

  step(first: string | StepOptions<Types, unknown>, body?: Body): Promise<unknown> {
    return this.#step(first, body, false);
  }

  tryStep(first: string | StepOptions<Types, unknown>, body?: Body): Promise<unknown> {
    return this.#step(first, body, true);
  }

  try(name: string, body: Callback): Promise<unknown> {
    return this.#context.enter("try", name, (named) => {
      mustRun(`try block "${named}"`, body);
      return this.#context.run.begin(
        (settler) => ({
          resolve: settler.resolve,
          reject: settler.reject,
          kind: "try",
          name: named,
          body,
          context: this.#context,
          callersContext: new CallersContext(),
          caught: (error) => caughtByBlock(named, error),
          wrap: (value) => ({ ok: true, value }),
          value: undefined,
          thrown: undefined,
        }),
        (op) => this.#input.tryBlock(this.#owner.handle, this.#context.scope, op, named),
      );
    });
  }

  loop(first: string | LoopArguments, body?: LoopOperation["body"]): Promise<unknown> {
    const given = typeof first === "object" && first !== null ? first : undefined;
    return this.#context.enter("loop", given === undefined ? first : given.name, (named) => {
      const options: LoopArguments = given ?? { name: named, run: body };
      const { name, run, state, keep = 20 } = known(options, LOOP_OPTIONS, "loop");
      if (typeof run !== "function") throw say.noFunction(`loop "${name}"`, run);
      if (!Number.isInteger(keep) || keep < 1 || keep > MOST)
        throw say.badArgument(
          `keep of loop "${name}" is not a count.\n  found     ${keep}\n  expected  an integer from 1`,
        );
      const owner = this.#owner;
      const what = `loop "${name}" of ${owner.name} starts with something`;
      const encoded = state === undefined ? undefined : encodeGiven(state, what, owner.limits.valueBytes);
      return this.#context.run.begin(
        (settler) => ({
          resolve: settler.resolve,
          reject: settler.reject,
          kind: "loop",
          name,
          body: run,
          context: this.#context,
          callersContext: new CallersContext(),
          stateless: given === undefined || !("state" in given),
          ahead: 0,
          kept: NOTHING,
          thrown: undefined,
        }),
        (op) => this.#input.loop(owner.handle, this.#context.scope, op, { name, state: encoded, keep, every: keep }),
      );
    });
  }

  join(name: string, branches: Readonly<Record<string, Callback>>): Promise<unknown> {
    return this.#branches("join", name, branches);
  }

  race(name: string, branches: Readonly<Record<string, Callback>>): Promise<unknown> {
    return this.#branches("race", name, branches);
  }

  map(name: string, items: readonly unknown[], run: Each, options: MapArguments = {}): Promise<unknown> {
    return this.#map("map", name, items, run, options);
  }

  mapSettled(name: string, items: readonly unknown[], run: Each, options: MapArguments = {}): Promise<unknown> {
    return this.#map("mapSettled", name, items, run, options);
  }

  sleep(name: string, duration: Duration): Promise<unknown> {
    return this.#wait({ kind: "sleep", name, messages: [] }, () => {
      const ms = milliseconds(duration, `the duration of sleep "${name}"`);
      return (op) => this.#input.sleepFor(this.#owner.handle, this.#context.scope, op, name, ms);
    });
  }

  sleepUntil(name: string, time: Time): Promise<unknown> {
    return this.#wait({ kind: "sleep", name, messages: [] }, () => {
      const at = pointInTime(time, `the time of sleep "${name}"`, this.#owner.pump.now());
      return (op) => this.#input.sleepUntil(this.#owner.handle, this.#context.scope, op, name, at);
    });
  }

  /** Makes another actor, and waits for the output of its workflow. */
  child(name: string, actor: Actor, key: string, input?: unknown): Promise<unknown> {
    return this.#context.enter("child", name, () => {
      const { peers, to, definition } = this.#other(actor, key, `child "${name}"`);
      const body = peers.inputOf(to, definition, input) ?? NO_BYTES;
      return this.#call({ kind: "child", name, to, message: "", body, timeout: undefined });
    });
  }

  /** Sends another actor a message, and waits for the answer. */
  ask(name: string, question: QuestionArguments): Promise<unknown> {
    return this.#context.enter("ask", name, () => {
      const what = `ask "${name}"`;
      if (typeof question !== "object" || question === null)
        throw say.badArgument(`${what} was not told whom to ask.
  found     ${say.shown(question)}
  expected  { actor, key, message, body }`);
      const { actor, key, message, body, timeout } = known(question, ASK_OPTIONS, what);
      const { to, definition } = this.#other(actor, key, what);
      const kinds = messagesOf(definition);
      const kind = kinds.get(message);
      if (kind === undefined) throw say.unknownMember("message", String(message), actor.name, [...kinds.keys()]);
      if (kind.reply === undefined)
        throw say.badArgument(`message "${message}" of "${actor.name}" is not answered.
  found     a message without a reply
  expected  one that is declared so:  messages: { ${message}: ask(body, reply) }; or send it in a step: c.get(...).send("${message}", ...)`);
      const ms = timeout === undefined ? undefined : milliseconds(timeout, `the timeout of ${what}`);
      const encoded = encodeAtOnce(kind.body, body, `message "${message}" to ${to}`, this.#owner.limits.messageBytes);
      return this.#call({ kind: "ask", name, to, message, body: encoded, timeout: ms });
    });
  }

  /** Another actor of the runtime. */
  #other(actor: Actor, key: string, what: string): { peers: Peers; to: string; definition: AnyDefinition } {
    const { peers, name } = this.#owner;
    if (peers === undefined) throw say.badArgument(`${what} cannot be: this actor's host knows of no other actors.`);
    const { type, definition } = peers.find(actor, key);
    const to = `${type}/${key}`;
    if (to === name) throw say.selfWait(name, what);
    return { peers, to, definition };
  }

  #call(call: CallRecord): Begun {
    const { kind, name, to } = call;
    const trace = this.#owner.runTrace?.carried;
    const told = trace === undefined ? call : { ...call, body: carried(call.body, trace) };
    return this.#context.run.begin(
      (settler) => ({ resolve: settler.resolve, reject: settler.reject, kind, name, to, context: this.#context }),
      (op) => this.#input.request(this.#owner.handle, this.#context.scope, op, told),
    );
  }

  /** Made on first access: most rounds of a loop take no message. */
  get queue(): Queue {
    this.#queue ??= {
      next: (name, options = {}) => this.#next(name, options),
      nextBatch: (name, options) => this.#nextBatch(name, options),
    };
    return this.#queue;
  }

  /** Undoes everything and completes with `output`: it never returns. */
  rollback(output: unknown): Promise<unknown> {
    return this.#context.enter("rollback", "ctx.rollback", () => {
      const owner = this.#owner;
      const what = `ctx.rollback of ${owner.name} was given something`;
      const encoded = output === undefined ? undefined : encodeGiven(output, what, owner.limits.valueBytes);
      return this.#begin("rollback", (op) => this.#input.rollBack(owner.handle, this.#context.scope, op, encoded));
    });
  }

  getVersion(name: string, latest: number): Promise<unknown> {
    return this.#context.enter("version_check", name, () => {
      if (!Number.isInteger(latest) || latest < 1 || latest > MOST)
        throw say.badArgument(`getVersion("${name}") was given no version.
  found     ${say.shown(latest)}
  expected  the newest version of the code, an integer from 1 to ${MOST}`);
      return this.#begin("version_check", (op) =>
        this.#input.version(this.#owner.handle, this.#context.scope, op, name, latest),
      );
    });
  }

  removed(name: string, kind: EntryKind): Promise<unknown> {
    const rows = kind === "message" ? WAIT_ROWS : [];
    const begin = () => {
      if (!ENTRY_KINDS.includes(kind))
        throw say.badArgument(`removed("${name}") was given no kind of entry.
  found     ${say.shown(kind)}
  expected  ${ENTRY_KINDS.join(", ")}`);
      return this.#begin("removed", (op) =>
        this.#input.removed(this.#owner.handle, this.#context.scope, op, name, kind),
      );
    };
    return this.#context.enter("removed", name, begin, rows);
  }

  get #owner(): RunOwner {
    return this.#context.run.owner;
  }

  get #input(): RunOwner["pump"]["input"] {
    return this.#owner.pump.input;
  }

  #begin(
    kind: "sleep" | "message" | "version_check" | "removed" | "rollback",
    write: (op: number) => void,
    read?: (value: unknown) => unknown,
  ): Begun {
    return this.#context.run.begin(
      (settler) => ({ resolve: settler.resolve, reject: settler.reject, kind, context: this.#context, read }),
      write,
    );
  }

  #step(first: string | StepOptions<Types, unknown>, body: Body | undefined, tried: boolean): Promise<unknown> {
    const options = typeof first === "object" && first !== null ? first : undefined;
    const name: unknown = options === undefined ? first : options.name;
    const context: ScopeContext = this.#context;
    // As `enter` does it, without the functions: this is what workflows do most.
    try {
      context.admit("step", name, NO_ROWS);
      return context.entered("step", name, this.#beginStep(name, options, body, tried), NO_ROWS);
    } catch (error) {
      return refused(error);
    }
  }

  #beginStep(
    name: string,
    options: StepOptions<Types, unknown> | undefined,
    body: Body | undefined,
    tried: boolean,
  ): Begun {
    const run = options === undefined ? body : known(options, STEP_OPTIONS, `step "${name}"`).run;
    if (typeof run !== "function") throw say.noFunction(`step "${name}"`, run);
    const context = this.#context;
    const owner = this.#owner;
    const policy =
      options === undefined ? owner.policy : checkPolicy(options, `step "${name}"`, owner.definition.steps);
    const handlers = options === undefined ? undefined : handlersOf(options, name);
    const traits = traitsOf(options, handlers);
    const apply = options === undefined ? undefined : applyOf(options, name);
    const wrap = tried ? succeeded : undefined;
    // Whoever replaces bodies is asked at every coming to a step, whether the body runs or not.
    const played = (context.run.seam?.body(owner.key, name, run as Body) ?? run) as (c: unknown) => unknown;
    const answered = traits === 0 ? context.answered(name, wrap) : undefined;
    if (answered !== undefined) return answered;
    const callersContext = new CallersContext();
    const begun = context.run.prepare();
    if (begun.op === 0) return begun;
    const operation: StepOperation = {
      resolve: begun.resolve,
      reject: begun.reject,
      kind: "step",
      name,
      body: played,
      handlers,
      apply,
      ephemeral: options?.ephemeral === true,
      caught: tried ? caughtStep : undefined,
      wrap,
      callersContext,
      maxRetries: policy.maxRetries,
      retriesTimeouts: policy.retryOnTimeout,
      context,
      untold: undefined,
      attempt: undefined,
      kept: NOTHING,
    };
    return context.run.addStep(begun, operation, policy, traits);
  }

  #branches(rule: "join" | "race", name: string, branches: Readonly<Record<string, Callback>>): Promise<unknown> {
    return this.#context.enter(rule, name, () => {
      const what = `${rule} "${name}"`;
      if (typeof branches !== "object" || branches === null || Array.isArray(branches))
        throw say.badArgument(`${what} was given no branches.
  found     ${say.shown(branches)}
  expected  an object of functions:  { charge: async (ctx) => ..., mail: async (ctx) => ... }`);
      const entries = Object.entries(branches);
      if (rule === "race" && entries.length === 0)
        throw say.badArgument(`${what} has no branches.\n  expected  at least one: nobody could win`);
      for (const [branch, run] of entries) {
        mustRun(`branch "${branch}" of ${what}`, run);
        if (branch === "" || !isShortText(branch)) throw say.noName(`branch of ${what}`, branch);
      }
      const names = entries.map(([branch]) => branch);
      const body = (ctx: unknown, index: number) => entries[index]?.[1](ctx);
      return this.#fork({ kind: rule, rule, name, branches: names, body }, Math.max(names.length, 1), names);
    });
  }

  #map(
    rule: "map" | "mapSettled",
    name: string,
    items: readonly unknown[],
    run: Each,
    options: MapArguments,
  ): Promise<unknown> {
    return this.#context.enter("map", name, () => {
      const what = `${rule} "${name}"`;
      if (!Array.isArray(items))
        throw say.badArgument(`${what} was given no list.\n  found     ${say.shown(items)}\n  expected  an array`);
      mustRun(what, run);
      const { concurrency = 16 } = known(options, MAP_OPTIONS, what);
      if (!Number.isInteger(concurrency) || concurrency < 1)
        throw say.badArgument(
          `concurrency of ${what} is not a count.\n  found     ${say.shown(concurrency)}\n  expected  an integer from 1`,
        );
      if (items.length > MOST_ITEMS)
        throw say.badArgument(`${what} has too many items.
  found     ${items.length}
  expected  up to ${MOST_ITEMS}: take them in slices, in a loop`);
      // The list as it is now: what the caller does with it afterwards changes nothing.
      const taken = [...items];
      const branches = taken.map((_, index) => String(index));
      const body = (ctx: unknown, index: number) => run(ctx, taken[index], index);
      return this.#fork({ kind: "map", rule, name, branches, body }, Math.min(concurrency, MOST_ITEMS), []);
    });
  }

  #fork(
    fork: Pick<ForkOperation, "kind" | "name" | "branches" | "body"> & { rule: ForkRule },
    concurrency: number,
    names: readonly string[],
  ): Begun {
    const { rule, name, branches } = fork;
    return this.#context.run.begin(
      (settler) => ({
        resolve: settler.resolve,
        reject: settler.reject,
        ...fork,
        context: this.#context,
        callersContext: new CallersContext(),
        kept: new Map(),
      }),
      (op) =>
        this.#input.fork(this.#owner.handle, this.#context.scope, op, {
          name,
          rule,
          concurrency,
          count: branches.length,
          branches: names,
        }),
    );
  }

  /** Waits for time or messages. `prepare` checks what it was given. */
  #wait(
    wait: Wait,
    prepare: () => (op: number) => void,
    read?: (value: unknown) => unknown,
    rows: readonly string[] = [],
  ): Promise<unknown> {
    const over = this.#context.enter(wait.kind, wait.name, () => this.#begin(wait.kind, prepare(), read), rows);
    if (this.#context.pending?.name === wait.name) this.#context.run.seam?.waits(this.#owner.key, wait, over);
    return over;
  }

  #next(name: string, options: NextArguments): Promise<unknown> {
    const { names = [name] } = options ?? {};
    const prepare = () => {
      const what = `queue.next("${name}")`;
      const { timeout } = known(options, NEXT_OPTIONS, what);
      return this.#writeWait(name, what, names, 1, timeout);
    };
    const first = (messages: unknown) => (messages as readonly unknown[])[0];
    return this.#wait({ kind: "message", name, messages: names }, prepare, first, WAIT_ROWS);
  }

  #nextBatch(name: string, options: BatchArguments): Promise<unknown> {
    const what = `queue.nextBatch("${name}")`;
    const { names = [], count = 0 } = options ?? {};
    const prepare = () => {
      const { timeout } = known(options ?? {}, BATCH_OPTIONS, what);
      if (!Number.isInteger(count) || count < 1 || count > MOST_MESSAGES)
        throw say.badArgument(`${what} was given no count.
  found     ${say.shown(options?.count)}
  expected  how many messages to take at most, from 1 to ${MOST_MESSAGES}`);
      return this.#writeWait(name, what, names, count, timeout);
    };
    return this.#wait({ kind: "message", name, messages: names }, prepare, undefined, WAIT_ROWS);
  }

  #writeWait(
    name: string,
    what: string,
    names: readonly string[],
    count: number,
    timeout: Duration | undefined,
  ): (op: number) => void {
    const { messages, type, handle } = this.#owner;
    if (!Array.isArray(names) || names.length === 0)
      throw say.badArgument(`${what} waits for no message.
  found     ${Array.isArray(names) ? "an empty list" : say.shown(names)}
  expected  a list of at least one of ${[...messages.keys()].join(", ")} in \`names\``);
    for (const wanted of names)
      if (!messages.has(wanted)) throw say.unknownMember("message", String(wanted), type, [...messages.keys()]);
    const handled = names.find((wanted) => this.#owner.handles?.(wanted));
    if (handled !== undefined)
      throw say.badArgument(`${what} waits for a message that never reaches it.
  found     a handler of "${handled}" in \`receive\` of "${type}"
  expected  one or the other: a message that is handled is taken by its handler`);
    const ms = timeout === undefined ? undefined : milliseconds(timeout, `the timeout of ${what}`);
    const completable = names.some((wanted) => messages.get(wanted)?.reply !== undefined);
    return (op) => this.#input.next(handle, this.#context.scope, op, { name, names, timeout: ms, count, completable });
  }
}

function loggerOf(context: ScopeContext): Logger {
  const { log, name: actor, type, key } = context.run.owner;
  const at =
    (level: keyof Logger) =>
    (o: object, m: string): void => {
      if (!context.replaying && !context.run.isComingBack) log[level]({ actor, type, key, ...o }, m);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function mustRun(what: string, run: unknown): void {
  if (typeof run !== "function") throw say.noFunction(what, run);
}

function succeeded(value: unknown): unknown {
  return { ok: true, value };
}

function caughtStep({ kind, name, attempts, error }: CaughtFailure): unknown {
  return { ok: false, failure: { kind, name, attempts, error } };
}

/** What a try block makes of an error: a result, if it is the failure of a part of it; otherwise nothing. */
function caughtByBlock(block: string, error: unknown): unknown {
  const part = attributed(error)?.part;
  const record = toRecord(error);
  if (part !== undefined) {
    const { kind, name, attempts } = part;
    return { ok: false, failure: { kind, name, attempts, error: toFailure(record) } };
  }
  if (record.kind !== "rollback") return undefined;
  return { ok: false, failure: { kind: "rollback", name: block, attempts: 0, error: toFailure(record) } };
}

function handlersOf(options: StepOptions<Types, unknown>, name: string): Handlers | undefined {
  const { rollback, rollbackAttempted } = options;
  if (rollback === undefined && rollbackAttempted === undefined) return undefined;
  for (const handler of [rollback, rollbackAttempted])
    if (handler !== undefined) mustRun(`a handler that undoes step "${name}"`, handler);
  return { committed: rollback, attempted: rollbackAttempted } as unknown as Handlers;
}

function applyOf({ apply }: StepOptions<Types, unknown>, name: string): StepOperation["apply"] {
  if (apply !== undefined) mustRun(`apply of step "${name}"`, apply);
  return apply as unknown as StepOperation["apply"];
}

function traitsOf(options: StepOptions<Types, unknown> | undefined, handlers: Handlers | undefined): number {
  if (options === undefined) return 0;
  const { ephemeral = false, exclusive = false } = options;
  for (const [name, value] of Object.entries({ ephemeral, exclusive }))
    if (typeof value !== "boolean")
      throw say.badArgument(`${name} of step "${options.name}" is neither true nor false.
  found     ${say.shown(value)}
  expected  true or false`);
  const undo = handlers?.committed === undefined ? 0 : UNDO;
  const attempted = handlers?.attempted === undefined ? 0 : UNDO_ATTEMPTED;
  return (ephemeral ? EPHEMERAL : 0) | undo | attempted | (exclusive ? EXCLUSIVE : 0);
}

type Each = (ctx: unknown, item: unknown, index: number) => unknown;

interface MapArguments {
  readonly concurrency?: number;
}

interface Queue {
  next(name: string, options?: NextArguments): Promise<unknown>;
  nextBatch(name: string, options: BatchArguments): Promise<unknown>;
}

interface LoopArguments {
  readonly name: string;
  readonly state?: unknown;
  readonly keep?: number;
  readonly run: LoopOperation["body"] | undefined;
}

interface NextArguments {
  readonly names?: readonly string[];
  readonly timeout?: Duration;
}

interface QuestionArguments {
  readonly actor: Actor;
  readonly key: string;
  readonly message: string;
  readonly body: unknown;
  readonly timeout?: Duration;
}

interface BatchArguments extends NextArguments {
  readonly count?: number;
}

const MOST = 0xffff_ffff;
/** As many operations as a run may have pending. */
const MOST_ITEMS = 100_000;
/** As many as an inbox holds. */
const MOST_MESSAGES = 10_000;
const LOOP_OPTIONS = ["name", "state", "keep", "run"];
const MAP_OPTIONS = ["concurrency"];
const NEXT_OPTIONS = ["names", "timeout"];
const ASK_OPTIONS = ["actor", "key", "message", "body", "timeout"];
const NO_BYTES: Uint8Array = new Uint8Array(0);
const BATCH_OPTIONS = ["names", "timeout", "count"];
/** A wait's rows (engine behaviour 4.4.7): the first message, how many there were, and the deadline. */
const WAIT_ROWS = [":0", ":count", ":deadline"];
const STEP_OPTIONS = [
  "name",
  "run",
  "exclusive",
  "ephemeral",
  "apply",
  "rollback",
  "rollbackAttempted",
  ...POLICY_MEMBERS,
];
const ENTRY_KINDS: readonly EntryKind[] = [
  "step",
  "loop",
  "sleep",
  "message",
  "join",
  "race",
  "map",
  "try",
  "child",
  "ask",
  "rollback",
  "version_check",
];

/** The options, if there is none that is not known. */
function known<T extends object>(options: T, names: readonly string[], what: string): T {
  refuseUnknown(options, names, what);
  return options;
}
