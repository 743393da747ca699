/** The verbs of operators: what `runtime.admin` does, from a shell. */
import { PawlError } from "../errors.ts";
import { backUp, list as listActors } from "../runtime/admin.ts";
import { type RunState, type Status, statusOf, type Wait } from "../runtime/status.ts";
import type { ListFilter } from "../runtime/types.ts";
import { type Place, withStore } from "./look.ts";

/** What a command line says beside the verb's operands. */
export interface Flags {
  readonly json: boolean;
  readonly place: Place | undefined;
  readonly state: string | undefined;
  readonly limit: string | undefined;
  readonly entry: string | undefined;
}

/** `pawl list [TYPE [PREFIX]]`. */
export async function list(flags: Flags, type?: string, prefix?: string): Promise<number> {
  const filter: ListFilter = {
    ...(type === undefined ? {} : { type }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(flags.state === undefined ? {} : { state: flags.state as RunState }),
    ...(flags.limit === undefined ? {} : { limit: Number(flags.limit) }),
  };
  return looking(flags, async (store) => {
    for await (const status of listActors(store, filter)) console.log(flags.json ? json(status) : line(status));
  });
}

/** `pawl show TYPE KEY`. */
export async function show(flags: Flags, type?: string, key?: string): Promise<number> {
  const name = named(type, key);
  return looking(flags, async (store) => {
    const seen = await store.seen(name);
    if (!seen.exists) throw new PawlError("actor_not_found", `there is no actor ${name}.`);
    const status = statusOf(
      name.slice(0, name.indexOf("/")),
      name.slice(name.indexOf("/") + 1),
      seen,
      undefined,
      store.suspectsOf(name),
    );
    const { history, inbox, state } = seen;
    if (flags.json) return console.log(json({ ...status, history, actorState: state, inbox }));
    console.log(line(status));
    for (const suspect of status.suspects) console.log(`  suspect   ${suspect}`);
    if (status.error !== undefined) console.log(`  error     ${status.error.name}: ${status.error.message}`);
    if (state !== undefined) console.log(`  state     ${json(state)}`);
    for (const { id, path, kind, status: of, attempts } of history)
      console.log(`  ${of.padEnd(10)}${kind} ${path}${attempts > 1 ? `, ${attempts} attempts` : ""}   ${id}`);
    for (const { name, body, sentAt } of inbox) console.log(`  message   ${name}, sent ${time(sentAt)}: ${json(body)}`);
  });
}

/** `pawl backup FILE`. */
export async function backup(flags: Flags, file?: string): Promise<number> {
  return told(flags, async () => {
    await backUp(placeOf(flags).store, file ?? "");
    done(flags, `copied to ${file}`);
  });
}

/** `pawl cancel TYPE KEY`. */
export function cancel(flags: Flags, type?: string, key?: string): Promise<number> {
  return changing(flags, "cancelled", type, key, (input, handle, call) => input.cancel(handle, call, true, undefined));
}

/** `pawl retry TYPE KEY`. */
export function retry(flags: Flags, type?: string, key?: string): Promise<number> {
  return changing(flags, "tried again when its code is there", type, key, (input, handle, call) =>
    input.retry(handle, call),
  );
}

/** `pawl release TYPE KEY`. */
export function release(flags: Flags, type?: string, key?: string): Promise<number> {
  return told(flags, async () => {
    const name = named(type, key);
    await withStore(placeOf(flags), false, async (store) => {
      const wasSuspected = await store.release(name);
      const { inbox } = await store.seen(name);
      const isAside = inbox.some(({ undeliverable }) => undeliverable?.code === "quarantined");
      if (isAside) await store.control(name, (input, handle, call) => input.retry(handle, call));
      else if (!wasSuspected) throw new PawlError("bad_argument", `nothing of ${name} is quarantined.`);
    });
    done(flags, `${name} is released: it goes on when its code is there`);
  });
}

/** `pawl replay TYPE KEY --entry ID`. */
export function replay(flags: Flags, type?: string, key?: string): Promise<number> {
  return changing(flags, "replayed when its code is there", type, key, (input, handle, call) =>
    input.replay(handle, call, flags.entry),
  );
}

type Ask = Parameters<Parameters<Parameters<typeof withStore>[2]>[0]["control"]>[1];

function changing(flags: Flags, what: string, type: string | undefined, key: string | undefined, ask: Ask) {
  return told(flags, async () => {
    const name = named(type, key);
    await withStore(placeOf(flags), false, (store) => store.control(name, ask));
    done(flags, `${name} is ${what}`);
  });
}

function looking(flags: Flags, use: Parameters<typeof withStore<void>>[2]): Promise<number> {
  return told(flags, () => withStore(placeOf(flags), true, use));
}

/** Resolves to the exit code; says what went wrong, as JSON if that was asked for. */
async function told(flags: Flags, act: () => Promise<void>): Promise<number> {
  try {
    await act();
    return 0;
  } catch (error) {
    const { code, message } = error instanceof PawlError ? error : { code: "defect", message: String(error) };
    console.error(flags.json ? json({ error: { code, message } }) : `pawl [${code}]: ${message}`);
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

function named(type: string | undefined, key: string | undefined): string {
  if (type !== undefined && key !== undefined) return `${type}/${key}`;
  throw new PawlError("bad_argument", "no actor was named.\n  expected  its type and its key");
}

function done(flags: Flags, what: string): void {
  console.log(flags.json ? json({ done: what }) : what);
}

function line({ type, key, state, since, alarm, waitingFor, owner }: Status): string {
  const waits = waitingFor.map(wait).join("; ");
  const parts = [
    `${type}/${key}`.padEnd(32),
    state.padEnd(13),
    time(since),
    ...(waits === "" ? [] : [`waits for ${waits}`]),
    ...(alarm === undefined ? [] : [alarm === 0 ? "has work" : `alarm ${time(alarm)}`]),
    ...(owner === undefined ? [] : [`at ${owner}`]),
  ];
  return parts.join("  ");
}

function wait(wait: Wait): string {
  if (wait.kind === "message") return `a message ${wait.names.join(" or ")}`.trimEnd();
  if (wait.kind === "timer") return `${wait.name} until ${time(wait.at)}`;
  if (wait.kind === "step") return `step ${wait.step}`;
  return `step ${wait.step} (attempt ${wait.attempt} failed: ${wait.error.message})`;
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

/** What JSON cannot say, in words. */
function json(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === "bigint") return `${part}n`;
    if (part instanceof Map) return { map: [...part] };
    if (part instanceof Set) return { set: [...part] };
    if (part instanceof Uint8Array) return { bytes: Buffer.from(part).toString("base64") };
    return part;
  });
}
