/** The options of a runtime: what is wrong with them, and their defaults. */
import { isShortText, refuseUnknown } from "../actor.ts";
import { type Duration, milliseconds } from "../duration.ts";
import type { Limits } from "../loaded.ts";
import * as say from "../messages.ts";
import type { Retention, RuntimeOptions } from "./types.ts";

const OPTIONS: ReadonlySet<string> = new Set(
  "actors store namespace codeVersion logger idleAfter grace limits stallLimit retention".split(" "),
);
const LIMITS: Limits = {
  valueBytes: 16 << 20,
  messageBytes: 1 << 20,
  stateBytes: 256 << 20,
  inboxMessages: 10_000,
  pendingOperations: 100_000,
};
/** What stores take: a change of 256 MiB, a message of 1 MiB; and what memory is meant to. */
const MOST: Limits = {
  valueBytes: 256 << 20,
  messageBytes: 1 << 20,
  stateBytes: 256 << 20,
  inboxMessages: 1_000_000,
  pendingOperations: 100_000,
};
const LEVELS = ["debug", "info", "warn", "error"] as const;

export function checkOptions(options: RuntimeOptions): void {
  if (typeof options !== "object" || options === null)
    throw say.badArgument(
      'createRuntime() was given no options.\n  expected  { actors: [...], store: "sqlite:./app.db" }',
    );
  refuseUnknown(options, [...OPTIONS], "createRuntime");
  if (!Array.isArray(options.actors))
    throw say.badArgument("createRuntime() was given no actors.\n  expected  actors: [...], what actor() returned");
  const { store, namespace = "default" } = options;
  if (typeof store !== "string" || !/^(sqlite:.+|memory:|postgres(ql)?:\/\/.+)/s.test(store)) {
    throw say.badArgument(`createRuntime() was given a store that it does not know.
  found     ${typeof store === "string" ? JSON.stringify(store) : typeof store}
  expected  "sqlite:./app.db", "postgres://user@host/database", or "memory:"`);
  }
  if (options.idleAfter !== undefined) milliseconds(options.idleAfter, "idleAfter");
  if (options.grace !== undefined) milliseconds(options.grace, "grace");
  if (options.stallLimit !== undefined) milliseconds(options.stallLimit, "stallLimit");
  checkRetention(options.retention ?? {});
  checkLogAndVersion(options);
  if (typeof namespace !== "string" || namespace === "" || !isShortText(namespace))
    throw say.badArgument(
      `the namespace cannot be stored.\n  found     ${JSON.stringify(namespace)}\n  expected  text of 1 to 512 bytes`,
    );
}

function checkRetention(retention: Partial<Retention>): void {
  const { keys, ended, destroyed, ...bounds } = retention;
  if (keys !== undefined) milliseconds(keys, "retention.keys");
  lifetimesOf({ ended, destroyed });
  refuseUnknown(bounds, ["deltas", "deltaBytes", "ended", "destroyed"], "retention");
  for (const [bound, value] of Object.entries(bounds)) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) continue;
    throw say.badArgument(`retention.${bound} bounds nothing.
  found     ${say.shown(value)}
  expected  an integer from 0`);
  }
}

/** How long what is over stays, in milliseconds; none: for good. */
export function lifetimesOf(retention: {
  readonly ended?: Duration | undefined;
  readonly destroyed?: Duration | undefined;
}): {
  ended?: number;
  destroyed: number;
} {
  const { ended, destroyed = "30d" } = retention;
  return {
    ...(ended === undefined ? {} : { ended: milliseconds(ended, "retention.ended") }),
    destroyed: milliseconds(destroyed, "retention.destroyed"),
  };
}

function checkLogAndVersion({ codeVersion, logger }: RuntimeOptions): void {
  if (codeVersion !== undefined && (typeof codeVersion !== "string" || !isShortText(codeVersion))) {
    throw say.badArgument(`codeVersion cannot be stored.
  found     ${say.shown(codeVersion)}
  expected  text of at most 512 bytes that names the code, such as a commit`);
  }
  const missing = LEVELS.find((level) => logger !== undefined && typeof logger?.[level] !== "function");
  if (missing !== undefined) {
    throw say.badArgument(`the logger cannot log.
  found     no function \`${missing}\`
  expected  ${LEVELS.join(", ")}: (fields: object, message: string) => void`);
  }
}

export function checkLimits(limits: Partial<Limits>): Limits {
  refuseUnknown(limits, Object.keys(LIMITS), "limits");
  for (const [limit, value] of Object.entries(limits)) {
    const most = MOST[limit as keyof Limits];
    if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most) continue;
    throw say.badArgument(`the limit ${limit} cannot be kept.
  found     ${String(value)}
  expected  ${limit.endsWith("Bytes") ? "a number of bytes" : "a count"} from 1 to ${most}`);
  }
  return { ...LIMITS, ...limits };
}
