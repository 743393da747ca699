/**
 * What a host hands over, checked at the call. What is missing would otherwise be found in the midst of a run, or, where it is only
 * needed to tidy up, never.
 */
import { badArgument, shown } from "../messages.ts";
import type { HostedActor } from "./hosted-actor.ts";
import type { EngineDriver } from "./types.ts";

const ROWS = ["get", "set", "delete", "deletePrefix", "deleteRange", "list", "batch"];
const ALARM = ["setAlarm", "clearAlarm"];
const QUEUE = ["addMessage", "receiveMessages", "completeMessage"];
const MAY_BE_ABSENT = ["commit", "lastCommit"];

/** `read`: rows, and nothing else. `rows`: a call that needs no messages. `live`: a run that waits for them in memory. */
export type Use = "read" | "rows" | "run" | "live";

/** Throws `bad_argument` for what lacks a member that `call` needs, or has one of another kind. */
export function checkDriver(call: string, driver: unknown, use: Use): asserts driver is EngineDriver {
  if (!isThing(driver)) throw badDriver(call, shown(driver));
  if (use === "read") return checkFunctions(call, driver, ["get", "list"], "");
  const needed = [...ROWS, ...ALARM, ...(use === "live" ? ["waitForMessages"] : [])];
  checkFunctions(call, driver, needed, "");
  checkFunctions(
    call,
    driver,
    MAY_BE_ABSENT.filter((name) => driver[name] !== undefined),
    "",
  );
  const { limits, workerPollInterval: poll, messageDriver: queue } = driver;
  if (limits !== undefined) checkLimits(call, limits);
  if (use === "rows") return;
  if (poll !== undefined && (typeof poll !== "number" || Number.isNaN(poll)))
    throw badDriver(call, `workerPollInterval: ${shown(poll)}`);
  if (!isThing(queue)) throw badDriver(call, `messageDriver: ${shown(queue)}`);
  checkFunctions(call, queue, QUEUE, "messageDriver.");
}

/** Throws `bad_argument`. */
export function checkId(call: string, id: unknown): asserts id is string {
  if (typeof id === "string") return;
  throw badArgument(
    `${call}() was given no id.\n  found     ${shown(id)}\n  expected  a string: alarms are set under it`,
  );
}

/** Throws `bad_argument`. */
export function checkLimits(call: string, limits: unknown): void {
  const wrong = isThing(limits) ? ["rows", "bytes"].find((name) => !isCount(limits[name])) : "";
  if (wrong === undefined) return;
  const found = isThing(limits) ? `${wrong}: ${shown(limits[wrong])}` : shown(limits);
  throw badArgument(`${call}() was given limits that no batch can keep.
  found     ${found}
  expected  { rows, bytes }: two whole numbers from 1, the most of one batch`);
}

/** Throws `bad_argument`. */
export function checkEpoch(call: string, epoch: unknown): void {
  if (epoch === undefined || typeof epoch === "bigint") return;
  throw badArgument(`${call}() was given an epoch that is none.\n  found     ${shown(epoch)}\n  expected  a bigint`);
}

/** Each option of a run, and what it may be. */
const OPTIONS: Readonly<Record<string, readonly [expected: string, (value: unknown) => boolean]>> = {
  mode: ['"yield" or "live"', (value) => value === "yield" || value === "live"],
  divergence: ['"scope" or "frontier"', (value) => value === "scope" || value === "frontier"],
  poisonGuard: ["true or false", (value) => typeof value === "boolean"],
  onHistoryUpdated: ["a function", isFunction],
  onError: ["a function", isFunction],
  context: ["a function", isFunction],
  logger: ["an object with a function `warn`", (value) => isThing(value) && isFunction(value["warn"])],
};

/** Throws `bad_argument` for an option of another kind. Those that it does not know are left alone: newer hosts may have more. */
export function checkRunOptions(options: unknown): void {
  if (!isThing(options)) throw badOption("the options", options, "an object, or nothing");
  for (const [name, [expected, isRight]] of Object.entries(OPTIONS)) {
    const value = options[name];
    if (value !== undefined && !isRight(value)) throw badOption(name, value, expected);
  }
  checkEpoch("runWorkflow", options["epoch"]);
}

/** Throws `bad_argument` for an actor that is not open, or is open on another driver. */
export function checkActor(given: unknown, actor: HostedActor | undefined, driver: EngineDriver): void {
  if (given === undefined || actor?.isOpenOn(driver) === true) return;
  const found = actor === undefined ? shown(given) : "one that is closed, or open on another driver";
  throw badOption("actor", found, "what openActor() gave for this driver, not closed yet", true);
}

/** Throws `bad_argument`. */
export function checkFunction(call: string, what: string, value: unknown): void {
  if (isFunction(value)) return;
  throw badArgument(`${call}() was given no function as ${what}.\n  found     ${shown(value)}\n  expected  a function`);
}

export function isThing(value: unknown): value is Readonly<Record<string, unknown>> {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function checkFunctions(call: string, of: Readonly<Record<string, unknown>>, names: readonly string[], at: string) {
  const missing = names.find((name) => !isFunction(of[name]));
  if (missing !== undefined) throw badDriver(call, `${at}${missing}: ${shown(of[missing])}`);
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function badDriver(call: string, found: string): Error {
  return badArgument(`${call}() was given a driver that it cannot use.
  found     ${found}
  expected  an EngineDriver: functions ${[...ROWS, ...ALARM].join(", ")}; waitForMessages for mode "live"; messageDriver { ${QUEUE.join(", ")} }; workerPollInterval in ms`);
}

function badOption(name: string, found: unknown, expected: string, isText = false): Error {
  return badArgument(`runWorkflow() was given an option of the wrong kind: ${name}.
  found     ${isText ? String(found) : shown(found)}
  expected  ${expected}`);
}
