/** What operators do. */
import { refuseUnknown } from "../actor.ts";
import type { PawlError } from "../errors.ts";
import type { EntryRecord, Inspection } from "../inspection.ts";
import type { ReplayFrom } from "../loaded/past.ts";
import * as say from "../messages.ts";
import type { ActorCall } from "./call.ts";
import type { HandleHost } from "./handle.ts";
import type { Admin } from "./types.ts";

export function adminIn(host: HandleHost): Admin {
  const ask = async (type: string, key: string, call: ActorCall): Promise<unknown> => {
    host.find(type, key);
    return host.working(() => host.call(type, key, call));
  };
  return {
    show: async (type, key) => {
      const { history, state, inbox, conflicts } = (await ask(type, key, { kind: "inspect" })) as Inspection;
      return { type, key, history, actorState: state, inbox, conflicts };
    },
    retry: async (type, key) => void (await ask(type, key, { kind: "retry" })),
    cancel: async (type, key) => void (await ask(type, key, { kind: "cancel", compensate: true, reason: undefined })),
    replay: async (type, key, from) => {
      const call: ActorCall = { kind: "replay", from: replayFrom(from) };
      return (await ask(type, key, call)) as readonly EntryRecord[];
    },
    stateAt: async (type, key, entry) => {
      if (typeof entry !== "string") throw notAnEntry("stateAt()", entry);
      return ask(type, key, { kind: "state_at", entry });
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
