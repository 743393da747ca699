/** The runtime that tests are given: `pawl`'s own, on a store in memory and a clock that stands. */
import { refuseUnknown } from "../actor.ts";
import { type Duration, milliseconds } from "../duration.ts";
import { PawlError } from "../errors.ts";
import { badArgument, shown } from "../messages.ts";
import type { Admin, CallOptions, Handle, ListFilter, LocalRuntime, Runtime, Status } from "../runtime.ts";
import type { Actor } from "../types.ts";
import { type HistoryEntry, historyEntry, type InboxEntry, inboxEntry } from "./history.ts";
import type { LogLine } from "./log.ts";
import { type Reached, settingsOf, type TestOptions } from "./options.ts";
import { until } from "./until.ts";
import { World } from "./world.ts";

/**
 * A runtime on a store in memory and a clock of its own. Its handles survive crashes: calls that a crash has cut off are made
 * again.
 */
export interface TestRuntime<A extends readonly Actor[] = readonly Actor[]> extends Runtime<A> {
  /** The time on its clock, in milliseconds since the epoch. */
  now(): number;
  /** Resolves when nothing more happens at this time. Bodies that wait for the real world are given `patience`. */
  idle(): Promise<void>;
  /** Lets time pass, from alarm to alarm; everything settles before it goes on, and at the end. */
  advance(by: Duration): Promise<void>;
  /**
   * Goes to the next alarm and lets everything settle. Resolves to its time; to `undefined` if nothing waits for time (the
   * clock may have passed the timeouts of steps that had ended before them).
   */
  skip(): Promise<number | undefined>;
  /**
   * Resolves when the run has come to the step, sleeps there, or waits for the message; goes from alarm to alarm if nothing
   * else is to be done. Rejects with `not_reached` when it has ended, is parked, or waits for something that is not time.
   */
  until(type: A[number]["name"], key: string, reached: Reached): Promise<void>;
  /**
   * The process dies as if killed, and another one opens the store; resolves when it has. With `atBatch`, that one dies, too:
   * before it writes its nth batch, from 1; and another one follows by itself.
   */
  crash(atBatch?: number): Promise<void>;
  /** What the run of an actor has recorded, oldest first. Rejects with `actor_not_found`. */
  history(type: A[number]["name"], key: string): Promise<readonly HistoryEntry[]>;
  /** A plain copy of an actor's state; `undefined` without state. Rejects with `actor_not_found`. */
  state(type: A[number]["name"], key: string): Promise<unknown>;
  /** The messages that nobody has taken yet. Rejects with `actor_not_found`. */
  inbox(type: A[number]["name"], key: string): Promise<readonly InboxEntry[]>;
  /** What was logged, by Pawl and through `c.log`; across crashes. */
  readonly logs: readonly LogLine[];
}

/**
 * Makes a runtime for a test. It opens nothing before its first use, and needs no `close`.
 *
 * @throws PawlError `bad_argument` for unknown options, actors or names, and for replacements that are no functions.
 */
export function createTestRuntime<const A extends readonly Actor[]>(options: TestOptions<A>): TestRuntime<A> {
  return runtimeIn(new World(settingsOf(options)));
}

/** The runtime of a world. */
export function runtimeIn<A extends readonly Actor[]>(world: World): TestRuntime<A> {
  const handle = (actor: Actor | string, key: string) => handleIn(world, actor, key, {});
  const runtime = {
    get: handle,
    create: async (...[actor, key, ...given]: Parameters<LocalRuntime["create"]>) => {
      await world.outliving((local) => local.create(actor, key, ...given));
      return handle(actor, key);
    },
    start: () => world.start(),
    close: async (options: { grace?: Duration } = {}) => {
      refuseUnknown(options, ["grace"], "close");
      await world.close(milliseconds(options.grace ?? 0, "grace"));
    },
    [Symbol.asyncDispose]: () => world.close(0),
    admin: adminIn(world),
    now: () => world.clock.now,
    idle: () => world.idle(),
    advance: (by: Duration) => advance(world, milliseconds(by, "the time to advance by")),
    skip: () => skip(world),
    until: (type: string, key: string, reached: Reached) => until(world, type, key, reached),
    crash: (atBatch?: number) => crash(world, atBatch),
    history: async (type: string, key: string) => (await recorded(world, type, key)).history.map(historyEntry),
    state: async (type: string, key: string) => (await recorded(world, type, key)).state,
    inbox: async (type: string, key: string) => (await recorded(world, type, key)).inbox.map(inboxEntry),
    logs: world.logs,
  };
  return runtime as unknown as TestRuntime<A>;
}

