/** The verbs of operators: what `runtime.admin` does, from a shell. */
import { PawlError } from "../errors.ts";
import { backUp, copyStore, list as listActors } from "../runtime/admin.ts";
import type { ActorCall } from "../runtime/call.ts";
import { type RunState, statusOf } from "../runtime/status.ts";
import type { ListFilter } from "../runtime/types.ts";
import { encode } from "../values/index.ts";
import { type Direct, notFound, type OpenStore, type Place, withStore } from "./look.ts";
import { entries, json, line, plain, whole } from "./print.ts";

/** What a command line says beside the verb's operands. */
export interface Flags {
  readonly json: boolean;
  readonly place: Place | undefined;
  readonly state: string | undefined;
  readonly waitingFor: string | undefined;
  readonly stuckFor: string | undefined;
  readonly limit: string | undefined;
  readonly from: string | undefined;
  readonly at: string | undefined;
  readonly to: string | undefined;
  readonly dryRun: boolean;
}

/** `pawl list [TYPE [PREFIX]]`. */
export async function list(flags: Flags, type?: string, prefix?: string): Promise<number> {
  const filter: ListFilter = {
    ...(type === undefined ? {} : { type }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(flags.state === undefined ? {} : { state: flags.state as RunState }),
    ...(flags.waitingFor === undefined ? {} : { waitingFor: flags.waitingFor }),
    ...(flags.stuckFor === undefined ? {} : { stuckFor: flags.stuckFor as `${number}m` }),
    ...(flags.limit === undefined ? {} : { limit: Number(flags.limit) }),
  };
  return told(flags, () =>
    withStore(placeOf(flags), "look", async (store) => {
      let found = 0;
      for await (const status of listActors(store, filter)) {
        found += 1;
        console.log(flags.json ? json(status) : line(status, store.now()));
      }
      // Not where programs read.
      if (found === 0 && !flags.json) console.error("no actor is like that");
    }),
  );
}

/** `pawl show TYPE KEY`. */
export async function show(flags: Flags, type?: string, key?: string): Promise<number> {
  return looking(flags, type, key, async (store, of, its) => {
    const seen = await seenIn(store, of, its);
    const status = statusOf(of, its, seen, undefined, store.suspectsOf(`${of}/${its}`));
    const { history, inbox, state } = seen;
    if (flags.json) return console.log(json({ ...status, history, actorState: state, inbox }));
    console.log(whole(status, seen, store.now()));
  });
}

/** `pawl history TYPE KEY`. */
export async function history(flags: Flags, type?: string, key?: string): Promise<number> {
  return looking(flags, type, key, async (store, of, its) => {
    const { history } = await seenIn(store, of, its);
    const lines = flags.json ? history.map(json) : entries(history, store.now()).map(plain);
    for (const line of lines) console.log(line);
  });
}

/** `pawl state TYPE KEY [--at ENTRY]`. */
export async function state(flags: Flags, type?: string, key?: string): Promise<number> {
  return looking(flags, type, key, async (store, of, its) => {
    const { state } = await seenIn(store, of, its);
    const found = flags.at === undefined ? state : await store.stateAt(`${of}/${its}`, flags.at);
    console.log(plain(json(found ?? null)));
  });
}

/** `pawl backup FILE`. */
export async function backup(flags: Flags, file?: string): Promise<number> {
  return told(flags, async () => {
    await backUp(placeOf(flags).store, file ?? "");
    done(flags, `copied to ${file}`);
  });
}

/** `pawl copy --to URL`. */
export async function copy(flags: Flags): Promise<number> {
  return told(flags, async () => {
    const { actors } = await copyStore(placeOf(flags).store, flags.to ?? "");
    if (flags.json) return console.log(json({ actors }));
    console.log(`copied ${actors} ${actors === 1 ? "actor" : "actors"}`);
  });
}

/** `pawl cancel TYPE KEY`. */
export function cancel(flags: Flags, type?: string, key?: string): Promise<number> {
  const call: ActorCall = { kind: "cancel", compensate: true, reason: undefined };
  return changing(flags, "cancelled", type, key, call, (input, handle, id) =>
    input.cancel(handle, id, true, undefined),
  );
}

/** `pawl destroy TYPE KEY`. */
export function destroy(flags: Flags, type?: string, key?: string): Promise<number> {
  return changing(flags, "destroyed", type, key, { kind: "destroy" }, (input, handle, id) => input.destroy(handle, id));
}

/** `pawl retry TYPE KEY`. */
export function retry(flags: Flags, type?: string, key?: string): Promise<number> {
  const what = "tried again when its code is there";
  return changing(flags, what, type, key, { kind: "retry" }, (input, handle, id) => input.retry(handle, id));
}

/** `pawl release TYPE KEY`. */
export function release(flags: Flags, type?: string, key?: string): Promise<number> {
  return told(flags, async () => {
    const name = named(type, key).join("/");
    await withStore(placeOf(flags), "change", async (store) => {
      const wasSuspected = await store.release(name);
      const { inbox } = await store.seen(name);
      const isAside = inbox.some(({ undeliverable }) => undeliverable?.code === "quarantined");
      if (isAside) await store.ask(name, { kind: "retry" }, (input, handle, id) => input.retry(handle, id));
      else if (!wasSuspected) throw new PawlError("bad_argument", `nothing of ${name} is quarantined.`);
    });
    done(flags, `${name} is released: it goes on when its code is there`);
  });
}

/** `pawl replay TYPE KEY [--from ID] [--dry-run]`. */
export function replay(flags: Flags, type?: string, key?: string): Promise<number> {
  const { from, dryRun } = flags;
  return told(flags, async () => {
    const name = named(type, key).join("/");
    const call = from === undefined ? undefined : replayFrom(from, dryRun);
    if (dryRun && from === undefined)
      throw new PawlError("bad_argument", "a dry run needs an entry.\n  expected  --from ID, as pawl history lists it");
    const taken = await withStore(placeOf(flags), "change", (store) =>
      dryRun && from !== undefined
        ? store.ask(name, call, (input, handle, id) => input.askWay(handle, id, from, false))
        : store.ask(name, call, (input, handle, id) => input.replay(handle, id, from)),
    );
    if (!dryRun) return done(flags, `${name} is replayed when its code is there`);
    const ids = entryIds(taken);
    console.log(flags.json ? json({ taken: ids }) : ["would be taken away", ...ids.map((id) => `  ${id}`)].join("\n"));
  });
}

function replayFrom(entry: string, dryRun: boolean): ActorCall {
  return { kind: "replay", from: { entry, rewinds: false, force: false, dryRun } };
}

/** What the engine says, or another process. */
function entryIds(taken: unknown): readonly string[] {
  if (Array.isArray(taken)) return taken.map(({ id }: { readonly id: string }) => id);
  return (taken as { readonly entryIds: readonly string[] }).entryIds;
}

/** `pawl send TYPE KEY MESSAGE [BODY]`. */
export function send(flags: Flags, type?: string, key?: string, message?: string, body?: string): Promise<number> {
  return told(flags, async () => {
    if (message === undefined)
      throw new PawlError("bad_argument", "no message was named.\n  expected  its name, and its body as JSON");
    const encoded = encode(body === undefined ? undefined : parsed(body));
    const name = named(type, key).join("/");
    const call: ActorCall = { kind: "send", name: message, body: encoded, delay: 0, key: undefined };
    const direct: Direct = (input, handle, id) => input.send(handle, id, message, encoded, 0);
    await withStore(placeOf(flags), "change", (store) => store.ask(name, call, direct));
    done(flags, `${message} is sent to ${name}`);
  });
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new PawlError(
      "bad_argument",
      `the body is no JSON.\n  found     ${body}\n  expected  a value, such as '{"by":"ann"}', or '"text"'`,
    );
  }
}

