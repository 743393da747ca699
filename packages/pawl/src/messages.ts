/**
 * What people are told when something is wrong: what was found, what was expected, where, and what to do.
 *
 * Errors that are made at a user's call end with the place of that call.
 */
import { at } from "./call-site.ts";
import { PawlError } from "./errors.ts";
import type { ValueError } from "./values/index.ts";
import type { MovedRecord, Refusal, StoreProblem } from "./wire.ts";

export * from "./entry-messages.ts";

export function badArgument(message: string): PawlError {
  return new PawlError("bad_argument", message + at());
}

/** A value of any kind, in a few words. Runs no code of the value's own. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}...` : value);
  if (typeof value === "function") return "a function";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "an invalid Date" : value.toISOString();
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}

export function noFunction(what: string, found: unknown): PawlError {
  return badArgument(`${what} has no function to run.\n  found     ${shown(found)}\n  expected  a function`);
}

export function noName(what: string, name: unknown): PawlError {
  return badArgument(`a ${what} has no name that can be stored.
  found     ${shown(name)}
  expected  text of 1 to 512 bytes, without lone surrogates: by its name a replay finds what was recorded`);
}

export function compensationLimit(actor: string, step: string, why: string): PawlError {
  return new PawlError(
    "compensation_limit",
    `step "${step}" of ${actor} cannot be undone any more: ${why}.
  effect    the body had finished; what it did outside has happened. The step has failed and is not run again.
  do        undo many at once: one step with a \`rollback\` for a whole slice; or give the work to several actors`,
    { data: { actor, step } },
  );
}

export function tooManyOperations(actor: string, limit: number): PawlError {
  return new PawlError(
    "bad_argument",
    `${actor} has ${limit} operations at once, and may not have more (limits.pendingOperations).
  do        wait for some of them first: ctx.map takes a list with a limit`,
  );
}

export function notCompletable(actor: string, messageId: string): PawlError {
  return new PawlError(
    "bad_argument",
    `message ${messageId} of ${actor} cannot be answered.
  found     a message that has been answered already, or is not one of this run's
  expected  one answer to each message that is asked`,
  );
}

export function notStorable(what: string, error: ValueError, effect: string | undefined): PawlError {
  const place = error.path === "" ? "" : ` at ${error.path}`;
  const limits = error.code === "value_too_large";
  const storable = limits
    ? "up to the limits of the runtime's `limits`: a value 16 MiB, a message 1 MiB; nested 256 deep"
    : "plain objects and arrays, Date, Map, Set, bigint, typed arrays, Error, RegExp, URL, and what JSON has";
  return new PawlError(
    error.code === "record_corrupt" ? "value_not_storable" : error.code,
    `${what} that cannot be stored.
  found     ${error.found}${place}
  storable  ${storable}${effect === undefined ? "" : `\n  effect    ${effect}`}
  do        ${limits ? "store less at once, or raise the limit" : `keep the fields you need, as plain data${example(error.path)}`}${at()}`,
    { data: { path: error.path, found: error.found } },
  );
}

/** A line to paste, if what cannot be stored is a field of the value itself. */
function example(path: string): string {
  const field = /^\.([A-Za-z_$][\w$]*)$/.exec(path)?.[1];
  return field === undefined ? "" : `:  { ...value, ${field}: String(value.${field}) }`;
}

export function noState(actor: string): PawlError {
  return new PawlError(
    "no_state",
    `c.state was used, but "${actor}" declares no state.
  do        give actor() a \`state\` member, before \`actions\` and \`workflow\`:  state: () => ({ ... })${at()}`,
  );
}

export function notInWorkflow(member: string): PawlError {
  return new PawlError(
    "not_in_workflow",
    `ctx.${member} was used in a workflow.
  found     ${member} outside of an attempt: what is read there could not be replayed
  do        await ctx.step("name", async (c) => { ... c.${member} ... })${at()}`,
  );
}

export function stale(what: string, actor: string): PawlError {
  return new PawlError(
    "stale_step",
    `${what} of ${actor} was used after its attempt had ended.
  found     code that went on after the attempt was done, failed, timed out or was cancelled
  expected  everything to happen before the body returns: nothing has changed
  do        forgotten await in the body?  a callback that outlives it?  pass plain values out: raw(c.state.part)${at()}`,
  );
}

/** A part of the state that cannot be used. `overtaken`: the version that its attempt sees is not kept any longer. */
export function unusable(what: string, actor: string, why: "ended" | "detached" | "overtaken"): PawlError {
  if (why === "overtaken") return overtaken(actor, TOO_MUCH);
  return why === "ended" ? stale(what, actor) : detached(what, actor);
}

function detached(what: string, actor: string): PawlError {
  return new PawlError(
    "stale_value",
    `${what} of ${actor} is no longer part of the state.
  found     a part that was removed or replaced, by this attempt
  expected  a part that is there: nothing has changed
  do        read it again from c.state, or work on a copy: raw(c.state.part)${at()}`,
  );
}

