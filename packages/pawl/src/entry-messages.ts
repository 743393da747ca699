/** What people are told of entries that were started where they cannot be. */
import { at } from "./call-site.ts";
import { PawlError } from "./errors.ts";

/** How an entry is called. */
export function callOf(kind: string): string {
  if (kind === "message") return "queue.next";
  return kind === "version_check" ? "getVersion" : kind;
}

export function entryInProgress(
  actor: string,
  kind: string,
  name: string,
  pending: { kind: string; name: string },
  site: string | undefined,
): PawlError {
  const first = `ctx.${callOf(pending.kind)}`;
  const second = `ctx.${callOf(kind)}`;
  return new PawlError(
    "entry_in_progress",
    `${kind} "${name}" was started while ${pending.kind} "${pending.name}" is still running, in ${actor}.
  found     two entries at once on one ctx${site === undefined ? "" : `; ${pending.kind} "${pending.name}" was started at ${site}`}
  expected  one after another, so that a replay can follow them
  do        forgotten await?       await ${first}("${pending.name}", ...)
            both at once, please?  await ctx.join("both", { a: (ctx) => ${first}(...), b: (ctx) => ${second}(...) })
            one for each of many?  await ctx.map("${name}s", list, (ctx, item) => ${second}("${name}", ...), { concurrency: 10 })
            Promise.all over entries is not supported: use join or map.${at()}`,
    { data: { actor, entry: name, pending: pending.name } },
  );
}

export function entryPending(actor: string, pending: { kind: string; name: string }): PawlError {
  return new PawlError(
    "entry_in_progress",
    `a callback of ${actor} has ended while ${pending.kind} "${pending.name}" is still running.
  found     an entry that nobody waits for
  expected  every entry to have ended before the function that started it: what it did is not committed
  do        forgotten await?  await ctx.${callOf(pending.kind)}("${pending.name}", ...)`,
    { data: { actor, pending: pending.name } },
  );
}

/** `around`: what the callback is one of. */
export function wrongContext(actor: string, kind: string, name: string, around: string, inside: string): PawlError {
  const example = {
    loop: `await ctx.loop("${inside}", async (ctx) => { await ctx.${callOf(kind)}("${name}", ...) })`,
    map: `await ctx.map("${inside}", list, async (ctx, item) => { await ctx.${callOf(kind)}("${name}", ...) })`,
    try: `await ctx.try("${inside}", async (ctx) => { await ctx.${callOf(kind)}("${name}", ...) })`,
  }[around];
  const shown =
    example ??
    `await ctx.${around}("${inside}", { a: async (ctx) => { await ctx.${callOf(kind)}("${name}", ...) }, ... })`;
  return new PawlError(
    "wrong_context",
    `${kind} "${name}" was started on the ctx outside of ${around} "${inside}", in ${actor}.
  found     the ctx of the enclosing function
  expected  the ctx that the callback was given: each callback is a scope of its own
  do        ${shown}${at()}`,
    { data: { actor, entry: name, [around]: inside } },
  );
}

/** `first`: what has used the name. */
export function duplicateName(actor: string, kind: string, name: string, first: Started | undefined): PawlError {
  return new PawlError(
    "duplicate_name",
    `${kind} "${name}" was already used in this scope of ${actor}.
  found     a second "${name}"${first === undefined ? "" : `; ${placeOf(first, name)}`}
  expected  each name once per scope: by its name a replay finds what was recorded
  do        in a loop?       await ctx.loop("${name}s", async (ctx) => { ... })            each round is a scope of its own
            over a list?     await ctx.map("${name}s", list, (ctx, item) => ctx.${callOf(kind)}("${name}", ...))
            something else?  give it a name of its own${at()}`,
    { data: { actor, entry: name, ...(first?.site === undefined ? {} : { first: first.site }) } },
  );
}

interface Started {
  readonly kind: string;
  readonly name: string;
  readonly index: number;
  readonly after: { readonly kind: string; readonly name: string } | undefined;
  readonly site: string | undefined;
}

/** Where the first one is, by what stands before it: its line is known only where one was looked for. */
function placeOf({ kind, name, index, after, site }: Started, used: string): string {
  const what = used === name ? "" : ` is kept by ${kind} "${name}", which`;
  const place =
    after === undefined ? "the first entry here" : `entry ${index + 1} here, after ${after.kind} "${after.name}"`;
  return `the first${what === "" ? `, ${kind} "${name}",` : what} is ${place}${site === undefined ? "" : `, at ${site}`}`;
}
