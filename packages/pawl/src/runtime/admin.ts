/** What operators do. */
import { refuseUnknown } from "../actor.ts";
import type { Inspection } from "../inspection.ts";
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
      refuseUnknown(from ?? {}, ["entry"], "replay");
      if (typeof from?.entry !== "string")
        throw say.badArgument(
          `replay() was not told where from.
found     ${say.shown(from?.entry)}
expected  { entry: the id of a step, as admin.show() lists it }`,
        );
      await ask(type, key, { kind: "replay", entry: from.entry });
    },
  };
}