/** What has changed, where too much has for it to be told. */
export const TOO_MUCH = "more than is kept for an attempt that is behind: 100000 slots, or 16 MiB";

/** `place`: what another attempt has changed. */
export function overtaken(actor: string, place: string): PawlError {
  return new PawlError(
    "conflict",
    `an attempt of ${actor} was overtaken: another one changed ${place}.
  then      what this one did is dropped, and it runs again on the newest state, under the same key
  do        touch state after the last await, not before it; or write it in \`apply\`, or make the step \`exclusive\``,
    { retryable: true, data: { place } },
  );
}

/** A step whose `run` wrote state although it has an `apply`. */
export function writtenInRun(step: string, actor: string): PawlError {
  return badArgument(`\`run\` of step "${step}" of ${actor} writes state, but the step has an \`apply\`.
  found     a write to c.state in \`run\`: nothing has changed
  expected  \`run\` to read state at most, and \`apply(c, output)\` to write it${at()}`);
}

/** `apply` must be over when it returns: its writes are part of the commit. */
export function applyWaits(step: string, actor: string): PawlError {
  return badArgument(`\`apply\` of step "${step}" of ${actor} returned a promise.
  found     an asynchronous function
  expected  a synchronous one: it runs in the order of commits, and nothing may come between
  do        await in \`run\`, and give \`apply\` what came of it`);
}

export function unknownMember(
  kind: "action" | "message" | "event",
  name: string,
  actor: string,
  known: readonly string[],
): PawlError {
  return new PawlError(
    `unknown_${kind}`,
    `"${actor}" has no ${kind} "${name}".
  found     ${JSON.stringify(name)}
  expected  ${known.length === 0 ? `none: it declares no ${kind}s` : known.join(", ")}${at()}`,
    { data: { name, known } },
  );
}

export function actorNotFound(actor: string): PawlError {
  return new PawlError(
    "actor_not_found",
    `${actor} does not exist.
  found     no actor of that key; its type declares \`input\`, so a call does not make one
  expected  an actor that was created
  do        await runtime.create(${actor.split("/")[0]}, ${JSON.stringify(actor.slice(actor.indexOf("/") + 1))}, input)`,
  );
}

export function actorDestroyed(actor: string): PawlError {
  return new PawlError(
    "actor_destroyed",
    `${actor} has been destroyed.
  found     an actor that is no more
  do        make a new one under the same key: runtime.create(...)`,
    { data: { actor } },
  );
}

/** What a parent is told of a child that has not ended well. */
export function childFailed(child: string, of: string, because: string, data: unknown, cause: Error): PawlError {
  return new PawlError("child_failed", `${child}, a child of ${of}, has failed: ${because}`, { cause, data });
}

export function actorExists(actor: string): PawlError {
  return new PawlError(
    "actor_exists",
    `${actor} exists already.\n  do        drop { ifExists: "throw" } to keep the one that is there`,
  );
}

export function stateVersion(actor: string, found: number, expected: number): PawlError {
  return new PawlError(
    "state_version",
    `the state of ${actor} is of a newer version than this code.
  found     version ${found}
  expected  version ${expected} or older; nothing was changed
  do        run the code that wrote it, or newer`,
    { data: { found, expected } },
  );
}

export function runtimeClosed(): PawlError {
  return new PawlError(
    "runtime_closed",
    `the runtime has been closed.\n  do        make a new one: createRuntime({ ... })${at()}`,
  );
}

export function runEnded(actor: string): PawlError {
  return new PawlError(
    "workflow_ended",
    `the workflow of ${actor} has ended: nobody would take the message.
  do        look at what it came to: handle.result(); for another run, create an actor of another key`,
  );
}

/** `known`: the types that the runtime has. */
export function unknownActor(type: unknown, known: readonly string[]): PawlError {
  const isThere = known.some((name) => name === type);
  return new PawlError(
    "unknown_actor",
    isThere
      ? `this runtime has another actor "${type}".
  found     a second definition of that name
  expected  the one that was given to createRuntime
  do        call actor("${type}", ...) once, and import what it returned; or name it as text: runtime.get("${type}", key)`
      : `this runtime has no actor ${JSON.stringify(type)}.
  found     ${JSON.stringify(type)}
  expected  ${known.join(", ") || "none: `actors` is empty"}
  do        add it: createRuntime({ actors: [...], ... })`,
  );
}

export function selfCancel(actor: string): PawlError {
  return new PawlError(
    "self_call",
    `an attempt of ${actor} cancels its own actor.
  found     c.get(...).cancel() of ${actor}, which the attempt itself belongs to
  do        throw in the workflow, return from it, or undo and return: return ctx.rollback(output)${at()}`,
  );
}