async function advance(world: World, ms: number): Promise<void> {
  const end = world.clock.now + ms;
  await world.idle();
  for (let next = world.alarm; next !== undefined && next < end; next = world.alarm) await world.passTo(next);
  await world.passTo(end);
}

async function skip(world: World): Promise<number | undefined> {
  await world.idle();
  for (let next = world.alarm; next !== undefined; next = world.alarm) if (await world.passTo(next)) return next;
  return undefined;
}

async function crash(world: World, atBatch: number | undefined): Promise<void> {
  if (atBatch !== undefined && (!Number.isSafeInteger(atBatch) || atBatch < 1))
    throw badArgument(`crash() was given something that numbers no batch.
  found     ${shown(atBatch)}
  expected  an integer from 1, or nothing: now`);
  await world.crash(atBatch === undefined ? undefined : { kind: "lose_before", at: atBatch });
}

async function recorded(world: World, type: string, key: string) {
  const inspection = await world.outliving((local) => local.inspect(type, key));
  if (!inspection.exists)
    throw new PawlError(
      "actor_not_found",
      `${type}/${key} does not exist.
  found     no actor of that key
  expected  one that was created, or called
  do        await t.create(${type}, ${JSON.stringify(key)}, ...)`,
    );
  return inspection;
}

/** A handle whose every call goes to the process that is alive. */
function handleIn(world: World, actor: Actor | string, key: string, options: CallOptions): Handle<Actor> {
  const inProcess = (local: LocalRuntime) => local.handle(actor, key, options) as unknown as Members;
  const first = inProcess(world.local);
  const calls: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(first))
    calls[name] = isCall(member) ? outliving(world, (local) => inProcess(local)[name]) : member;
  const actions = new Proxy(first["actions"] as Members, {
    get: (own, name) =>
      typeof name === "string" && isCall(own[name])
        ? outliving(world, (local) => (inProcess(local)["actions"] as Members)[name])
        : undefined,
  });
  const chosen = (next: CallOptions) => {
    (first["with"] as (next: CallOptions) => void)(next);
    return handleIn(world, actor, key, { ...options, ...next });
  };
  // One whose message is there already goes on waiting for the answer to that.
  const ask = (name: unknown, body: unknown, own?: unknown) => {
    const asked = {};
    return world.outliving((local) => (inProcess(local)["ask"] as Call)(name, body, own, asked));
  };
  // Who listens stays, whatever process is alive.
  return { ...calls, ask, actions, on: first["on"], with: chosen } as unknown as Handle<Actor>;
}

/** The operator's verbs, in the process that is alive. */
function adminIn(world: World): Admin {
  return {
    list: (filter) => listIn(world, filter),
    show: (type, key) => world.outliving((local) => local.admin().show(type, key)),
    retry: (type, key) => world.outliving((local) => local.admin().retry(type, key)),
    release: (type, key) => world.outliving((local) => local.admin().release(type, key)),
    cancel: (type, key) => world.outliving((local) => local.admin().cancel(type, key)),
    replay: (type, key, from) => world.outliving((local) => local.admin().replay(type, key, from)),
    stateAt: (type, key, entry) => world.outliving((local) => local.admin().stateAt(type, key, entry)),
    backup: (file) => world.outliving((local) => local.admin().backup(file)),
    copyTo: (store) => world.outliving((local) => local.admin().copyTo(store)),
  };
}

/** All at once: a process that dies meanwhile begins anew. */
async function* listIn(world: World, filter: ListFilter | undefined): AsyncGenerator<Status> {
  yield* await world.outliving(async (local) => {
    const found: Status[] = [];
    for await (const status of local.admin().list(filter)) found.push(status);
    return found;
  });
}

type Members = Readonly<Record<string, unknown>>;
type Call = (...args: unknown[]) => Promise<unknown>;

function isCall(member: unknown): member is Call {
  return typeof member === "function";
}

/** A call that is made in the process that is alive, and again in the next one if that dies meanwhile. */
function outliving(world: World, callIn: (local: LocalRuntime) => unknown): Call {
  return (...args) => world.outliving(async (local) => (callIn(local) as Call)(...args));
}