async function seenIn(store: OpenStore, type: string, key: string): ReturnType<OpenStore["seen"]> {
  const seen = await store.seen(`${type}/${key}`);
  if (!seen.exists) throw notFound(`${type}/${key}`);
  return seen;
}

function changing(
  flags: Flags,
  what: string,
  type: string | undefined,
  key: string | undefined,
  call: ActorCall,
  direct: Direct,
): Promise<number> {
  return told(flags, async () => {
    const name = named(type, key).join("/");
    await withStore(placeOf(flags), "change", (store) => store.ask(name, call, direct));
    done(flags, `${name} is ${what}`);
  });
}

function looking(
  flags: Flags,
  type: string | undefined,
  key: string | undefined,
  use: (store: OpenStore, type: string, key: string) => Promise<void>,
): Promise<number> {
  return told(flags, () => {
    const [of, its] = named(type, key);
    return withStore(placeOf(flags), "look", (store) => use(store, of, its));
  });
}

/** Resolves to the exit code; says what went wrong, as JSON if that was asked for. */
async function told(flags: Flags, act: () => Promise<void>): Promise<number> {
  try {
    await act();
    return 0;
  } catch (error) {
    const { code, message } = error instanceof PawlError ? error : { code: "defect", message: String(error) };
    console.error(flags.json ? json({ error: { code, message } }) : plain(`pawl [${code}]: ${message}`));
    return 1;
  }
}

function placeOf({ place }: Flags): Place {
  if (place?.store.startsWith("memory:") === false) return place;
  throw new PawlError(
    "bad_argument",
    "no store was named that can be looked into.\n  expected  --store sqlite:./app.db, --store postgres://..., or PAWL_STORE in the environment",
  );
}

function named(type: string | undefined, key: string | undefined): [type: string, key: string] {
  if (type !== undefined && key !== undefined) return [type, key];
  throw new PawlError(
    "bad_argument",
    "no actor was named.\n  expected  its type and its key: order order-42, or order/order-42",
  );
}

function done(flags: Flags, what: string): void {
  console.log(flags.json ? json({ done: what }) : plain(what));
}
