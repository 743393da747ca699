/** Every code of an error, in the words of `npx pawl explain` and of docs/errors.md, which is made from this. */

/** What an operator or a programmer wants to know of a code, beyond the message of the error itself. */
export interface Explanation {
  /** What has happened, in a sentence or two. */
  readonly meaning: string;
  /** What is certain to have happened, or not, when this error is seen. */
  readonly effect: string;
  /** What to do about it. */
  readonly todo: string;
}

/** Codes by kind: calls that are wrong; work that has failed; code that does not fit what is recorded; stores and machines. */
export const CODES: Readonly<
  Record<"misuse" | "failure" | "divergence" | "fault", Readonly<Record<string, Explanation>>>
> = {
  misuse: {
    bad_argument: {
      meaning:
        "An argument or option is not what the call takes. The message shows what was found and what is expected.",
      effect: "Nothing has happened.",
      todo: "Correct the call.",
    },
    duplicate_name: {
      meaning:
        "Two entries of one scope have the same name. By its name a replay finds what was recorded, so it must be the only one.",
      effect: "The second entry has not run. What came before it is durable.",
      todo: "Give it a name of its own; in a loop use ctx.loop, over a list ctx.map: each round and item is a scope of its own.",
    },
    entry_in_progress: {
      meaning:
        "An entry was started while another one of the same ctx is still running, or a callback ended before an entry that it started.",
      effect: "The second entry has not run.",
      todo: "Await each entry. For several at once use ctx.join, ctx.race or ctx.map; Promise.all over entries is not supported.",
    },
    wrong_context: {
      meaning: "A callback of a loop, branch, item or try block used the ctx of the function around it.",
      effect: "The entry has not run.",
      todo: "Use the ctx that the callback was given.",
    },
    not_in_workflow: {
      meaning:
        "State, vars or effects were used on ctx, outside of an attempt. What is read there could not be replayed.",
      effect: "Nothing has happened.",
      todo: 'Do it in a step: await ctx.step("name", (c) => c.state. ...).',
    },
    no_state: {
      meaning: "c.state was used, but the actor declares no state.",
      effect: "Nothing has happened.",
      todo: "Give actor() a `state` member.",
    },
    stale_step: {
      meaning:
        "c, or a part of its state, was used after its attempt had ended: it returned, failed, timed out, was cancelled or overtaken.",
      effect: "Nothing has changed. What the attempt committed before stays.",
      todo: "Await everything in the body. To hand out a part of the state, copy it: raw(c.state.part). After a timeout, stop when c.abortSignal fires.",
    },
    stale_value: {
      meaning: "A part of the state was written after it had been removed from the state or replaced.",
      effect: "Nothing has changed.",
      todo: "Read it again from c.state, or work on a copy: raw(c.state.part).",
    },
    self_call: {
      meaning: "An attempt called an action of its own actor through c.get(...).actions. It would wait for itself.",
      effect: "The call has not happened.",
      todo: "Call a plain function with c, or send a message to the actor: it is taken after this attempt.",
    },
    value_not_storable: {
      meaning:
        "A value is not of those that can be stored: a function, symbol, class instance, accessor, cycle, promise or proxy is in it, at the path that the message shows.",
      effect:
        "At a write to state: nothing has changed. At a step's result: the body had finished, what it did outside has happened; the step has failed and is not run again.",
      todo: "Keep the fields that you need, as plain data.",
    },
    value_too_large: {
      meaning: "A value, message or state is larger than the runtime's `limits`, or nested deeper than 256.",
      effect: "As for value_not_storable.",
      todo: "Store less at once (a reference to a file, not its content), or raise the limit.",
    },
    invalid_payload: {
      meaning:
        "An input, argument, message or event does not pass the schema that the actor declares for it. `data` has the schema's issues.",
      effect: "Nothing was stored, and nobody was called.",
      todo: "Correct the value.",
    },
    unknown_actor: {
      meaning: "The runtime has no actor type of that name.",
      effect: "Nothing was sent.",
      todo: "Put the definition into `actors` of createRuntime.",
    },
    unknown_action: {
      meaning: "The actor declares no such action.",
      effect: "Nothing has happened.",
      todo: "Use one of those that the message lists.",
    },
    unknown_message: {
      meaning: "The actor declares no such message.",
      effect: "Nothing was sent.",
      todo: "Declare it in `messages`, or use one of those that the message lists.",
    },
    unknown_event: {
      meaning: "The actor declares no such event.",
      effect: "Nothing was broadcast, and nobody listens.",
      todo: "Declare it in `events`, or use one of those that the message lists.",
    },
    connection_closed: {
      meaning: "A call was made through a connection that has ended: closed by either side, or lost with a process.",
      effect: "Nothing has happened.",
      todo: "Connect again; `connection.closed` says why it ended. Calls through a handle that is not connected need none.",
    },
    too_many_connections: {
      meaning: "An actor has as many open connections as it may have.",
      effect: "Nobody was connected.",
      todo: "Spread the clients over several actors, or close connections that are not used.",
    },
    actor_not_found: {
      meaning: "The actor does not exist, and its type declares `input`, so that a call does not make one.",
      effect: "Nothing has happened.",
      todo: "Create it first: await runtime.create(type, key, input).",
    },
    actor_exists: {
      meaning: 'create with { ifExists: "throw" } found an actor.',
      effect: "The actor is as it was.",
      todo: "Drop the option to keep the one that is there.",
    },
    actor_destroyed: {
      meaning: "The actor was destroyed, and its key is still remembered (retention.destroyed, 30 days).",
      effect: "Nothing has happened.",
      todo: "Create it again: that is a new incarnation, with nothing of the old one.",
    },
    workflow_ended: {
      meaning: "A message was sent to a workflow that has ended: nobody would take it.",
      effect: "Nothing was sent.",
      todo: "Look at its result; create another actor for another run.",
    },
    inbox_full: {
      meaning: "The receiver has as many messages that nobody has taken as limits.inboxMessages allows: 10,000.",
      effect: "The message was not sent. A commit is never refused for it: it is judged at the call of send.",
      todo: "Send again later; look why the receiver does not take its messages: npx pawl show.",
    },
    runtime_closed: {
      meaning: "The runtime was closed before or during the call.",
      effect: "A call that was under way is told by its own error; this one has not begun.",
      todo: "Make a new runtime.",
    },
    not_reached: {
      meaning:
        "t.until of pawl/testing waited for a place that the run does not come to: it has ended, is parked, or waits for something that is not time.",
      effect: "The run is where it is.",
      todo: "The message says where; send what it waits for.",
    },
  },
  failure: {
    step_exhausted: {
      meaning: "A step failed in all of its attempts. `cause` is the last error.",
      effect:
        "Nothing of the attempts is in the state. The failure is recorded: caught or not, the step does not run again.",
      todo: "Catch it with ctx.tryStep or ctx.try, or let the workflow fail; after a repair, admin.retry runs the step again.",
    },
    step_timeout: {
      meaning: "A step's body took longer than its `timeout`, and it is not tried again.",
      effect: "Its writes are dropped. It may still be at work outside: c.abortSignal has told it.",
      todo: "Raise `timeout`, make the body stop on c.abortSignal, or let it be tried again with `retryOnTimeout`.",
    },
    join_failed: {
      meaning: "One or more branches of a join failed; all have ended. `data` has the values and the errors by name.",
      effect: "What the branches committed stays, until it is undone.",
      todo: "Catch it with ctx.try, or let the workflow fail.",
    },
    race_failed: {
      meaning: "All branches of a race failed. `data` has their errors.",
      effect: "As for join_failed.",
      todo: "As for join_failed.",
    },
    map_failed: {
      meaning: "An item of a map failed; those that had not ended were cancelled. `data` has the values so far.",
      effect: "As for join_failed.",
      todo: "Use ctx.mapSettled to get every outcome.",
    },
    child_failed: {
      meaning: "The workflow of a child failed or was cancelled.",
      effect: "The child's record says how far it came.",
      todo: "Catch it with ctx.try; look at the child: npx pawl show.",
    },
    workflow_failed: {
      meaning: "The workflow has failed. `cause` is the error that ended it.",
      effect: "It was undone as far as it says how.",
      todo: "handle.status and npx pawl show have the details; admin.retry goes on after a repair.",
    },
    cancelled: {
      meaning: "The run, or the branch, was cancelled.",
      effect: "It took effect between two commits; what was committed was undone, unless `compensate` was false.",
      todo: "Nothing, if that was the wish.",
    },
    critical: {
      meaning: "A step threw CriticalError: trying again is useless.",
      effect: "The failure is recorded; the step does not run again.",
      todo: "As for step_exhausted.",
    },
    rollback: {
      meaning: "The workflow threw RollbackError: undo, and fail.",
      effect: "What it had committed was undone, newest first.",
      todo: "Nothing, if that was the wish.",
    },
    retry_after: {
      meaning: "A step threw RetryAfterError: it is tried again, but not before then.",
      effect: "It uses up an attempt.",
      todo: "Nothing.",
    },
    call_timeout: {
      meaning: "A call waited longer than its `timeout` (30 s) for its answer.",
      effect: "Not known: the action or message may still be worked on (`outcome` says what is known).",
      todo: "Call again with the same idempotencyKey; look why the actor is busy.",
    },
    actor_busy: {
      meaning: "An action could not commit for 10 s, for another attempt ran alone.",
      effect: "Nothing has happened.",
      todo: "Call again. Touch state after the last await, not before it; make `exclusive` steps short.",
    },
    conflict: {
      meaning:
        "The attempt was overtaken: another one changed what it had read or written. It is the reason of c.abortSignal.",
      effect: "What the attempt did to state is dropped, and it runs again on the newest state, under the same key.",
      todo: "Nothing is lost. To avoid repeats: state after the last await, `apply`, or `exclusive`.",
    },
    compensation_limit: {
      meaning: "A run has 10,000 steps to undo, which is the most.",
      effect: "The body had finished; the step has failed.",
      todo: "Undo many at once: one step with a `rollback` for a whole slice.",
    },
    quarantined: {
      meaning: "The actor was taken out of service, for one of its attempts has killed its process several times.",
      effect: "Nothing of that attempt was committed; everything before it is as it was.",
      todo: "Repair the step that the message names; then npx pawl release.",
    },
  },
  divergence: {
    history_diverged: {
      meaning: "The workflow's code does not match what the run has recorded.",
      effect: "The run is parked, undamaged. Nothing of the new code has run, and nothing was undone.",
      todo: "Deploy code that matches; lead old runs past a change with ctx.getVersion and ctx.removed. It goes on by itself.",
    },
    state_version: {
      meaning: "The state was written by a newer version of the actor than this code.",
      effect: "The actor is untouched.",
      todo: "Run the newer code.",
    },
    migration_failed: {
      meaning: "`migrate` threw, or returned what cannot be stored.",
      effect: "The state is as the old code left it.",
      todo: "Repair `migrate`; it is tried again at the next load.",
    },
  },
  fault: {
    store_unavailable: {
      meaning: "The store cannot be reached or written just now, or an actor was being read back after a failed write.",
      effect: "The call has not happened.",
      todo: "Call again. The message has the store's own words: a full disk, a refused connection.",
    },
    store_in_use: {
      meaning: "Another process has the SQLite file open; only one may write.",
      effect: "Nothing was opened.",
      todo: "Stop the other process, or use PostgreSQL for several. Reading beside it is possible: npx pawl list.",
    },
    store_foreign: {
      meaning: "What is there is not a store of Pawl.",
      effect: "It was left alone.",
      todo: "Check the URL.",
    },
    store_version: {
      meaning: "The store is of a newer format than this version of Pawl.",
      effect: "It was left alone.",
      todo: "Install a newer Pawl.",
    },
    store_not_empty: {
      meaning: "A store that was to take a copy (admin.copyTo, pawl copy) has actors or messages in it.",
      effect: "Nothing was copied; it is as it was.",
      todo: "Name another file, database or schema.",
    },
    record_corrupt: {
      meaning:
        "What is stored contradicts itself: a checksum, a length or a reference is wrong. The message names the row.",
      effect: "Nothing was overwritten; only that actor is refused.",
      todo: "Restore a backup. Check the disk.",
    },
    record_truncated: {
      meaning:
        "A row that `pawl/engine` was given by its driver ends too early. The message names the row and the byte.",
      effect: "Nothing was overwritten; the workflow does not run.",
      todo: "Restore the row. See whether the driver cuts values off.",
    },
    record_newer: {
      meaning: "A record can only be read by newer code.",
      effect: "It was left alone.",
      todo: "Install a newer Pawl.",
    },
    actor_owned: {
      meaning: "Another process that shares the PostgreSQL store owns the actor.",
      effect: "The call has not happened.",
      todo: "Call again, or in the process that owns it.",
    },
    fenced: {
      meaning: "This process no longer owns the actor: another one has taken it over.",
      effect: "The write was refused; nothing of it is stored.",
      todo: "Nothing: the new owner goes on. Often: a process that stood still longer than its lease.",
    },
    poisoned: {
      meaning:
        "After a failed write, or an answer of the engine that cannot be, an attempt or a run is refused until it is read back from what is stored.",
      effect: "Nothing is lost that was acknowledged.",
      todo: "Run or call again; the cause is in the message.",
    },
    outcome_unknown: {
      meaning: "It is not known whether a commit was written: the connection was lost while it was under way.",
      effect: "Unknown, and said to be. The engine reads back what is stored before it does anything else.",
      todo: "Read the actor, or call again with the same idempotencyKey.",
    },
    change_too_large: {
      meaning: "A change has more rows or bytes than the store or the host's driver takes at once.",
      effect: "It was refused as a whole; the run is healthy.",
      todo: "Do less in one step.",
    },
    state_moved: {
      meaning:
        "A replay that takes the state back was refused: other commits have written state since. The message lists them.",
      effect: "Nothing has changed.",
      todo: 'Replay with state: "keep", or with force: true.',
    },
    state_unavailable: {
      meaning: "The state as it was then is no longer kept.",
      effect: "Nothing has changed.",
      todo: "Raise `retention` to keep more.",
    },
    driver_hang: {
      meaning: "A host's driver has not answered a batch of an earlier run for 30 s.",
      effect: "The new run has not begun.",
      todo: "Look at the driver.",
    },
    driver_answer: {
      meaning: "A host's driver answered something that is not what EngineDriver promises.",
      effect: "The run is refused; what is stored is as the driver left it.",
      todo: "Correct the driver; the message shows what was found.",
    },
    native_load_failed: {
      meaning: "The native module could not be loaded.",
      effect: "Nothing runs.",
      todo: "npx pawl doctor says why, and the command that helps.",
    },
  },
};

/** What is known of a code, or `undefined`. */
export function explanationOf(code: string): Explanation | undefined {
  return Object.values(CODES).find((codes) => Object.hasOwn(codes, code))?.[code];
}
