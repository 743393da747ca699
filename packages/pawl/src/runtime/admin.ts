/** What operators do. */
import { refuseUnknown } from "../actor.ts";
import { milliseconds } from "../duration.ts";
import { PawlError } from "../errors.ts";
import type { EntryRecord } from "../inspection.ts";
import type { ReplayFrom } from "../loaded/past.ts";
import * as say from "../messages.ts";
import type { Copied } from "../native/binding.d.ts";
import { native } from "../native/load.ts";
import type { ActorCall } from "./call.ts";
import type { HandleHost } from "./handle.ts";
import { matches, rowMatches } from "./listing.ts";
import { RUN_STATES, type Status, statusOf } from "./status.ts";
import type { Admin, ListFilter } from "./types.ts";

/** How many actors are read at once. */
const PAGE = 200;

export function adminIn(host: HandleHost): Admin {
  const ask = async (type: string, key: string, call: ActorCall): Promise<unknown> => {
    host.find(type, key);
    return host.working(() => host.call(type, key, call));
  };
  return {
    list: (filter) => list(host, filter),
    show: async (type, key) => {
      const seen = await host.seen(`${type}/${key}`);
      const status = statusOf(type, key, seen, undefined, host.suspectsOf(`${type}/${key}`));
      return { ...status, history: seen.history, actorState: seen.state, inbox: seen.inbox };
    },
    retry: async (type, key) => void (await ask(type, key, { kind: "retry" })),
    release: (type, key) => release(host, type, key),
    cancel: async (type, key) => void (await ask(type, key, { kind: "cancel", compensate: true, reason: undefined })),
    replay: async (type, key, from) => {
      const call: ActorCall = { kind: "replay", from: replayFrom(from) };
      return (await ask(type, key, call)) as readonly EntryRecord[];
    },
    stateAt: async (type, key, entry) => {
      if (typeof entry !== "string") throw notAnEntry("stateAt()", entry);
      return ask(type, key, { kind: "state_at", entry });
    },
    backup: (file) => backUp(host.store, file),
    copyTo: async (store) => {
      checkTarget(store);
      return host.copyTo(store);
    },
  };
}

/** What was set aside for it is handled, too. */
async function release(host: HandleHost, type: string, key: string): Promise<void> {
  const { definition } = host.find(type, key);
  const wasSuspected = await host.release(type, key);
  const { inbox } = await host.seen(`${type}/${key}`);
  const isAside = inbox.some(({ undeliverable }) => undeliverable?.code === "quarantined");
  if (isAside && definition !== undefined)
    return void (await host.working(() => host.call(type, key, { kind: "retry" })));
  if (wasSuspected) return;
  throw say.badArgument(`nothing of ${type}/${key} is quarantined, or under suspicion.
  found     an actor whose attempts may all run
  expected  one that admin.list({ state: "quarantined" }) lists`);
}

function replayFrom(from: Parameters<Admin["replay"]>[2]): ReplayFrom {
  refuseUnknown(from ?? {}, ["entry", "state", "force", "dryRun"], "replay");
  const { entry, state = "keep", force = false, dryRun = false } = from ?? {};
  if (typeof entry !== "string") throw notAnEntry("replay()", entry);
  if ((state !== "keep" && state !== "rewind") || typeof force !== "boolean" || typeof dryRun !== "boolean")
    throw say.badArgument(`replay() was given options of the wrong kind.
found     state: ${say.shown(state)}, force: ${say.shown(force)}, dryRun: ${say.shown(dryRun)}
expected  "keep" or "rewind", and true or false`);
  return { entry, rewinds: state === "rewind", force, dryRun };
}

function notAnEntry(call: string, found: unknown): PawlError {
  return say.badArgument(
    `${call} was not told which entry.
found     ${say.shown(found)}
expected  the id of an entry, as admin.show() lists it`,
  );
}

/** What a look finds that needs no code: the same beside a running process. */
export type Looker = Pick<HandleHost, "listed" | "seen" | "now" | "suspectsOf">;

/** The actors that a filter lets through, in order of name; nothing is loaded. */
export async function* list(host: Looker, filter: ListFilter = {}): AsyncGenerator<Status> {
  refuseUnknown(filter, ["type", "prefix", "state", "waitingFor", "stuckFor", "limit", "after"], "list");
  const { limit = Number.POSITIVE_INFINITY, stuckFor } = filter;
  if (typeof limit !== "number" || !(limit >= 0))
    throw say.badArgument(
      `list() was given a limit that is none.\n  found     ${say.shown(limit)}\n  expected  a number from 0`,
    );
  checkState(filter.state);
  const stuckMs = stuckFor === undefined ? undefined : milliseconds(stuckFor, "stuckFor of list()");
  let [after, left] = [filter.after, limit];
  while (left > 0) {
    const rows = await host.listed(after, PAGE);
    for (const row of rows) {
      if (left === 0 || !rowMatches(row, filter)) continue;
      const slash = row.name.indexOf("/");
      const [type, key, seen] = [row.name.slice(0, slash), row.name.slice(slash + 1), await host.seen(row.name)];
      const status = statusOf(type, key, seen, row, host.suspectsOf(row.name));
      if (!matches(status, filter, stuckMs, host.now())) continue;
      left -= 1;
      yield status;
    }
    if (rows.length < PAGE) return;
    after = rows[rows.length - 1]?.name;
  }
}

function checkState(state: unknown): void {
  if (state === undefined || RUN_STATES.some((known) => known === state)) return;
  throw say.badArgument(`list() was given a state that there is not.
  found     ${say.shown(state)}
  expected  ${RUN_STATES.join(", ")}`);
}

/** Copies a store, which may be in use, into a new file. */
export async function backUp(store: string, file: string): Promise<void> {
  if (typeof file !== "string" || file === "")
    throw say.badArgument(
      `backup() was not told where to.\n  found     ${say.shown(file)}\n  expected  the path of a new file`,
    );
  if (!store.startsWith("sqlite:"))
    throw say.badArgument(`this store has no file to copy.
  found     ${store.slice(0, store.indexOf(":"))}
  expected  sqlite:PATH
  do        PostgreSQL has its own tools: pg_dump, or a physical backup`);
  const failed = await native().backUp(store, file);
  if (failed !== null) throw new PawlError(failed[0], failed[1]);
}

/** Copies a store, which may be in use, into an empty one. */
export function copyStore(from: string, to: string): Promise<{ actors: number }> {
  checkTarget(to);
  return copied(native().copyStore(from, to));
}

function checkTarget(store: unknown): asserts store is string {
  if (typeof store === "string" && /^(sqlite:.+|memory:.+|postgres(ql)?:\/\/.+)/s.test(store)) return;
  throw say.badArgument(`copyTo() was not told where to.
  found     ${say.shown(store)}
  expected  "sqlite:./copy.db", "postgres://user@host/database", or "memory:NAME"`);
}

/** What became of a copy. */
export async function copied(copying: Promise<Copied> | undefined): Promise<{ actors: number }> {
  if (copying === undefined) throw say.runtimeClosed();
  const { actors, failed } = await copying;
  if (failed == null) return { actors };
  const [code = "store_unavailable", message = ""] = failed;
  throw new PawlError(code, message);
}
