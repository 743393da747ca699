/** What operators do. */
import { refuseUnknown } from "../actor.ts";
import type { PawlError } from "../errors.ts";
import type { ReplayFrom } from "../loaded/past.ts";
import type { LoadedActor } from "../loaded.ts";
import * as say from "../messages.ts";
import type { HandleHost } from "./handle.ts";
import type { Admin } from "./types.ts";

export function adminIn(host: HandleHost): Admin {
  const loaded = async <R>(type: string, key: string, use: (actor: LoadedActor) => Promise<R>): Promise<R> => {
    host.find(type, key);
    return host.working(async () => use(await host.actor(type, key)));
  };
  return {
    show: async (type, key) => {
      const { history, state, inbox, conflicts } = await loaded(type, key, (actor) => actor.inspect());
      return { type, key, history, actorState: state, inbox, conflicts };
    },
    retry: (type, key) => loaded(type, key, (actor) => actor.retry()),
    cancel: (type, key) => loaded(type, key, (actor) => actor.cancel(true, undefined)),
    replay: async (type, key, from) => {
      const checked = replayFrom(from);
      return loaded(type, key, (actor) => actor.replay(checked));
    },
    stateAt: async (type, key, entry) => {
      if (typeof entry !== "string") throw notAnEntry("stateAt()", entry);
      return loaded(type, key, (actor) => actor.stateAt(entry));
    },
  };
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