/** A workflow that waits for its own actor would wait for ever. */
export function selfWait(actor: string, entry: string): PawlError {
  return new PawlError(
    "self_call",
    `${entry} of ${actor} waits for the actor itself.
  found     ${actor}, whose workflow this is
  expected  another actor
  do        to do something, use a step; to wait for what others send, queue.next${at()}`,
  );
}

export function selfCall(actor: string, action: string): PawlError {
  return new PawlError(
    "self_call",
    `an attempt of ${actor} called action "${action}" of its own actor.
  found     c.get(...).actions.${action}() of ${actor}, which the attempt itself belongs to
  expected  another actor: the action would run on the state as it is without this attempt, and could keep it from committing
  do        share a function: const ${action} = (c, ...) => { ... }, and call it here and in the action; or send a message to itself: c.queue.send(...)${at()}`,
  );
}

export function refused(actor: string, reason: Refusal, why: string): PawlError {
  switch (reason) {
    case "exists":
      return actorExists(actor);
    case "run_ended":
      return runEnded(actor);
    case "inbox_full":
      return new PawlError(
        "inbox_full",
        `the inbox of ${actor} is full.\n  found     ${why} messages that wait, as many as limits.inboxMessages allows\n  do        send again later`,
        {
          retryable: true,
        },
      );
    case "busy":
      return new PawlError(
        "actor_busy",
        `an action of ${actor} gave up: another attempt has kept the actor for 10 s.\n  found     an attempt that runs alone after three conflicts\n  do        call again; touch state after the last await, not before it`,
        { retryable: true },
      );
    case "broken":
      // What the engine says of a state that would be too large; anything else is a defect.
      return new PawlError(
        why.includes("limits.stateBytes") ? "value_too_large" : "poisoned",
        `an attempt of ${actor} was refused: ${why}`,
      );
    case "lost":
      return lost(actor, undefined);
    case "destroyed":
      return actorDestroyed(actor);
    case "nothing":
      return new PawlError("bad_argument", `what was asked of ${actor} cannot be done: ${why}.`, { data: { why } });
  }
}

/** The call has not happened: its actor was being read back from the store. */
export function lost(actor: string, problem: StoreProblem | undefined): PawlError {
  // A batch that can never be stored is not worth another try.
  if (problem?.code === "change_too_large") return ofStore(problem);
  const because = problem === undefined ? "" : `\n  because   ${problem.message.split("\n").join("\n          ")}`;
  return new PawlError(
    "store_unavailable",
    `a call of ${actor} has not happened: a write of the actor failed, and it is read back from the store.${because}
  do        call again`,
    { retryable: true, data: problem?.data },
  );
}

export function ofStore(problem: StoreProblem): PawlError {
  return new PawlError(problem.code, problem.message, {
    retryable: problem.retryable,
    outcome: problem.unknown ? "unknown" : "no",
    data: problem.data,
  });
}

/** Going back would take away what others have written. */
export function stateMoved(actor: string, entry: string, moved: readonly MovedRecord[]): PawlError {
  const shown = moved.slice(0, 5).map(({ seq, at }) => `change ${seq} (${new Date(at).toISOString()})`);
  const more = moved.length > shown.length ? `, and ${moved.length - shown.length} more` : "";
  return new PawlError(
    "state_moved",
    `the state of ${actor} cannot be taken back to before entry ${entry}: others have written it since.
  found     ${shown.join(", ")}${more}: made by actions, or by steps that stay
  expected  changes by the steps that are run again, and no others
  do        keep the state: leave \`state: "rewind"\` out. Or take it back with what they wrote: force: true`,
    { data: { commits: moved } },
  );
}

export function noStateThen(actor: string, entry: string): PawlError {
  return new PawlError(
    "state_unavailable",
    `${actor} had no state before entry ${entry}: there is nothing to go back to.`,
  );
}

export function connectionClosed(actor: string): PawlError {
  return new PawlError(
    "connection_closed",
    `the connection to ${actor} is closed.
  expected  one that is open
  do        connect again: await handle.connect(...); connection.closed says why it ended`,
  );
}

export function tooManyConnections(actor: string, limit: number): PawlError {
  return new PawlError(
    "too_many_connections",
    `nobody more can connect to ${actor}.
  found     ${limit} connections
  expected  fewer
  do        spread the clients over several actors, or close connections that are not used`,
    { retryable: true },
  );
}

export function noConnectionState(type: string): PawlError {
  return new PawlError(
    "no_state",
    `connections of actor "${type}" have no state.
  do        declare it: actor("${type}", { connection: { state: (params) => ({ ... }) }, ... })${at()}`,
  );
}

export function quarantined(attempt: string, actor: string): PawlError {
  return new PawlError(
    "quarantined",
    `${attempt} of ${actor} is not run: the process died three times while it was alone at work.
  found     an attempt that takes its process down
  do        look at what its body does to memory, threads and native code; then release it:
            runtime.admin.release(type, key), or npx pawl release TYPE KEY`,
    { data: { actor, attempt } },
  );
}
