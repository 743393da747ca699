/** What operators do. */
import { refuseUnknown } from "../actor.ts";
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
      refuseUnknown(from ?? {}, ["entry"], "replay");
      if (typeof from?.entry !== "string")
        throw say.badArgument(
          `replay() was not told where from.
found     ${say.shown(from?.entry)}
expected  { entry: the id of a step, as admin.show() lists it }`,
        );
      await loaded(type, key, (actor) => actor.replay(from.entry));
    },
  };
}
