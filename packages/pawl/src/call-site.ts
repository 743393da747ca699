/** Where in the user's code a call comes from. */

/** Says where, as `file:line`; the stack is only put into words then. */
export type CallSite = () => string | undefined;

/** The first line of the stack that is neither Pawl's nor Node's, if it is among so many: each costs. */
export function callSite(frames = 30): CallSite {
  const holder: { stack?: string } = {};
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = frames;
  Error.captureStackTrace(holder, callSite);
  Error.stackTraceLimit = stackTraceLimit;
  return () => usersLine(holder.stack ?? "");
}

/** The last line of a message that is made at a user's call. */
export function at(): string {
  const site = callSite()();
  return site === undefined ? "" : `\n  at        ${site}`;
}

function usersLine(stack: string): string | undefined {
  const own = /[\\/]pawl[\\/](?:src|dist)[\\/]/;
  const users = stack
    .split("\n")
    .slice(1)
    .find((line) => !own.test(line) && !line.includes("node:") && /:\d+:\d+\)?$/.test(line));
  return users
    ?.replace(/^\s*at /, "")
    .replace(/^.*\((.*)\)$/, "$1")
    .replace(/^file:\/\//, "")
    .replace(/:\d+$/, "");
}
